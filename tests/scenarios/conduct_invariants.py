"""What holds after every step of a trial, held against the records and against the step before."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.factories.conduct import Team
from tests.scenarios.conduct_oracle import (
    COHORT,
    FULL,
    LEVELS,
    Records,
    Standing,
    courses,
    standings,
    tally,
)
from tests.scenarios.conduct_table import (
    Counts,
    State,
    ceiling_of,
    doubtful,
    held,
    may_dose,
    next_action,
    replayed,
)


@dataclass
class Watch:
    """What was seen of a trial so far; `kept` are answers that have to be given again."""

    team: Team
    seen: dict[str, dict[str, Any]] = field(default_factory=dict)
    kept: list[tuple[datetime, bytes]] = field(default_factory=list)
    records: Records = field(default_factory=dict)
    state: State = field(default_factory=State)
    counts: Counts = field(default_factory=dict)
    subjects: dict[str, Standing] = field(default_factory=dict)

    def recompute(self) -> None:
        """Draw the ladder from the exported records alone."""
        self.records = self.team.export()
        self.state = replayed(self.records)
        self.subjects = standings(self.records, self.team.today)
        self.counts = {level: tally(level, self.subjects.values()) for level in LEVELS}

    def has_room(self) -> bool:
        """Tell whether the table gives a place now."""
        return next_action(self.counts, self.state, self.records) == "enrol"

    def may_dose(self, level: str) -> bool:
        """Tell whether anybody may be dosed on a level now."""
        return may_dose(level, self.counts, self.state, self.records)

    def free_slots(self, level: str) -> int:
        """Count the places that a level has left."""
        capacity = FULL if level in self.state.expanded else COHORT
        return capacity - held(self.counts[level])

    def waiting(self, subject_id: str) -> dict[str, Any] | None:
        """Find an infusion that is ordered and neither given nor cancelled."""
        for row in self.records["infusion"]:
            if row["subject_id"] == subject_id and not row["started_at"] and not row["cancelled"]:
                return row
        return None

    def is_to_come(self, subject_id: str) -> bool:
        """Tell whether an infusion of a subject is still to be given."""
        return courses(self.records)[subject_id].to_come > 0

    def first_infusion(self, subject_id: str) -> datetime | None:
        """Return when the first infusion of a subject began."""
        begun = courses(self.records)[subject_id].begun
        return datetime.fromisoformat(begun[0]["started_at"]) if begun else None

    def look(self) -> None:
        """Check everything after a step."""
        self.recompute()
        self.bags_are_used_once()
        self.places_are_not_exceeded()
        self.the_ladder_follows_from_the_records()
        self.nobody_is_lost_silently()
        self.team.changed.clear()

    def bags_are_used_once(self) -> None:
        """No bag is infused twice, nor held by two infusions."""
        used = {
            (step["bag_id"], step["infusion_id"])
            for step in self.records["bag_movement"]
            if step["step"] == "infused"
        }
        twice = [bag for bag, times in Counter(bag for bag, _ in used).items() if times > 1]
        assert twice == [], f"infused twice: {twice}"
        begun = {row["id"] for row in self.records["infusion"] if row["started_at"]}
        holding = {
            row["infusion_id"] for row in self.records["product_bag"] if row["status"] == "infused"
        }
        assert {infusion for _, infusion in used} == holding <= begun

    def places_are_not_exceeded(self) -> None:
        """Beside replacements nobody has a place beyond those that decisions have opened."""
        levels = {row["id"]: row["dose_level"] for row in self.records["cohort"]}
        replaced = [x["replaces_id"] for x in self.records["enrolment"] if x["replaces_id"]]
        assert len(replaced) == len(set(replaced))
        first = [x for x in self.records["enrolment"] if not x["replaces_id"]]
        for level, taken in Counter(levels[x["cohort_id"]] for x in first).items():
            assert level in self.state.opened
            assert taken <= (FULL if level in self.state.expanded else COHORT), (level, taken)

    def the_ladder_follows_from_the_records(self) -> None:
        """Counts, blocked levels and the next step are those of the independent table."""
        ladder = self.team.ladder()
        shut = min(ceiling_of(self.counts, self.state), doubtful(self.counts))
        for place, level in enumerate(ladder["ladder"]):
            mine = self.counts[level["level"]]
            shown = {name: level["tally"][name] for name in mine}
            assert shown == mine, f"counts of level {level['level']}: {shown}, not {mine}"
            assert level["dosing_blocked"] is not self.may_dose(level["level"])
            assert level["dosing_blocked"] or place < shut
        assert ladder["recommendation"] == next_action(self.counts, self.state, self.records)
        known = ladder["state"]
        assert (known["open_level"], known["on_hold"], known["stopped"], known["declared_mtd"]) == (
            self.state.open_level,
            self.state.on_hold,
            self.state.stopped,
            self.state.mtd,
        )
        assert (ladder["slots_open_now"] > 0) is self.has_room()

    def nobody_is_lost_silently(self) -> None:
        """Whoever counted, counts; a window that closed stays so: unless a record of theirs moved.

        The API's own words on each subject are held against the recomputation on the way.
        """
        found = {}
        for cohort in self.team.ask("GET", "/cohorts").json()["items"]:
            for subject in cohort["subjects"]:
                key = subject["subject_id"]
                mine = self.subjects[key]
                end = None if subject["window_end_projected"] else subject["window_end"]
                assert (subject["state"], subject["has_dlt"], subject["open_items"], end) == (
                    mine.state,
                    mine.has_dlt,
                    mine.open_items,
                    mine.window_end and mine.window_end.isoformat(),
                )
                is_over = end is not None and end < self.team.today.isoformat()
                found[key] = {"counts": mine.state == "evaluable", "is_over": is_over}
        assert found.keys() == self.subjects.keys()
        for key, before in self.seen.items():
            if key not in self.team.changed:
                assert found[key]["counts"] or not before["counts"], key
                assert found[key]["is_over"] or not before["is_over"], key
        self.seen = found

    def keep(self) -> None:
        """Keep what is answered about this moment."""
        moment = datetime.now(UTC)
        self.kept.append((moment, self.team.in_hindsight(moment)))

    def compare(self) -> None:
        """Ask again about every moment that was kept: the answers are the same, byte by byte."""
        for moment, answer in self.kept:
            same = self.team.in_hindsight(moment) == answer
            assert same, f"another answer about {moment} than was given then"
