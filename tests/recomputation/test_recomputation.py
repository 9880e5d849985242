"""Every number of the metrics equals its recomputation from the exported records."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from app.domain.vocabulary import Role
from tests.conftest import TestClock, clients, rolled_back, serving_inside
from tests.factories.rows import move_to
from tests.recomputation.efficacy import efficacy
from tests.recomputation.enrolment import enrolment
from tests.recomputation.export import export_study
from tests.recomputation.grades import MISSING, grade
from tests.recomputation.laboratory import laboratory
from tests.recomputation.metrics import FAMILIES, basis, differences, leaves, recompute, value_at
from tests.recomputation.operations import KINDS, STATUSES, Mistakes, operations
from tests.recomputation.plan import make_plan
from tests.recomputation.questions import CLASSES, RULES, Case, questions
from tests.recomputation.records import Study, read_study
from tests.recomputation.safety import safety
from tests.recomputation.trials import TODAY, write_trial

ROOT = Path(__file__).resolve().parents[2]
# Chance, and how many days ago the first subjects began: a trial at its start, midway, and late.
TRIALS = {3: 75, 11: 130, 18: 190}
# How many days later the same records are looked at again: more is due, overdue and missed.
LATER = (4, 33)
# A question of a rule whose cause is gone.
ENDED = ("resolved", "closed", "cancelled")


@dataclass(frozen=True)
class Exported:
    """A trial's exported records, and what the service says of them.

    `later` has what it says of its operations when nothing but days have passed.
    """

    folder: Path
    served: dict[str, Any]
    later: dict[int, Any]

    @property
    def study(self) -> Study:
        """Read the records back."""
        return read_study(self.folder)


_EXPORTS: dict[int, Exported] = {}


@pytest.fixture
async def exported(main_database, issuer, tmp_path_factory):
    """Write and export a trial once, whichever test asks for it first, and leave no trace of it."""

    async def one(seed: int) -> Exported:
        if seed not in _EXPORTS:
            clock, folder = TestClock(), tmp_path_factory.mktemp(f"trial-{seed}")
            async with rolled_back(main_database) as database:
                with serving_inside(database, issuer, clock) as app:
                    api = clients(app, issuer, clock)
                    await write_trial(api, clock, seed, TRIALS[seed])
                    _EXPORTS[seed] = await _export(api, clock, folder)
        return _EXPORTS[seed]

    return one


async def _export(api, clock, folder: Path) -> Exported:
    async with api(Role.DATA_MANAGER) as client:
        await export_study(client, folder)
    served = {family: await _served(api, family) for family in FAMILIES}
    later = {}
    for days in LATER:
        move_to(clock, TODAY + timedelta(days=days))
        later[days] = await _served(api, "operations")
    return Exported(folder, served, later)


async def _served(api, family: str) -> Any:
    answer = await api(Role.SPONSOR).get(f"/metrics/{family}")
    assert answer.status_code == 200, answer.text
    return json.loads(answer.text, parse_float=Decimal)


@pytest.mark.parametrize("seed", TRIALS)
async def test_every_number_follows_from_the_exported_records(exported, seed):
    """No leaf differs, none is missing, and the trial has something to count in every family."""
    trial = await exported(seed)
    found = recompute(trial.folder)
    assert {
        family: differences(found[family], served) for family, served in trial.served.items()
    } == {family: [] for family in FAMILIES}
    assert all(len(dict(leaves(served))) > 100 for served in trial.served.values())


@pytest.mark.parametrize("seed", TRIALS)
async def test_operations_follow_on_later_days(exported, seed):
    """The same records on another day: what was due is overdue or missed, and questions age."""
    trial = await exported(seed)
    for days, served in trial.later.items():
        study = later_by(trial.study, days)
        assert differences(operations(study) | basis(study), served) == []


async def test_the_trials_have_something_of_every_kind(exported):
    """Every status, rule, age and standing is met in some trial on some day, so all is compared."""
    trials = [await exported(seed) for seed in TRIALS]
    served = [x for trial in trials for x in (trial.served["operations"], *trial.later.values())]
    met = {
        (row["kind"], status)
        for each in served
        for row in each["worklist"]
        for status, items in row["statuses"].items()
        if items
    }
    assert met == set(product(KINDS, STATUSES))
    rules = sum((Counter(each["queries"]["by_rule"]) for each in served), Counter())
    assert set(+rules) == set(RULES)
    ages = sum((Counter(x["ages"]) for y in served for x in y["queries"]["origins"]), Counter())
    assert set(+ages) == set(CLASSES)
    asked = {(row["origin"], row["status"]) for trial in trials for row in trial.study.queries}
    standings = ("open", "answered", "closed", "cancelled")
    assert asked == {*product(("person", "rule"), standings), ("rule", "resolved")}


@pytest.mark.parametrize("seed", TRIALS)
async def test_every_question_of_a_rule_is_in_the_list_that_people_work_with(exported, seed):
    """Not the numbers alone agree: the same questions, about the same days."""
    study = (await exported(seed)).study
    asked = {
        (subject.record["id"], key): day.isoformat() if day else None
        for subject in study.subjects
        for key, (_, day) in questions(Case(subject, study, make_plan(subject, study))).items()
    }
    listed = {
        (row["subject_id"], row["rule_key"]): row["day"]
        for row in study.queries
        if row["origin"] == "rule"
    }
    stands = {key: day for key, day in listed.items() if key in asked}
    assert stands == asked
    gone = {(row["subject_id"], row["rule_key"]) for row in study.queries if row["status"] in ENDED}
    assert listed.keys() - asked.keys() <= gone


async def test_the_command_prints_what_the_test_compares(exported):
    """`python -m tests.recomputation` needs nothing but the folder, and knows no application."""
    trial = await exported(next(iter(TRIALS)))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "importtime", "-m", "tests.recomputation", str(trial.folder)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    written, complaints = await asyncio.wait_for(process.communicate(), 60)
    printed = json.loads(written, parse_float=Decimal)
    assert printed.keys() == FAMILIES.keys()
    for family, served in trial.served.items():
        assert differences(printed[family], served) == []
    imported = {line.rpartition("|")[2].strip() for line in complaints.decode().splitlines()}
    assert "tests.recomputation.safety" in imported
    assert not {name for name in imported if name.partition(".")[0] in ("app", "httpx", "pytest")}


def later_by(study, days):
    """Look at the same records some days later."""
    return replace(study, clock=replace(study.clock, at=study.clock.at + timedelta(days=days)))


def best(cases):
    """Give the best grade, as nobody should."""
    return min(map(grade, cases), default=MISSING)


# A mistake that somebody could make, and the family in which it must show.
MISTAKES = {
    "a threshold without equality": ("efficacy", lambda study: efficacy(study, strict=True)),
    "six days free of transfusion": ("efficacy", lambda study: efficacy(study, free_days=6)),
    "the grade of today": ("safety", lambda study: safety(study, worst="grade")),
    "one-sided intervals of events": ("safety", lambda study: safety(study, one_sided=True)),
    "one-sided intervals of rates": ("efficacy", lambda study: efficacy(study, one_sided=True)),
    "the best grade for the worst": ("laboratory", lambda study: laboratory(study, choose=best)),
    "a visit window one day wider": (
        "operations", lambda study: operations(study, Mistakes(wider=1))
    ),
    "turnaround of the last version": (
        "operations", lambda study: operations(study, Mistakes(last_version=True))
    ),
    "a settled inbox item counted": (
        "operations", lambda study: operations(study, Mistakes(settled=True))
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_planted_mistake_shows(exported, mistake):
    """Control: recomputed with the mistake, some trial's numbers differ from the service's."""
    family, mistaken = MISTAKES[mistake]
    for seed in TRIALS:
        trial = await exported(seed)
        wrong = differences(mistaken(trial.study), trial.served[family])
        # What says which protocol the numbers belong to is left out here, and so is no finding.
        if [each for each in wrong if not each.startswith(("/study_day", "/protocol"))]:
            return
    pytest.fail(f"Nobody would notice {mistake}.")


async def test_another_record_shows(exported, tmp_path):
    """Control: without one subject, or with one digit changed, the pointers of what moved."""
    trial = await exported(next(iter(TRIALS)))
    for file in trial.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    subjects = (tmp_path / "subjects.ndjson").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "subjects.ndjson").write_text("".join(subjects[1:]), encoding="utf-8")
    moved = differences(enrolment(read_study(tmp_path)), trial.served["enrolment"])
    screened = trial.served["enrolment"]["screened"]
    assert f"/screened: recomputed {screened - 1}, served {screened}" in moved


def test_numbers_are_compared_digit_for_digit():
    """Control: 0.5 is 0.50, but not 0.50000001, no truth value is a number, and nothing is lost."""
    assert differences({"a": Decimal("0.5")}, {"a": Decimal("0.50")}) == []
    assert differences({"a": Decimal("0.5")}, {"a": Decimal("0.50000001")}) != []
    assert differences({"a": 1}, {"a": True}) != []
    assert differences({"a": None}, {"a": 0}) != []
    assert differences({"b": 1}, {"b": 1, "a": []}) == ["/a: recomputed nothing, served []"]
    assert differences({"a": {"b/c": [1, 2]}}, {"a": {"b/c": [1, 3]}}) == [
        "/a/b~1c/1: recomputed 2, served 3"
    ]


def test_a_value_is_found_by_its_pointer():
    """As the elements of the page name it: the family, then a JSON pointer."""
    found = {"safety": {"groups": [{"a/b": {"n": 4}}]}}
    assert value_at(found, "safety#/groups/0/a~1b/n") == 4
    with pytest.raises(KeyError):
        value_at(found, "safety#/treated")
