"""Units of measurement: how their text is read, and exact conversion to one canonical unit.

Every family of analytes has its own table, because one text means different things for different
analytes (`G/L` is giga per litre for a cell count, never gram per litre): an unknown text is
refused, never guessed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from types import MappingProxyType

# Wide enough for the exact product or sum of any two values that `measurable` lets through.
EXACT = Context(prec=200)
_MOST_DIGITS = 40

_SUPERSCRIPT = re.compile("[⁰¹²³⁴-⁹]+")
_POWER_OF_TEN = re.compile(r"^[xX*]?10(?:\*\*|\*|\^|E|e)(?=\d)")
_POWER_BASE = re.compile(r"[xX*×]?\s*10\s*\*{0,2}")
_POWER = re.compile(r"(?:[xX*]?10)(?:\*\*|\*|\^|E|e)-?\d{1,2}")
_EXPONENT_AND_REST = re.compile(r"(?:3|6|9|12)/.+")
_LITRE = re.compile(r"(?<=[/dmunfp])l(?![A-Za-z])")


def measurable(value: Decimal) -> bool:
    """Tell whether a value is a finite number of a length that a laboratory could send."""
    return (
        value.is_finite()
        and len(value.as_tuple().digits) <= _MOST_DIGITS
        and abs(value.adjusted()) <= _MOST_DIGITS
    )


def normalize_unit(text: str) -> str:
    """Fold spellings that cannot change the meaning: widths, micro signs, blanks, litre, powers.

    Case stays, because it distinguishes prefixes (`m` and `M`, `g` and `G`).
    """
    folded = unicodedata.normalize("NFKC", _SUPERSCRIPT.sub(r"^\g<0>", text))
    folded = "".join(folded.split()).replace("μ", "u").replace("×", "x")
    return _POWER_OF_TEN.sub("10*", _LITRE.sub("L", folded))


def is_power_base(text: str) -> bool:
    """Tell whether a text is the `10` or `x10` of a power whose exponent was cut off."""
    return _POWER_BASE.fullmatch(text) is not None


def can_be_unit(text: str) -> bool:
    """Tell a unit, or none at all, from a bare number and from half of a power of ten.

    A part of `10^9/L` that stood for the whole would stand for `10^6/L` as well.
    """
    normal = normalize_unit(text)
    if not normal or _POWER.fullmatch(normal):
        return True
    if is_power_base(normal) or _EXPONENT_AND_REST.fullmatch(normal):
        return False
    return any(sign.isalpha() or sign in "%‰°" for sign in normal)


@dataclass(frozen=True, slots=True)
class Conversion:
    """`canonical = factor x value + offset`; only HbA1c has an offset."""

    factor: Decimal
    offset: Decimal = Decimal(0)

    def apply(self, value: Decimal) -> Decimal:
        """Convert without rounding."""
        product = EXACT.multiply(value, self.factor)
        return EXACT.add(product, self.offset) if self.offset else product


@dataclass(frozen=True, slots=True, eq=False)
class UnitFamily:
    """The units that a group of analytes accepts; `canonical` is the stored one, in UCUM."""

    canonical: str
    conversions: Mapping[str, Conversion]

    @property
    def accepted(self) -> tuple[str, ...]:
        """Give the accepted unit texts; a blank one shows as `(blank)`."""
        return tuple(text or "(blank)" for text in self.conversions)

    def find(self, text: str) -> Conversion | None:
        """Find the conversion of a unit text, or None when the text is unknown here."""
        return self.conversions.get(text) or self.conversions.get(normalize_unit(text))


def _family(
    canonical: str,
    same: str = "",
    factors: Mapping[str, str] | None = None,
    *,
    blank: bool = False,
) -> UnitFamily:
    """Build a family from texts separated by blanks: those `same` as canonical, others by factor.

    `blank` allows a missing unit, only for quantities that have none.
    """
    one = Conversion(Decimal(1))
    conversions = {normalize_unit(text): one for text in (canonical, *same.split())}
    for texts, factor in (factors or {}).items():
        for text in texts.split():
            conversions[normalize_unit(text)] = Conversion(Decimal(factor))
    if blank:
        conversions[""] = one
    return UnitFamily(canonical, MappingProxyType(conversions))


def _molar(factor: str, *, milliequivalents: str = "") -> UnitFamily:
    """Build a family in mmol/L; `factor` turns 1 mg/dL into mmol/L."""
    factors = {"mg/dL MG/DL": factor, "umol/L": "0.001"}
    if milliequivalents:
        factors["meq/L mEq/L MEQ/L"] = milliequivalents
    return _family("mmol/L", "MMOL/L MMOLL", factors)


# A result in mmol/L is refused: it may count the monomer or the tetramer, four times apart.
HEMOGLOBIN = _family("g/L", "mg/mL", {"g/dL gm/dL G/DL g/100mL": "10"})

_COUNTS = (
    "G/L Gpt/L giga.l-1 Giga/L E9/L /nL 10*3/uL 10*3/UL 10*3/mm3 K/uL K/UL K/mm3"
    " THOU/uL THOU/UL thou/uL thou/mm3 THOU/mm3"
)
_PER_MICROLITRE = "{cells}/uL cells/uL Cells/uL cell/uL 个/uL /uL /mm3 cells/mm3"
_SMALL_COUNTS = f"{_PER_MICROLITRE} 10*6/L"
BLOOD_COUNT = _family("10*9/L", _COUNTS, {_SMALL_COUNTS: "0.001"})
RETICULOCYTE_COUNT = _family("10*9/L", _COUNTS, {_SMALL_COUNTS: "0.001", "10*12/L 10*6/uL": "1000"})
SUBSET_COUNT = _family("10*6/L", _PER_MICROLITRE, {"10*9/L 10*3/uL": "1000"})
PERCENT = _family("%", "PERCENT")
RATIO = _family("1", "{Ratio} {ratio} Ratio ratio", blank=True)

# 1 ukat is 60 U; `IU` is the same catalytic unit.
ENZYME = _family("U/L", "u/L IU/L [IU]/L [iU]/L", {"ukat/L": "60", "nkat/L": "0.06"})
CREATININE = _family("umol/L", "UMOL/L UMOLL", {"mg/dL MG/DL": "88.402", "mmol/L": "1000"})
BILIRUBIN = _family("umol/L", "UMOL/L UMOLL", {"mg/dL MG/DL": "17.104", "mmol/L": "1000"})
URATE = _family("umol/L", "UMOL/L UMOLL", {"mg/dL MG/DL": "59.485", "mmol/L": "1000"})
# The mass of urea and of the nitrogen in it differ 2.14 times, hence two families.
UREA = _family("mmol/L", "MMOL/L MMOLL", {"mg/dL MG/DL": "0.16651"})
UREA_NITROGEN = _family("mmol/L", "MMOL/L MMOLL", {"mg/dL MG/DL": "0.35697", "mg/L": "0.035697"})
MONOVALENT_ION = _family("mmol/L", "MMOL/L MMOLL meq/L mEq/L MEQ/L")
CALCIUM = _molar("0.2495", milliequivalents="0.5")
MAGNESIUM = _molar("0.4114", milliequivalents="0.5")
PHOSPHATE = _molar("0.3229")
GLUCOSE = _molar("0.055507")
CHOLESTEROL = _molar("0.02586")
# Triglycerides are a mixture; 0.0114 is the factor between the two printed CTCAE scales.
TRIGLYCERIDES = _molar("0.0114")
PROTEIN = _family("g/L", "mg/mL", {"g/dL gm/dL G/DL": "10", "mg/dL MG/DL": "0.01", "mg/L": "0.001"})

# pmol/L (ferritin) and nmol/L (CRP) are refused: the factor depends on the assay.
FERRITIN = _family("ug/L", "ng/mL", {"ng/dL": "0.01"})
C_REACTIVE_PROTEIN = _family("mg/L", "ug/mL", {"mg/dL MG/DL": "10"})
PROCALCITONIN = _family("ug/L", "ng/mL")
CYTOKINE = _family("pg/mL", "ng/L", {"fg/mL": "0.001", "ng/mL": "1000"})

SECONDS = _family("s", "S sec Sec SEC sec. seconds 秒")
INR = _family("1", "{INR} INR", blank=True)
# A bare ug/mL is refused: the two D-dimer units differ about twice.
D_DIMER_FEU = _family(
    "mg/L{FEU}",
    "ug/mL{FEU} mg/LFEU mg/lFEU ug/mLFEU ug/mlFEU",
    {"ng/mL{FEU} ug/L{FEU} ng/mLFEU ng/mlFEU": "0.001"},
)
D_DIMER_DDU = _family("mg/L{DDU}", "ug/mL{DDU} mg/LDDU ug/mLDDU", {"ng/mL{DDU} ug/L{DDU}": "0.001"})

# NGSP % = 0.09148 x IFCC mmol/mol + 2.152, the master equation.
HBA1C = UnitFamily(
    "%",
    MappingProxyType(
        {
            "%": Conversion(Decimal(1)),
            "mmol/mol": Conversion(Decimal("0.09148"), Decimal("2.152")),
        }
    ),
)
GONADOTROPIN = _family("[IU]/L", "[iU]/L IU/L mIU/mL m[IU]/mL m[iU]/mL")
# Copies are refused: their factor belongs to the assay.
VIRAL_LOAD = _family("[IU]/mL", "[iU]/mL IU/mL")
LOG_COPIES = _family("{Log_#}/mL", "log10copies/mL log10{copies}/mL {Log_copies}/mL")
MILLISECONDS = _family("ms", "msec", {"s": "1000"})
BODY_WEIGHT = _family("kg", "KG Kg 公斤", {"g": "0.001", "lb [lb_av]": "0.45359237", "斤": "0.5"})
ACIDITY = _family("[pH]", "pH {pH}", blank=True)
