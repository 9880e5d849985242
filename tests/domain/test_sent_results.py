"""A sent result is kept as it came, but for characters that nothing can keep."""

from app.domain.sent_results import (
    SentCode,
    SentIdentifier,
    SentResult,
    identity_of,
    names_somebody,
    storable,
    withheld,
    without_identity,
)


def test_what_can_be_kept_stays_as_it_came():
    """Ordinary text, in any script, is not touched."""
    sent = SentResult(
        patients=(SentIdentifier(value="病-1"),),
        codes=(SentCode(code="751-8", system="LN", text="\\u0000"),),
        panel=SentCode(code="CBC"),
        values=(("1.5", "a\nb"), ()),
    )
    assert storable(sent) == sent


def test_what_cannot_be_kept_is_marked_in_every_place():
    """NUL and half characters become the replacement character; nothing else is lost."""
    bad = "a\x00b\ud800"
    sent = SentResult(
        patients=(SentIdentifier(value=bad),),
        codes=(SentCode(code=bad, system="LN"),),
        panel=SentCode(code="CBC", text=bad),
        values=((bad, "1"), ("2",)),
        unit=bad,
        flags=(bad,),
        stated_by_message=True,
    )
    good = "a\ufffdb\ufffd"
    assert storable(sent) == SentResult(
        patients=(SentIdentifier(value=good),),
        codes=(SentCode(code=good, system="LN"),),
        panel=SentCode(code="CBC", text=good),
        values=((good, "1"), ("2",)),
        unit=good,
        flags=(good,),
        stated_by_message=True,
    )


def test_the_patients_own_number_is_no_accession():
    """A specimen that is numbered like its patient has no number; any other stays."""
    sent = SentResult(
        patients=(SentIdentifier(value=" MRN-1 "),), codes=(), accession="MRN-1", unit="g/L"
    )
    assert without_identity(sent).accession == ""
    assert without_identity(sent).unit == "g/L"
    other = SentResult(patients=sent.patients, codes=(), accession="A-1")
    assert without_identity(other) == other
    nothing = SentResult(patients=(), codes=())
    assert without_identity(nothing) == nothing


def test_a_long_number_is_found_inside_of_others_a_short_one_only_alone():
    """A number of few digits stands in dates and accessions by chance."""
    assert names_somebody("X-MRN-7788-1", {"MRN-7788"})
    assert names_somebody(" 7 ", {"7"})
    assert not names_somebody("20260777", {"777"})
    assert not names_somebody("", {"", " "})
    assert not names_somebody("A-1", set())
    patients = (SentIdentifier(value="MRN-7788"), SentIdentifier(value="P-2"))
    sent = SentResult(patients=patients, codes=(), accession="A-MRN-7788")
    assert identity_of(sent) == {"MRN-7788", "P-2"}
    assert without_identity(sent).accession == ""


def test_words_that_name_the_patient_are_withheld_wherever_they_stand():
    """All else stays as it came, and so do the patient's own identifiers."""
    patients = (SentIdentifier(value="MRN-7788"),)
    sent = SentResult(
        patients=patients,
        codes=(SentCode(code="MRN-7788", system="L", text="x"), SentCode(code="777-3")),
        values=(("MRN-7788", "1"),),
        unit="of MRN-7788",
        status="F",
        stated_by_message=True,
    )
    assert withheld(sent) == SentResult(
        patients=patients,
        codes=(SentCode(code="", system="L", text="x"), SentCode(code="777-3")),
        values=(("", "1"),),
        unit="",
        status="F",
        stated_by_message=True,
    )
    other = SentResult(patients=patients, codes=(SentCode(code="777-3"),), unit="g/L")
    assert withheld(other) == other
