"""Pictures on the wire: which there are, and where each is found as SVG and as its data."""

from __future__ import annotations

from enum import StrEnum

from app.schemas.types import View


class PictureName(StrEnum):
    """The pictures, by the name in their address."""

    LADDER = "ladder"
    ENROLMENT = "enrolment"
    ADVERSE_EVENTS = "adverse-events"
    KAPLAN_MEIER = "kaplan-meier"
    WATERFALL = "waterfall"
    LAB_TRAJECTORIES = "lab-trajectories"
    SWIMMER = "swimmer"


class PictureView(View):
    """One picture: `individual` ones show single subjects, so not everybody may see them.

    `svg` is drawn, `specification` is Vega-Lite with the data; both are addresses on this service.
    """

    name: PictureName
    title: str
    description: str
    individual: bool
    svg: str
    specification: str


class PictureList(View):
    """The pictures that the caller may see."""

    items: list[PictureView]
