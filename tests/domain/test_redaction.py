"""Redaction: free text only, and every form in which a kept document may write it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import DomainError
from app.domain.redaction import REDACTABLE, REDACTED, check_target, scrub, targets


def test_each_target_may_be_redacted():
    """What is named is accepted, and everything is named."""
    for target in targets():
        kind, _, field = target.partition(".")
        check_target(kind, field)
    assert len(targets()) == sum(map(len, REDACTABLE.values()))


@pytest.mark.parametrize(
    ("kind", "field", "pointer", "known"),
    [
        ("consent", "text", "/body/record_type", "adverse_event"),
        ("lab_result", "value", "/body/field", "reason"),
        ("adverse_event", "grade", "/body/field", "narrative"),
        ("assessment", "note", "/body/field", "content.note"),
    ],
)
def test_what_a_rule_reads_is_refused(kind, field, pointer, known):
    """The refusal says what can be redacted instead."""
    with pytest.raises(DomainError) as refused:
        check_target(kind, field)
    (reason,) = refused.value.reasons
    assert (refused.value.code, reason.pointer) == ("not_redactable", pointer)
    assert known in refused.value.message


@given(
    gone=st.text(min_size=1),
    kept=st.text(),
    colon=st.sampled_from([(",", ":"), (", ", ": ")]),
)
def test_a_value_is_gone_wherever_the_field_holds_it(gone, kept, colon):
    """With a blank after the colon or without; other fields and other values stay."""
    document = {"reason": gone, "other": gone, "within": [{"reason": gone}, {"reason": kept}]}
    written = json.dumps(document, ensure_ascii=False, separators=colon)
    left = REDACTED if kept == gone else kept
    assert json.loads(scrub(written, "content.reason", [gone])) == {
        "reason": REDACTED,
        "other": gone,
        "within": [{"reason": REDACTED}, {"reason": left}],
    }
