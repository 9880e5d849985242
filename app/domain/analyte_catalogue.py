"""The analyte catalogue as data: names, LOINC codes, units and plausible ranges.

Codes that mean another quantity (a logarithm, a molar hemoglobin, another QT formula) and codes
that could not be confirmed are left out on purpose: a result under such a code then goes to a
person instead of being filed under the wrong analyte.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from app.domain import units
from app.domain.units import UnitFamily


class AnalyteCategory(StrEnum):
    """The laboratory area that an analyte belongs to."""

    BLOOD_COUNT = "blood_count"
    CHEMISTRY = "chemistry"
    INFLAMMATION = "inflammation"
    LYMPHOCYTE_SUBSET = "lymphocyte_subset"
    IMMUNOGLOBULIN = "immunoglobulin"
    CYTOKINE = "cytokine"
    COAGULATION = "coagulation"
    ENDOCRINE = "endocrine"
    VIROLOGY = "virology"
    ECG = "ecg"
    VITAL_SIGN = "vital_sign"


@dataclass(frozen=True, slots=True, kw_only=True)
class Analyte:
    """One kind of result.

    `canonical_unit` (UCUM) and the plausible range are None when only a finding can be reported;
    `qualitative` tells whether a finding can be reported at all. The range is inclusive and says
    what a living person can have, not what is healthy.
    """

    key: str
    name: str
    category: AnalyteCategory
    aliases: tuple[str, ...]
    loinc: str | None
    loinc_also: tuple[str, ...]
    canonical_unit: str | None
    plausible_low: Decimal | None
    plausible_high: Decimal | None
    qualitative: bool
    family: UnitFamily | None = field(repr=False, compare=False)


def _analyte(category: AnalyteCategory, family: UnitFamily | None, row: str) -> Analyte:
    """Read one row `key | name | aliases | LOINC codes | range`.

    The range is `low to high`, `low to high or finding`, or only `finding`.
    """
    key, name, aliases, codes, plausible = (cell.strip() for cell in row.split("|"))
    loinc = codes.split()
    bounds = [Decimal(word) for word in plausible.split() if word[0].isdigit()]
    return Analyte(
        key=key,
        name=name,
        category=category,
        aliases=tuple(aliases.split()),
        loinc=loinc[0] if loinc else None,
        loinc_also=tuple(loinc[1:]),
        canonical_unit=family.canonical if family else None,
        plausible_low=bounds[0] if bounds else None,
        plausible_high=bounds[1] if bounds else None,
        qualitative=plausible.endswith("finding"),
        family=family,
    )


# Rows by category and by unit family, each as `_analyte` reads it.
_ROWS: dict[AnalyteCategory, tuple[tuple[UnitFamily | None, str], ...]] = {
    AnalyteCategory.BLOOD_COUNT: (
        # The plausible range of C1: 102 g/dL and 10.2 g/L are slips of the unit.
        (units.HEMOGLOBIN, "HGB | Hemoglobin | Hb | 718-7 20509-6 55782-7 30313-1 | 20 to 250"),
        (
            units.BLOOD_COUNT,
            """
            ANC | Neutrophils, absolute | NEUT# NEU# | 751-8 753-4 26499-4 | 0 to 200
            PLT | Platelets | | 777-3 778-1 26515-7 | 0 to 3000
            WBC | Leukocytes | | 6690-2 26464-8 804-5 | 0 to 1000
            LYM | Lymphocytes, absolute | LYM# LYMPH# | 731-0 26474-7 | 0 to 1000
            EOS | Eosinophils, absolute | EOS# | 711-2 | 0 to 500
            """,
        ),
        (
            units.RETICULOCYTE_COUNT,
            "RETIC | Reticulocytes, absolute | RET# RETIC# | 60474-4 14196-0 | 0 to 1000",
        ),
        (
            units.PERCENT,
            """
            NEUT_PCT | Neutrophils / 100 leukocytes | NEUT% NEU% | 770-8 | 0 to 100
            LYM_PCT | Lymphocytes / 100 leukocytes | LYM% LYMPH% | 736-9 26478-8 | 0 to 100
            """,
        ),
    ),
    AnalyteCategory.CHEMISTRY: (
        (units.CREATININE, "CREA | Creatinine | SCr | 2160-0 14682-9 38483-4 | 5 to 3000"),
        (units.UREA, "UREA | Urea | | 22664-7 3091-6 | 0.1 to 100"),
        (units.UREA_NITROGEN, "BUN | Urea nitrogen | | 3094-0 14937-7 | 0.1 to 100"),
        (
            units.ENZYME,
            """
            ALT | Alanine aminotransferase | GPT | 1742-6 1743-4 | 0 to 20000
            AST | Aspartate aminotransferase | GOT | 1920-8 30239-8 | 0 to 20000
            ALP | Alkaline phosphatase | | 6768-6 | 0 to 20000
            GGT | Gamma glutamyl transferase | | 2324-2 | 0 to 20000
            LDH | Lactate dehydrogenase | | 14804-9 2532-0 14805-6 | 0 to 50000
            CK | Creatine kinase | CPK | 2157-6 | 0 to 1000000
            LIP | Lipase | | 3040-3 | 0 to 100000
            AMY | Amylase | | 1798-8 | 0 to 100000
            """,
        ),
        (units.BILIRUBIN, "TBIL | Bilirubin, total | T-BIL | 1975-2 14631-6 | 0 to 1500"),
        (
            units.MONOVALENT_ION,
            """
            NA | Sodium | | 2951-2 2947-0 | 80 to 220
            K | Potassium | | 2823-3 6298-4 | 0.5 to 15
            HCO3 | Bicarbonate | | 1963-8 | 0 to 80
            """,
        ),
        (
            # Only corrected calcium is graded; the total stays apart, so it never passes for it.
            units.CALCIUM,
            """
            CA | Calcium, corrected for albumin | | 29265-6 | 0.3 to 6
            CA_TOTAL | Calcium, total | | 17861-6 2000-8 | 0.3 to 6
            ICA | Calcium, ionized | | 1994-3 1995-0 | 0.1 to 4
            """,
        ),
        (units.MAGNESIUM, "MG | Magnesium | | 19123-9 2601-3 | 0.05 to 10"),
        (units.PHOSPHATE, "PHOS | Phosphate | | 2777-1 14879-1 | 0.05 to 15"),
        (units.GLUCOSE, "GLU | Glucose | | 2345-7 14749-6 2339-0 | 0.1 to 120"),
        (units.CHOLESTEROL, "CHOL | Cholesterol | | 2093-3 14647-2 | 0.1 to 60"),
        (units.TRIGLYCERIDES, "TG | Triglycerides | | 2571-8 14927-8 | 0.05 to 150"),
        (units.URATE, "UA | Urate | | 3084-1 14933-6 | 5 to 3000"),
        (
            units.PROTEIN,
            """
            ALB | Albumin | | 1751-7 | 5 to 90
            HAPTO | Haptoglobin | | 4542-7 | 0 to 20
            """,
        ),
        (units.ACIDITY, "PH | pH of blood | | 11558-4 2744-1 | 6.3 to 8.2"),
    ),
    AnalyteCategory.INFLAMMATION: (
        (units.FERRITIN, "FERR | Ferritin | FERRITIN | 2276-4 24373-3 14723-1 | 0 to 500000"),
        (units.C_REACTIVE_PROTEIN, "CRP | C-reactive protein | | 1988-5 30522-7 | 0 to 1000"),
        # `PCT` is no alias: blood count analyzers send it for the plateletcrit.
        (units.PROCALCITONIN, "PCT_PROC | Procalcitonin | | 33959-8 75241-0 | 0 to 1000"),
    ),
    AnalyteCategory.LYMPHOCYTE_SUBSET: (
        (
            units.SUBSET_COUNT,
            """
            CD3_ABS | CD3+ T cells, absolute | CD3# | 8122-4 | 0 to 100000
            CD4_ABS | CD3+CD4+ T cells, absolute | CD4 CD4# | 24467-3 | 0 to 100000
            CD8_ABS | CD3+CD8+ T cells, absolute | CD8# | 14135-8 | 0 to 100000
            CD19_ABS | CD19+ B cells, absolute | CD19# | 8116-6 | 0 to 100000
            NK_ABS | CD16+CD56+ NK cells, absolute | NK# | 20402-4 | 0 to 100000
            """,
        ),
        (
            units.PERCENT,
            """
            CD3_PCT | CD3+ / 100 lymphocytes | CD3% | 8124-0 | 0 to 100
            CD4_PCT | CD3+CD4+ / 100 lymphocytes | CD4% | 8123-2 | 0 to 100
            CD8_PCT | CD3+CD8+ / 100 lymphocytes | CD8% | 8101-8 | 0 to 100
            CD19_PCT | CD19+ / 100 lymphocytes | CD19% | 8117-4 | 0 to 100
            NK_PCT | CD16+CD56+ / 100 lymphocytes | NK% | 18267-5 | 0 to 100
            """,
        ),
        (units.RATIO, "CD4_CD8 | CD4/CD8 ratio | CD4/CD8 | 54218-3 | 0 to 50"),
    ),
    AnalyteCategory.IMMUNOGLOBULIN: (
        (
            units.PROTEIN,
            """
            IGG | Immunoglobulin G | | 2465-3 | 0 to 200
            IGA | Immunoglobulin A | | 2458-8 | 0 to 100
            IGM | Immunoglobulin M | | 2472-9 | 0 to 100
            """,
        ),
    ),
    AnalyteCategory.CYTOKINE: (
        (
            units.CYTOKINE,
            """
            IL2 | Interleukin 2 | IL-2 | | 0 to 1000000
            IL6 | Interleukin 6 | IL-6 | 26881-3 | 0 to 1000000
            IL8 | Interleukin 8 | IL-8 | 33211-4 | 0 to 1000000
            IL10 | Interleukin 10 | IL-10 | 26848-2 | 0 to 1000000
            TNFA | Tumor necrosis factor alpha | TNF-a TNF-α | | 0 to 1000000
            IFNG | Interferon gamma | IFN-g IFN-γ | 27415-9 | 0 to 1000000
            """,
        ),
    ),
    AnalyteCategory.COAGULATION: (
        (
            units.SECONDS,
            """
            PT | Prothrombin time | | 5902-2 5964-2 | 5 to 300
            APTT | Activated partial thromboplastin time | | 14979-9 3173-2 | 10 to 400
            """,
        ),
        (units.INR, "INR | International normalized ratio | PT-INR | 6301-6 | 0.4 to 30"),
        (units.PROTEIN, "FIB | Fibrinogen | Fbg | 3255-7 | 0 to 30"),
        (units.D_DIMER_FEU, "DDIMER | D-dimer (FEU) | | 48065-7 | 0 to 1000"),
        (units.D_DIMER_DDU, "DDIMER_DDU | D-dimer (DDU) | | 48066-5 | 0 to 1000"),
    ),
    AnalyteCategory.ENDOCRINE: (
        (units.HBA1C, "HBA1C | Hemoglobin A1c | GHb | 4548-4 17856-6 59261-8 | 2 to 25"),
        (None, "HCG_U | Pregnancy test, urine | | 2106-3 | finding"),
        (
            units.GONADOTROPIN,
            "HCG_S | Choriogonadotropin, serum | | 2110-5 19080-1 | 0 to 1000000 or finding",
        ),
    ),
    AnalyteCategory.VIROLOGY: (
        (
            units.VIRAL_LOAD,
            """
            CMV_DNA | Cytomegalovirus DNA | CMV-DNA | 72493-0 100675-8 | 0 to 1E+9 or finding
            HBV_DNA | Hepatitis B virus DNA | HBV-DNA | 42595-9 | 0 to 1E+11 or finding
            HCV_RNA | Hepatitis C virus RNA | HCV-RNA | 11011-4 | 0 to 1E+10 or finding
            """,
        ),
        (
            units.LOG_COPIES,
            "B19_DNA | Parvovirus B19 DNA | B19-DNA | 100688-1 | 0 to 14 or finding",
        ),
        (
            None,
            """
            HBSAG | Hepatitis B surface antigen | | 5196-1 | finding
            HBCAB | Hepatitis B core antibody | anti-HBc | 13952-7 | finding
            HIV_AGAB | HIV antibody and p24 antigen | anti-HIV | 56888-1 29893-5 | finding
            TP_AB | Treponema pallidum antibody | anti-TP TPPA | 22587-0 | finding
            """,
        ),
    ),
    AnalyteCategory.ECG: (
        (units.MILLISECONDS, "QTCF | QT interval corrected by Fridericia | | 76634-5 | 200 to 900"),
    ),
    AnalyteCategory.VITAL_SIGN: (
        (units.BODY_WEIGHT, "WEIGHT | Body weight | | 29463-7 | 20 to 300"),
    ),
}

ANALYTES: tuple[Analyte, ...] = tuple(
    _analyte(category, family, row)
    for category, groups in _ROWS.items()
    for family, rows in groups
    for row in rows.strip().splitlines()
)
