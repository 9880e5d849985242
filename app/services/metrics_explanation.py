"""Explains the metrics: which rule, which participants and which records a number rests on."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import awake
from app.domain.metric_subject import MetricSubject
from app.domain.metrics_explained import Contribution, ExplainedNumber
from app.domain.metrics_explained_answer import ExplainedAnswer, explain_answer
from app.domain.metrics_explained_inbox import explain_inbox
from app.domain.metrics_sources import MetricRule, rules_of
from app.domain.metrics_support import MetricFamily
from app.domain.protocol import Assumption
from app.domain.vocabulary import Role
from app.schemas.metrics_explanation import (
    ContributionView,
    ExplainedMetric,
    ExplainedParticipant,
    ExplainedRule,
    Explanation,
    NamedAssumption,
    OthersView,
    RecordView,
    TimeView,
)
from app.services.access import Actor
from app.services.metric_store import MetricStudy
from app.services.metrics_counted import read_counted
from app.services.metrics_operations import waiting_items
from app.services.metrics_provenance import read_provenance
from app.services.role_matrix import Area, Right, allows
from app.services.site_wall import across_sites

# Whoever may read these records of a participant may see who stands behind a number.
_AREAS = {
    MetricFamily.ENROLMENT: Area.SCREENING,
    MetricFamily.SAFETY: Area.ADVERSE_EVENT,
    MetricFamily.EFFICACY: Area.RESPONSE,
    MetricFamily.LABORATORY: Area.LABORATORY,
    MetricFamily.OPERATIONS: Area.SCREENING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be explained: the numbers whose pointer begins with `metric`.

    Without `named` nobody is told of single participants, whatever else they may read.
    """

    metric: str = ""
    named: bool = True


@dataclass(frozen=True, slots=True)
class _Basis:
    """All that the numbers of one answer rest on."""

    answer: ExplainedAnswer
    records: Mapping[UUID, RecordView]


async def explain(
    session: AsyncSession,
    actor: Actor,
    study: MetricStudy,
    family: MetricFamily,
    wanted: Wanted,
) -> Explanation:
    """Say what the numbers of one answer rest on.

    Threads count and write, while others are served. Raises invalid for numbers that are not there.
    """
    basis = await _basis(session, actor, study, family)
    subjects = study.subjects if wanted.named else ()
    seen = {subject.subject_id for subject in subjects if _sees(actor, family, subject)}
    reader = _Reader(frozenset(seen), wanted.named and _sees_inbox(actor), basis.records)
    chosen = basis.answer.beginning(wanted.metric)
    writing = asyncio.to_thread(_write, study, family, wanted.metric, chosen, reader)
    return await awake(session, writing)


async def _basis(
    session: AsyncSession, actor: Actor, study: MetricStudy, family: MetricFamily
) -> _Basis:
    """Explain a whole answer, or take what is kept; questions and the inbox move too often."""
    kept = f"{family.value} explained"
    if kept in study.answers:
        basis: _Basis = study.answers[kept]
        return basis
    counted = await read_counted(session, actor, study, family)
    answer = await awake(session, asyncio.to_thread(explain_answer, counted, study.subjects))
    if family is MetricFamily.OPERATIONS:
        async with across_sites(session):
            waiting = await waiting_items(session, actor.study_id, study)
        answer = answer.beside(explain_inbox(waiting, study.today))
    found = answer.numbers
    ids = {UUID(each) for number in found for x in number.contributions for each in x.records}
    ids |= {UUID(each) for number in found for each in number.records}
    async with across_sites(session):
        records = await read_provenance(session, actor.study_id, ids, study.past)
    basis = _Basis(answer, records)
    if family is not MetricFamily.OPERATIONS:
        study.answers[kept] = basis
    return basis


def _write(
    study: MetricStudy,
    family: MetricFamily,
    metric: str,
    chosen: Sequence[ExplainedNumber],
    reader: _Reader,
) -> Explanation:
    rules = rules_of(family)
    return Explanation(
        metric=metric,
        rules=_rules(rules, study.rules.assumptions, metric),
        participants=reader.participants(study.subjects, chosen),
        records=reader.records_of_nobody(chosen),
        metrics=tuple(reader.metric(number, rules) for number in chosen),
    )


def _sees(actor: Actor, family: MetricFamily, subject: MetricSubject) -> bool:
    """Tell whether the actor may see who the participant is."""
    site_id = UUID(subject.site_id)
    return actor.sees(site_id) and actor.may(_AREAS[family], Right.READ, site_id)


def _sees_inbox(actor: Actor) -> bool:
    """Tell whether the actor reads the inbox of the whole study."""
    reading = [role for role in Role if allows(role, Area.INBOX, Right.READ)]
    return actor.sites_as(reading) is None and actor.site_ids is None


@dataclass(frozen=True, slots=True)
class _Reader:
    """Writes what one reader may see: the participants in `seen`; of others only how many."""

    seen: frozenset[str]
    sees_inbox: bool
    records: Mapping[UUID, RecordView]

    def participants(
        self, subjects: Iterable[MetricSubject], found: Sequence[ExplainedNumber]
    ) -> tuple[ExplainedParticipant, ...]:
        """List everybody who is seen and counts, each record once."""
        named: dict[str, dict[str, None]] = {}
        for number in found:
            for each in number.contributions:
                own = named.setdefault(each.subject.subject_id, {})
                own.update(dict.fromkeys(each.records))
        return tuple(
            ExplainedParticipant(
                subject_id=UUID(subject.subject_id),
                number=subject.number,
                records=tuple(self._known(named[subject.subject_id])),
            )
            for subject in subjects
            if subject.subject_id in self.seen and subject.subject_id in named
        )

    def records_of_nobody(self, found: Sequence[ExplainedNumber]) -> tuple[RecordView, ...]:
        """List the records that are of no participant, each once, to whoever may see them."""
        named = dict.fromkeys(each for number in found for each in number.records)
        return tuple(self._known(named)) if self.sees_inbox else ()

    def metric(self, number: ExplainedNumber, rules: Sequence[MetricRule]) -> ExplainedMetric:
        """Write one number with who is seen of those that add to it."""
        leaf = number.leaf
        seen = [x for x in number.contributions if x.subject.subject_id in self.seen]
        others = [x for x in number.contributions if x.subject.subject_id not in self.seen]
        hidden = [each for x in others for each in x.records]
        if not self.sees_inbox:
            hidden += number.records
        kinds = Counter(record.kind for record in self._known(hidden))
        return ExplainedMetric(
            metric=leaf.pointer,
            value=leaf.value,
            rule=_rule_of(rules, leaf.names),
            participants=tuple(map(self._contribution, seen)),
            records=tuple(map(UUID, number.records)) if self.sees_inbox else (),
            others=OthersView(participants=len(others), records=dict(sorted(kinds.items()))),
        )

    def _contribution(self, found: Contribution) -> ContributionView:
        time = found.time
        return ContributionView(
            number=found.subject.number,
            adds=found.adds,
            records=tuple(record.id for record in self._known(found.records)),
            time=TimeView(days=time.days, event=time.event, reason=time.reason, rule=time.rule)
            if time
            else None,
        )

    def _known(self, ids: Iterable[str]) -> list[RecordView]:
        return [self.records[UUID(each)] for each in ids]


def _rule_of(rules: Sequence[MetricRule], names: Sequence[str]) -> str:
    """Find the place of the rule for a number: the longest that holds it."""
    place = "/" + "/".join(names)
    holding = [rule.metrics for rule in rules if f"{place}/".startswith(f"{rule.metrics}/")]
    return max(holding, key=len)


def _rules(
    rules: Iterable[MetricRule], assumptions: Iterable[Assumption], metric: str
) -> tuple[ExplainedRule, ...]:
    """Write the rules of the numbers asked for, with the named readings of the version in force."""
    known = {
        each.id: NamedAssumption(
            id=each.id, question=each.question, reading=each.reading, source=each.source
        )
        for each in assumptions
    }
    return tuple(
        ExplainedRule(
            metrics=rule.metrics,
            rules=rule.rules,
            sentence=rule.sentence,
            record=rule.record,
            assumptions=tuple(known[each] for each in rule.assumptions if each in known),
            reading=rule.reading,
        )
        for rule in rules
        if rule.metrics.startswith(metric) or metric.startswith(rule.metrics)
    )
