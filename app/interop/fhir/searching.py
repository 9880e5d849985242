"""Search parameters of the façade: read into filters; what is unknown is ignored or refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo

from app.interop.fhir.refusals import Issue, Refusal
from app.services.fhir_search import SearchPage, Span
from app.services.paging import MAX_LIMIT

DEFAULT_COUNT = 50
CURSOR = "_cursor"
# Every search understands these.
COMMON = frozenset({"_id", "_lastUpdated", "_count", CURSOR, "study"})
OBSERVATION_PARAMETERS = frozenset({"identifier", "subject", "patient", "code", "date", "status"})
PATIENT_PARAMETERS = frozenset({"identifier", "gender"})
SUBJECT_PARAMETERS = frozenset({"identifier", "individual", "patient", "status"})
STUDY_PARAMETERS = frozenset({"identifier", "status"})
EVENT_PARAMETERS = frozenset({"subject", "patient", "event", "code", "date"})
# Every answer is JSON with an exact total, whatever these say.
WITHOUT_EFFECT = frozenset({"_format", "_pretty", "_total", "_totalMethod"})
# Subjects are named by reference or, in two spellings of R4, by identifier.
SUBJECT_NAMES = ("subject", "patient", "individual")
BY_IDENTIFIER = ":identifier"
_SPELLINGS = {
    f"{name}{suffix}": name + meant
    for name in SUBJECT_NAMES
    for suffix, meant in (
        (":Patient", ""),
        (BY_IDENTIFIER, BY_IDENTIFIER),
        (".identifier", BY_IDENTIFIER),
        (":Patient.identifier", BY_IDENTIFIER),
    )
}
_DATE = re.compile(
    r"(?P<prefix>[a-z]{2})?(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)"
    r"(?:T(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.\d{1,6})?)?"
    r"(?P<zone>Z|[+-]\d\d:\d\d)?)?)?)?",
    re.ASCII,
)
_ZONE = re.compile(r"(?P<sign>[+-])(?P<hours>\d\d):(?P<minutes>\d\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Token:
    """A code or an identifier that is searched for; without `system` any will do."""

    value: str
    system: str | None = None

    def fits(self, value: str, system: str) -> bool:
        """Tell whether a code under a system is meant; `system|` means all codes of it."""
        same = self.value == value or bool(self.system and not self.value)
        return same and self.system in (None, system)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A search as it was understood; `kept` are the parameters that had an effect.

    `base` is the façade's address, `numbers` the system of the study's subject numbers.
    """

    values: dict[str, list[str]]
    kept: tuple[tuple[str, str], ...]
    page: SearchPage
    zone: tzinfo = field(repr=False)
    base: str = ""
    numbers: str = ""

    def any_of(self, *names: str) -> tuple[str, ...] | None:
        """Return the alternatives of a parameter under its names, None where it is not given.

        Repeated parameters have to hold together; what several lists share is what remains.
        """
        given = [value.split(",") for name in names for value in self.values.get(name, ())]
        if not given:
            return None
        shared = set(given[0]).intersection(*given[1:])
        return tuple(item for item in dict.fromkeys(given[0]) if item in shared)

    def tokens(self, name: str) -> tuple[Token, ...] | None:
        """Return the alternatives of a token parameter."""
        found = self.any_of(name)
        return None if found is None else tuple(_token(each) for each in found)

    def subjects(self) -> tuple[str, ...] | None:
        """Return the subjects that are named in one way or another, by id or number."""
        given = [
            [self._subject(item, suffix) for item in value.split(",")]
            for name in SUBJECT_NAMES
            for suffix in ("", BY_IDENTIFIER)
            for value in self.values.get(name + suffix, ())
        ]
        if not given:
            return None
        shared = set(given[0]).intersection(*given[1:])
        return tuple(item for item in dict.fromkeys(given[0]) if item in shared)

    def _subject(self, text: str, suffix: str) -> str:
        """Return the id or number by which a subject is named, empty where it is none of ours."""
        if suffix != BY_IDENTIFIER:
            own = text.removeprefix(f"{self.base}/") if self.base else text
            return own.removeprefix("Patient/")
        token = _token(text)
        return token.value if token.system in (None, self.numbers) else ""

    def spans(self, name: str) -> tuple[Span, ...]:
        """Return the spans of time that a date parameter asks for."""
        return tuple(_span(value, name, self.zone) for value in self.values.get(name, ()))


def read_query(
    items: Iterable[tuple[str, str]], known: frozenset[str], strict: bool, zone: tzinfo
) -> Query:
    """Read the parameters of a search; raise Refusal for what cannot be meant.

    An unknown parameter is ignored, unless the client wants it strict. A modifier or a chain that
    is not known is always refused, as R4 demands: without it more would be found than is meant.
    """
    values: dict[str, list[str]] = {}
    kept, unknown = [], False
    for name, value in items:
        meant = _SPELLINGS.get(name, name)
        if meant.removesuffix(BY_IDENTIFIER) in known | COMMON and value:
            values.setdefault(meant, []).append(value)
            kept.append((name, value))
        elif ":" in name or "." in name:
            sentence = "This search does not know such a modifier or chain; leave it out."
            raise Refusal(Issue("invalid", sentence))
        elif (name, value) == ("_summary", "count"):
            values["_count"] = ["0"]
            kept.append((name, value))
        elif name not in WITHOUT_EFFECT:
            unknown = True
    if unknown and strict:
        text = f"This search has no such parameter; it has: {', '.join(sorted(known | COMMON))}."
        raise Refusal(Issue("invalid", text))
    return Query(
        values=values,
        kept=tuple(kept),
        page=SearchPage(_count(values), _single(values, CURSOR)),
        zone=zone,
    )


def _count(values: dict[str, list[str]]) -> int:
    """Read `_count`; more than a page holds is a page."""
    given = _single(values, "_count")
    if given is None:
        return DEFAULT_COUNT
    if not (given.isascii() and given.isdigit() and len(given) < 10):
        raise _unreadable("_count", "a whole number from 0")
    return min(int(given), MAX_LIMIT)


def _single(values: dict[str, list[str]], name: str) -> str | None:
    given: Sequence[str] = values.get(name, ())
    if len(given) > 1:
        raise _unreadable(name, "given once")
    return given[0] if given else None


def _token(text: str) -> Token:
    system, bar, value = text.rpartition("|")
    return Token(value, system if bar else None)


def _span(text: str, name: str, zone: tzinfo) -> Span:
    """Read a date with its prefix; a date without an offset is one in the study's zone."""
    found = _DATE.fullmatch(text)
    try:
        if found is not None:
            low, high = _bounds(found, zone)
            return _compared(found["prefix"] or "eq", low, high)
    except (ValueError, OverflowError):
        pass
    raise _unreadable(name, "a date such as ge2026-05-01 (with eq, gt, ge, lt, le, sa or eb)")


def _compared(prefix: str, low: datetime, high: datetime) -> Span:
    """Return the span that a prefix means for a date from `low` up to `high`."""
    if prefix == "eq":
        return Span(low, high)
    if prefix in {"gt", "sa", "ge"}:
        return Span(low if prefix == "ge" else high, None)
    if prefix in {"lt", "eb", "le"}:
        return Span(None, high if prefix == "le" else low)
    raise ValueError(prefix)


def _bounds(found: re.Match[str], zone: tzinfo) -> tuple[datetime, datetime]:
    """Return the first instant that a date may mean, and the first one after it."""
    year, month, day, hour, minute, second = (
        int(found[part]) if found[part] else None
        for part in ("year", "month", "day", "hour", "minute", "second")
    )
    start = datetime(
        year or 0, month or 1, day or 1, hour or 0, minute or 0, second or 0, tzinfo=zone
    )
    if found["zone"]:
        start = start.replace(tzinfo=UTC) - _offset(found["zone"])
    if second is not None:
        return start, start + timedelta(seconds=1)
    if minute is not None:
        return start, start + timedelta(minutes=1)
    if day is not None:
        return start, start + timedelta(days=1)
    months = (year or 0) * 12 + (month or 1) - 1 + (1 if month else 12)
    return start, start.replace(year=months // 12, month=months % 12 + 1)


def _offset(text: str) -> timedelta:
    found = _ZONE.fullmatch(text)
    if found is None:
        return timedelta()
    size = timedelta(hours=int(found["hours"]), minutes=int(found["minutes"]))
    return size if found["sign"] == "+" else -size


def _unreadable(name: str, wanted: str) -> Refusal:
    return Refusal(Issue("invalid", f"The parameter {name} has to be {wanted}."))
