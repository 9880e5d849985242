"""One grammar for whatever stands in the place of a value: number, bound, finding or nothing.

The declared type is only a hint: text carries numbers, and numbers carry `<15`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.domain.errors import DomainError, invalid
from app.domain.inbound import InboxReason
from app.domain.quantities import Comparator
from app.domain.sender_profile import SenderProfile, ValueWord
from app.domain.sent_numbers import LONGEST, read_number
from app.domain.sent_texts import plain
from app.domain.sent_words import coded_word, find_word

_CODED = frozenset({"CE", "CWE", "CNE", "CF"})
# HL7 types whose content is neither a number nor a word, whatever it looks like.
_FOREIGN = frozenset(
    {
        "AD", "CK", "CN", "CP", "CX", "DR", "DT", "DTM", "ED", "MA", "MO", "NA", "PN", "RP", "TM",
        "TN", "TS", "XAD", "XCN", "XON", "XPN", "XTN",
    }
)  # fmt: skip
# HL7 writes a structured number that equals as one without comparator.
_COMPARATORS = {"": None, "=": None, **{each.value: each for each in Comparator}}
_MARK = r"[*↑↓HL]|\([HL]{1,2}\)"
_BOUND = re.compile(rf"(<=|>=|<|>|=)?\s*(.*?)((?:\s*(?:{_MARK}))*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class SentValue:
    """A value as read: a number with an optional comparator, a word, or nothing that was sent.

    Marks decide nothing.
    """

    number: Decimal | None = None
    comparator: Comparator | None = None
    word: ValueWord | None = None
    marks: tuple[str, ...] = ()

    @property
    def content(self) -> tuple[Decimal | None, Comparator | None, ValueWord | None]:
        """Give what two repetitions have to share."""
        return (self.number, self.comparator, self.word)


def read_value(
    value_type: str, values: Sequence[Sequence[str]], profile: SenderProfile
) -> SentValue:
    """Read a value given as the components of each repetition.

    Raises invalid `unreadable_value`, `ambiguous_number` or `content_mismatch`. Repetitions have
    to agree; they are never averaged.
    """
    kind = value_type.strip().upper()
    given = [parts for parts in values if any(plain(part) for part in parts)]
    if given and kind in _FOREIGN:
        raise invalid(
            InboxReason.CONTENT_MISMATCH,
            "The value is of a type that is neither a number nor a word.",
        )
    read = [
        _read_coded(parts, profile) if kind in _CODED else _read_text(_joined(parts), profile)
        for parts in given
    ]
    if len({each.content for each in read}) > 1:
        raise invalid(
            InboxReason.AMBIGUOUS_NUMBER,
            "The result has several values that differ; somebody has to tell which one counts.",
        )
    return read[0] if read else SentValue()


def _joined(parts: Sequence[str]) -> str:
    """Join a comparator and its number; refuse ratios, ranges and whatever else has components."""
    head, body, *rest = (*(plain(part) for part in parts), "")
    if any(rest) or (body and head not in _COMPARATORS):
        raise _unreadable()
    return head + body


def _read_text(text: str, profile: SenderProfile) -> SentValue:
    """Read a word, or a number with its comparator and marks."""
    word = find_word(text, profile)
    if word is not None:
        return SentValue(word=word)
    found = _BOUND.fullmatch(text) if len(text) <= LONGEST else None
    number = read_number(found[2], profile) if found else None
    if found is None or number is None:
        raise _unreadable()
    return SentValue(
        number=number,
        comparator=_COMPARATORS[found[1] or ""],
        marks=tuple(re.findall(_MARK, found[3])),
    )


def _read_coded(parts: Sequence[str], profile: SenderProfile) -> SentValue:
    """Read a coded value by its codes and texts, which have to agree.

    The digits of a code are never a number; a text without any code may be one.
    """
    code, text, system, other_code, other_text, other_system, *rest = (*parts, *[""] * 9)[:9]
    codes = [(code, system), (other_code, other_system)]
    texts = [text, other_text, rest[-1]]
    words = {coded_word(*each, profile) for each in codes} | {
        find_word(each, profile) for each in texts
    }
    words.discard(None)
    if len(words) == 1:
        return SentValue(word=words.pop())
    spoken = [each for each in map(plain, texts) if each]
    if words or plain(code) or plain(other_code) or not spoken:
        raise _unreadable()
    return _read_text(spoken[0], profile)


def _unreadable() -> DomainError:
    return invalid(
        InboxReason.UNREADABLE_VALUE,
        "The value is neither a number nor a word that is known of this sender.",
    )
