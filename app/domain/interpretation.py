"""What a sent result says, in the words of the trial, or every reason why nobody can be sure.

A doubtful code, status, value, unit or collection time sends the result to a person. A doubtful
reference range does not: it stays as text beside the value, and grades that need it are unknown.
Flags decide nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.analytes import Analyte
from app.domain.doubts import Doubts
from app.domain.errors import Reason, invalid
from app.domain.inbound import InboxReason
from app.domain.reported_results import OriginalText, ReportedResult
from app.domain.sender_profile import STATUS_WORDS, SenderProfile, StatusMeaning, ValueWord
from app.domain.sent_codes import read_analyte
from app.domain.sent_content import Content, read_content
from app.domain.sent_moments import Moments, read_moments
from app.domain.sent_ranges import SentRange, read_range
from app.domain.sent_results import SentResult
from app.domain.sent_texts import said
from app.domain.sent_values import SentValue, read_value
from app.domain.vocabulary import LabStatus, TimePrecision

_STATUSES: Mapping[StatusMeaning, LabStatus] = {
    StatusMeaning.FINAL: LabStatus.FINAL,
    StatusMeaning.CORRECTED: LabStatus.CORRECTED,
    StatusMeaning.AMENDED: LabStatus.AMENDED,
    StatusMeaning.PRELIMINARY: LabStatus.PRELIMINARY,
    StatusMeaning.PROMOTED: LabStatus.FINAL,
    StatusMeaning.WITHDRAWN: LabStatus.ENTERED_IN_ERROR,
    StatusMeaning.WRONG_PATIENT: LabStatus.ENTERED_IN_ERROR,
    StatusMeaning.WITHOUT_VALUE: LabStatus.CANCELLED,
    StatusMeaning.NOT_YET: LabStatus.CANCELLED,
}
# Whatever stands in the place of a value beside these counts for nothing.
_WITHOUT_CONTENT = frozenset(
    {
        StatusMeaning.WITHDRAWN,
        StatusMeaning.WRONG_PATIENT,
        StatusMeaning.WITHOUT_VALUE,
        StatusMeaning.NOT_YET,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpretation:
    """What could be read of a sent result; `result` is None when there is any reason.

    `result` is in the sender's numbers with a unit of the catalogue, and can be filed as it is. It
    has no content when it is a tombstone, is without value, or is a promotion that sent none.
    `flags` are the sender's and the marks beside the value, in the words of the profile.
    """

    analyte: str | None
    meaning: StatusMeaning | None
    result: ReportedResult | None
    original: OriginalText
    precision: TimePrecision | None
    stated_at: datetime
    accession: str | None
    flags: tuple[str, ...]
    reasons: tuple[Reason, ...]

    @property
    def promotes(self) -> bool:
        """Tell whether this makes a preliminary result final without saying it again."""
        result = self.result
        return (
            self.meaning is StatusMeaning.PROMOTED
            and result is not None
            and result.value is None
            and result.finding is None
        )


def interpret(sent: SentResult, profile: SenderProfile, received_at: datetime) -> Interpretation:
    """Read a sent result by its sender's profile, with all reasons against filing it.

    Never raises, whatever was sent. The codes of the reasons are values of InboxReason.
    """
    doubts = Doubts()
    analyte = doubts.attempt(read_analyte, sent.codes, sent.panel, profile)
    meaning = doubts.attempt(_read_status, sent.status, profile)
    value = _read_value(sent, meaning, analyte, profile, doubts)
    if meaning and meaning not in _WITHOUT_CONTENT and value and value.word is ValueWord.NO_VALUE:
        meaning = StatusMeaning.WITHOUT_VALUE
    limits = read_range(sent.reference_range, sent.low, sent.high, profile)
    content = (
        doubts.attempt(read_content, analyte, value, sent.unit, limits, profile)
        if analyte and value
        else None
    )
    moments = read_moments(sent, profile, received_at, doubts)
    return Interpretation(
        analyte=analyte.key if analyte else None,
        meaning=meaning,
        result=None if doubts.reasons else _result(analyte, meaning, content, moments),
        original=_original(sent, limits),
        precision=moments.collected.precision if moments.collected else None,
        stated_at=_stated_at(meaning, moments),
        accession=said(sent.accession) or None,
        flags=_flags(sent, value, profile),
        reasons=doubts.reasons,
    )


def _stated_at(meaning: StatusMeaning | None, moments: Moments) -> datetime:
    """Return when a result was stated; that there is none yet was so from the collection on.

    It stands below everything that was ever said about the result.
    """
    if meaning is StatusMeaning.NOT_YET and moments.collected is not None:
        return moments.collected.instant - timedelta(microseconds=1)
    return moments.stated_at


def _read_status(text: str, profile: SenderProfile) -> StatusMeaning:
    """Find what a status word means to this sender, or else in general."""
    word = said(text)
    meaning = profile.statuses.get(word) or STATUS_WORDS.get(word)
    if meaning is None:
        raise invalid(
            InboxReason.UNKNOWN_STATUS,
            "The status of the result is missing or not known of this sender; map it.",
        )
    return meaning


def _read_value(
    sent: SentResult,
    meaning: StatusMeaning | None,
    analyte: Analyte | None,
    profile: SenderProfile,
    doubts: Doubts,
) -> SentValue | None:
    """Read the value as far as the status gives it a meaning; None with a reason against it."""
    if meaning in _WITHOUT_CONTENT:
        return SentValue(word=ValueWord.NO_VALUE)
    value = doubts.attempt(read_value, sent.value_type, sent.values, profile)
    text = "".join(part for parts in sent.values for part in parts)
    if value == SentValue() and meaning is not StatusMeaning.PROMOTED:
        doubts.add(InboxReason.UNREADABLE_VALUE, "The result has no value.")
    elif value is None and analyte and not analyte.qualitative and not _has_digit(text):
        doubts.add(
            InboxReason.CONTENT_MISMATCH,
            f"{analyte.key} is reported as a number, but the result is a text.",
        )
    return value


def _has_digit(text: str) -> bool:
    return any(character.isdecimal() for character in text)


def _result(
    analyte: Analyte | None,
    meaning: StatusMeaning | None,
    content: Content | None,
    moments: Moments,
) -> ReportedResult:
    """Put together a result against which there is no reason."""
    # Each of them was found, else there would be a reason.
    assert analyte is not None
    assert meaning is not None
    assert content is not None
    assert moments.collected is not None
    return ReportedResult(
        analyte=analyte.key,
        value=content.value,
        comparator=content.comparator,
        unit=content.unit,
        lln=content.lln,
        uln=content.uln,
        finding=content.finding,
        status=_STATUSES[meaning],
        collected_at=moments.collected.instant,
        reported_at=moments.reported_at,
    )


def _original(sent: SentResult, limits: SentRange) -> OriginalText:
    """Keep value, unit and limits letter for letter, components and repetitions as in HL7."""
    return OriginalText(
        value="~".join("^".join(parts) for parts in sent.values) or None,
        unit=sent.unit or None,
        lln=limits.low_text,
        uln=limits.high_text,
    )


def _flags(sent: SentResult, value: SentValue | None, profile: SenderProfile) -> tuple[str, ...]:
    """Return the sender's flags and the marks beside its value, in the profile's words."""
    marks = value.marks if value else ()
    spoken = [flag for flag in map(said, (*sent.flags, *marks)) if flag]
    return tuple(dict.fromkeys(profile.flags.get(flag, flag) for flag in spoken))
