"""Seeded whole trials, written as rows: sites, levels, replacements, exits, events and counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.domain.escalation_rules import DecisionAction
from app.domain.vocabulary import CohortPhase
from app.models import Cohort, Enrolment, Principal, Site, Subject
from app.services.access import Actor
from app.services.protocols import active_protocol
from tests.conftest import NOW, Api, TestClock
from tests.factories.ladder import put_into_force
from tests.factories.people import set_up_site
from tests.factories.rows import move_to, writing
from tests.recomputation.conduct import answer, ask, receive, seen, wait
from tests.recomputation.courses import Course, exits, infusions, leave, screen_failure
from tests.recomputation.histories import care, counts, events

TODAY = date(2026, 6, 8)
PLANNED = {"A": 1, "B": 2, "C": 4}
PLACES = (("A", "escalation", 7), ("B", "escalation", 5), ("C", "escalation", 4))
EXPANSION = ("C", "expansion", 3)
DECISIONS = (
    (DecisionAction.ESCALATE, "B"),
    (DecisionAction.ESCALATE, "C"),
    (DecisionAction.OPEN_EXPANSION, "C"),
)


@dataclass
class Trial:
    """What a trial is written with: chance, the day it is seen on, and who writes."""

    random: Random
    chance: Random
    today: date
    days: int
    session: AsyncSession
    actor: Actor
    sites: list[UUID]
    version_id: UUID
    people: list[UUID]
    subjects: list[UUID] = field(default_factory=list)
    messages: list[UUID] = field(default_factory=list)
    changes: list[tuple[Any, dict[str, Any]]] = field(default_factory=list)

    def keys(self, subject_id: UUID) -> dict[str, UUID]:
        """Return the keys of a subject's rows."""
        return {"study_id": self.actor.study_id, "subject_id": subject_id}

    def add(self, *rows: Any) -> None:
        """Add rows."""
        self.session.add_all(rows)


async def write_trial(api: Api, clock: TestClock, seed: int, days: int = 190) -> Trial:
    """Write a trial whose first subjects began at most so many days ago."""
    random = Random(seed)
    await set_up_site(api, "02")
    move_to(clock, TODAY)
    for action, level in DECISIONS:
        await put_into_force(api, action, level)
    async with writing(api) as (session, actor):
        study = actor.study_id
        trial = Trial(
            random=random,
            chance=Random(seed + 1),
            today=TODAY,
            days=days,
            session=session,
            actor=actor,
            sites=list(await session.scalars(select(Site.id).where(Site.study_id == study))),
            version_id=(await active_protocol(session, study, NOW)).id,
            people=list(
                await session.scalars(select(Principal.id).where(Principal.study_id == study))
            ),
        )
        trial.messages = await receive(trial)
        for level, phase, number in (*PLACES, EXPANSION):
            await _fill(trial, level, phase, number)
        for _ in range(5):
            await _screen(trial)
        await _die(trial)
        wait(trial)
        await ask(trial)
    await answer(api, trial)
    await _change(api, trial)
    return trial


async def _change(api: Api, trial: Trial) -> None:
    """Retract and correct what the trial decided on, as a later operation."""
    async with writing(api, reason="Corrected from the source.") as (session, actor):
        for written, values in trial.changes:
            row = await session.get(type(written), (actor.study_id, written.id))
            for name, value in values.items():
                setattr(row, name, value)


async def _fill(trial: Trial, level: str, phase: str, number: int) -> None:
    """Enrol and treat so many subjects on a level; the last one may replace the first."""
    cohort = await _cohort(trial, level, phase)
    places: list[Enrolment] = []
    for index in range(number):
        zero = trial.today - timedelta(days=trial.random.randint(2, trial.days))
        subject_id = await _subject(trial, zero)
        replaced = places[0] if index == number - 1 else None
        place = Enrolment(
            **trial.keys(subject_id),
            id=new_id(),
            cohort_id=cohort.id,
            slot=replaced.slot if replaced else index + 1,
            replaces_id=replaced.id if replaced else None,
            protocol_version_id=trial.version_id,
            evidence={},
            evidence_digest="",
        )
        trial.add(place)
        await trial.session.flush()
        places.append(place)
        course = Course(trial, subject_id, level, PLANNED[level], zero)
        infusions(course)
        exits(course)
        counts(course)
        care(course)
        events(course)
        seen(course)
        await trial.session.flush()


async def _cohort(trial: Trial, level: str, phase: str) -> Cohort:
    """Open a cohort; the study begins with the lowest one open."""
    place = {"study_id": trial.actor.study_id, "dose_level": level, "phase": CohortPhase(phase)}
    cohort = await trial.session.scalar(select(Cohort).filter_by(**place))
    if cohort is None:
        cohort = Cohort(**place, id=new_id())
        trial.add(cohort)
        await trial.session.flush()
    return cohort


async def _screen(trial: Trial) -> None:
    """Screen a subject who may fail on something, and may have an event."""
    zero = trial.today - timedelta(days=trial.random.randint(0, trial.days))
    subject_id = await _subject(trial, zero)
    course = Course(trial, subject_id, None, 0, zero)
    screen_failure(course)
    events(course)
    seen(course)
    await trial.session.flush()


async def _die(trial: Trial) -> None:
    """Let somebody die in screening of what nobody recorded."""
    subject_id = await _subject(trial, trial.today)
    leave(Course(trial, subject_id, None, 0, trial.today), "died", trial.today)
    await trial.session.flush()


async def _subject(trial: Trial, zero: date) -> UUID:
    """Register a subject at one of the sites, screened some days before."""
    screening = zero - timedelta(days=trial.random.randint(5, 40))
    subject_id = new_id()
    trial.subjects.append(subject_id)
    trial.add(
        Subject(
            study_id=trial.actor.study_id,
            id=subject_id,
            number=f"S-{len(trial.subjects):03d}",
            site_id=trial.random.choice(trial.sites),
            sex="male",
            birth_year=1980,
            age_at_consent=45,
            consent_date=screening,
            screening_date=screening,
            disease=trial.random.choice(["lymphoma", "multiple_myeloma", "other"]),
            car_t_date=screening - timedelta(days=trial.chance.choice((60, 21, 10, 3))),
            car_t_was_investigational=trial.chance.choice((None, True, False)),
            weight_kg=60,
            planned_first_infusion_date=zero,
        )
    )
    await trial.session.flush()
    return subject_id
