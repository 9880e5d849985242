"""Refusals: their kind, and where in the request they say the fault lies."""

from app.domain.errors import (
    BatchError,
    ErrorKind,
    Reason,
    conflict,
    forbidden,
    invalid,
    not_found,
    too_many,
)


def test_each_refusal_is_of_its_kind():
    """The kind decides the status on the wire; what comes too fast says when to come again."""
    refusals = [
        not_found("subject"),
        conflict("full", "The level is full."),
        forbidden("not_yours", "Another role does this."),
        too_many("too_fast", "Wait a moment.", 3),
    ]
    assert [(each.kind, each.retry_seconds) for each in refusals] == [
        (ErrorKind.NOT_FOUND, None),
        (ErrorKind.CONFLICT, None),
        (ErrorKind.FORBIDDEN, None),
        (ErrorKind.TOO_MANY, 3),
    ]
    assert str(refusals[0]) == "There is no such subject here; check the identifier."


def test_a_refusal_is_moved_below_a_part_of_the_request():
    """What judges a part alone does not know where the part stands."""
    refused = invalid("range_inverted", "The lower limit lies above the upper limit.", "/lln")
    moved = refused.below("/body/3")
    assert moved.reasons == (
        Reason("range_inverted", "The lower limit lies above the upper limit.", "/body/3/lln"),
    )
    assert (moved.kind, moved.code, moved.message) == (refused.kind, refused.code, refused.message)
    assert invalid("misfit", "This does not fit.").below("/body").reasons == ()


def test_a_refused_batch_says_what_became_of_each_part():
    """Beside the reasons of those at fault."""
    reasons = (Reason("missing", "This is needed; give it.", "/body/1/value"),)
    report = {"accepted": 0, "refused": [1]}
    refused = BatchError(ErrorKind.INVALID, "batch_refused", "Nothing was stored.", reasons, report)
    assert (refused.kind, refused.reasons, refused.report) == (ErrorKind.INVALID, reasons, report)
    assert refused.retry_seconds is None
