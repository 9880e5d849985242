"""Reading CSV files: whatever a spreadsheet does to one is read right or refused by line."""

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import DomainError
from app.domain.quantities import Comparator
from app.domain.vocabulary import Finding, LabStatus, TimePrecision
from app.interop.lab_csv import CHARSETS, COLUMNS, MAX_ROWS, TooManyRows, read_rows

SHANGHAI = ZoneInfo("Asia/Shanghai")
HEADER = "subject,analyte,value,unit,collected_at"
ROW = "S-001,ANC,1.2,10*9/L,2026-05-20T08:15:00+08:00"


def read(text, codec="utf-8"):
    """Read a file of the study's zone."""
    return read_rows(text.encode(codec), codec, SHANGHAI)


def read_one(**cells):
    """Read the one row of a file with these cells beside the usual ones."""
    usual = dict(zip(HEADER.split(","), ROW.split(","), strict=True)) | cells
    quoted = ",".join('"' + cell.replace('"', '""') + '"' for cell in usual.values())
    (row,) = read(",".join(usual) + "\n" + quoted)
    return row


def refusal(raw, codec="utf-8"):
    """Return the code and the place for which a file is refused as a whole."""
    with pytest.raises(DomainError) as caught:
        read_rows(raw.encode(codec) if isinstance(raw, str) else raw, codec, SHANGHAI)
    error = caught.value
    return error.code, error.reasons[0].pointer if error.reasons else ""


def codes(row):
    """Return where and why a row is refused."""
    return [(reason.pointer, reason.code) for reason in row.reasons]


def test_a_row_is_read_with_its_own_words():
    """Numbers are exact, times are instants, and every word is kept as it stood."""
    row = read_one(
        value="≤0.10", lln="1.80", uln="6.3", accession="A-1", reported_at="2026-05-20 10:00",
        status="Preliminary",
    )  # fmt: skip
    assert (row.line, row.reasons) == (2, ())
    content, result = row.content, row.content.result
    assert (content.subject, content.accession) == ("S-001", "A-1")
    assert (result.analyte, result.comparator, result.value) == (
        "ANC",
        Comparator.LE,
        Decimal("0.10"),
    )
    assert (result.lln, result.uln, result.unit) == (Decimal("1.80"), Decimal("6.3"), "10*9/L")
    assert result.collected_at == datetime(2026, 5, 20, 0, 15, tzinfo=UTC)
    assert result.reported_at == datetime(2026, 5, 20, 2, 0, tzinfo=UTC)
    assert (result.status, result.finding) == (LabStatus.PRELIMINARY, None)
    original = content.original
    assert (original.value, original.unit, original.lln, original.uln) == (
        "≤0.10", "10*9/L", "1.80", "6.3",
    )  # fmt: skip
    assert content.original_code == "ANC"
    assert content.original_status == "Preliminary"
    assert content.original_collected == "2026-05-20T08:15:00+08:00"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_is_one(end):
    """LF, CRLF and CR end a row, also inside quotes, and lines are counted alike."""
    quoted = ROW.replace("10*9/L", f'"10*9/L{end}"')
    rows = read(end.join([HEADER, quoted, "", ROW, "short"]) + end)
    assert [row.line for row in rows] == [2, 5, 6]
    assert rows[0].content.result == rows[1].content.result
    assert codes(rows[2]) == [("", "short_row")]


@pytest.mark.parametrize(
    ("codec", "mark"),
    [("utf-8", "\ufeff"), ("utf-8", ""), ("gb18030", ""), ("utf-16", ""), ("utf-16-be", "\ufeff")],
)
def test_a_declared_charset_and_a_byte_order_mark_are_read(codec, mark):
    """The text is the same in each, Chinese words included."""
    (row,) = read(f"{mark}{HEADER},finding\nS-001,HBsAg,,,2026-05-20 08:15,阴性\n", codec)
    assert row.content.result.finding is Finding.NEGATIVE
    assert row.content.result.value is None


@pytest.mark.parametrize(
    "raw",
    [
        "阴性".encode("gb18030"),
        f"{HEADER}\n{ROW}".encode("utf-16"),
        b"\xff\xfe",
        b"caf\xe9",
    ],
    ids=["gbk", "utf-16", "mark", "latin"],
)
def test_an_undeclared_charset_is_not_guessed(raw):
    """What is no UTF-8 is refused, and the sentence says what to declare."""
    assert refusal(raw) == ("undecodable_text", "")


def test_utf_16_without_an_order_of_bytes_is_refused():
    """Nobody knows which half of a character comes first."""
    assert refusal(f"{HEADER}\n{ROW}".encode("utf-16-le"), "utf-16") == ("undecodable_text", "")


def test_every_charset_that_may_be_declared_can_be_read():
    """No name leads to a codec that is not there."""
    assert {len(read(f"{HEADER}\n{ROW}", codec)) for codec in CHARSETS.values()} == {1}


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("", "empty_file", None),
        ("\ufeff", "empty_file", None),
        ("\r\n\r\n", "empty_file", None),
        (HEADER, "no_rows", None),
        (f'{HEADER}\n{ROW}\n"S-001,ANC\n', "malformed_row", 3),
        (f'{HEADER}\n\n{ROW}\n"S-001"x,ANC\n', "malformed_row", 4),
        (f"{HEADER}\r\n{ROW}\r\nS-001,\x00", "unstorable_text", 3),
        (f"{HEADER},patient\n{ROW},x", "unknown_column", 1),
        (f"{HEADER},unit\n{ROW},x", "duplicate_column", 1),
        ("subject,analyte,value,collected_at\nx", "missing_column", 1),
        (HEADER.replace(",", ";"), "unknown_column", 1),
        (f"\n{ROW}", "unknown_column", 2),
    ],
)
def test_a_file_that_is_no_table_is_refused_whole(text, code, line):
    """The line is named where one is at fault."""
    assert refusal(text) == (code, "" if line is None else f"/body/lines/{line}")


def test_a_header_that_is_somebodys_row_is_not_repeated():
    """A file without a header would put a patient's values into the answer."""
    with pytest.raises(DomainError) as caught:
        read("S-777,SECRET,1,2,3\n")
    sentences = str([(reason.message, reason.pointer) for reason in caught.value.reasons])
    assert "S-777" not in sentences
    assert "SECRET" not in sentences
    assert "Column 2 is none of" in sentences


def test_a_header_may_be_in_any_order_and_case():
    """Names are found whatever their place, blanks and capitals."""
    names = [f" {name.upper()} " for name in reversed(HEADER.split(","))]
    (row,) = read(",".join(names) + "\n" + ",".join(reversed(ROW.split(","))))
    assert row.content.subject == "S-001"


def test_all_problems_of_a_header_are_told():
    """An unknown, a repeated and a missing column are three reasons."""
    with pytest.raises(DomainError) as caught:
        read("subject,subject,unit,collected_at,value,x\n")
    assert [reason.code for reason in caught.value.reasons] == [
        "unknown_column", "duplicate_column", "missing_column",
    ]  # fmt: skip


def test_rows_of_another_length_are_refused_by_line():
    """A comma too few or too many shifts every cell behind it."""
    short, long = read(f"{HEADER}\nS-001,ANC,1.2,10*9/L\n{ROW.replace('1.2', '1,2')}\n")
    assert (short.line, codes(short)) == (2, [("", "short_row")])
    assert (long.line, codes(long)) == (3, [("", "long_row")])


def test_ten_thousand_rows_are_the_most():
    """One more is too many for one transaction."""
    text = HEADER + f"\n{ROW}" * MAX_ROWS
    assert len(read(text)) == MAX_ROWS
    with pytest.raises(TooManyRows):
        read(text + "\nshort")


@pytest.mark.parametrize(
    ("column", "cell", "code"),
    [
        ("value", "1,2", "decimal_comma"),
        ("value", "<1,2", "decimal_comma"),
        ("value", "1，2", "decimal_comma"),
        ("lln", "1,8", "decimal_comma"),
        ("value", "1.23E+05", "scientific_notation"),
        ("uln", "1E3", "scientific_notation"),
        ("value", "=1+1", "not_a_number"),
        ("value", "5-Mar", "not_a_number"),
        ("value", "<", "not_a_number"),
        ("value", "NaN", "not_a_number"),
        ("value", "1_000", "not_a_number"),
        ("value", "٣", "not_a_number"),
        ("value", "10^3", "not_a_number"),
        ("value", "negative", "not_a_number"),
        ("lln", "<1", "not_a_number"),
        ("subject", "1.23E+05", "mangled_identifier"),
        ("subject", "2026/5/20", "mangled_identifier"),
        ("accession", "1.23E+05", "mangled_identifier"),
        ("accession", "1,23E+05", "mangled_identifier"),
        ("accession", "2026-05-20", "mangled_identifier"),
        ("accession", "2026/5/20 8:15", "mangled_identifier"),
        ("accession", "20.05.2026", "mangled_identifier"),
        ("accession", "5/20/26", "mangled_identifier"),
        ("accession", "20-May", "mangled_identifier"),
        ("accession", "May-26", "mangled_identifier"),
        ("accession", "1-Sept-2026", "mangled_identifier"),
        ("accession", "5月20日", "mangled_identifier"),
        ("accession", "2026年5月", "mangled_identifier"),
        ("accession", "########", "mangled_identifier"),
        ("accession", "#N/A", "mangled_identifier"),
        ("accession", "x" * 101, "text_too_long"),
        ("accession", "A\x1b1", "control_character"),
        ("analyte", "HEMO", "unknown_analyte"),
        ("analyte", "99999-9", "unknown_analyte"),
        ("finding", "not done", "unknown_finding"),
        ("finding", "perhaps", "unknown_finding"),
        ("status", "F", "unknown_status"),
        ("collected_at", "2026-05-21", "not_a_time"),
        ("collected_at", "20/05/2026 08:15", "not_a_time"),
        ("collected_at", "46162.34", "not_a_time"),
        ("collected_at", "2026-02-30 08:15", "not_a_time"),
        ("collected_at", "2026-05-20 8:15 PM", "not_a_time"),
        ("reported_at", "yesterday", "not_a_time"),
        ("subject", "", "missing"),
        ("analyte", " ", "missing"),
        ("collected_at", "", "missing"),
    ],
)
def test_a_doubtful_cell_is_refused_by_its_column(column, cell, code):
    """Nothing is guessed, and no sentence repeats the cell."""
    row = read_one(**{column: cell})
    assert codes(row) == [(f"/{column}", code)]
    assert row.content is None
    assert len(cell) < 4 or cell not in row.reasons[0].message


def test_all_doubtful_cells_of_a_row_are_told_at_once():
    """Whoever corrects the row needs one look."""
    row = read_one(subject="", value="1,2", collected_at="soon")
    assert sorted(codes(row)) == [
        ("/collected_at", "not_a_time"), ("/subject", "missing"), ("/value", "decimal_comma"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "accession", ["20260520-001", "26-05-1234", "0042", "=1+1", "@SUM(A1)", '="0042"', "A\nB"]
)
def test_an_identifier_is_kept_letter_for_letter(accession):
    """Leading zeros, formulas and long runs of digits are text like any other."""
    assert read_one(accession=accession).content.accession == accession


@pytest.mark.parametrize(
    ("cell", "comparator", "value"),
    [
        ("1.2", None, "1.2"),
        ("<15", Comparator.LT, "15"),
        ("> = 3", None, None),
        (">= 3", Comparator.GE, "3"),
        ("＜０.５", Comparator.LT, "0.5"),
        (".5", None, "0.5"),
        ("7.", None, "7"),
        ("+7", None, "7"),
        ("-0", None, "0"),
        ("−3", None, "-3"),
    ],
)
def test_values_are_exact_and_may_be_bounds(cell, comparator, value):
    """A comparator before the number makes it a bound; zero has no sign."""
    row = read_one(value=cell)
    if value is None:
        assert codes(row) == [("/value", "not_a_number")]
    else:
        result = row.content.result
        assert (result.comparator, str(result.value + 0)) == (comparator, value)


@pytest.mark.parametrize(
    ("name", "key"), [("ANC", "ANC"), ("neut#", "ANC"), ("751-8", "ANC"), ("plt", "PLT")]
)
def test_an_analyte_goes_by_key_alias_or_loinc(name, key):
    """The word that was sent stays beside the key."""
    content = read_one(analyte=name).content
    assert (content.result.analyte, content.original_code) == (key, name)


@pytest.mark.parametrize(
    ("cell", "instant", "precision"),
    [
        ("2026-05-20T08:15:00Z", "2026-05-20T08:15:00+00:00", TimePrecision.SECOND),
        ("2026-05-20T08:15-05:00", "2026-05-20T13:15:00+00:00", TimePrecision.MINUTE),
        ("2026-05-20 08:15", "2026-05-20T00:15:00+00:00", TimePrecision.MINUTE),
        ("2026/5/20 8:15", "2026-05-20T00:15:00+00:00", TimePrecision.MINUTE),
        ("202605200815", "2026-05-20T00:15:00+00:00", TimePrecision.MINUTE),
    ],
)
def test_a_time_without_offset_is_of_the_study(cell, instant, precision):
    """An offset is taken at its word; without one the study's zone counts."""
    content = read_one(collected_at=cell).content
    assert content.result.collected_at == datetime.fromisoformat(instant)
    assert content.precision is precision


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(sorted(set(CHARSETS.values()))))
def test_no_bytes_crash_the_reader(raw, codec):
    """Whatever comes is read or refused; a row has content or reasons, never both or neither."""
    try:
        rows = read_rows(raw, codec, SHANGHAI)
    except DomainError:
        return
    assert all((row.content is None) == bool(row.reasons) for row in rows)


CELL = st.text(st.sampled_from('S-01.,"\n\r\t<>=ANC+9/L:TZ阴%'), max_size=12)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(CELL, min_size=len(COLUMNS), max_size=len(COLUMNS)), min_size=1, max_size=4)
)
def test_no_cells_crash_a_row(table):
    """Every row of a file that is a table is accounted for, in order."""
    text = "\n".join(
        ",".join('"' + cell.replace('"', '""') + '"' for cell in cells) for cells in table
    )
    rows = read(",".join(COLUMNS) + "\n" + text)
    assert len(rows) == len(table)
    assert all((row.content is None) == bool(row.reasons) for row in rows)
