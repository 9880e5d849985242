"""The register of promises and its report: none is forgotten, and each has a control."""

import ast
import json
import re
import subprocess
import sys

import pytest

from tests.promises.registry import FOLDER, PROMISES, promise_of

FILES = sorted(path for path in FOLDER.glob("test_P*.py"))
SHOWN = [promise for promise, kept in PROMISES.items() if kept.not_shown is None]
# A control shows that the check catches a careless variant; its docstring says that it is one.
CONTROL = re.compile(r"(the )?control\b", re.IGNORECASE)


def controls(path) -> list[str]:
    """Name the controls of a file: by their own name, or by the first word of their docstring."""
    return [
        node.name
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and node.name.startswith("test_")
        and (node.name.startswith("test_control_") or CONTROL.match(ast.get_docstring(node) or ""))
    ]


def test_every_promise_has_a_file_and_every_file_a_promise():
    """No promise is without a test unless the register says why, and no file is about none."""
    assert {promise_of(path) for path in FILES} == set(SHOWN)
    assert list(PROMISES) == [f"P{number:02d}" for number in range(1, 37)]


@pytest.mark.parametrize("promise", SHOWN)
def test_every_promise_has_a_control(promise):
    """A check that cannot fail shows nothing: some test of each promise lets it fail."""
    files = [path for path in FILES if promise_of(path) == promise]
    assert [name for path in files for name in controls(path)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_begins_with_its_promise(path):
    """The first line of the docstring is `P01: ...`, a sentence."""
    first = (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").partition("\n")[0]
    assert re.match(rf"{promise_of(path)}: .+", first), first


SAMPLE = '''"""P01: a sample."""
import pytest
SEED = 42

def test_kept():
    """Hold."""

def test_broken(seed):
    """Fail where it is told to."""
    assert BROKEN is False
'''


@pytest.mark.parametrize("broken", [False, True])
def test_the_report_says_what_happened(tmp_path, broken):
    """One entry for each promise: passed or failed as it went, the others not run or not shown."""
    sample, report = tmp_path / "test_P01_sample.py", tmp_path / "promises.json"
    sample.write_text(SAMPLE.replace("BROKEN", str(broken)), "utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "tests.promises.conftest"]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", str(sample), "--promises", str(report)],
        cwd=FOLDER.parents[1],
        capture_output=True,
        check=False,
    )
    assert done.returncode == broken, done.stdout.decode()
    entries = {entry["id"]: entry for entry in json.loads(report.read_text("utf-8"))}
    first = entries["P01"]
    assert first["result"] == ("failed" if broken else "passed")
    assert first["tests"] == {
        "test_kept": "passed",
        "test_broken": "failed" if broken else "passed",
    }
    assert 42 in first["seeds"]
    assert first["duration"] >= 0
    assert entries["P02"]["result"] == "not_run"
    assert entries["P29"]["result"] == "not_shown"
    assert entries["P29"]["reason"]
    assert list(entries) == list(PROMISES)
