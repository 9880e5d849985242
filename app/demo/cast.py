"""Who takes part in the demonstration and what happens to each, in the order of screening."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Course(StrEnum):
    """How a subject's blood counts go after the infusions."""

    NO_RESPONSE = "no_response"
    PLATELETS = "platelets"
    NEUTROPHILS = "neutrophils"
    COMPLETE = "complete"
    LATE = "late"


class Failure(StrEnum):
    """Why a screened person is not eligible."""

    CREATININE = "creatinine"
    COUNTS_RECOVERED = "counts_recovered"
    QTCF = "qtcf"


@dataclass(frozen=True, slots=True)
class Event:
    """An adverse event: days after the first infusion, and the verdict if it may be a DLT."""

    term: str
    grade: int
    day: int
    days_long: int
    causality: str = "possible"
    serious: bool = False
    is_dlt: bool | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One person's part; `first_day` counts from the first day of the trial."""

    number: int
    first_day: int
    level: str | None = None
    course: Course = Course.NO_RESPONSE
    failure: Failure | None = None
    events: tuple[Event, ...] = ()
    platelet_transfusions: tuple[int, ...] = ()
    red_cell_transfusions: tuple[int, ...] = ()
    withdraws_on: int | None = None
    corrected: bool = False
    sex: str = field(default="female")


_CHILLS = Event("Chills", 1, 0, 1, "probable")
_FEVER = Event("Fever", 1, 1, 1)
_REACTION = Event("Infusion related reaction", 2, 7, 1, "probable")

GROUP_A = (
    Part(1, 0, "A", Course.NO_RESPONSE, events=(_FEVER,), sex="male"),
    Part(2, 7, failure=Failure.CREATININE),
    Part(3, 14, "A", Course.NO_RESPONSE, withdraws_on=10),
    Part(4, 16, "A", Course.PLATELETS, events=(Event("Nausea", 1, 2, 3, "unlikely"),), sex="male"),
    Part(5, 20, failure=Failure.COUNTS_RECOVERED, sex="male"),
    Part(6, 28, "A", Course.COMPLETE, corrected=True),
)
GROUP_B_FIRST = (
    Part(7, 63, "B", Course.NEUTROPHILS, events=(_CHILLS, _REACTION)),
    Part(
        8, 77, "B", Course.NO_RESPONSE,
        events=(Event("Thromboembolic event", 3, 12, 20, "possible", True, is_dlt=True),),
        sex="male",
    ),
    Part(
        9, 79, "B", Course.PLATELETS,
        platelet_transfusions=(12, 18, 25, 32, 39, 46, 53, 60),
        red_cell_transfusions=(20,),
    ),
)  # fmt: skip
GROUP_B_SECOND = (
    Part(10, 119, "B", Course.COMPLETE, events=(_FEVER,), sex="male"),
    Part(
        11, 121, "B", Course.PLATELETS,
        events=(Event("Lung infection", 3, 15, 14, "possible", True, is_dlt=False),),
    ),
    Part(12, 123, "B", Course.LATE, sex="male"),
)  # fmt: skip
GROUP_C = (
    Part(13, 161, "C", Course.COMPLETE, events=(_CHILLS,)),
    Part(14, 175, "C", Course.PLATELETS, events=(_REACTION,), sex="male"),
    Part(15, 177, "C", Course.NEUTROPHILS),
)
EXPANSION = (
    Part(16, 228, failure=Failure.QTCF, sex="male"),
    Part(17, 230, "C", Course.COMPLETE),
    Part(18, 232, "C", Course.PLATELETS, events=(_FEVER,), sex="male"),
    Part(19, 234, "C", Course.NO_RESPONSE, platelet_transfusions=(30, 44)),
    Part(20, 245, "C", Course.COMPLETE, events=(_CHILLS,), sex="male"),
    Part(21, 247, "C", Course.NEUTROPHILS),
    Part(22, 249, "C", Course.LATE, events=(Event("Headache", 1, 3, 2, "unlikely"),), sex="male"),
)

# Nothing is recorded after this day of the trial, so that all of it lies in the past.
DATA_CUT_DAY = 400
