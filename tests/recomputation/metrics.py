"""All metrics of an export, and the comparison with what the service says."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.recomputation.efficacy import efficacy
from tests.recomputation.enrolment import enrolment
from tests.recomputation.laboratory import laboratory
from tests.recomputation.operations import operations
from tests.recomputation.records import Row, Study, read_study
from tests.recomputation.safety import safety

FAMILIES = {
    "enrolment": enrolment,
    "safety": safety,
    "efficacy": efficacy,
    "laboratory": laboratory,
    "operations": operations,
}
# What identifies an answer's sources and is no number of the trial.
IDENTITIES = frozenset({"evidence_digest", "records_until", "explanation", "as_of"})


def recompute(folder: Path) -> dict[str, Row]:
    """Compute every family from an export."""
    study = read_study(folder)
    return {name: family(study) | basis(study) for name, family in FAMILIES.items()}


def basis(study: Study) -> Row:
    """Say which day and which protocol the numbers belong to."""
    return {
        "study_day": study.clock.today.isoformat(),
        "protocol_version": study.protocol["number"],
        "protocol_digest": study.protocol["digest"],
    }


def leaves(value: Any, pointer: str = "") -> Iterator[tuple[str, Any]]:
    """List every leaf of an answer with its JSON pointer; an empty list or object is a leaf."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(item, f"{pointer}/{_escaped(str(key))}")
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from leaves(item, f"{pointer}/{index}")
    else:
        yield pointer, value


def differences(recomputed: Row, served: Row) -> list[str]:
    """Name every leaf that differs, or that only one side has; numbers are compared exactly."""
    named = {key: value for key, value in served.items() if key not in IDENTITIES}
    ours, theirs = dict(leaves(recomputed)), dict(leaves(named))
    return [
        f"{pointer}: recomputed {_shown(ours, pointer)}, served {_shown(theirs, pointer)}"
        for pointer in sorted({*ours, *theirs})
        if not _equal(ours, theirs, pointer)
    ]


def value_at(recomputed: dict[str, Row], pointer: str) -> Any:
    """Find a value by `family#/pointer`, as elements of the page name it."""
    family, _, path = pointer.partition("#")
    value: Any = recomputed[family]
    for token in path.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _equal(ours: Row, theirs: Row, pointer: str) -> bool:
    if pointer not in ours or pointer not in theirs:
        return False
    one, two = ours[pointer], theirs[pointer]
    numeric = (int, Decimal)
    if isinstance(one, bool) or isinstance(two, bool):
        return one is two
    if isinstance(one, numeric) and isinstance(two, numeric):
        return Decimal(one) == Decimal(two)
    return type(one) is type(two) and bool(one == two)


def _shown(side: Row, pointer: str) -> str:
    return repr(side[pointer]) if pointer in side else "nothing"
