"""The CTCAE dictionary over HTTP, and grades of values that are not stored."""

import pytest

from app.domain.vocabulary import Role
from tests.factories.labs import refusal

FIXED = (
    "term", "grade", "grade_min", "grade_max", "gradable", "needs_clinical_input", "rule",
)  # fmt: skip


async def grade(api, **body):
    """Grade a value and return its results."""
    answer = await api().post("/ctcae/grade", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


async def test_a_value_is_graded_for_every_term_of_its_analyte(api):
    """The answer holds the grade, its bounds and the rule, under the agreed names."""
    (result,) = await grade(api, analyte="ANC", value=0.9, unit="10*9/L", lln=1.8)
    assert {name: result[name] for name in FIXED} == {
        "term": "Neutrophil count decreased",
        "grade": 3,
        "grade_min": 3,
        "grade_max": 3,
        "gradable": True,
        "needs_clinical_input": False,
        "rule": "ctcae5:Neutrophil count decreased:3:ANC:ABS",
    }
    terms = [each["term"] for each in await grade(api, analyte="K", value=4, unit="mmol/L")]
    assert terms == ["Hyperkalemia", "Hypokalemia"]


async def test_limits_and_baseline_are_in_the_unit_of_the_value(api):
    """The same hemoglobin is of the same grade in g/L and in g/dL."""
    in_grams = await grade(api, analyte="HGB", value=102, unit="g/L", lln=115, uln=150)
    in_deci = await grade(api, analyte="HGB", value=10.2, unit="g/dL", lln=11.5, uln=15)
    assert in_grams == in_deci
    (result,) = await grade(
        api, analyte="CREA", value=0.9, unit="mg/dL", uln=1.2, baseline=0.5, lln=0.4
    )
    assert result["grade"] == 2


async def test_a_slip_of_the_unit_is_not_graded(api):
    """10.2 g/L would be the worst anemia of all; it is refused."""
    body = {"analyte": "HGB", "value": 10.2, "unit": "g/L", "lln": 115}
    answer = await api().post("/ctcae/grade", json=body)
    assert refusal(answer) == (422, "implausible_value", "/body/value")


async def test_thirty_point_three_is_three_times_ten_point_one(api):
    """The comparison is exact."""
    (result,) = await grade(api, analyte="AST", value=30.3, unit="U/L", uln=10.1)
    assert (result["grade"], result["rests_on"]) == (1, ["uln 10.1", "threshold 10.1"])


async def test_a_term_is_graded_by_each_analyte_that_could_have_the_value(api):
    """3.2 mmol/L may be total or ionized calcium, 5 only total."""
    both = await grade(api, term="hypercalcemia", value=3.2, unit="mmol/L")
    assert [(each["analyte"], each["grade"]) for each in both] == [("CA", 3), ("ICA", 4)]
    (one,) = await grade(api, term="Hypercalcemia", value=5, unit="mmol/L")
    assert (one["analyte"], one["grade"]) == ("CA", 4)


async def test_a_unit_is_left_out_only_where_there_is_none(api):
    """The INR has no unit, sodium has."""
    (result,) = await grade(api, analyte="INR", value=1.6, on_anticoagulant=False)
    assert result["grade"] == 2
    answer = await api().post("/ctcae/grade", json={"analyte": "NA", "value": 140})
    assert refusal(answer) == (422, "unknown_unit", "/body/unit")


async def test_an_ungraded_analyte_has_no_results(api):
    """CTCAE v5.0 gives ferritin no term."""
    assert await grade(api, analyte="ferritin", value=900, unit="ng/mL") == []


async def test_a_comparator_is_only_a_bound(api):
    """Platelets below 20 are surely grade 4, above 20 not even gradable."""
    (low,) = await grade(api, analyte="PLT", value=20, comparator="<", unit="10*9/L")
    assert low["grade"] == 4
    (high,) = await grade(api, analyte="PLT", value=20, comparator=">", unit="10*9/L")
    assert (high["grade"], high["gradable"], high["grade_min"], high["grade_max"]) == (
        None, False, 0, 4,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "code", "pointer"),
    [
        ({"analyte": None}, "validation_failed", "/body"),
        ({"term": "Anemia"}, "validation_failed", "/body"),
        ({"analyte": None, "term": "Anaemia"}, "unknown_term", "/body/term"),
        ({"analyte": None, "term": "Fever"}, "term_not_numeric", "/body/term"),
        ({"analyte": "HEMO"}, "unknown_analyte", "/body/analyte"),
        ({"unit": "mmol/L"}, "unknown_unit", "/body/unit"),
        ({"baseline": 12}, "implausible_value", "/body/baseline"),
        ({"uln": 15}, "implausible_range", "/body/uln"),
        ({"value": "102"}, "validation_failed", "/body/value"),
        ({"value": None}, "validation_failed", "/body/value"),
        ({"ULN": 150}, "validation_failed", "/body/ULN"),
    ],
)
async def test_a_question_that_cannot_be_answered_is_refused(api, changes, code, pointer):
    """Every refusal names the field."""
    body = {"analyte": "HGB", "value": 102, "unit": "g/L"} | changes
    assert refusal(await api().post("/ctcae/grade", json=body)) == (422, code, pointer)


async def test_terms_are_found_by_words_in_any_order(api):
    """A term shows the grades that exist and the analytes that grade it."""
    answer = await api(Role.LABORATORY_SYSTEM).get("/ctcae/terms", params={"q": "count neutro"})
    assert answer.json() == {
        "items": [
            {
                "term": "Neutrophil count decreased",
                "soc": "Investigations",
                "grades": [1, 2, 3, 4],
                "analytes": ["ANC"],
                "special_interest": [],
                "dictionary_version": "5.0",
            }
        ],
        "next": None,
    }


async def test_terms_are_found_by_organ_class(api):
    """The class narrows the words down."""
    params = {"q": "calcemia", "soc": "metabolism"}
    items = (await api().get("/ctcae/terms", params=params)).json()["items"]
    assert [item["term"] for item in items] == ["Hypercalcemia", "Hypocalcemia"]
    assert items[0]["analytes"] == ["CA", "ICA"]
    nothing = await api().get("/ctcae/terms", params={"q": "calcemia", "soc": "Cardiac"})
    assert nothing.json()["items"] == []


async def test_all_terms_are_reached_page_by_page(api):
    """The dictionary has 837 terms; no page repeats one."""
    client, seen, cursor = api(), [], None
    while True:
        params = {"limit": 200} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/ctcae/terms", params=params)).json()
        seen += [item["term"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 837
    assert refusal(await client.get("/ctcae/terms", params={"cursor": "x"})) == (
        422, "invalid_cursor", "/query/cursor",
    )  # fmt: skip
