"""Reading CSV files of laboratory results: a result for each row, or every reason why it is none.

Columns, in any order: subject (number), analyte (key, alias or LOINC code), value (with a
comparator before it, if any), unit and collected_at in every file; lln, uln, finding, reported_at,
accession and status as needed. Times have an offset or are of the study's zone.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

from app.domain.analytes import find_analyte, find_analyte_by_loinc
from app.domain.errors import DomainError, ErrorKind, Reason, invalid
from app.domain.quantities import Comparator
from app.domain.reported_results import OriginalText, ReportedResult
from app.domain.sender_profile import SenderProfile
from app.domain.sent_texts import plain
from app.domain.sent_times import SentTime, read_time
from app.domain.sent_words import find_word
from app.domain.vocabulary import Finding, LabStatus, TimePrecision
from app.services.lab_upload_rows import RowContent, UploadRow

NEEDED = ("subject", "analyte", "value", "unit", "collected_at")
COLUMNS = (*NEEDED, "lln", "uln", "finding", "reported_at", "accession", "status")
_IN_EVERY_ROW = ("subject", "analyte", "collected_at")
# What may be declared, and the codec that reads it: GB 18030 holds GBK and GB 2312.
CHARSETS = {
    "utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "utf-8",
    "gb18030": "gb18030", "gbk": "gb18030", "gb2312": "gb18030",
    "utf-16": "utf-16", "utf-16le": "utf-16-le", "utf-16be": "utf-16-be",
}  # fmt: skip
MAX_ROWS = 10_000
_LONGEST = 100
_GENERAL_WORDS = SenderProfile()
_LINE_END = re.compile(r"\r\n|\r|\n")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_VALUE = re.compile(r"(<=|>=|<|>)?\s*(.*)", re.DOTALL)
_SCIENTIFIC = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?[eE][+-]?[0-9]+")
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_CALENDAR_DATE = re.compile(
    r"(?:19|20)[0-9]{2}([-/.])[0-9]{1,2}\1[0-9]{1,2}(?:[ T][0-9:]+)?"
    r"|[0-9]{1,2}([-/.])[0-9]{1,2}\2(?:19|20)[0-9]{2}(?:[ T][0-9:]+)?"
    r"|[0-9]{1,2}/[0-9]{1,2}/[0-9]{2}"
    rf"|[0-9]{{1,2}}[- ]{_MONTH}(?:[- ][0-9]{{2,4}})?|{_MONTH}[- ][0-9]{{1,4}}"
    r"|(?:[0-9]{2,4}年)?[0-9]{1,2}月(?:[0-9]{1,2}日)?",
    re.IGNORECASE,
)
_ERROR_CELL = re.compile(r"#+|#(?:N/A|REF!|NAME\?|VALUE!|NUM!|NULL!|DIV/0!)")


class TooManyRows(Exception):  # noqa: N818 - says what the file has
    """The file has more rows than are stored by one transaction."""


def read_rows(raw: bytes, codec: str, zone: ZoneInfo) -> tuple[UploadRow, ...]:
    """Read a file; raises invalid for one that is no table of results, and TooManyRows.

    `codec` is one of CHARSETS' values, `zone` that of times without an offset.
    """
    records = _records(_decode(raw, codec))
    header = next(records, None)
    if header is None:
        raise invalid("empty_file", "The file is empty; send a header and a row for each result.")
    names = _column_names(*header)
    rows: list[UploadRow] = []
    for line, cells in records:
        if len(rows) == MAX_ROWS:
            raise TooManyRows
        rows.append(_read_row(line, names, cells, zone))
    if not rows:
        raise invalid("no_rows", "The file has a header only; send a row for each result.")
    return tuple(rows)


def _decode(raw: bytes, codec: str) -> str:
    """Decode the bytes, without a byte order mark; raise invalid `undecodable_text`."""
    marked = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = raw.decode(codec) if marked or codec != "utf-16" else None
    except UnicodeDecodeError:
        text = None
    if text is None:
        raise invalid(
            "undecodable_text",
            "The file is not of the charset that it was sent as; declare the one it is of, as in"
            " Content-Type: text/csv; charset=gb18030.",
        )
    nul = text.find("\x00")
    if nul >= 0:
        line = 1 + len(_LINE_END.findall(text, 0, nul))
        raise invalid("unstorable_text", "The file holds a NUL character.", _place(line))
    return text.removeprefix("\ufeff")


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """Split a text into records, each with the line on which it begins; empty lines are none."""
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error:
            raise invalid(
                "malformed_row",
                f"The row that begins on line {line} has a quote that is not closed, or text after"
                " a closing quote; write a quote inside a cell twice.",
                _place(line),
            ) from None
        if cells is None:
            return
        if cells:
            yield line, cells


def _column_names(line: int, cells: Sequence[str]) -> list[str]:
    """Check the header; what it says is not repeated, because it may be a row of somebody's."""
    names = [cell.strip().lower() for cell in cells]
    problems = [
        ("unknown_column", f"Column {number} is none of: {', '.join(COLUMNS)}.")
        for number, name in enumerate(names, 1)
        if name not in COLUMNS
    ]
    problems += [
        ("duplicate_column", f"The header names {name} more than once.")
        for name in COLUMNS
        if names.count(name) > 1
    ]
    problems += [
        ("missing_column", f"The header does not name {name}, which every file has.")
        for name in NEEDED
        if name not in names
    ]
    if problems:
        reasons = tuple(Reason(code, sentence, _place(line)) for code, sentence in problems)
        raise DomainError(
            ErrorKind.INVALID,
            problems[0][0],
            "The first line of the file has to name its columns, separated by commas; see errors.",
            reasons,
        )
    return names


def _place(line: int) -> str:
    return f"/body/lines/{line}"


def _read_row(line: int, names: Sequence[str], cells: Sequence[str], zone: ZoneInfo) -> UploadRow:
    """Read one row; a row of another length than the header is not read at all."""
    if len(cells) != len(names):
        code, what = ("short_row", "fewer") if len(cells) < len(names) else ("long_row", "more")
        sentence = f"This row has {what} cells than the header; quote a cell that holds a comma."
        return UploadRow(line=line, reasons=(Reason(code, sentence),))
    said = {name: cell.strip() for name, cell in zip(names, cells, strict=True)}
    reasons = [
        Reason("missing", "Every row needs this; fill it in.", f"/{name}")
        for name in _IN_EVERY_ROW
        if not said[name]
    ]
    values: dict[str, Any] = dict.fromkeys(COLUMNS)
    for name, cell in said.items():
        try:
            values[name] = _read_cell(name, cell, zone)
        except DomainError as error:
            reasons.append(Reason(error.code, error.message, f"/{name}"))
    if reasons:
        return UploadRow(line=line, reasons=tuple(reasons))
    return UploadRow(line=line, content=_content(said, values))


def _content(said: Mapping[str, str], values: Mapping[str, Any]) -> RowContent:
    comparator, number = values["value"] or (None, None)
    collected, reported = values["collected_at"], values["reported_at"]
    result = ReportedResult(
        analyte=values["analyte"],
        value=number,
        comparator=comparator,
        unit=values["unit"],
        lln=values["lln"],
        uln=values["uln"],
        finding=values["finding"],
        status=values["status"] or LabStatus.FINAL,
        collected_at=collected.instant,
        reported_at=reported.instant if reported else None,
    )
    parts = ("value", "unit", "lln", "uln")
    return RowContent(
        subject=values["subject"],
        accession=values["accession"],
        result=result,
        precision=collected.precision,
        original=OriginalText(**{name: said.get(name) or None for name in parts}),
        original_code=said["analyte"],
        original_status=said.get("status") or None,
        original_collected=said["collected_at"],
    )


def _read_cell(name: str, cell: str, zone: ZoneInfo) -> Any:
    """Return what a cell says, None for a blank one; raise invalid if that cannot be known."""
    if len(cell) > _LONGEST:
        raise invalid("text_too_long", f"A cell has at most {_LONGEST} characters.")
    if _CONTROL.search(cell):
        raise invalid("control_character", "This cell holds a control character; remove it.")
    return _READERS[name](cell, zone) if cell else None


def _identifier(cell: str, _: ZoneInfo) -> str:
    """Take an identifier letter for letter, unless a spreadsheet has made something else of it."""
    if any(each.fullmatch(cell) for each in (_SCIENTIFIC, _CALENDAR_DATE, _ERROR_CELL)):
        raise invalid(
            "mangled_identifier",
            "A spreadsheet has turned this identifier into a number or a date; format the column"
            " as text and fill it in again.",
        )
    return cell


def _analyte(cell: str, _: ZoneInfo) -> str:
    analyte = find_analyte(cell) or find_analyte_by_loinc(cell)
    if analyte is None:
        raise invalid(
            "unknown_analyte", "This is no key, alias or LOINC code of the catalogue; check it."
        )
    return analyte.key


def _value(cell: str, zone: ZoneInfo) -> tuple[Comparator | None, Decimal]:
    found = _VALUE.fullmatch(plain(cell))
    assert found is not None, "every text has a part behind its comparator"
    comparator = Comparator(found[1]) if found[1] else None
    return comparator, _number(found[2], zone)


def _number(cell: str, _: ZoneInfo) -> Decimal:
    """Read a number with a point; commas and exponents are doubtful, so nobody guesses."""
    text = plain(cell)
    if "," in text:
        raise invalid("decimal_comma", "Write numbers with a decimal point and without commas.")
    if _SCIENTIFIC.fullmatch(text):
        raise invalid(
            "scientific_notation",
            "Write the number out; a spreadsheet may have dropped digits of it.",
        )
    if _NUMBER.fullmatch(text) is None:
        raise invalid("not_a_number", "This must be a number such as 1.25, or 15 with < before it.")
    number = Decimal(text)
    # A zero has no sign in the database.
    return number or abs(number)


def _finding(cell: str, _: ZoneInfo) -> Finding:
    word = find_word(cell, _GENERAL_WORDS)
    if word is None or word.finding is None:
        raise invalid("unknown_finding", f"This must be one of: {', '.join(Finding)}.")
    return word.finding


def _status(cell: str, _: ZoneInfo) -> LabStatus:
    try:
        return LabStatus(cell.lower())
    except ValueError:
        raise invalid("unknown_status", f"This must be one of: {', '.join(LabStatus)}.") from None


def _time(cell: str, zone: ZoneInfo) -> SentTime:
    """Read a time, to the minute at least, because a grade may depend on what came first."""
    time = read_time(cell, zone)
    if time is None or time.precision in (TimePrecision.DAY, TimePrecision.HOUR):
        raise invalid(
            "not_a_time",
            "This must be a time like 2026-05-20T08:15:00+08:00 or 2026-05-20 08:15.",
        )
    return time


def _text(cell: str, _: ZoneInfo) -> str:
    return cell


_READERS: Mapping[str, Callable[[str, ZoneInfo], Any]] = {
    "subject": _identifier,
    "analyte": _analyte,
    "value": _value,
    "unit": _text,
    "lln": _number,
    "uln": _number,
    "finding": _finding,
    "collected_at": _time,
    "reported_at": _time,
    "accession": _identifier,
    "status": _status,
}
