"""The protocol data of haematological response: criteria, windows, anchors and switches."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from app.domain.quantities import Measurement, Relation
from app.domain.rules import rule_set
from app.domain.vocabulary import DispositionEvent, Lineage, MedicationClass, TransfusionProduct


class Criterion(StrEnum):
    """What the tests of an episode meet: CR, PR, or either of them at each test."""

    CR = "cr"
    PR = "pr"
    OR = "or"


class WeekMode(StrEnum):
    """How a week is read: the state at that visit, or any response begun by then (C7)."""

    AT = "at"
    WITHIN = "within"


class Anchor(StrEnum):
    """The infusion that days are counted from (C7, C8); last means actually given (C10)."""

    FIRST = "first"
    LAST = "last"


class LineageRule(StrEnum):
    """Which lineages can respond: those below their CR threshold at baseline, or all."""

    BELOW_CR = "below_cr"
    ALL = "all"


class TransfusionScope(StrEnum):
    """Which transfusions block a lineage: every listed product, or only its own (C15)."""

    ANY = "any"
    LINEAGE = "lineage"


class SameDayRule(StrEnum):
    """What counts when an analyte was measured more than once on one local date."""

    LOWEST = "lowest"
    LATEST = "latest"


class ResponseDate(StrEnum):
    """Whether a response dates from its first or from its confirming test (C14)."""

    FIRST = "first"
    CONFIRMING = "confirming"


class DeathInDuration(StrEnum):
    """Whether a death in response ends its duration or censors it."""

    CENSOR = "censor"
    EVENT = "event"


@rule_set
class Bound:
    """A lower limit that a count, or its increase, has to reach."""

    relation: Relation
    value: Decimal

    def __post_init__(self) -> None:
        """Refuse limits from above: the lowest value of a day must be the one that decides."""
        if self.relation not in (Relation.GE, Relation.GT):
            raise ValueError("A response criterion is a lower limit: use >= or >.")

    def met_by(self, measurement: Measurement) -> bool | None:
        """Tell whether the measured value reaches the limit; None if it cannot tell."""
        return measurement.compare(self.relation, self.value)


@rule_set
class LineageCriteria:
    """The analyte of a lineage, its CR limit, its PR increase and its own blood products."""

    lineage: Lineage
    analyte: str
    cr: Bound
    pr: Bound
    transfusions: tuple[TransfusionProduct, ...]


@rule_set
class MedicationConfounder:
    """A medication class that makes tests of these lineages doubtful for some days."""

    medication_class: MedicationClass
    lineages: tuple[Lineage, ...]
    within_days: int


@rule_set
class Confounders:
    """What is flagged beside a test without changing its status (C19, C20)."""

    medications: tuple[MedicationConfounder, ...]
    dexamethasone_hours: int
    dexamethasone_lineages: tuple[Lineage, ...]
    granulocyte_transfusion_days: int
    granulocyte_transfusion_lineages: tuple[Lineage, ...]

    def __post_init__(self) -> None:
        """Refuse windows that reach into the future and a class with two windows."""
        windows = [entry.within_days for entry in self.medications]
        if min((*windows, self.dexamethasone_hours, self.granulocyte_transfusion_days)) < 0:
            raise ValueError("A confounder's window cannot be negative.")
        classes = [entry.medication_class for entry in self.medications]
        if len(set(classes)) != len(classes) or MedicationClass.DEXAMETHASONE in classes:
            raise ValueError("Each medication class has one window; dexamethasone has its own.")


@rule_set
class Censoring:
    """What ends the observation of response: ways of leaving, and therapies of their own."""

    dispositions: tuple[DispositionEvent, ...]
    medications: tuple[MedicationClass, ...]


@rule_set
class ResponseRules:
    """Everything that the derivation of response depends on.

    Days are calendar days in the study's zone. `visit_window_days` applies on both sides of the
    visit; `transfusion_free_days` is the least date difference between a transfusion and the first
    test (C15); `confirmation_max_gap_days` None means that missed visits do not matter (C14).
    """

    week_mode: WeekMode
    anchor: Anchor
    weeks: tuple[int, ...]
    visit_window_days: int
    lineages: tuple[LineageCriteria, ...]
    lineage_rule: LineageRule
    same_lineage: bool
    min_days_between_tests: int
    confirmation_max_gap_days: int | None
    same_day_rule: SameDayRule
    response_date: ResponseDate
    transfusion_free_days: int
    transfusion_scope: TransfusionScope
    transfusion_products: tuple[TransfusionProduct, ...]
    baseline_exclude_transfused: bool
    baseline_max_age_days: int
    response_time_limit_days: int
    response_time_limit_anchor: Anchor
    dor_cap_days: int
    dor_cap_anchor: Anchor
    dor_death: DeathInDuration
    censoring: Censoring
    confounders: Confounders

    def __post_init__(self) -> None:
        """Refuse values that contradict one another."""
        if sorted(entry.lineage for entry in self.lineages) != sorted(Lineage):
            raise ValueError("Each of the three lineages has its criteria exactly once.")
        if len({entry.analyte for entry in self.lineages}) != len(self.lineages):
            raise ValueError("Two lineages cannot share an analyte.")
        own = {product for entry in self.lineages for product in entry.transfusions}
        if not own <= set(self.transfusion_products):
            raise ValueError("A lineage's blood product is missing from transfusion_products.")
        self._check_days()

    def _check_days(self) -> None:
        """Refuse counts of days and weeks that cannot be meant."""
        if not self.weeks or list(self.weeks) != sorted(set(self.weeks)) or self.weeks[0] < 1:
            raise ValueError("Weeks are distinct, ascending and start from 1.")
        spans = (self.visit_window_days, self.transfusion_free_days, self.baseline_max_age_days)
        if min(*spans, self.response_time_limit_days, self.dor_cap_days) < 0:
            raise ValueError("A number of days cannot be negative.")
        least, most = self.min_days_between_tests, self.confirmation_max_gap_days
        if least < 1 or (most is not None and most < least):
            raise ValueError("Confirming tests need 1 <= min_days_between_tests <= max gap.")
