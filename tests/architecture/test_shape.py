"""The shape of the code: small files, small functions, plain names, one place for each power."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APP = sorted((ROOT / "app").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
MAX_FILE_LINES, MAX_FUNCTION_LINES = 300, 40
# Inspectors get this one as a single file that needs no other.
LONGER = {"app/verifier/verify.py": 500}
VAGUE = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}


def name(path: Path) -> str:
    """Return the path as a test id."""
    return str(path.relative_to(ROOT))


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return every function of a module, nested ones too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


@pytest.mark.parametrize("path", APP, ids=name)
def test_files_and_functions_are_small(path):
    """A file is at most 300 lines, a function at most 40, and no name is vague."""
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= LONGER.get(name(path), MAX_FILE_LINES), f"{lines} lines"
    long = [
        function.name
        for function in functions(path)
        if (function.end_lineno or 0) - function.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert long == []
    assert path.stem not in VAGUE


@pytest.mark.parametrize("path", TESTS, ids=name)
def test_every_test_says_what_it_shows(path):
    """Each test function has a docstring."""
    silent = [
        function.name
        for function in functions(path)
        if function.name.startswith("test_") and not ast.get_docstring(function)
    ]
    assert silent == []


def containing(pattern: str, folder: str) -> list[str]:
    """List the modules below a folder in which a pattern occurs."""
    return [
        name(path)
        for path in sorted((ROOT / folder).rglob("*.py"))
        if re.search(pattern, path.read_text(encoding="utf-8"))
    ]


def test_services_never_commit():
    """Only the route commits, so that a use case cannot store half of a request."""
    assert containing(r"\.commit\(", "app/services") == []
    assert containing(r"\.commit\(", "app/routers") == ["app/routers/route.py"]


def test_settings_are_read_at_the_edge_only():
    """Only the command line and what it starts know the settings."""
    edge = {"app/commands.py", "app/server.py", "app/operations.py", "app/main.py"}
    started = {"app/mllp/process.py", "app/sealer.py", "app/auditing.py"}
    allowed = edge | started | {"app/core/config.py"}
    assert set(containing(r"\bSettings\b", "app")) <= allowed


def test_nothing_runs_after_the_answer():
    """BackgroundTasks are lost with the process and BaseHTTPMiddleware hides failing streams."""
    assert containing(r"BackgroundTasks|BaseHTTPMiddleware\b(?! turns)", "app") == []


def test_the_migrations_folder_is_no_package():
    """An __init__.py there would shadow the alembic package."""
    assert not (ROOT / "alembic" / "__init__.py").exists()
