"""The 3 + 3 design and its safeguards, as protocol data (C2, C21, C22, C35)."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from app.domain.rules import rule_set


class Variant(StrEnum):
    """What the MTD needs beyond the table of the 3 + 3 design.

    `storer`: the MTD is the level below a toxic one. `korn`: that level is filled to six first.
    `korn6`: the top level needs six as well.
    """

    STORER = "storer"
    KORN = "korn"
    KORN6 = "korn6"


class StaggerPolicy(StrEnum):
    """What happens when a subject follows the one before too soon."""

    WARN = "warn"
    BLOCK = "block"


class DecisionAction(StrEnum):
    """What a committee can decide about the ladder."""

    ESCALATE = "escalate"
    EXPAND_TO_SIX = "expand_to_six"
    REFILL_LOWER = "refill_lower"
    DECLARE_MTD = "declare_mtd"
    HOLD = "hold"
    RESUME = "resume"
    STOP_LEVEL = "stop_level"
    STOP_TRIAL = "stop_trial"
    OPEN_EXPANSION = "open_expansion"


@rule_set
class Design:
    """The sizes of the design and the variant; `stop_at_dlts` makes a level toxic."""

    variant: Variant
    cohort_size: int
    max_level_size: int
    stop_at_dlts: int

    def __post_init__(self) -> None:
        """Refuse anything but one cohort that may be doubled once."""
        if self.cohort_size < 1 or self.max_level_size != 2 * self.cohort_size:
            raise ValueError("a level holds one cohort or two")
        if not 2 <= self.stop_at_dlts <= self.cohort_size:
            raise ValueError("a level must be toxic after at least 2 DLTs and within one cohort")

    @property
    def refill_lower_to_six(self) -> bool:
        """Tell whether the level below a toxic one is filled before it is the MTD."""
        return self.variant is not Variant.STORER

    @property
    def confirm_top_with_six(self) -> bool:
        """Tell whether the top level needs two cohorts to be tolerated."""
        return self.variant is Variant.KORN6


@rule_set
class StaggerRules:
    """Days between the first infusions of subjects on one level (C21)."""

    policy: StaggerPolicy
    after_first_days: int
    after_others_days: int

    def __post_init__(self) -> None:
        """Refuse days that run backwards."""
        if self.after_first_days < 0 or self.after_others_days < 0:
            raise ValueError("a stagger cannot be negative")


@rule_set
class HoldTriggerRule:
    """Related events that stop dosing until the committee has reviewed them; no terms means any."""

    code: str
    min_grade: int
    terms: tuple[str, ...]


@rule_set
class ExpansionRules:
    """The expansion (record: 'expand the sample size by 6 subjects') and its safety alert.

    The alert pools both phases of the level: `alert_dlts` among the `first_subjects`, or a rate
    above `alert_rate`.
    """

    size: int
    first_subjects: int
    alert_dlts: int
    alert_rate: Decimal

    def __post_init__(self) -> None:
        """Refuse an alert that could never ring."""
        if self.size < 1 or not 1 <= self.alert_dlts <= self.first_subjects:
            raise ValueError("the expansion needs subjects and an alert they can reach")
        if not 0 < self.alert_rate < 1:
            raise ValueError("the alert rate must lie between 0 and 1")


@rule_set
class EscalationRules:
    """Everything the ladder depends on beside its facts.

    Caps count slots held, not replaced subjects, unless replacements must fit the total.
    """

    design: Design
    wait_for_first_cohort: bool
    stop_on_possible_toxicity: bool
    stagger: StaggerRules
    hold_triggers: tuple[HoldTriggerRule, ...]
    expansion: ExpansionRules
    max_in_escalation: int
    max_in_total: int
    replacements_may_exceed_total: bool
    approval_required: tuple[DecisionAction, ...]

    def __post_init__(self) -> None:
        """Refuse caps that leave no room for one level and the expansion."""
        if self.max_in_escalation < self.design.max_level_size:
            raise ValueError("the escalation must have room for one full level")
        if self.max_in_total < self.expansion.size + self.design.max_level_size:
            raise ValueError("the trial must have room for one level and its expansion")

    def needs_approval(self, action: DecisionAction) -> bool:
        """Tell whether a recorded committee approval gates this decision (C35)."""
        return action in self.approval_required
