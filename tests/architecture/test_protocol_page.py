"""docs/protocol.md stays true: every test, rule and key that it names exists."""

import json
import re
from pathlib import Path

import pytest

from app.protocols import read_definition

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
TABLES = "\n".join(line for line in PAGE.splitlines() if line.startswith("|"))
RULES = re.findall(r"`(?:app/domain/)?([a-z_/]+)(?:\.py)?:([A-Za-z_., ]+?)`", TABLES)
CODE = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
DEFINITION = read_definition("NCT07212335", 1)


def test_every_test_that_is_named_exists():
    """A sentence whose test was renamed or removed is no longer traced."""
    named = set(re.findall(r"\b(test_[a-z0-9_]+)(?!\w*\.py)", PAGE))
    files = {path.stem for path in (ROOT / "tests").rglob("test_*.py")}
    missing = {name for name in named - files if f"def {name}(" not in CODE}
    assert missing == set()


def test_every_rule_that_is_named_exists():
    """`module:function` names a module of the domain and something in it."""
    missing = [
        f"{module}:{name}"
        for module, names in RULES
        for name in re.split(r"[ ,.]+", names)
        if not re.search(rf"\b{name}\b", source(module))
    ]
    assert missing == []


def source(module: str) -> str:
    """Return the text of a domain module, empty when there is none."""
    path = ROOT / "app" / "domain" / f"{module}.py"
    return path.read_text(encoding="utf-8") if path.exists() else ""


KEYS = sorted(set(re.findall(rf"`((?:{'|'.join(sorted(DEFINITION))})\.[a-z_.]+)`", TABLES)))


@pytest.mark.parametrize("key", KEYS)
def test_every_key_that_is_named_exists(key):
    """A configuration key on the page is in the shipped definition."""
    value = DEFINITION
    for part in key.split("."):
        assert part in value, json.dumps(sorted(value))
        value = value[part]
