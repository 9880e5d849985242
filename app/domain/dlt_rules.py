"""The definition of dose-limiting toxicity and of an evaluable subject, as protocol data (C21)."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from app.domain.rules import rule_set
from app.domain.vocabulary import Causality, DispositionEvent


class WindowAnchor(StrEnum):
    """Which infusion the length of the window is counted from."""

    FIRST = "first"
    LAST = "last"


class CytopeniaExclusion(StrEnum):
    """When a low blood count is not proposed as dose-limiting."""

    ALWAYS = "always"
    NOT_WORSE_THAN_BASELINE = "not_worse_than_baseline"


class UnderdosedSlot(StrEnum):
    """When a subject who missed part of the dose and had no DLT gives up the slot."""

    WHEN_DOSING_ENDS = "when_dosing_ends"
    WHEN_WINDOW_ENDS = "when_window_ends"


@rule_set
class Relatedness:
    """Which attributions count as related to the cells."""

    causalities: tuple[Causality, ...]
    missing_counts: bool

    def holds(self, causality: Causality | None) -> bool:
        """Tell whether an event of this attribution counts as related."""
        return self.missing_counts if causality is None else causality in self.causalities


@rule_set
class CytopeniaRules:
    """Low counts that subjects bring along (C23), and what follows from them."""

    terms: tuple[str, ...]
    sequelae: tuple[str, ...]
    exclusion: CytopeniaExclusion


@rule_set
class TransientReaction:
    """Reactions that an adjudicator may judge mildly when they resolve soon."""

    terms: tuple[str, ...]
    max_grade: int
    max_hours: int


@rule_set
class EvaluabilityRules:
    """What a subject without DLT must have received and how it may be replaced."""

    min_infusion_fraction: Decimal
    min_cells_fraction: Decimal
    underdosed_slot: UnderdosedSlot
    ends_observation: tuple[DispositionEvent, ...]

    def __post_init__(self) -> None:
        """Refuse fractions that are none, and a death that leaves the subject observed."""
        fractions = (self.min_infusion_fraction, self.min_cells_fraction)
        if not all(0 < fraction <= 1 for fraction in fractions):
            raise ValueError("fractions of the dose must be above 0 and at most 1")
        if DispositionEvent.DIED not in self.ends_observation:
            raise ValueError("a death must end the observation")


@rule_set
class DltRules:
    """The window, the definition and the evaluability of dose-limiting toxicity.

    `disease_related` lists the attributions that clearly blame a death on the disease.
    """

    window_days: int
    window_anchor: WindowAnchor
    window_end_inclusive: bool
    min_grade: int
    fatal_grade: int
    relatedness: Relatedness
    disease_related: tuple[Causality, ...]
    cytopenia: CytopeniaRules
    transient: TransientReaction
    evaluability: EvaluabilityRules

    def __post_init__(self) -> None:
        """Refuse a window without days and grades that do not exist."""
        if self.window_days < 1:
            raise ValueError("the DLT window needs at least one day")
        if not 1 <= self.min_grade <= self.fatal_grade <= 5:
            raise ValueError("grades run from 1 to 5 and death is the worst")
