"""The shipped profiles: plain messages by the standard, and what Chinese hospitals send."""

import pytest

from app.domain.sender_profile import SenderProfile
from app.domain.shipped_profiles import SHIPPED_PROFILES
from app.domain.vocabulary import Finding
from app.schemas.sender_profiles import parse_profile, profile_document
from tests.domain.sent_cases import HBSAG, read, reasons

CHINA = SHIPPED_PROFILES["china_oul_r24"]


def test_the_generic_profile_is_the_standard():
    """A sender of plain messages needs nothing."""
    assert SHIPPED_PROFILES["generic_oru"] == SenderProfile()


@pytest.mark.parametrize("name", SHIPPED_PROFILES)
def test_shipped_profiles_are_valid_documents(name):
    """Each can be stored as a document, whole, and comes back the same."""
    profile = SHIPPED_PROFILES[name]
    assert parse_profile(profile_document(profile)) == profile


def test_chinese_results():
    """Local time of Tianjin, unit in the second component, flags of their own."""
    assert (CHINA.unit_component, CHINA.accession_fields[0]) == (2, "SPM-2")
    found = read("阴性(-)", HBSAG, CHINA, value_type="ST", unit="", flags=("N",))
    assert (found.result.finding, found.flags) == (Finding.NEGATIVE, ("NEG",))
    assert read(profile=CHINA, flags=("M",)).flags == ("N",)
    assert read(profile=CHINA, flags=("Q",)).flags == ("WR",)


@pytest.mark.parametrize("name", SHIPPED_PROFILES)
def test_only_a_patients_number_says_who_somebody_is(name):
    """Numbers of an insurance, a visit or an account never do, nor types that nobody explained."""
    kinds = set(SHIPPED_PROFILES[name].patient_identifier_kinds)
    assert kinds >= {"", "MR"}
    assert kinds & {"SN", "SS", "VN", "AN", "25", "51"} == set()


@pytest.mark.parametrize("status", ["", "0", "1"])
def test_an_abnormality_is_no_status(status):
    """Old systems send 0, 1 or nothing as the status: never final without a word of the profile."""
    assert reasons(profile=CHINA, status=status) == ["unknown_status"]
