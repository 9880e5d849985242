"""Decisions over HTTP: proposed on named evidence, confirmed by another person, then in force."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select

from app.domain.vocabulary import Role
from app.models import Operation, Principal, RoleGrant
from app.services.fixture_subjects import fixture_subject
from tests.factories.dosing import infuse
from tests.factories.events import adverse_event, dose_limiting_event
from tests.factories.ladder import amend, codes, decide, propose, read_ladder, treat, verdict
from tests.factories.rows import move_to, writing
from tests.factories.subjects import FIRST_INFUSION, enrolled_subject


async def proposed(api, action, **body):
    """Propose a decision that is taken as a proposal."""
    answer = await propose(api, action, **body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def withdraw(api, decision, role=Role.PRINCIPAL_INVESTIGATOR):
    """Take a proposal back."""
    path = f"/escalation/decisions/{decision['id']}/withdrawal"
    return await api(role).post(path, json={"reason": "Written too early."})


async def expansion(api, level):
    """Propose the level of the expansion."""
    digest = (await read_ladder(api))["digest"]
    body = {"dose_level": level, "reason": "Best balance.", "digest": digest}
    return await api().post("/expansion", json=body)


async def test_a_confirmed_escalation_opens_the_next_level(api, clock):
    """Before the verdict nothing changes; with it level B is open and its cohort is there."""
    await treat(api, clock, FIRST_INFUSION, 3)
    decision = await proposed(api, "escalate")
    assert (decision["status"], decision["verdict"]) == ("proposed", None)
    assert (decision["round"], decision["action"], decision["dose_level"]) == (1, "escalate", "B")
    assert decision["proposed_by_name"] == "Principal investigator (development)"
    assert decision["recommendation"]["action"] == "escalate"
    found = await read_ladder(api)
    assert found["state"]["open_level"] == "A"
    assert found["open_proposal"]["id"] == decision["id"]
    confirmed = await verdict(api, decision)
    assert confirmed.status_code == 201, confirmed.text
    assert confirmed.json()["status"] == "in_force"
    assert confirmed.json()["verdict"]["given_by_name"] == "Safety committee (development)"
    found = await read_ladder(api)
    assert (found["state"]["open_level"], found["open_proposal"]) == ("B", None)
    cohorts = (await api().get("/cohorts")).json()["items"]
    assert [(each["dose_level"], each["decision_id"]) for each in cohorts] == [
        ("A", None),
        ("B", decision["id"]),
    ]


async def test_a_rejected_proposal_changes_nothing(api, clock):
    """The ladder and its digest stay; the next proposal has the next round."""
    await treat(api, clock, FIRST_INFUSION, 3)
    before = await read_ladder(api)
    decision = await proposed(api, "escalate")
    answer = await verdict(api, decision, "rejected")
    assert (answer.status_code, answer.json()["status"]) == (201, "rejected")
    assert (await read_ladder(api))["digest"] == before["digest"]
    assert (await proposed(api, "escalate"))["round"] == 2


async def test_a_decision_names_its_evidence(api, clock):
    """The digest is that of the ladder; every subject is there with its facts and versions."""
    subjects = await treat(api, clock, FIRST_INFUSION, 3, dlts=1)
    found = await read_ladder(api)
    decision = await proposed(api, "expand_to_six")
    assert decision["digest"] == found["digest"]
    evidence = decision["evidence"]
    assert evidence["protocol"] == {"number": 1, "digest": found["protocol_digest"]}
    assert [each["subject_id"] for each in evidence["subjects"]] == [
        each["id"] for each in subjects
    ]
    assert [each["has_dlt"] for each in evidence["subjects"]] == [True, False, False]
    facts = evidence["subjects"][0]["evidence"]
    assert len(facts) == 3
    assert {fact["version"] for fact in facts} == {1}


async def test_a_stale_digest_is_refused(api, clock):
    """A decision on evidence that moved is not taken, whoever makes it."""
    await treat(api, clock, FIRST_INFUSION, 3)
    answer = await propose(api, "escalate", digest="0" * 64)
    assert (answer.status_code, answer.json()["code"]) == (409, "evidence_moved")
    assert codes(answer) == ["level_tolerated"]


async def test_a_dlt_after_the_proposal_makes_it_stale(api, clock):
    """It can only be rejected; then the new evidence recommends another step."""
    subjects = await treat(api, clock, FIRST_INFUSION, 3)
    decision = await proposed(api, "escalate")
    await dose_limiting_event(api, subjects[0], FIRST_INFUSION)
    answer = await verdict(api, decision)
    assert answer.json()["code"] == "evidence_moved"
    assert codes(answer) == ["second_cohort_needed", "decision_proposed"]
    assert (await read_ladder(api))["state"]["open_level"] == "A"
    assert (await verdict(api, decision, "rejected")).status_code == 201
    assert (await read_ladder(api))["recommendation"] == "expand_to_six"


async def test_a_verdict_on_another_digest_is_refused(api, clock):
    """The committee says which evidence it looked at."""
    await treat(api, clock, FIRST_INFUSION, 3)
    decision = await proposed(api, "escalate")
    answer = await verdict(api, decision | {"digest": "0" * 64})
    assert answer.json()["code"] == "evidence_moved"
    assert (await verdict(api, decision)).status_code == 201


async def test_one_proposal_at_a_time(api, clock):
    """The refusal tells which one is open."""
    await treat(api, clock, FIRST_INFUSION, 3)
    await proposed(api, "escalate")
    answer = await propose(api, "escalate")
    assert (answer.status_code, answer.json()["code"]) == (409, "proposal_open")
    assert "Round 1: escalate for level B" in answer.json()["errors"][0]["message"]


async def test_a_proposal_is_decided_once(api, clock):
    """A second verdict hears who gave the first."""
    await treat(api, clock, FIRST_INFUSION, 3)
    decision = await proposed(api, "escalate")
    await verdict(api, decision)
    rejected = await verdict(api, decision, "rejected", second=True)
    for late in (rejected, await withdraw(api, decision)):
        assert (late.status_code, late.json()["code"]) == (409, "already_decided")
        assert "by Safety committee (development)" in late.json()["errors"][0]["message"]


async def test_its_author_withdraws_a_proposal(api, clock):
    """Nothing takes effect, and the way is free for another one."""
    await treat(api, clock, FIRST_INFUSION, 3)
    decision = await proposed(api, "escalate")
    answer = await withdraw(api, decision)
    assert (answer.status_code, answer.json()["status"]) == (201, "withdrawn")
    assert answer.json()["verdict"]["rationale"] == "Written too early."
    assert (await propose(api, "escalate")).status_code == 201


@pytest.mark.parametrize(
    ("action", "body", "code"),
    [
        ("escalate", {}, "decision_not_admissible"),
        ("declare_mtd", {"dose_level": "A"}, "decision_not_admissible"),
        ("open_expansion", {"dose_level": "A"}, "decision_not_admissible"),
        ("resume", {}, "decision_not_admissible"),
        ("hold", {"dose_level": "A"}, "decision_level_not_admissible"),
        ("stop_level", {}, "decision_level_not_admissible"),
    ],
)
async def test_what_the_evidence_does_not_admit_is_refused(api, action, body, code):
    """With an empty level A only more caution is admitted, and each action with its own level."""
    answer = await propose(api, action, **body)
    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert codes(answer) == ["slots_free"]


async def test_a_level_must_exist(api):
    """A name that is no level is a wrong value."""
    answer = await propose(api, "stop_level", dose_level="Z")
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_level")
    assert answer.json()["errors"][0]["pointer"] == "/body/dose_level"


async def test_a_hold_takes_effect_at_once(api):
    """Nobody waits for leave to be careful; ending the hold takes the committee."""
    hold = await proposed(api, "hold")
    assert (hold["status"], hold["verdict"]) == ("in_force", None)
    assert (await read_ladder(api))["state"]["on_hold"] is True
    answer = await verdict(api, hold, "rejected")
    assert answer.json()["code"] == "already_decided"
    resume = await proposed(api, "resume")
    assert resume["status"] == "proposed"
    assert (await read_ladder(api))["state"]["on_hold"] is True
    await verdict(api, resume)
    assert (await read_ladder(api))["state"]["on_hold"] is False


async def test_a_hold_makes_an_open_proposal_stale(api, clock):
    """The hold goes first although a proposal is open, and that cannot be confirmed any more."""
    await treat(api, clock, FIRST_INFUSION, 3)
    escalate = await proposed(api, "escalate")
    hold = await proposed(api, "hold")
    assert (hold["round"], hold["status"]) == (2, "in_force")
    answer = await verdict(api, escalate)
    assert codes(answer) == ["hold_in_force", "decision_in_force"]
    assert (await verdict(api, escalate, "rejected")).status_code == 201


async def test_a_stop_takes_effect_at_once_and_for_good(api):
    """After it nothing can be decided."""
    assert (await proposed(api, "stop_trial"))["status"] == "in_force"
    found = await read_ladder(api)
    assert (found["recommendation"], found["admissible_actions"]) == ("stop_trial", [])
    assert (await propose(api, "hold")).json()["code"] == "decision_not_admissible"


async def test_the_gate_is_protocol_data(api, clock):
    """Where the protocol asks for no approval the escalation is in force at once, for ever."""
    gated = ["expand_to_six", "refill_lower", "declare_mtd", "resume", "open_expansion"]
    await amend(api, "escalation", approval_required=gated)
    await treat(api, clock, FIRST_INFUSION, 3)
    assert (await proposed(api, "escalate"))["status"] == "in_force"
    await amend(api, "escalation", approval_required=["escalate", *gated])
    assert (await read_ladder(api))["state"]["open_level"] == "B"


async def test_a_resume_reviews_every_trigger(api, clock):
    """Naming none or another one is refused; naming all ends the hold."""
    subject = await enrolled_subject(api)
    move_to(clock, FIRST_INFUSION)
    await infuse(api, subject, FIRST_INFUSION)
    fatal = {"grade": 5, "outcome": "fatal", "seriousness": ["death"]}
    first = await adverse_event(api, subject, FIRST_INFUSION, **fatal)
    second = await adverse_event(api, subject, FIRST_INFUSION, term="Anaphylaxis", grade=4)
    answer = await propose(api, "resume", reviewed=[f"{first}:1"])
    assert answer.json()["code"] == "triggers_not_reviewed"
    assert codes(answer) == ["related_death", "related_anaphylaxis"]
    answer = await propose(api, "resume", reviewed=[f"{first}:1", f"{second}:1", "other:1"])
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_trigger")
    await decide(api, "resume", reviewed=[f"{first}:1", f"{second}:1"])
    found = await read_ladder(api)
    assert found["held_by"] == []
    assert set(found["state"]["reviewed"]) == {f"{first}:1", f"{second}:1"}


async def test_only_a_resume_reviews_triggers(api):
    """Other decisions name none."""
    answer = await propose(api, "hold", reviewed=["some:1"])
    assert answer.json()["code"] == "unknown_trigger"


async def test_the_expansion_goes_through_the_same_gate(api, clock):
    """Not above the highest tolerated level; proposed with a reason, confirmed by the committee."""
    await treat(api, clock, FIRST_INFUSION, 3)
    assert (await expansion(api, "A")).json()["code"] == "decision_not_admissible"
    await decide(api, "escalate")
    await treat(api, clock, date(2026, 8, 1), 3, dlts=2)
    await decide(api, "stop_level")
    await decide(api, "refill_lower")
    await treat(api, clock, date(2026, 10, 1), 3)
    assert (await read_ladder(api))["mtd"] == "A"
    await decide(api, "declare_mtd")
    above = await expansion(api, "B")
    assert (above.status_code, above.json()["code"]) == (409, "decision_level_not_admissible")
    answer = await expansion(api, "A")
    assert answer.status_code == 201, answer.text
    decision = answer.json()
    assert (decision["action"], decision["rationale"]) == ("open_expansion", "Best balance.")
    assert (await read_ladder(api))["state"]["expansion_level"] is None
    await verdict(api, decision)
    found = await read_ladder(api)
    assert (found["state"]["expansion_level"], found["phase"]) == ("A", "expansion")


async def test_a_level_that_was_left_is_opened_again_with_its_cohort(api, clock):
    """A late DLT on A leads back there; once A is decided B goes on in the cohort it had."""
    first = await treat(api, clock, FIRST_INFUSION, 3)
    await decide(api, "escalate")
    await dose_limiting_event(api, first[0], FIRST_INFUSION)
    assert (await decide(api, "refill_lower"))["dose_level"] == "A"
    await treat(api, clock, date(2026, 8, 1), 3)
    assert (await decide(api, "escalate"))["dose_level"] == "B"
    cohorts = (await api().get("/cohorts")).json()["items"]
    assert [(each["dose_level"], each["is_open"]) for each in cohorts] == [
        ("A", False),
        ("B", True),
    ]
    assert (await enrolled_subject(api, date(2026, 9, 5)))["enrolment"]["slot"] == 1


async def test_decisions_are_listed_in_order(api, clock):
    """Rounds in order, in pages, each with what became of it."""
    await decide(api, "hold")
    await decide(api, "resume")
    await decide(api, "stop_level", dose_level="C")
    found = (await api().get("/escalation/decisions")).json()
    assert [(each["round"], each["action"]) for each in found["items"]] == [
        (1, "hold"),
        (2, "resume"),
        (3, "stop_level"),
    ]
    page = (await api().get("/escalation/decisions", params={"limit": 2})).json()
    rest = await api().get("/escalation/decisions", params={"limit": 2, "cursor": page["next"]})
    assert [each["round"] for each in rest.json()["items"]] == [3]


async def test_decisions_are_read_as_they_were(api, clock):
    """Before the verdict the proposal was open, and before it there was none."""
    clock.now = datetime.now(UTC)
    hold = await proposed(api, "hold")
    resume = await proposed(api, "resume")
    before = datetime.now(UTC)
    await verdict(api, resume)
    clock.now = datetime.now(UTC)

    async def statuses(moment):
        found = await api().get("/escalation/decisions", params={"as_of": moment})
        return [each["status"] for each in found.json()["items"]]

    assert await statuses(clock.now.isoformat()) == ["in_force", "in_force"]
    assert await statuses(before.isoformat()) == ["in_force", "proposed"]
    assert await statuses(hold["recorded_at"]) == ["in_force"]


async def test_the_rationale_goes_to_the_trail(api, session):
    """The operation of a decision says why."""
    await decide(api, "hold", rationale="A report from another trial.")
    reasons = await session.scalars(
        select(Operation.reason).where(Operation.command == "propose_decision")
    )
    assert list(reasons) == ["A report from another trial."]


@pytest.mark.parametrize(
    ("role", "status"),
    [
        (Role.PRINCIPAL_INVESTIGATOR, 201),
        (Role.SUB_INVESTIGATOR, 403),
        (Role.SAFETY_COMMITTEE, 201),
        (Role.DATA_MANAGER, 403),
    ],
)
async def test_who_may_hold(api, role, status):
    """The principal investigator and the committee may stop things, nobody else."""
    digest = (await read_ladder(api))["digest"]
    body = {"digest": digest, "action": "hold", "rationale": "To be sure."}
    assert (await api(role).post("/escalation/decisions", json=body)).status_code == status


async def test_who_may_give_a_verdict(api, clock):
    """Only the committee; an unknown decision is not found."""
    await treat(api, clock, FIRST_INFUSION, 3)
    decision = await proposed(api, "escalate")
    body = {"verdict": "confirmed", "rationale": "Fine.", "digest": decision["digest"]}
    path = f"/escalation/decisions/{decision['id']}/verdict"
    for role in (Role.PRINCIPAL_INVESTIGATOR, Role.SUB_INVESTIGATOR, Role.DATA_MANAGER):
        assert (await api(role).post(path, json=body)).status_code == 403
    assert (await verdict(api, decision | {"id": str(uuid4())})).status_code == 404


async def grant_committee(api, clock):
    """Make the principal investigator a member of the committee, too."""
    async with writing(api) as (session, actor):
        member = await session.scalar(
            select(Principal).where(
                Principal.study_id == actor.study_id,
                Principal.subject == fixture_subject(Role.PRINCIPAL_INVESTIGATOR),
            )
        )
        session.add(
            RoleGrant(
                study_id=actor.study_id,
                principal_id=member.id,
                role=Role.SAFETY_COMMITTEE,
                valid_from=clock.now - timedelta(days=1),
            )
        )


async def test_one_person_cannot_do_both(api, clock):
    """Whoever proposes does not give the verdict, whatever roles the person has."""
    await treat(api, clock, FIRST_INFUSION, 3)
    await grant_committee(api, clock)
    decision = await proposed(api, "escalate")
    body = {"verdict": "confirmed", "rationale": "Fine.", "digest": decision["digest"]}
    answer = await api().post(f"/escalation/decisions/{decision['id']}/verdict", json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "two_persons")
    assert (await verdict(api, decision, second=True)).status_code == 201


async def test_only_the_author_withdraws(api, clock):
    """A committee member leaves the proposal to its author."""
    await treat(api, clock, FIRST_INFUSION, 3)
    decision = await proposed(api, "escalate")
    answer = await withdraw(api, decision, Role.SAFETY_COMMITTEE)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_the_proposer")


async def test_the_committee_holds_and_stops_on_its_own(api):
    """A hold by the committee is in force at once; what it has to confirm it may not propose."""
    digest = (await read_ladder(api))["digest"]
    body = {"digest": digest, "action": "hold", "rationale": "Two events have to be looked at."}
    committee = api(Role.SAFETY_COMMITTEE)
    held = await committee.post("/escalation/decisions", json=body)
    assert (held.status_code, held.json()["status"]) == (201, "in_force")
    digest = (await read_ladder(api))["digest"]
    wish = body | {"digest": digest, "action": "resume"}
    refused = await committee.post("/escalation/decisions", json=wish)
    assert (refused.status_code, refused.json()["code"]) == (403, "proposed_by_the_investigator")
