"""The CTCAE v5.0 dictionary: counts, spot checks, search and groups."""

from collections import Counter

import pytest

from app.domain.ctcae import terms
from app.domain.ctcae.terms import Term, find_term, grade_exists, search_terms, special_interest
from app.domain.vocabulary import SpecialInterest

OTHERS = tuple(term for term in terms.TERMS if term.name.endswith("- Other, specify"))


def test_dictionary_has_every_term_once():
    """There are 837 terms in 26 organ classes and no name twice, whatever the case."""
    assert len(terms.TERMS) == 837
    assert len({term.name.casefold() for term in terms.TERMS}) == 837
    assert len({(term.name, term.soc) for term in terms.TERMS}) == 837
    assert len({term.soc for term in terms.TERMS}) == 26


def test_grade_patterns_are_counted():
    """Only 330 terms have all five grades; the other patterns are as frequent as published."""
    patterns = Counter("".join(map(str, term.grades)) for term in terms.TERMS)
    assert patterns == {
        "12345": 330,
        "123": 196,
        "2345": 100,
        "1234": 49,
        "345": 45,
        "12": 42,
        "1": 18,
        "2": 11,
        "45": 10,
        "23": 9,
        "234": 7,
        "13": 4,
        "1345": 4,
        "34": 3,
        "5": 3,
        "4": 2,
        "3": 2,
        "145": 1,
        "1235": 1,
    }


def test_organ_classes_are_counted():
    """The number of terms by organ class is as published."""
    assert Counter(term.soc for term in terms.TERMS) == {
        "Blood and lymphatic system disorders": 12,
        "Cardiac disorders": 34,
        "Congenital, familial and genetic disorders": 1,
        "Ear and labyrinth disorders": 8,
        "Endocrine disorders": 14,
        "Eye disorders": 26,
        "Gastrointestinal disorders": 122,
        "General disorders and administration site conditions": 25,
        "Hepatobiliary disorders": 18,
        "Immune system disorders": 6,
        "Infections and infestations": 88,
        "Injury, poisoning and procedural complications": 79,
        "Investigations": 42,
        "Metabolism and nutrition disorders": 26,
        "Musculoskeletal and connective tissue disorders": 44,
        "Neoplasms benign, malignant and unspecified (incl cysts and polyps)": 7,
        "Nervous system disorders": 68,
        "Pregnancy, puerperium and perinatal conditions": 4,
        "Psychiatric disorders": 21,
        "Renal and urinary disorders": 23,
        "Reproductive system and breast disorders": 49,
        "Respiratory, thoracic and mediastinal disorders": 62,
        "Skin and subcutaneous tissue disorders": 39,
        "Social circumstances": 1,
        "Surgical and medical procedures": 1,
        "Vascular disorders": 17,
    }


def test_names_are_clean():
    """Reading the compact tables leaves no stray blank, separator or unsorted grade."""
    for term in terms.TERMS:
        assert term.name == " ".join(term.name.split()) != ""
        assert ";" not in term.name
        assert term.grades == tuple(sorted(set(term.grades)))
        assert set(term.grades) <= {1, 2, 3, 4, 5}


def test_every_organ_class_has_one_open_term():
    """Each of the 26 organ classes ends in one 'Other, specify' term."""
    assert len(OTHERS) == 26
    assert len({term.soc for term in OTHERS}) == 26


@pytest.mark.parametrize(
    ("name", "soc", "grades"),
    [
        ("Infusion related reaction", "Injury, poisoning and procedural complications", "12345"),
        ("Allergic reaction", "Immune system disorders", "12345"),
        ("Anaphylaxis", "Immune system disorders", "345"),
        ("Cytokine release syndrome", "Immune system disorders", "12345"),
        ("Fever", "General disorders and administration site conditions", "12345"),
        ("Chills", "General disorders and administration site conditions", "123"),
        ("Death NOS", "General disorders and administration site conditions", "5"),
        ("Sudden death NOS", "General disorders and administration site conditions", "5"),
        ("Thromboembolic event", "Vascular disorders", "12345"),
        ("Arterial thromboembolism", "Vascular disorders", "345"),
        ("Stroke", "Nervous system disorders", "12345"),
        ("Myocardial infarction", "Cardiac disorders", "2345"),
        ("Vascular access complication", "Injury, poisoning and procedural complications", "12345"),
        ("Viremia", "Infections and infestations", "23"),
        ("Cytomegalovirus infection reactivation", "Infections and infestations", "12345"),
        ("Upper respiratory infection", "Infections and infestations", "2345"),
        ("Lung infection", "Infections and infestations", "2345"),
        ("Sepsis", "Infections and infestations", "345"),
        ("Bacteremia", "Infections and infestations", "2"),
        ("Fungemia", "Infections and infestations", "23"),
        ("Febrile neutropenia", "Blood and lymphatic system disorders", "345"),
        ("Disseminated intravascular coagulation", "Blood and lymphatic system disorders", "2345"),
        ("Acute kidney injury", "Renal and urinary disorders", "345"),
        ("Hepatic failure", "Hepatobiliary disorders", "345"),
        ("Neutrophil count decreased", "Investigations", "1234"),
        ("Blood lactate dehydrogenase increased", "Investigations", "1"),
        ("Lymphocyte count increased", "Investigations", "23"),
        ("Hyperuricemia", "Metabolism and nutrition disorders", "1345"),
    ],
)
def test_terms_that_the_trial_names(name, soc, grades):
    """The terms behind the record's safety endpoints have exactly these grades."""
    assert find_term(name) == Term(name, soc, tuple(map(int, grades)))


def test_icans_is_no_term():
    """ICANS is not in version 5.0, and half a name is not found."""
    assert find_term("ICANS") is None
    assert find_term("Infusion related") is None


def test_find_ignores_case_and_blanks():
    """A name is found however it is capitalised and spaced."""
    assert find_term("  infusion RELATED   reaction ") == find_term("Infusion related reaction")


def test_search_takes_words_in_any_order():
    """Every word must occur, as a part of the name, in any order."""
    names = {term.name for term in search_terms("decreased COUNT")}
    assert names == {
        "Lymphocyte count decreased",
        "Neutrophil count decreased",
        "Platelet count decreased",
    }
    assert [term.name for term in search_terms("thrombo embolism")] == ["Arterial thromboembolism"]
    assert search_terms("no such word") == ()
    assert search_terms("  ") == terms.TERMS


def test_grade_exists_only_where_defined():
    """Viremia has the grades 2 and 3 only; an unknown term has none."""
    assert [grade for grade in range(7) if grade_exists("viremia", grade)] == [2, 3]
    assert not grade_exists("Death NOS", 4)
    assert grade_exists("Death NOS", 5)
    assert not grade_exists("ICANS", 3)


def test_cytopenia_terms_are_terms_of_the_blood_count():
    """The cytopenias set apart for DLT are in the dictionary, and their sequela is not one."""
    for name in terms.CYTOPENIA_TERMS | terms.CYTOPENIA_SEQUELAE:
        assert find_term(name) is not None
        assert find_term(name).name == name
    assert len(terms.CYTOPENIA_TERMS) == 6
    assert {"Febrile neutropenia"} == terms.CYTOPENIA_SEQUELAE
    assert not terms.CYTOPENIA_TERMS & terms.CYTOPENIA_SEQUELAE


@pytest.mark.parametrize(
    ("name", "interest"),
    [
        ("Infusion related reaction", SpecialInterest.INFUSION_REACTION),
        ("anaphylaxis", SpecialInterest.INFUSION_REACTION),
        ("Arterial thromboembolism", SpecialInterest.EMBOLISM),
        ("Portal vein thrombosis", SpecialInterest.EMBOLISM),
        ("Viremia", SpecialInterest.VIRAL_INFECTION),
        ("Blood bilirubin increased", SpecialInterest.HEPATIC),
        ("Acute kidney injury", SpecialInterest.RENAL),
        ("INR increased", SpecialInterest.COAGULATION),
    ],
)
def test_special_interest_of_a_term(name, interest):
    """Each class that the record names is recognised by its terms."""
    assert special_interest(name) == {interest}


def test_other_terms_have_no_special_interest():
    """A term outside the six classes, and an unknown one, have none."""
    assert special_interest("Nausea") == frozenset()
    assert special_interest("ICANS") == frozenset()


def test_special_interest_names_exist_and_no_class_is_empty():
    """Over the whole dictionary every class occurs, with as many terms as were listed."""
    counts = Counter(interest for term in terms.TERMS for interest in special_interest(term.name))
    assert counts == {
        SpecialInterest.INFUSION_REACTION: 6,
        SpecialInterest.EMBOLISM: 6,
        SpecialInterest.VIRAL_INFECTION: 7,
        SpecialInterest.HEPATIC: 8,
        SpecialInterest.RENAL: 4,
        SpecialInterest.COAGULATION: 4,
    }
