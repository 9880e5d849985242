"""Reads exported records back, each subject with all that belongs to it."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

Row = dict[str, Any]


@dataclass(frozen=True)
class Clock:
    """The study's calendar: which local day an instant falls on, and which day it is."""

    zone: ZoneInfo
    at: datetime

    @property
    def today(self) -> date:
        """The study day of the moment that was exported."""
        return self.at.astimezone(self.zone).date()

    def day(self, instant: str | None) -> date | None:
        """Give the local day of an instant."""
        return None if instant is None else self.sure_day(instant)

    def sure_day(self, instant: str) -> date:
        """Give the local day of an instant that is there."""
        return moment(instant).astimezone(self.zone).date()


def moment(instant: str) -> datetime:
    """Read an instant."""
    return datetime.fromisoformat(instant)


def as_date(text: str) -> date:
    """Read a day."""
    return date.fromisoformat(text)


def number(value: Any) -> Decimal:
    """Read a measured value digit for digit."""
    return value if isinstance(value, Decimal) else Decimal(str(value))


@dataclass(frozen=True)
class Subject:
    """One subject and all its records; retracted ones are left out.

    `labs` are the versions that count, `results` all, in the order of recording.
    """

    record: Row
    clock: Clock
    place: Row | None
    enrolled_on: date | None
    infusions: list[Row]
    labs: list[Row]
    results: list[Row]
    transfusions: list[Row]
    medications: list[Row]
    events: list[Row]
    exits: list[Row]
    criteria: list[Row]
    assessments: list[Row]
    cancelled_on: dict[str, date]

    @property
    def level(self) -> str | None:
        """The dose level that the subject was enrolled at."""
        return self.place["level"] if self.place else None

    @cached_property
    def departures(self) -> list[tuple[date, str]]:
        """Every recorded exit by day; a fatal event is a death until the death is recorded."""
        found = [(as_date(each["event_date"]), each["event"]) for each in self.exits]
        if not any(event == "died" for _, event in found):
            deaths = [
                self.clock.sure_day(each["ended_at"] or each["onset_at"])
                for each in self.events
                if each["grade"] == 5
            ]
            found += [(min(deaths), "died")] if deaths else []
        return sorted(found)


@dataclass(frozen=True)
class Study:
    """The whole export."""

    protocol: Row
    clock: Clock
    subjects: list[Subject]
    queries: list[Row]
    inbox: list[Row]

    @property
    def rules(self) -> Row:
        """The protocol definition."""
        found: Row = self.protocol["definition"]
        return found

    @property
    def levels(self) -> list[Row]:
        """The dose levels, the lowest first."""
        found: list[Row] = self.rules["dosing"]["levels"]
        return found

    def level(self, name: str) -> Row:
        """Find a dose level."""
        return next(each for each in self.levels if each["name"] == name)


def read_table(folder: Path, name: str) -> list[Row]:
    """Read one file of the export, numbers digit for digit."""
    text = (folder / f"{name}.ndjson").read_text(encoding="utf-8")
    return [json.loads(line, parse_float=Decimal) for line in text.splitlines()]


def read_study(folder: Path) -> Study:
    """Read an export."""
    (protocol,) = read_table(folder, "protocol")
    clock = Clock(ZoneInfo(protocol["definition"]["study"]["time_zone"]), moment(protocol["as_of"]))
    owned = _Owned(folder)
    places = _places(folder)
    subjects = [
        _subject(record, clock, places.get(record["id"]), owned)
        for record in read_table(folder, "subjects")
    ]
    subjects.sort(key=lambda each: each.record["id"])
    return Study(
        protocol, clock, subjects, read_table(folder, "queries"), read_table(folder, "inbox")
    )


class _Owned:
    """Rows by the subject that they belong to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tables: dict[str, dict[str, list[Row]]] = {}

    def of(self, subject_id: str, name: str, key: str = "subject_id") -> list[Row]:
        """List what one table has of a subject."""
        if name not in self._tables:
            table = defaultdict(list)
            for row in read_table(self._folder, name):
                if not row.get("retracted"):
                    table[row[key]].append(row)
            self._tables[name] = table
        return self._tables[name][subject_id]


def _subject(record: Row, clock: Clock, place: Row | None, owned: _Owned) -> Subject:
    id_ = record["id"]
    timeline, labs = owned.of(id_, "timeline", "owner_id"), owned.of(id_, "labs")
    begun = [x for x in timeline if x["kind"] == "enrolment"]
    cancelled = [x for x in timeline if x["kind"] == "infusion_cancelled"]
    events = [
        event | {"adjudications": owned.of(event["id"], "dlt-adjudications", "adverse_event_id")}
        for event in owned.of(id_, "adverse-events")
    ]
    eligibility = owned.of(id_, "eligibility", "owner_id")
    return Subject(
        record=record,
        clock=clock,
        place=place,
        enrolled_on=as_date(begun[0]["day"]) if begun else None,
        infusions=owned.of(id_, "infusions"),
        labs=[row for row in labs if row["is_current"]],
        results=labs,
        transfusions=owned.of(id_, "transfusions"),
        medications=owned.of(id_, "concomitant-medications"),
        events=events,
        exits=owned.of(id_, "disposition"),
        criteria=[criterion for row in eligibility for criterion in row["criteria"]],
        assessments=owned.of(id_, "assessments"),
        cancelled_on={each["record_id"]: as_date(each["day"]) for each in cancelled},
    )


def _places(folder: Path) -> dict[str, Row]:
    """Give every enrolled subject's place: level, phase, and whose place it took."""
    return {
        member["subject_id"]: {
            "level": cohort["dose_level"],
            "phase": cohort["phase"],
            "enrolment_id": member["enrolment_id"],
            "replaces_id": member["replaces_id"],
        }
        for cohort in read_table(folder, "cohorts")
        for member in cohort["subjects"]
    }
