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
IS_LONG = False
PARAMETERS = {"seconds": 6}

def test_kept(parameters):
    """Hold."""
    parameters(kills=3)

def test_broken(seed):
    """Fail where it is told to."""
    assert BROKEN is False
'''


OTHER = '''"""P01: another file of it."""
import pytest

@pytest.mark.parametrize("number", [1, 2])
def test_of_another_file(number):
    """Hold."""
'''


def report_of(folder, *chosen: str, returns: int = 0) -> dict[str, dict]:
    """Run the samples of a folder, or those chosen; return the entries of the report."""
    report = folder / "promises.json"
    command = [sys.executable, "-m", "pytest", "-p", "tests.promises.conftest"]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", *(chosen or [str(folder)]), "--promises", str(report)],
        cwd=FOLDER.parents[1],
        capture_output=True,
        check=False,
    )
    assert done.returncode == returns, done.stdout.decode()
    return {entry["id"]: entry for entry in json.loads(report.read_text("utf-8"))}


@pytest.mark.parametrize("broken", [False, True])
def test_the_report_says_what_happened(tmp_path, broken):
    """One entry for each promise: passed or failed as it went, the others not run or not shown."""
    (tmp_path / "test_P01_sample.py").write_text(SAMPLE.replace("BROKEN", str(broken)), "utf-8")
    entries = report_of(tmp_path, returns=int(broken))
    first = entries["P01"]
    assert first["result"] == ("failed" if broken else "passed")
    assert first["tests"] == {
        "test_kept": "passed",
        "test_broken": "failed" if broken else "passed",
    }
    assert 42 in first["seeds"]
    assert first["duration"] >= 0
    assert first["short"] is True
    assert first["parameters"] == {"seconds": 6, "kills": 3}
    assert entries["P02"]["result"] == "not_run"
    assert entries["P29"]["result"] == "not_shown"
    assert entries["P29"]["reason"]
    assert list(entries) == list(PROMISES)


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (["{folder}", "-k", "kept or other"], "selected"),
        (["{folder}/test_P01_sample.py"], "Not run: test_of_another_file."),
        (["{folder}/test_P01_other.py"], "Not run: test_broken, test_kept."),
        (["{folder}/test_P01_other.py::test_of_another_file[1]"], "selected"),
        (["{folder}", "--deselect", "test_P01_other.py"], "selected"),
    ],
)
def test_a_run_of_some_tests_is_partial(tmp_path, chosen, words):
    """A promise of which tests were left out has not passed, and the reason says what was."""
    (tmp_path / "test_P01_sample.py").write_text(SAMPLE.replace("BROKEN", "False"), "utf-8")
    (tmp_path / "test_P01_other.py").write_text(OTHER, "utf-8")
    entry = report_of(tmp_path, *(each.format(folder=tmp_path) for each in chosen))["P01"]
    assert entry["result"] == "partial"
    assert words in entry["reason"]
    whole = report_of(tmp_path)["P01"]
    assert (whole["result"], whole["reason"]) == ("passed", None)


LENGTHS = {"P01", "P02", "P05", "P06", "P07", "P24"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_can_run_longer_says_how_long_it_ran(path):
    """A file whose length is set from outside names its parameters and when it is a long run."""
    names = {
        target.id
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    assert ({"IS_LONG", "PARAMETERS"} <= names) is (promise_of(path) in LENGTHS)
