"""The protocol definition: complete, consistent, and nothing in it is misspelt."""

import json
from decimal import Decimal

import jsonschema
import pytest

from app.core.serialization import to_json
from app.domain.ctcae.terms import CYTOPENIA_SEQUELAE, CYTOPENIA_TERMS, DICTIONARY_VERSION, TERMS
from app.domain.errors import DomainError
from app.protocols import read_definition
from app.schemas.protocols import definition_schema, parse_definition

KEY = "NCT07212335"


@pytest.fixture
def document() -> dict:
    """The shipped definition as data."""
    return read_definition(KEY, 1)


def test_the_shipped_definition_is_complete(document):
    """It parses, and holds the numbers of the registry record."""
    rules = parse_definition(document)
    assert rules.study.key == KEY
    assert [level.name for level in rules.dosing.levels] == ["A", "B", "C"]
    assert [level.planned_infusions for level in rules.dosing.levels] == [1, 2, 4]
    assert {level.cells_per_kg for level in rules.dosing.levels} == {Decimal(2_000_000)}
    assert rules.study.registered_enrolment == 15
    assert len(rules.assumptions) >= 40


def test_the_dictionary_is_the_one_we_grade_by(document):
    """The definition's CTCAE version and every term it names are in the dictionary."""
    rules = parse_definition(document)
    known = {term.name for term in TERMS}
    named = {*rules.dlt.cytopenia.terms, *rules.dlt.cytopenia.sequelae}
    named |= {term for trigger in rules.escalation.hold_triggers for term in trigger.terms}
    assert rules.study.ctcae_version == DICTIONARY_VERSION
    assert named <= known
    assert set(rules.dlt.cytopenia.terms) == set(CYTOPENIA_TERMS)
    assert set(rules.dlt.cytopenia.sequelae) == set(CYTOPENIA_SEQUELAE)


def test_the_json_schema_takes_the_shipped_definition(document):
    """The schema is valid JSON Schema, takes our definition, and refuses a misspelt key."""
    schema = definition_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    plain = json.loads(to_json(document))
    jsonschema.validate(plain, schema)
    plain["dlt"]["windw_days"] = 28
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(plain, schema)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("key", ""),
        ("key", "NCT/1"),
        ("key", "-1"),
        ("key", "N" * 41),
        ("key", "研究"),
        ("time_zone", ""),
        ("time_zone", "Asia/Nowhere"),
        ("time_zone", "../etc/passwd"),
    ],
)
def test_a_study_is_called_so_that_it_can_be_addressed(document, field, value):
    """A key that no address holds and a zone that nobody keeps are refused."""
    document["study"][field] = value
    with pytest.raises(DomainError) as refusal:
        parse_definition(document)
    assert [reason.pointer for reason in refusal.value.reasons] == ["/body/definition/study"]


@pytest.mark.parametrize("section", sorted(read_definition(KEY, 1)))
def test_every_section_is_needed(document, section):
    """A definition without one of its sections is refused, and the refusal names the section."""
    del document[section]
    with pytest.raises(DomainError) as refusal:
        parse_definition(document)
    assert any(section in reason.pointer for reason in refusal.value.reasons)


def test_an_unknown_key_is_refused_by_name(document):
    """A misspelt number must not silently be the default."""
    document["dlt"]["windw_days"] = 29
    with pytest.raises(DomainError) as refusal:
        parse_definition(document)
    assert refusal.value.reasons[0].pointer == "/body/definition/dlt/windw_days"


def test_an_assumption_has_one_name(document):
    """Two readings under one id could not be told apart."""
    document["assumptions"].append(document["assumptions"][0])
    with pytest.raises(DomainError) as refusal:
        parse_definition(document)
    assert "named twice" in refusal.value.reasons[0].message


def test_blood_counts_are_expected_at_visits_that_exist(document):
    """A deviation at a visit outside the schedule could never be derived."""
    document["deviations"]["blood_count_visits"].append("W99")
    with pytest.raises(DomainError) as refusal:
        parse_definition(document)
    assert "blood_count_visits" in refusal.value.reasons[0].message


def at_place(document: dict, place: str, value: object) -> dict:
    """Put a value at a place such as `dlt/window_days`; a number selects from a list."""
    *path, last = (int(part) if part.isdigit() else part for part in place.split("/"))
    inner = document
    for part in path:
        inner = inner[part]
    inner[last] = value
    return document


@pytest.mark.parametrize(
    "place",
    [
        "dlt/window_days",
        "schedule/visits/offsets/0/target_day",
        "schedule/contraception_months/female",
        "response/weeks/1",
        "eligibility/windows/laboratory/days_before",
        "dosing/levels/2/interval_days",
    ],
)
def test_whole_numbers_are_bounded(document, place):
    """10,001 days or months are a slip of the pen, and would lead out of the calendar."""
    with pytest.raises(DomainError) as refused:
        parse_definition(at_place(document, place, 10_001))
    assert "must not go beyond 10000" in refused.value.reasons[0].message


def test_a_level_has_at_most_a_hundred_infusions(document):
    """As many as the numbers of infusions go."""
    parse_definition(at_place(document, "dosing/levels/2/planned_infusions", 100))
    with pytest.raises(DomainError) as refused:
        parse_definition(at_place(document, "dosing/levels/2/planned_infusions", 101))
    assert "over 100 infusions" in refused.value.reasons[0].message
