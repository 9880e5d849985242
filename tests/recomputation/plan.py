"""What a subject is expected for, planned again from the protocol's table of visits.

Infusions follow one another by the level's interval (C10); visits follow the last infusion (C11).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from tests.recomputation.counts import USABLE
from tests.recomputation.records import Row, Study, Subject, as_date, number

# Exits after which the subject is still seen.
STAYS = ("withdrew_treatment", "relapse_or_new_therapy", "pregnancy")


@dataclass(frozen=True)
class Item:
    """One infusion or visit as it stands; the first infusion has no window."""

    kind: str
    name: str
    target: date | None
    window: tuple[date, date] | None
    status: str

    def stands(self, today: date) -> str:
        """Name the status as people see it: what is due is overdue after its target day."""
        late = self.status == "due" and self.target is not None and self.target < today
        return "overdue" if late else self.status


@dataclass(frozen=True)
class Plan:
    """All that a subject is expected for; `last` is the infusion that visits count from."""

    infusions: list[Item]
    visits: list[Item]
    last: date | None
    seen: dict[date, bool]
    left: date | None

    @property
    def items(self) -> list[Item]:
        """Infusions, then visits."""
        return [*self.infusions, *self.visits]

    def counted(self, visit: Item) -> bool:
        """Tell whether a complete blood count was taken in the window of a visit."""
        start, end = visit.window or (date.max, date.min)
        return any(start <= day <= end for day, complete in self.seen.items() if complete)


def make_plan(subject: Subject, study: Study, wider: int = 0) -> Plan:
    """Plan a subject's course; `wider` days on each side of a visit are a planted mistake."""
    infusions = _infusions(subject, study)
    last, projected = _last(infusions, subject)
    seen = _seen(subject, study)
    left = min((day for day, event in subject.departures if event not in STAYS), default=None)
    visits: list[Item] = []
    if last is not None:
        table = [
            offset | {"window_days": offset["window_days"] + wider}
            for offset in study.rules["schedule"]["visits"]["offsets"]
        ]
        matched = {} if projected else _matched(last, seen, table)
        for offset in table:
            target = last + timedelta(days=offset["target_day"])
            window = _around(target, offset["window_days"])
            status = "upcoming"
            if not projected:
                status = _visit(window, matched.get(offset["name"]), left, study.clock.today)
            visits.append(Item("visit", offset["name"], target, window, status))
    return Plan(infusions, visits, last, seen, left)


def _around(target: date, days: int) -> tuple[date, date]:
    return target - timedelta(days=days), target + timedelta(days=days)


def _infusions(subject: Subject, study: Study) -> list[Item]:
    """Chain the infusions: each follows the one before it, given or still to come."""
    if subject.level is None:
        return []
    level, clock = study.level(subject.level), study.clock
    records = {each["number"]: each for each in subject.infusions}
    # Whoever was begun in vain is infused once more.
    in_vain = sum(each["cancelled"] and each["started_at"] is not None for each in records.values())
    planned = subject.record["planned_first_infusion_date"]
    before: date | None = None
    found = []
    for place in range(1, max([level["planned_infusions"] + in_vain, *records]) + 1):
        record, window = records.get(place), None
        if before is not None:
            target: date | None = before + timedelta(days=level["interval_days"])
            window = _around(
                before + timedelta(days=level["interval_days"]),
                study.rules["schedule"]["infusion_window_days"],
            )
        else:
            text = record["planned_date"] if record else planned
            target = as_date(text) if text else None
        given = clock.day(record["started_at"]) if record and not record["cancelled"] else None
        status = _taken(given, window) or _called_off(record, window, subject)
        status = status or _awaited(target, window, clock.today)
        found.append(Item("infusion", str(place), target, window, status))
        if status != "cancelled":
            before = given or target
    return found


def _taken(given: date | None, window: tuple[date, date] | None) -> str | None:
    if given is None:
        return None
    return "done" if window is None or window[0] <= given <= window[1] else "out_of_window"


def _called_off(
    record: Row | None, window: tuple[date, date] | None, subject: Subject
) -> str | None:
    """Tell whether it was cancelled in time, begun in vain, or the treatment had ended."""
    end = window[1] if window else date.max
    if record and record["cancelled"]:
        on = subject.cancelled_on.get(record["id"])
        if record["started_at"] is not None or on is None or on <= end:
            return "cancelled"
    return "cancelled" if subject.departures and subject.departures[0][0] <= end else None


def _awaited(target: date | None, window: tuple[date, date] | None, today: date) -> str:
    opens = window[0] if window else target
    if window and today > window[1]:
        return "missed"
    return "due" if opens is not None and opens <= today else "upcoming"


def _last(infusions: list[Item], subject: Subject) -> tuple[date | None, bool]:
    """Give the day that visits count from, and whether that infusion is still to come."""
    to_come = [each for each in infusions if each.status in ("due", "upcoming")]
    if to_come:
        return to_come[-1].target, True
    entered = [
        subject.clock.sure_day(each["started_at"])
        for each in subject.infusions
        if each["started_at"] is not None
        and (each["volume_ml"] is None or number(each["volume_ml"]) > 0)
    ]
    return max(entered, default=None), False


def _seen(subject: Subject, study: Study) -> dict[date, bool]:
    """List the days on which the subject was seen, and whether a whole blood count was taken."""
    rules = study.rules["schedule"]["visits"]
    counted: dict[date, set[str]] = {
        study.clock.sure_day(each["performed_at"]): set()
        for each in subject.assessments
        if each["kind"] in rules["assessments"]
    }
    for each in subject.labs:
        usable = each["status"] in USABLE and each["value"] is not None
        if usable and each["analyte"] in rules["cbc_analytes"]:
            day = study.clock.sure_day(each["collected_at"])
            counted.setdefault(day, set()).add(each["analyte"])
    return {day: found == set(rules["cbc_analytes"]) for day, found in counted.items()}


def _matched(last: date, seen: dict[date, bool], table: list[Row]) -> dict[str, date]:
    """Give every day to its nearest visit, and every visit the nearest of its days.

    A visit in whose window the day lies comes first, then the nearer, then the earlier one. Days
    nearer to the infusion itself are no visit, nor are those beyond the last one by more than half
    of what parts it from the one before.
    """
    days = [each["target_day"] for each in table]
    bounds = [0, 2 * days[-1] - days[-2] if len(days) > 1 else 2 * days[-1]]
    contacts = table + [{"name": None, "target_day": x, "window_days": 0} for x in bounds]
    best: dict[str, date] = {}
    for day in sorted(seen):
        offset = (day - last).days
        if offset < 1:
            continue
        ranked = [
            (away > each["window_days"], away, each["target_day"], each["name"])
            for each in contacts
            for away in [abs(offset - each["target_day"])]
        ]
        _, away, target_day, name = min(ranked, key=lambda rank: rank[:3])
        if name is not None:
            target = last + timedelta(days=target_day)
            if name not in best or away < abs((best[name] - target).days):
                best[name] = day
    return best


def _visit(window: tuple[date, date], seen: date | None, left: date | None, today: date) -> str:
    """Say what became of a visit by today."""
    start, end = window
    if seen is not None and start <= seen <= end:
        return "done"
    if left is not None and left <= end:
        return "cancelled"
    if today <= end:
        return "due" if start <= today else "upcoming"
    return "missed" if seen is None else "out_of_window"
