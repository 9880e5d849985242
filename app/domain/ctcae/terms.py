"""The CTCAE v5.0 dictionary: every term, its organ class, the grades that exist, and its groups.

No MedDRA code is held, because MedDRA is licensed.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.ctcae import terms_blood_to_injury, terms_investigations_to_vascular
from app.domain.vocabulary import SpecialInterest

DICTIONARY_VERSION = "5.0"


@dataclass(frozen=True, slots=True)
class Term:
    """One adverse event term; `grades` are those that the dictionary defines, ascending."""

    name: str
    soc: str
    grades: tuple[int, ...]


def _read(classes: dict[str, dict[str, str]]) -> tuple[Term, ...]:
    """Read the compact tables; terms are sorted by name within their organ class."""
    terms = []
    for soc, by_grades in classes.items():
        in_class = [
            Term(" ".join(name.split()), soc, tuple(int(grade) for grade in grades))
            for grades, names in by_grades.items()
            for name in names.split(";")
        ]
        terms += sorted(in_class, key=lambda term: term.name.casefold())
    return tuple(terms)


TERMS: tuple[Term, ...] = (
    *_read(terms_blood_to_injury.TERMS),
    *_read(terms_investigations_to_vascular.TERMS),
)
_BY_NAME = {term.name.casefold(): term for term in TERMS}


def find_term(name: str) -> Term | None:
    """Find a term by its exact name, whatever the case."""
    return _BY_NAME.get(" ".join(name.split()).casefold())


def search_terms(query: str) -> tuple[Term, ...]:
    """Find the terms that contain every word of the query, in any order and whatever the case.

    A query without words finds all terms.
    """
    words = query.casefold().split()
    return tuple(term for name, term in _BY_NAME.items() if all(word in name for word in words))


def grade_exists(name: str, grade: int) -> bool:
    """Tell whether the dictionary defines this grade for this term; an unknown term has none."""
    term = find_term(name)
    return term is not None and grade in term.grades


def needs_specification(name: str) -> bool:
    """Tell whether a term only says the organ class, so that words have to say what happened."""
    return name.endswith("Other, specify")


# Cytopenias that a blood count alone shows: expected in this disease, hence set apart for DLT.
CYTOPENIA_TERMS = frozenset(
    {
        "Anemia",
        "CD4 lymphocytes decreased",
        "Lymphocyte count decreased",
        "Neutrophil count decreased",
        "Platelet count decreased",
        "White blood cell decreased",
    }
)
CYTOPENIA_SEQUELAE = frozenset({"Febrile neutropenia"})

# The classes that the record names: "infusion reactions, embolism events, viral infections,
# abnormalities in liver and kidney functions, abnormalities in coagulation function".
_SPECIAL_INTEREST = {
    SpecialInterest.INFUSION_REACTION: (
        "Allergic reaction",
        "Anaphylaxis",
        "Chills",
        "Cytokine release syndrome",
        "Fever",
        "Infusion related reaction",
    ),
    SpecialInterest.EMBOLISM: (
        "Arterial thromboembolism",
        "Myocardial infarction",
        "Portal vein thrombosis",
        "Stroke",
        "Thromboembolic event",
        "Vascular access complication",
    ),
    SpecialInterest.VIRAL_INFECTION: (
        "Cytomegalovirus infection reactivation",
        "Epstein-Barr virus infection reactivation",
        "Hepatitis B reactivation",
        "Hepatitis viral",
        "Herpes simplex reactivation",
        "Shingles",
        "Viremia",
    ),
    SpecialInterest.HEPATIC: (
        "Alanine aminotransferase increased",
        "Alkaline phosphatase increased",
        "Aspartate aminotransferase increased",
        "Blood bilirubin increased",
        "GGT increased",
        "Hepatic failure",
        "Hepatic necrosis",
        "Sinusoidal obstruction syndrome",
    ),
    SpecialInterest.RENAL: (
        "Acute kidney injury",
        "Chronic kidney disease",
        "Creatinine increased",
        "Hemolytic uremic syndrome",
    ),
    SpecialInterest.COAGULATION: (
        "Activated partial thromboplastin time prolonged",
        "Disseminated intravascular coagulation",
        "Fibrinogen decreased",
        "INR increased",
    ),
}


def special_interest(name: str) -> frozenset[SpecialInterest]:
    """Give the classes of special interest of a term; they rest on the term alone."""
    term = find_term(name)
    return frozenset(
        interest
        for interest, names in _SPECIAL_INTEREST.items()
        if term is not None and term.name in names
    )
