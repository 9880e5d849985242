"""Reports what the promises came to: `pytest tests/promises --promises promises.json`.

Seeds are recorded from the fixture `seed` and from a module's own `SEED`; how long a run was from
a module's `PARAMETERS` and `IS_LONG`, and from the fixture `parameters`. A promise has passed once
every test of all its files has; where something was left out, it is partial.
"""

from __future__ import annotations

import ast
import json
import os
import secrets
import subprocess
from collections import defaultdict
from collections.abc import Callable
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
    parameters: dict[str, Any] = field(default_factory=dict)
    lengths: set[bool] = field(default_factory=set)
    files: set[Path] = field(default_factory=set)
    seconds: float = 0.0
    is_selection: bool = False

    def note(self, report: pytest.TestReport) -> None:
        """Add what a phase of a test came to; a failure in any phase counts."""
        name = report.nodeid.partition("::")[2]
        self.seconds += report.duration
        for key, value in report.user_properties:
            if key == "seed":
                self.seeds.add(value)
            elif key == "is_long":
                self.lengths.add(value)
            elif key == "parameters":
                self.parameters |= value
        if report.failed:
            self.outcomes[name] = "failed"
        elif report.skipped:
            self.skipped[name] = str(report.longrepr[2]) if report.longrepr else "skipped"
        elif report.when == "call":
            self.outcomes.setdefault(name, "passed")

    @property
    def result(self) -> str:
        """Sum up: one failure fails it, what was left out makes it partial, or not run at all."""
        if "failed" in self.outcomes.values():
            return "failed"
        if not self.outcomes:
            return "not_run"
        return "partial" if self.left_out else "passed"

    @property
    def reason(self) -> str | None:
        """Say what was not run, and why."""
        if not self.outcomes and not self.skipped:
            return "No test of it was part of this run."
        return "; ".join(self.left_out) or None

    @property
    def left_out(self) -> list[str]:
        """List what of the promise was not part of the run."""
        left_out = [f"{name}: {why}" for name, why in sorted(self.skipped.items())]
        if self.is_selection:
            left_out.append("The run was of selected tests.")
        run = {name.partition("[")[0] for name in (*self.outcomes, *self.skipped)}
        missing = sorted(self._tests() - run)
        return [*left_out, f"Not run: {', '.join(missing)}."] if missing else left_out

    def _tests(self) -> set[str]:
        """Name every test of the promise: all files of it beside those that were run."""
        promises = {promise_of(path) for path in self.files}
        beside = {each for path in self.files for each in path.parent.glob("test_P*.py")}
        return {name for path in beside if promise_of(path) in promises for name in tests_of(path)}


class Reporter:
    """Collects the outcomes of a run and writes one entry for each promise."""

    def __init__(self, path: Path, root: Path, is_selection: bool) -> None:
        self._path, self._root = path, root
        self._courses: dict[str, Course] = defaultdict(lambda: Course(is_selection=is_selection))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a phase of a test."""
        path = self._root / report.nodeid.partition("::")[0]
        promise = promise_of(path)
        if promise is not None:
            self._courses[promise].files.add(path.resolve())
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
            "short": False in course.lengths,
            "parameters": course.parameters,
            "seeds": sorted(course.seeds),
            "duration": round(course.seconds, 2),
            "tests": course.outcomes,
        }


def tests_of(path: Path) -> set[str]:
    """Name the tests of a file."""
    return {
        node.name
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and node.name.startswith("test_")
    }


def is_selection(config: pytest.Config) -> bool:
    """Tell whether a run was asked to leave tests out."""
    asked = any(config.getoption(name, None) for name in ("keyword", "markexpr", "deselect", "lf"))
    return asked or any("::" in each for each in config.args)


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
        reporter = Reporter(path.absolute(), config.rootpath, is_selection(config))
        config.pluginmanager.register(reporter)


@pytest.fixture
def seed(record_property) -> int:
    """The seed of this test: MSC_PROMISE_SEED, or drawn anew for each run."""
    print(f"MSC_PROMISE_SEED={SEED}")
    record_property("seed", SEED)
    return SEED


@pytest.fixture
def parameters(record_property) -> Callable[..., None]:
    """Record what a run came to, such as how many kills or cuts there were."""
    return lambda **found: record_property("parameters", found)


@pytest.fixture(autouse=True)
def _length_of_module(request: pytest.FixtureRequest) -> None:
    """Record the seed that a module draws for itself, and how long its run is."""
    names = (
        ("seed", "SEED", int),
        ("parameters", "PARAMETERS", dict),
        ("is_long", "IS_LONG", bool),
    )
    for name, constant, kind in names:
        if isinstance(own := getattr(request.module, constant, None), kind):
            request.node.user_properties.append((name, own))
