"""What each number of the metrics rests on: a rule, one sentence, and where both come from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from app.domain.metrics_support import MetricFamily

_RESPONSE = "Response and its statistics"
_TOXICITY = "Dose-limiting toxicity and escalation"
_GRADING = "Grading of adverse events and laboratory values"
_CONDUCT = "Treatment, visits and conduct"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRule:
    """How the numbers below one place of an answer are counted.

    `metrics` is that place, without rows: `/groups` for `/groups/level=A/treated` too; of several
    rules the one of the longest place counts. `rules` are keys of the protocol definition or names
    of what derives the conclusion; `record` quotes the registered record; `assumptions` are the
    ids of named readings of the definition in force; `reading` is a section of docs/protocol.md.
    """

    family: MetricFamily
    metrics: str
    rules: tuple[str, ...]
    sentence: str
    record: str | None = None
    assumptions: tuple[str, ...] = ()
    reading: str | None = None


def _rule(
    family: MetricFamily,
    metrics: str,
    rules: str,
    sentence: str,
    assumptions: str = "",
    **source: str,
) -> MetricRule:
    """Write a rule; several rules and assumptions are separated by blanks."""
    return MetricRule(
        family=family,
        metrics=metrics,
        rules=tuple(rules.split()),
        sentence=sentence,
        record=source.get("record"),
        assumptions=tuple(assumptions.split()),
        reading=source.get("reading"),
    )


_enrolment = partial(_rule, MetricFamily.ENROLMENT)
_safety = partial(_rule, MetricFamily.SAFETY)
_efficacy = partial(_rule, MetricFamily.EFFICACY)
_laboratory = partial(_rule, MetricFamily.LABORATORY)
_operations = partial(_rule, MetricFamily.OPERATIONS)

METRIC_RULES: tuple[MetricRule, ...] = (
    _enrolment(
        "/planned", "study.registered_enrolment escalation.max_in_escalation"
        " escalation.design escalation.expansion escalation.max_in_total",
        "The sizes are those of the protocol; no record changes them.", "C2",
        record="It is planned to enroll 15 - 24 patients", reading=_TOXICITY,
    ),
    _enrolment(
        "/screened", "subject.screening_date",
        "Everybody who was registered counts as screened.",
    ),
    _enrolment(
        "/enrolled", "enrolment",
        "A participant is enrolled from the moment a place of a cohort is taken.",
    ),
    _enrolment(
        "/treated", "dlt.evaluability",
        "A participant is treated once an infusion began that is not recorded as having given"
        " nothing.", "C10.1", reading=_TOXICITY,
    ),
    _enrolment(
        "/statuses", "schedule disposition",
        "Everybody stands in one status, which the infusions and the way of leaving tell.",
        reading=_CONDUCT,
    ),
    _enrolment(
        "/dispositions", "disposition",
        "Each recorded way of leaving counts once for a participant, who may have several.",
        "S9-lost S9-completion", reading=_CONDUCT,
    ),
    _enrolment(
        "/screen_failures", "eligibility.criteria",
        "Of those whose screening failed, each criterion not met on the day of failure counts.",
        "C26", reading="Who may take part",
    ),
    _enrolment(
        "/levels", "dlt.evaluability",
        "Everybody enrolled counts on the level of the place, in one state of the DLT window;"
        " whoever gave the place to another participant is replaced.",
        "S9-evaluable S9-replacement S9-dlt-window",
        record="with 3 subjects in each group", reading=_TOXICITY,
    ),
    _enrolment(
        "/months", "study.time_zone",
        "Screening, taking a place and the first infusion count in the month of their study day;"
        " what is `so_far` is the sum over the months to there.",
    ),
    _safety(
        "/treated", "dlt.evaluability",
        "The safety set is whoever began an infusion that is not recorded as having given nothing.",
        "C10.1", reading=_GRADING,
    ),
    _safety(
        "/groups", "dlt.relatedness safety_reporting.is_treatment_emergent",
        "Each participant counts once with any event of the basis, at the worst grade.",
        "C30 C31 C41",
        record="Number of Participants with Treatment-Related Adverse Events as Assessed by"
        " CTCAE v5.0", reading=_GRADING,
    ),
    _safety(
        "/terms", "dlt.relatedness safety_reporting.is_treatment_emergent",
        "Each participant counts once with such a term, or any term of the class, at the worst"
        " grade; by level only what emerged under treatment counts.",
        "C30 C31 C41", record="based on the NCI CTCAE 5.0 standard", reading=_GRADING,
    ),
    _safety(
        "/special_interest", "ctcae.special_interest",
        "Each participant counts once with a term of the class, at the worst grade.",
        "CTCAE-8 C30 C31",
        record="infusion reactions, embolism events, viral infections", reading=_GRADING,
    ),
    _safety(
        "/dose_limiting_toxicities", "dlt.evaluability dlt.adjudicate",
        "Among the evaluable participants of a level count those with an event that a signed"
        " adjudication calls dose-limiting; open items wait for one.",
        "C21 C23.2 S9-dlt-window S9-evaluable", record="DLT (Dose-Limiting Toxicity)",
        reading=_TOXICITY,
    ),
    _safety(
        "/exposure", "dosing.levels",
        "The infusions of the level are planned; those begun that may have given something are"
        " started, and their recorded cells add up.", "C5 C10.1", reading=_CONDUCT,
    ),
    _safety(
        "/untreated", "safety_reporting",
        "Participants outside the safety set count if they have an event since their consent.",
        "C31", reading=_GRADING,
    ),
    _efficacy(
        "/treated", "response.anchor",
        "Everybody with an infusion of a recorded volume above zero is in the denominator.",
        "C10.2", reading=_RESPONSE,
    ),
    _efficacy(
        "/readings", "response.week_mode response.anchor response.weeks"
        " response.visit_window_days outcomes.proportion_interval",
        "Each participant has one category in each reading; a rate counts what is confirmed, and"
        " who cannot show a response is a non-responder.",
        "C7 C10.2 C12 C14 C15 C16 C38",
        record="At Week 4 and Week 8 after the completion of MSC infusion", reading=_RESPONSE,
    ),
    _efficacy(
        "/alternatives", "response.lineage_rule response.transfusion_scope response.confounders",
        "The registered reading counted again under another value of a debatable rule, or without"
        " counts that a confounder makes doubtful; the records are those of the reading itself.",
        "C15 C19 C20.2 S9-4", reading=_RESPONSE,
    ),
    _efficacy(
        "/times_to_response", "response.response_time_limit_days outcomes.survival_interval"
        " outcomes.survival_median",
        "Days from the first infusion to the first response; each time that enters the curve"
        " stands at `kaplan_meier/n`, the responders' at `median_days`.",
        "C9 C38", record="From the first MSC infusion to 8th week after the last MSC infusion",
        reading=_RESPONSE,
    ),
    _efficacy(
        "/durations_of_response", "response.dor_cap_days outcomes.survival_interval"
        " outcomes.survival_median",
        "Days from the start of the first response to its end; each time that enters the curve"
        " stands at `kaplan_meier/n`.", "C8.2 C17 C19 C38 C42",
        record="the end of the preset 24-week follow-up period after the first MSC infusion",
        reading=_RESPONSE,
    ),
    _laboratory(
        "/treated", "dlt.evaluability",
        "Everybody counts whose first infusion began, also before its volume is recorded.",
        "C10.1", reading=_GRADING,
    ),
    _laboratory(
        "/lineages", "response.same_day_rule schedule.visits.offsets outcomes.median",
        "Each participant's value of the visit counts as measured, whatever else was given; what"
        " one adds to a median is the own value.", "C11 C14 C18", reading=_RESPONSE,
    ),
    _laboratory(
        "/markers", "response.same_day_rule schedule.visits.offsets outcomes.median",
        "Each participant's value of the visit counts as measured, whatever else was given; what"
        " one adds to a median is the own value.", "C11 C18 C39",
        record="changes in ferritin, C-reactive protein, LDH, lymphocyte subsets, quantitative"
        " immunoglobulin, and cytokines", reading=_GRADING,
    ),
    _laboratory(
        "/shifts", "ctcae.grading lab_grades.baseline_grades",
        "Each treated participant counts once, by the grade before the first infusion and the"
        " worst one since, both of laboratory results alone.", "C18 C39 C41 CTCAE-1 CTCAE-2",
        record="based on the NCI CTCAE 5.0 standard", reading=_GRADING,
    ),
    _operations(
        "/completeness", "schedule.visits query_rules deviations.blood_count_visits",
        "An item is expected once it is on record or due; what is missing is what the rules ask"
        " for.", "C7 C11", reading=_CONDUCT,
    ),
    _operations(
        "/worklist", "visit_worklist schedule.visits schedule.infusion_window_days",
        "Each planned infusion and visit of a participant stands in one status on the study day.",
        "C11 S9-infusion-window", reading=_CONDUCT,
    ),
    _operations(
        "/overdue", "visit_worklist schedule.visits schedule.infusion_window_days",
        "An item is overdue from the day after its target day until its window closes; what one"
        " adds to the longest delay is the own.", "C11 S9-infusion-window", reading=_CONDUCT,
    ),
    _operations(
        "/queries", "query_rules",
        "Queries of people and of rules count while they are open or answered, a rule's as what it"
        " asks about until somebody says a word.",
    ),
    _operations(
        "/inbox", "inbound",
        "Items of the inbox count while they are open, and under each of their reasons.",
    ),
    _operations(
        "/turnaround", "metrics_turnaround outcomes.median",
        "Each result that counts is timed until its first final version was recorded; what one adds"
        " to a median is the median of the own results.",
    ),
)  # fmt: skip


def rules_of(family: MetricFamily) -> tuple[MetricRule, ...]:
    """List the rules of one answer of the metrics."""
    return tuple(rule for rule in METRIC_RULES if rule.family is family)
