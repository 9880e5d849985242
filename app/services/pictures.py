"""Pictures: which somebody may see, and each as a specification of what the metrics count."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import awake
from app.domain.metric_subject import MetricSubject
from app.pictures.style import Spec
from app.schemas.pictures import PictureList, PictureName, PictureView
from app.services.access import Actor
from app.services.escalation import read_escalation
from app.services.metric_store import MetricStudy
from app.services.picture_catalogue import PICTURES
from app.services.pictures_of_study import (
    specify_adverse_events,
    specify_enrolment,
    specify_kaplan_meier,
    specify_ladder,
)
from app.services.pictures_of_subjects import (
    specify_lab_trajectories,
    specify_swimmer,
    specify_waterfall,
)
from app.services.role_matrix import Area, Right, allows

_OF_STUDY: Mapping[PictureName, Callable[[MetricStudy], Spec]] = {
    PictureName.ENROLMENT: specify_enrolment,
    PictureName.ADVERSE_EVENTS: specify_adverse_events,
    PictureName.KAPLAN_MEIER: specify_kaplan_meier,
}
_OF_SUBJECTS: Mapping[PictureName, Callable[[MetricStudy, Iterable[MetricSubject]], Spec]] = {
    PictureName.WATERFALL: specify_waterfall,
    PictureName.LAB_TRAJECTORIES: specify_lab_trajectories,
    PictureName.SWIMMER: specify_swimmer,
}


def area_of(name: PictureName) -> Area:
    """Name the area that a reader of a picture needs the right to read in."""
    return Area.RESPONSE if PICTURES[name].individual else Area.METRICS


def list_pictures(actor: Actor, address: str) -> PictureList:
    """List the pictures that the actor may see, each below the address of the study's metrics."""
    return PictureList(
        items=[
            PictureView(
                name=name,
                title=kind.title,
                description=kind.description,
                individual=kind.individual,
                svg=f"{address}/{name}.svg",
                specification=f"{address}/{name}.vl.json",
            )
            for name, kind in PICTURES.items()
            if _may_read(actor, area_of(name))
        ]
    )


async def specify(
    session: AsyncSession, actor: Actor, study: MetricStudy, name: PictureName
) -> Spec:
    """Return a picture as a Vega-Lite specification with its data.

    Single subjects are those of the actor's sites. A thread draws, while others are served.
    """
    if name is PictureName.LADDER:
        ladder = await read_escalation(session, actor, study.at, study.past)
        return specify_ladder(study, ladder, _may_read(actor, Area.ESCALATION))
    if name in _OF_STUDY:
        return await awake(session, asyncio.to_thread(_OF_STUDY[name], study))
    shown = [subject for subject in study.subjects if actor.sees(UUID(subject.site_id))]
    return await awake(session, asyncio.to_thread(_OF_SUBJECTS[name], study, shown))


def _may_read(actor: Actor, area: Area) -> bool:
    return any(allows(role, area, Right.READ) for role in actor.roles)
