"""CTCAE 5.0 grades of blood counts, liver and kidney values, from their printed bands."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tests.recomputation.records import Row, number

MISSING, UNGRADED = "missing", "not_gradable"
BLOOD, INVESTIGATIONS = "Blood and lymphatic system disorders", "Investigations"


@dataclass(frozen=True)
class Term:
    """A term of low values: the grade is 2 below the first limit, and so on downwards.

    Between the lower limit of normal and the first of the limits it is 1. Of a rising term the
    limits are distances from the upper limit of normal, or multiples of it; of an abnormal
    baseline from `from_baseline` times that on.
    """

    soc: str
    name: str
    analyte: str
    limits: tuple[Decimal, ...]
    rising: bool = False
    from_baseline: Decimal | None = None


def _enzyme(name: str, analyte: str) -> Term:
    limits = (Decimal(3), Decimal(5), Decimal(20))
    return Term(INVESTIGATIONS, name, analyte, limits, from_baseline=Decimal("1.5"))


# By organ class and name.
TERMS = (
    Term(BLOOD, "Anemia", "HGB", (Decimal(100), Decimal(80))),
    _enzyme("Alanine aminotransferase increased", "ALT"),
    _enzyme("Aspartate aminotransferase increased", "AST"),
    Term(
        INVESTIGATIONS, "Blood bilirubin increased", "TBIL",
        (Decimal("1.5"), Decimal(3), Decimal(10)), from_baseline=Decimal(1),
    ),
    Term(INVESTIGATIONS, "Blood lactate dehydrogenase increased", "LDH", (), rising=True),
    Term(
        INVESTIGATIONS, "Creatinine increased", "CREA",
        (Decimal("1.5"), Decimal(3), Decimal(6)), from_baseline=Decimal("1.5"),
    ),
    Term(INVESTIGATIONS, "Hemoglobin increased", "HGB", (Decimal(20), Decimal(40)), rising=True),
    Term(
        INVESTIGATIONS, "Neutrophil count decreased", "ANC",
        (Decimal("1.5"), Decimal("1.0"), Decimal("0.5")),
    ),
    Term(
        INVESTIGATIONS, "Platelet count decreased", "PLT", (Decimal(75), Decimal(50), Decimal(25))
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A result to be graded, beside the baseline of its subject."""

    term: Term
    row: Row
    baseline: Row | None

    def span(self) -> tuple[int, int]:
        """Give the lowest and the highest grade that the result may have."""
        value, comparator = number(self.row["value"]), self.row["comparator"]
        tried = [value]
        if comparator:
            down = comparator in ("<", "<=")
            little = Decimal("0.000001")
            near = value + (-little if down else little)
            far = Decimal(0) if down else value + Decimal(10) ** 9
            tried = [near, far] if len(comparator) == 1 else [value, far]
        grades = [self._grade(each, lean) for each in tried for lean in (0, 1)]
        return min(grades), max(grades)

    def _grade(self, value: Decimal, lean: int) -> int:
        """Grade a value; `lean` says what an unknown limit of normal is taken for."""
        term, upper = self.term, _limit(self.row, "uln")
        if term.from_baseline is not None:
            return 4 * lean if upper is None else self._multiple(value, upper)
        if term.rising:
            if upper is None:
                return (1 + len(term.limits)) * lean
            above = value - upper
            return 0 if above <= 0 else 1 + sum(above > limit for limit in term.limits)
        below = sum(value < limit for limit in term.limits)
        if below:
            return 1 + below
        lower = _limit(self.row, "lln")
        return lean if lower is None else int(value < lower)

    def _multiple(self, value: Decimal, upper: Decimal) -> int:
        """Grade by multiples of the upper limit, or of an abnormal baseline."""
        limits, before = self.term.limits, None
        if self.baseline is not None and self.baseline["comparator"] is None:
            before = number(self.baseline["value"])
        normal = 0 if value <= upper else 1 + sum(value > times * upper for times in limits)
        if before is None:
            return normal
        if self.term.analyte == "CREA":
            # The baseline counts beside the limit, whatever it is, up to grade 3.
            risen = 3 if value > 3 * before else 2 if value > Decimal("1.5") * before else 0
            return max(normal, risen)
        own = _limit(self.baseline, "uln")
        if own is None or before <= own:
            return normal
        begins = Decimal(str(self.term.from_baseline)) * before
        if value < begins or value == before:
            return 0
        return 1 + sum(value > times * before for times in limits)


def _limit(row: Row | None, name: str) -> Decimal | None:
    limits = (row or {}).get("applied_limits") or {}
    return None if limits.get(name) is None else number(limits[name])


def grade(case: Case) -> str:
    """Give the grade of one result, if there is only one that it may have."""
    low, high = case.span()
    return str(low) if low == high else UNGRADED


def worst(cases: list[Case]) -> str:
    """Give the worst grade, unless a result that cannot be graded could be worse still."""
    if not cases:
        return MISSING
    grades = [grade(case) for case in cases]
    certain = max((int(each) for each in grades if each != UNGRADED), default=-1)
    unsure = [case.span()[1] for case, each in zip(cases, grades, strict=True) if each == UNGRADED]
    return UNGRADED if any(high > certain for high in unsure) else str(certain)
