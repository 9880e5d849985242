"""Reports what the promises came to: `pytest tests/promises --promises promises.json`.

Seeds are recorded from the fixture `seed` and from a module's own `SEED`.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.promises.registry import FOLDER, PROMISES, promise_of

ROOT = FOLDER.parents[1]
SEED = int(os.environ.get("MSC_PROMISE_SEED", "0")) or secrets.randbelow(1_000_000) + 1


@dataclass
class Course:
    """What was seen of one promise: the outcome of each test, its seeds and its time."""

    outcomes: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    seeds: set[int] = field(default_factory=set)
    seconds: float = 0.0

    def note(self, report: pytest.TestReport) -> None:
        """Add what a phase of a test came to; a failure in any phase counts."""
        name = report.nodeid.partition("::")[2]
        self.seconds += report.duration
        self.seeds |= {value for key, value in report.user_properties if key == "seed"}
        if report.failed:
            self.outcomes[name] = "failed"
        elif report.skipped:
            self.skipped[name] = str(report.longrepr[2]) if report.longrepr else "skipped"
        elif report.when == "call":
            self.outcomes.setdefault(name, "passed")

    @property
    def result(self) -> str:
        """Sum up: one failure fails it, and a promise of which nothing ran is not run."""
        if "failed" in self.outcomes.values():
            return "failed"
        return "passed" if self.outcomes and not self.skipped else "not_run"

    @property
    def reason(self) -> str | None:
        """Say why it was not run."""
        if self.skipped:
            return "; ".join(f"{name}: {why}" for name, why in sorted(self.skipped.items()))
        return None if self.outcomes else "No test of it was part of this run."


class Reporter:
    """Collects the outcomes of a run and writes one entry for each promise."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._courses: dict[str, Course] = defaultdict(Course)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a phase of a test."""
        promise = promise_of(Path(report.nodeid.partition("::")[0]))
        if promise is not None:
            self._courses[promise].note(report)

    def pytest_sessionfinish(self) -> None:
        """Write the file."""
        commit = revision()
        entries = [self._entry(promise, commit) for promise in PROMISES]
        self._path.write_text(json.dumps(entries, indent=2, ensure_ascii=False) + "\n", "utf-8")

    def _entry(self, promise: str, commit: str | None) -> dict[str, Any]:
        kept, course = PROMISES[promise], self._courses[promise]
        not_shown = kept.not_shown is not None
        return {
            "id": promise,
            "text": kept.text,
            "result": "not_shown" if not_shown else course.result,
            "reason": kept.not_shown or course.reason,
            "commit": commit,
            "seeds": sorted(course.seeds),
            "duration": round(course.seconds, 2),
            "tests": course.outcomes,
        }


def revision() -> str | None:
    """Return the commit, with a mark when the tree differs from it; None outside a repository."""
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() or None


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer the report."""
    parser.addoption("--promises", type=Path, help="write what each promise came to as JSON")


def pytest_configure(config: pytest.Config) -> None:
    """Report where it is asked for; a worker of a parallel run leaves it to the first process."""
    path = config.getoption("--promises", None)
    if path is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Reporter(path.absolute()))


@pytest.fixture
def seed(record_property) -> int:
    """The seed of this test: MSC_PROMISE_SEED, or drawn anew for each run."""
    print(f"MSC_PROMISE_SEED={SEED}")
    record_property("seed", SEED)
    return SEED


@pytest.fixture(autouse=True)
def _seed_of_module(request: pytest.FixtureRequest) -> None:
    """Record the seed that a module draws for itself."""
    if isinstance(own := getattr(request.module, "SEED", None), int):
        request.node.user_properties.append(("seed", own))
