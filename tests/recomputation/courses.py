"""How a subject of a seeded trial is treated, and how it leaves."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from app.core.ids import new_id
from app.domain.result_versions import standing
from app.domain.vocabulary import LabStatus
from app.models import Disposition, Infusion, LabResult
from tests.factories.dosing import CELLS, VOLUME_ML
from tests.factories.rows import at
from tests.recomputation.conduct import arrival

if TYPE_CHECKING:
    from tests.recomputation.trials import Trial

EXITS = (
    "withdrew_consent", "lost_to_follow_up", "died", "relapse_or_new_therapy",
    "investigator_decision", "sponsor_decision", "withdrew_treatment", "pregnancy", "completed",
)  # fmt: skip
# Analyte, unit, value and upper limit of results that screening fails on, or nearly does.
FAILING = (
    ("CREA", "umol/L", "150", "100"), ("CREA", "umol/L", "149.9", "100"),
    ("ALT", "U/L", "120", "40"), ("TBIL", "umol/L", "30", "20"), ("HBA1C", "%", "9.0", None),
    ("HBA1C", "%", "9.1", None), ("ANC", "10*9/L", "1.0", None),
)  # fmt: skip


@dataclass
class Course:
    """One subject on its way: `last` is the day of the last infusion, `until` that of the exit."""

    trial: Trial
    subject_id: UUID
    level: str | None
    planned: int
    zero: date
    last: date | None = None
    until: date | None = None
    left: str | None = None
    died_on: date | None = None
    given_on: list[date] = field(default_factory=list)

    def lab(self, analyte: str, unit: str, value: str, on: date, **more: Any) -> LabResult:
        """Write a result of a day, at an hour of chance unless one is named."""
        hour = more.pop("hour", None)
        collected = at(on, self.trial.random.randint(0, 23) if hour is None else hour)
        collected += timedelta(minutes=self.trial.random.randint(0, 59) if hour is None else 0)
        id_ = new_id()
        content = {
            "result_id": id_,
            "source": "manual",
            "specimen": f"{collected.isoformat()} {id_}",
            "status": "final",
            "stated_at": collected,
            "standing": 2,
            "value": Decimal(value),
            "unit": unit,
        }
        keys = self.trial.keys(self.subject_id)
        content |= arrival(self.trial, collected) | more
        row = LabResult(**keys, id=id_, analyte=analyte, collected_at=collected, **content)
        self.trial.add(row)
        return row

    def correct(self, row: LabResult, status: str, value: str) -> None:
        """Write a later version of a result."""
        said = row.stated_at + timedelta(hours=3)
        columns = ("result_id", "source", "specimen", "analyte", "collected_at", "unit")
        self.trial.add(
            LabResult(
                **self.trial.keys(self.subject_id),
                **{name: getattr(row, name) for name in columns},
                id=new_id(),
                result_version=2,
                status=status,
                stated_at=said,
                standing=standing(LabStatus(status)),
                value=Decimal(value),
                recorded_at=row.recorded_at + timedelta(hours=self.trial.chance.randint(3, 50)),
                reason="Corrected from the source.",
            )
        )


def infusions(course: Course) -> None:
    """Give the planned infusions, some late, some incomplete, some not at all."""
    random, day = course.trial.random, course.zero
    number = 0
    for place in range(course.planned):
        if day > course.trial.today or (place and random.random() < 0.06):
            break
        kind = random.choices(
            ("full", "empty", "void", "unrecorded", "uncounted", "low", "nearly", "cancelled"),
            (78, 2, 6, 4, 4, 3, 3, 3),
        )[0]
        if kind == "cancelled" and day + timedelta(days=2) >= course.trial.today:
            # Rows are recorded by the database's clock: a cancellation is known later than that.
            kind = "full"
        number += 1
        _infuse(course, number, day, kind)
        if kind == "void" and random.random() < 0.8:
            number, day = number + 1, day + timedelta(days=1)
            _infuse(course, number, day, "full")
        day += timedelta(days=random.choice((6, 7, 7, 7, 8, 9)))


def _infuse(course: Course, number: int, day: date, kind: str) -> None:
    if day > course.trial.today:
        return
    random = course.trial.random
    started = at(day, random.randint(7, 22))
    volumes = {"empty": Decimal(0), "void": Decimal(0), "unrecorded": None}
    cells = {
        "empty": None,
        "void": None,
        "unrecorded": None,
        "uncounted": None,
        "low": CELLS * Decimal("0.79"),
        "nearly": CELLS * Decimal("0.9"),
    }
    begun = {
        "premedication_drug": "dexamethasone",
        "premedication_dose_mg": 5,
        "premedication_at": started - timedelta(minutes=30),
        "started_at": started,
        "volume_ml": volumes.get(kind, VOLUME_ML),
        "cells": cells.get(kind, CELLS),
    }
    course.trial.add(
        Infusion(
            **course.trial.keys(course.subject_id),
            id=new_id(),
            number=number,
            dose_level=course.level,
            planned_date=day,
            weight_kg=60,
            planned_cells=CELLS,
            planned_volume_ml=VOLUME_ML,
            planned_bags=2,
            prescribed_by=course.trial.actor.principal_id,
            cancelled=kind in ("cancelled", "void"),
            **({} if kind == "cancelled" else begun),
        )
    )
    if kind not in ("cancelled", "void", "empty"):
        course.given_on.append(day)
        course.last = day


def exits(course: Course) -> None:
    """Let some subjects leave, on a day since their last infusion."""
    random, today = course.trial.random, course.trial.today
    if random.random() < 0.6:
        return
    earliest = course.last or course.zero
    if earliest > today:
        return
    event = random.choice(EXITS)
    day = earliest + timedelta(days=random.randint(0, (today - earliest).days))
    if event == "completed" and (day - earliest).days < 161:
        event = "withdrew_treatment"
    leave(course, event, day)


def leave(course: Course, event: str, day: date) -> None:
    """Record an exit; of some subjects one more was recorded by mistake."""
    course.left, course.until = event, day
    if event == "died":
        course.died_on = day
    keys = course.trial.keys(course.subject_id)
    rows = [Disposition(**keys, id=new_id(), event=event, event_date=day, reason="Left.")]
    if course.trial.random.random() < 0.3:
        wrong = "pregnancy" if event != "pregnancy" else "relapse_or_new_therapy"
        mistaken = Disposition(**keys, id=new_id(), event=wrong, event_date=day, reason="Not so.")
        course.trial.changes.append((mistaken, {"retracted": True}))
        rows.append(mistaken)
    course.trial.add(*rows)


def screen_failure(course: Course) -> None:
    """Give a screened subject a result at a limit; most of them fail screening."""
    random = course.trial.random
    for analyte, unit, value, upper in random.sample(FAILING, 3):
        limit = None if upper is None else Decimal(upper)
        course.lab(analyte, unit, value, course.zero - timedelta(days=3), uln=limit)
    if random.random() < 0.75:
        leave(course, "screen_failed", course.zero)
