"""Explanations of real records: they add up, name what is recorded, and show nobody too much."""

from dataclasses import fields

import pytest
from sqlalchemy import select, text

from app.core.development_issuer import DEVELOPMENT_ISSUER
from app.core.serialization import to_readable_json
from app.domain.metrics_numbers import numbers
from app.domain.metrics_sources import METRIC_RULES
from app.domain.metrics_support import MetricFamily
from app.domain.vocabulary import Role
from app.models import AdverseEvent, Change, LabResult, Subject
from app.schemas.metrics import EfficacyMetricsView, EnrolmentMetricsView, SafetyMetricsView
from app.schemas.metrics_laboratory import LaboratoryMetricsView
from app.schemas.metrics_operations import OperationsMetricsView
from app.services.access import Wish, authorize
from app.services.fixture_subjects import fixture_subject
from app.services.history import When
from app.services.metric_store import MetricStore, read_metric_study
from app.services.metrics_counted import read_counted
from app.services.metrics_explanation import Wanted, explain
from app.services.metrics_operations import read_operations
from app.services.role_matrix import Area, Right
from tests.conftest import STUDY
from tests.factories.events import adverse_event
from tests.factories.messages import laboratory, local, of, resolved, send, waiting
from tests.factories.people import holding, set_up_site, working_at
from tests.factories.queries import ask, queries
from tests.factories.responses import FAIR, GOOD, LOW, count, day, transfuse, treated_subject
from tests.factories.rows import at, database_of, move_to
from tests.factories.subjects import created
from tests.interop.hl7v2.samples import PLT, message, msh, obr, obx, pid

VIEWS = {
    MetricFamily.ENROLMENT: EnrolmentMetricsView,
    MetricFamily.SAFETY: SafetyMetricsView,
    MetricFamily.EFFICACY: EfficacyMetricsView,
    MetricFamily.LABORATORY: LaboratoryMetricsView,
    MetricFamily.OPERATIONS: OperationsMetricsView,
}
# What an answer rests on, and what tells how it is read.
NOT_COUNTED = {
    "study_day", "as_of", "records_until", "evidence_digest", "protocol_version",
    "protocol_digest", "ctcae_version", "interval_method", "confidence", "explanation",
}  # fmt: skip
PI = fixture_subject(Role.PRINCIPAL_INVESTIGATOR)
SPONSOR = fixture_subject(Role.SPONSOR)
SERIOUS = "/groups/level=null/incidences/basis=all/serious/events"
COMPLETE = "/readings/week=4;mode=at;anchor=last/groups/level=null/rates/denominator=treated"


async def study_of(session, clock, subject, past=None):
    """Let somebody read the study as the metrics count it."""
    wish = Wish(Area.METRICS, Right.READ, "test")
    actor = await authorize(session, (DEVELOPMENT_ISSUER, subject), STUDY, wish, clock.now)
    return actor, await read_metric_study(session, MetricStore(), actor, When(clock.now, past))


async def explained(api, clock, family, subject=PI, metric="", past=None):
    """Explain the numbers of a family to somebody."""
    async with database_of(api).session() as session:
        actor, study = await study_of(session, clock, subject, past)
        return await explain(session, actor, study, family, Wanted(metric=metric))


async def trial(api, clock):
    """Treat a CR with a mild and a serious event, and a PR with a transfusion."""
    first, second = await treated_subject(api, clock), await treated_subject(api, clock)
    move_to(clock, day(60))
    await count(api, first, {21: GOOD, 28: GOOD, 35: GOOD, 56: LOW})
    await count(api, second, {21: FAIR, 28: FAIR, 35: FAIR})
    await transfuse(api, second, day(45))
    await adverse_event(api, first, day(2), grade=1)
    await adverse_event(api, first, day(3), grade=4, seriousness=["life_threatening"])
    return first, second


def at_pointer(explanation, metric):
    """Pick one number."""
    return next(x for x in explanation.metrics if x.metric == metric)


@pytest.mark.parametrize("family", list(MetricFamily))
async def test_explanations_add_up_and_every_number_has_a_rule(api, clock, family):
    """What participants add is the number that the metrics give; nothing is left without a rule."""
    await trial(api, clock)
    async with database_of(api).session() as session:
        actor, study = await study_of(session, clock, PI)
        explanation = await explain(session, actor, study, family, Wanted())
        if family is MetricFamily.OPERATIONS:
            view = await read_operations(session, actor, study)
        else:
            view = (await read_counted(session, actor, study, family)).count(study.subjects)
    shown = numbers(view)
    places = {rule.metrics for rule in explanation.rules}
    listed = {each.metric for each in explanation.metrics}
    for each in explanation.metrics:
        leaf = shown[each.metric]
        assert (leaf.value, each.rule in places, each.others.participants) == (each.value, True, 0)
        if not (leaf.is_value or each.records):
            assert sum(x.adds for x in each.participants) == each.value, each.metric
    unexplained = {
        leaf.section for pointer, leaf in shown.items() if leaf.value and pointer not in listed
    }
    assert unexplained <= {"protocol_version", "planned", "confidence"}


async def test_participants_and_records_say_where_they_come_from(api, clock):
    """Of two events the serious one is named, with the operation that wrote it."""
    first, _ = await trial(api, clock)
    found = await explained(api, clock, MetricFamily.SAFETY, metric=SERIOUS)
    assert [x.metric for x in found.metrics] == [SERIOUS]
    (one,) = found.participants
    assert (str(one.subject_id), one.number) == (first["id"], first["number"])
    async with database_of(api).session() as session:
        await study_of(session, clock, PI)
        event = await session.scalar(select(AdverseEvent).where(AdverseEvent.grade == 4))
    (record,) = one.records
    assert (record.id, record.kind, record.operation_id, record.recorded_at) == (
        event.id, "adverse_event", event.operation_id, event.recorded_at,
    )  # fmt: skip
    assert (record.origin, record.source, record.message_id) == ("form", None, None)
    (added,) = found.metrics[0].participants
    assert (added.number, added.adds, added.records) == (first["number"], 1, (event.id,))
    assert [(x.metrics, x.record[:22]) for x in found.rules] == [
        ("/groups", "Number of Participants")
    ]
    assert {x.id for x in found.rules[0].assumptions} == {"C30", "C31", "C41"}


async def test_a_response_rests_on_the_evidence_that_it_names(api, clock):
    """The results behind a complete response are those of the participant's own response."""
    first, _ = await trial(api, clock)
    found = await explained(api, clock, MetricFamily.EFFICACY, metric=COMPLETE)
    number = at_pointer(found, f"{COMPLETE}/complete_response/events")
    own = (await api().get(f"/subjects/{first['id']}/response")).json()
    reading = next(x for x in own["endpoints"] if x["reading"]["primary"])
    assert [str(each) for each in number.participants[0].records] == reading["standing"]["evidence"]
    kinds = {record.kind for each in found.participants for record in each.records}
    assert kinds == {"lab_result", "infusion"}
    sources = {x.source for each in found.participants for x in each.records if x.source}
    assert sources == {"manual"}
    times = await explained(
        api, clock, MetricFamily.EFFICACY, metric="/times_to_response/lineage=null/kaplan_meier/n"
    )
    (curve,) = times.metrics
    assert [(x.time.days, x.time.event, x.time.reason) for x in curve.participants] == [
        (21, True, "response"), (21, True, "response"),
    ]  # fmt: skip


async def test_laboratory_numbers_name_the_results_of_their_day(api, clock):
    """The value of week 4 rests on the one result of that day."""
    first, _ = await trial(api, clock)
    place = "/lineages/analyte=ANC/groups/level=null/visits/anchor=last;visit=W4/value"
    found = await explained(api, clock, MetricFamily.LABORATORY, metric=place)
    middle = at_pointer(found, f"{place}/median")
    mine = next(x for x in middle.participants if x.number == first["number"])
    assert mine.adds == GOOD["ANC"]
    assert len(mine.records) == 1
    async with database_of(api).session() as session:
        await study_of(session, clock, PI)
        result = await session.get_one(LabResult, (await study_id(session), mine.records[0]))
    assert (result.analyte, result.collected_at.date()) == ("ANC", day(28))


async def study_id(session):
    """Return the id of the only study."""
    return await session.scalar(select(Subject.study_id).limit(1))


def shows(explanation, *subjects):
    """Tell which of these subjects an explanation lets slip, by id or by number."""
    text_of = to_readable_json(explanation)
    return [x["number"] for x in subjects if x["id"] in text_of or f'"{x["number"]}"' in text_of]


@pytest.mark.parametrize("family", list(MetricFamily))
async def test_a_sponsor_gets_rules_and_numbers_of_records_alone(api, clock, family):
    """No subject, no record and no time of anybody; how many there are of which kind is told."""
    subjects = await trial(api, clock)
    whole = await explained(api, clock, family)
    found = await explained(api, clock, family, SPONSOR)
    assert shows(whole, *subjects) == [x["number"] for x in subjects]
    assert shows(found, *subjects) == []
    assert found.rules == whole.rules
    assert found.participants == ()
    assert {len(each.participants) for each in found.metrics} == {0}
    for each, seen in zip(found.metrics, whole.metrics, strict=True):
        assert (each.metric, each.value) == (seen.metric, seen.value)
        assert each.others.participants == len(seen.participants)
        own = [record for x in seen.participants for record in x.records]
        assert sum(each.others.records.values()) == len(own)


async def test_who_works_at_one_site_sees_only_its_participants(api, clock):
    """Of another site's participants there is a count, and the kinds of their records."""
    first, second = await trial(api, clock)
    await set_up_site(api, "02")
    await working_at(api, "02", Role.STUDY_COORDINATOR, "cora")
    found = await explained(api, clock, MetricFamily.SAFETY, "cora", SERIOUS)
    assert shows(found, first, second) == []
    assert (found.metrics[0].others.participants, found.metrics[0].others.records) == (
        1,
        {"adverse_event": 1},
    )
    await working_at(api, "01", Role.STUDY_COORDINATOR, "carl")
    own = await explained(api, clock, MetricFamily.SAFETY, "carl", SERIOUS)
    assert shows(own, first, second) == [first["number"]]
    assert own.metrics[0].others.participants == 0


async def test_a_role_at_a_site_opens_only_that_site(api, clock):
    """A sponsor who also works at another site sees nobody of the first."""
    subjects = await trial(api, clock)
    await set_up_site(api, "02")
    await holding(api, "dora", (Role.SPONSOR, None), (Role.STUDY_COORDINATOR, "02"))
    assert shows(await explained(api, clock, MetricFamily.SAFETY, "dora"), *subjects) == []
    await holding(api, "dirk", (Role.SPONSOR, None), (Role.STUDY_COORDINATOR, "01"))
    assert shows(await explained(api, clock, MetricFamily.SAFETY, "dirk"), *subjects)


async def test_the_committee_sees_no_screening(api, clock):
    """It reads events and responses, but not who was screened."""
    subjects = await trial(api, clock)
    committee = fixture_subject(Role.SAFETY_COMMITTEE)
    assert shows(await explained(api, clock, MetricFamily.ENROLMENT, committee), *subjects) == []
    assert shows(await explained(api, clock, MetricFamily.EFFICACY, committee), *subjects)


async def test_the_past_is_explained_as_it_was(api, clock, session):
    """As of a moment before an event was made serious, it is nobody's serious event."""
    now = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    zero = day(-40, now.date())
    subject = await treated_subject(api, clock, zero=zero)
    move_to(clock, day(39, zero))
    event_id = await adverse_event(api, subject, day(2, zero))
    between = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    change = {"seriousness": ["hospitalization"], "reason": "Was admitted."}
    answer = await api(Role.PRINCIPAL_INVESTIGATOR).patch(
        f"/adverse-events/{event_id}", json=change, headers={"If-Match": '"v1"'}
    )
    assert answer.status_code == 200, answer.text
    every = "/groups/level=null/incidences/basis=all"
    before = await explained(api, clock, MetricFamily.SAFETY, PI, every, between)
    after = await explained(api, clock, MetricFamily.SAFETY, PI, every)
    assert SERIOUS not in {x.metric for x in before.metrics}
    assert at_pointer(after, SERIOUS).participants[0].records == (event_id,)
    written = [
        next(x.operation_id for x in each.participants[0].records if x.id == event_id)
        for each in (before, after)
    ]
    query = select(Change.operation_id).where(Change.record_id == event_id).order_by(Change.id)
    assert written == list(await session.scalars(query))


async def test_a_result_of_a_message_names_message_and_laboratory(api, clock):
    """What a laboratory system sent has its laboratory and its message as the source."""
    subject = await treated_subject(api, clock)
    move_to(clock, day(30))
    collected = f"{at(day(28)):%Y%m%d%H%M%S}+0000"
    specimen = obr("A-9", {7: collected, 22: collected})
    sent = message(msh(), pid(subject["number"]), specimen, obx(PLT, "98"))
    await send(await laboratory(api), sent)
    place = "/lineages/analyte=PLT/groups/level=null/visits/anchor=last;visit=W4/value/n"
    found = await explained(api, clock, MetricFamily.LABORATORY, metric=place)
    (record,) = found.participants[0].records
    async with database_of(api).session() as session:
        await study_of(session, clock, PI)
        result = await session.scalar(select(LabResult).where(LabResult.message_id.is_not(None)))
    assert (record.id, record.origin) == (result.id, "message")
    assert (record.source, record.message_id) == (result.source, result.message_id)


async def test_queries_rest_on_themselves_or_on_what_a_rule_asks_about(api, clock):
    """What a person opened names its query; what a rule asks is about the event it names."""
    first, _ = await trial(api, clock)
    query = created(await ask(api, first["id"]))
    found = await explained(api, clock, MetricFamily.OPERATIONS, metric="/queries/origins")
    place = "/queries/origins/origin=person"
    (mine,) = at_pointer(found, f"{place}/open").participants
    assert [str(each) for each in mine.records] == [query["id"]]
    (one,) = (x for x in found.participants if x.number == first["number"])
    kinds = {str(record.id): record.kind for record in one.records}
    assert kinds[query["id"]] == "query"
    listed = {x["id"]: x for x in await queries(api)}
    asked = {x["record_id"] for x in listed.values() if x["origin"] == "rule"}
    open_ones = at_pointer(found, "/queries/origins/origin=rule/open").participants
    assert {str(each) for x in open_ones for each in x.records} == asked


async def test_the_inbox_rests_on_its_items_for_whoever_reads_all_of_it(api, clock):
    """The data manager is told which, and in which messages; sponsors and single sites how many."""
    await trial(api, clock)
    await send(await laboratory(api), of("MRN-7", local()))
    (item,) = await waiting(api)
    every, place = "/inbox", "/inbox/items"
    found = await explained(
        api, clock, MetricFamily.OPERATIONS, fixture_subject(Role.DATA_MANAGER), every
    )
    (record,) = found.records
    assert (str(record.id), record.kind, record.origin) == (item["id"], "inbox_item", "message")
    assert str(record.message_id) == item["message_id"]
    number = at_pointer(found, place)
    assert (number.value, number.records, number.participants) == (1, (record.id,), ())
    await set_up_site(api, "02")
    await working_at(api, "01", Role.STUDY_COORDINATOR, "carl")
    await holding(api, "dora", (Role.SPONSOR, None), (Role.STUDY_COORDINATOR, "02"))
    for reader in (SPONSOR, "carl", "dora"):
        theirs = await explained(api, clock, MetricFamily.OPERATIONS, reader, every)
        assert item["id"] not in to_readable_json(theirs)
        number = at_pointer(theirs, place)
        assert (number.value, number.records, theirs.records) == (1, (), ())
        assert number.others.records == {"inbox_item": 1}


async def test_an_explanation_of_the_inbox_is_never_kept(api, clock):
    """What is resolved between two readings of the same participants is not named again."""
    await trial(api, clock)
    await send(await laboratory(api), of("MRN-7", local()))
    (item,) = await waiting(api)
    async with database_of(api).session() as session:
        actor, study = await study_of(session, clock, PI)
        before = await explain(session, actor, study, MetricFamily.OPERATIONS, Wanted())
    await resolved(api, item, action="reject")
    async with database_of(api).session() as session:
        actor, _ = await study_of(session, clock, PI)
        after = await explain(session, actor, study, MetricFamily.OPERATIONS, Wanted())
    assert (len(before.records), after.records) == (1, ())


async def test_turnaround_rests_on_the_results_that_were_timed(api, clock):
    """As many as the number says, and each of them is a result."""
    await trial(api, clock)
    place = "/turnaround/route=null;span=collected_to_recorded/results"
    found = await explained(api, clock, MetricFamily.OPERATIONS, metric=place)
    (number,) = found.metrics
    assert sum(len(x.records) for x in number.participants) == number.value > 0
    assert {x.kind for each in found.participants for x in each.records} == {"lab_result"}


def test_every_member_with_numbers_has_one_rule_and_every_rule_a_member():
    """The places of the rules are the members of the answers, no more and no fewer."""
    for family, view in VIEWS.items():
        places = [rule.metrics for rule in METRIC_RULES if rule.family is family]
        members = {
            f"/{field.name}"
            for field in fields(view)
            if field.name not in NOT_COUNTED and not field.name.endswith("_rule")
        }
        assert sorted(places) == sorted(members)
