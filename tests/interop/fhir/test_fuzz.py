"""Whatever is sent: the reader refuses it or reads all of it, and never fails."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.interpretation import interpret
from app.domain.sender_profile import SenderProfile
from app.interop.fhir.conditions import condition
from app.interop.fhir.elements import count
from app.interop.fhir.refusals import Refusal
from app.interop.fhir.strictness import strict_issues
from app.interop.fhir.submissions import read_submission
from tests.conftest import NOW, STUDY
from tests.interop.fhir.samples import (
    bundle,
    entry,
    exact,
    message,
    neutrophils,
    patient,
    platelets,
)
from tests.interop.fhir.test_submissions import report

SAMPLES = [
    exact(each)
    for each in (
        neutrophils(component=[platelets()], hasMember=[{"reference": "#x"}]),
        report(),
        bundle(entry(patient()), entry(neutrophils(id="a"), "PUT"), entry(report())),
        message(patient(), neutrophils(subject={"reference": "Patient/p1"}), report()),
    )
]
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value: Any, path: tuple = ()) -> list[tuple]:
    """List every place in a document."""
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


@st.composite
def damaged(draw):
    """Return a sample in which a few places hold something else, or are twice there."""
    document = copy.deepcopy(draw(st.sampled_from(SAMPLES)))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(places(document)))
        if not path:
            return draw(JUNK)
        holder = document
        for key in path[:-1]:
            holder = holder[key]
        if draw(st.booleans()) and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[path[-1]]))
        else:
            holder[path[-1]] = draw(JUNK)
    return document


@settings(max_examples=200, deadline=None)
@given(damaged())
def test_reading_refuses_or_reads_everything(document):
    """An Observation is read, belongs to an entry that says why not, or the whole is marked."""
    try:
        found = read_submission(document, STUDY)
    except Refusal:
        return
    positions = [place for each in found.entries for place in each.positions]
    assert positions == list(range(len(found.results)))
    strict_issues(found)
    for result in found.results:
        interpret(result, SenderProfile(), NOW)
    if count(document, "Observation") and found.complete:
        refused = any(each.problem for each in found.entries)
        grouped = any("hasMember" in str(each.resource) for each in found.entries)
        assert found.results or refused or grouped


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=30), max_size=3))
def test_a_condition_is_understood_or_refused(queries):
    """No condition is passed over in silence."""
    try:
        found = condition(queries)
    except Refusal:
        return
    assert (found is None) == (not any(queries))
