"""The ladder over HTTP: recommendation, digest, dosing, and the behaviour of the design."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from app.domain.errors import Reason
from app.domain.vocabulary import CohortPhase, Role
from app.services.escalation import dosing_allowed
from tests.factories.dosing import infuse
from tests.factories.events import adjudicate, adverse_event, dose_limiting_event
from tests.factories.ladder import amend, decide, read_ladder, treat
from tests.factories.rows import move_to, writing
from tests.factories.subjects import FIRST_INFUSION, eligible_subject, enrolled_subject
from tests.routers.test_data_cuts import present

WINDOW_END = FIRST_INFUSION + timedelta(days=28)


async def three_dosed(api, clock):
    """Enrol and dose three subjects of level A on one day."""
    subjects = [await enrolled_subject(api) for _ in range(3)]
    move_to(clock, FIRST_INFUSION)
    for subject in subjects:
        await infuse(api, subject, FIRST_INFUSION)
    return subjects


async def test_the_first_recommendation_is_to_enrol(api):
    """Everything an investigator asks for is there, and what rests on what."""
    found = await read_ladder(api)
    assert (found["recommendation"], found["level"], found["phase"]) == ("enrol", "A", "escalation")
    assert found["slots_open_now"] == 3
    assert found["reasons"][0]["message"] == "Level A has room for 3 more."
    assert (found["mtd"], found["highest_tolerated"], found["rp2d_candidate"]) == (None, None, None)
    assert found["admissible_actions"] == ["hold", "stop_level", "stop_trial"]
    assert [level["level"] for level in found["ladder"]] == ["A", "B", "C"]
    assert [level["status"] for level in found["ladder"]] == ["enrolling", "not_open", "not_open"]
    assert (found["open_proposal"], found["held_by"], found["blocked_by"]) == (None, [], [])
    assert (found["variant"], found["rule"]) == ("korn", "escalation.korn")
    assert (found["protocol_version"], found["study_day"]) == (1, "2026-06-01")
    assert len(found["digest"]) == len(found["protocol_digest"]) == 64


async def test_a_tolerated_level_recommends_escalation(api, clock):
    """Three complete subjects without DLT: escalate, permitted, with the committee's approval."""
    await treat(api, clock, FIRST_INFUSION, 3)
    found = await read_ladder(api)
    assert (found["recommendation"], found["level"], found["target_level"]) == (
        "escalate",
        "A",
        "B",
    )
    assert (found["permitted"], found["approval_required"]) == (True, True)
    assert found["highest_tolerated"] == "A"
    assert "escalate" in found["admissible_actions"]


async def test_a_late_dlt_supersedes_the_escalation_and_the_ladder_says_so(
    committing_api, committing_database, clock
):
    """The decision stays on record and in force; at an earlier moment nothing had overtaken it."""
    api = committing_api
    first, *_ = await treat(api, clock, FIRST_INFUSION, 3)
    decision = await decide(api, "escalate")
    before = await present(committing_database, clock)
    assert (await read_ladder(api))["superseded"] == []
    event = await adverse_event(api, first, FIRST_INFUSION)
    assert (await read_ladder(api))["superseded"] == [], "a question is no answer yet"
    await adjudicate(api, event, is_dlt=True)
    found = await read_ladder(api)
    assert (found["recommendation"], found["target_level"]) == ("refill_lower", "A")
    (late,) = found["superseded"]
    assert (late["decision_id"], late["round"], late["action"]) == (decision["id"], 1, "escalate")
    assert (late["dose_level"], late["subject_ids"]) == ("B", [first["id"]])
    assert late["reason"]["code"] == "decision_superseded"
    assert "1 of 3 subjects of level A had a DLT" in late["reason"]["message"]
    (kept,) = (await api().get("/escalation/decisions")).json()["items"]
    assert (kept["id"], kept["status"]) == (decision["id"], "in_force")
    await present(committing_database, clock)
    past = await api().get("/escalation", params={"as_of": before.isoformat()})
    assert past.json()["superseded"] == []
    printed = await api().get("/escalation/dossier", params={"format": "html"})
    assert f"Round 1 (escalate): {late['reason']['message']}" in printed.text


async def test_open_windows_block(api, clock):
    """With subjects in the window nothing is permitted, and each blocker is counted."""
    await three_dosed(api, clock)
    found = await read_ladder(api)
    assert found["recommendation"] == "hold"
    assert [(each["code"], each["count"]) for each in found["blocked_by"]] == [("in_window", 3)]
    assert "escalate" not in found["admissible_actions"]


async def test_a_related_death_holds_until_it_is_reviewed(api, clock):
    """The trigger names event and version; a resume that reviewed it ends the hold."""
    subjects = await three_dosed(api, clock)
    event = await adverse_event(
        api, subjects[0], FIRST_INFUSION, grade=5, outcome="fatal", seriousness=["death"]
    )
    found = await read_ladder(api)
    assert [each["id"] for each in found["held_by"]] == [f"{event}:1"]
    assert (found["recommendation"], found["reasons"][0]["code"]) == ("hold", "related_death")
    await decide(api, "resume", reviewed=[f"{event}:1"])
    assert (await read_ladder(api))["held_by"] == []


async def test_an_event_before_the_first_infusion_holds_nothing(api, clock):
    """A stroke that came and went before the cells is not related to them."""
    subjects = await three_dosed(api, clock)
    day = FIRST_INFUSION - timedelta(days=3)
    ended = datetime(2026, 6, 1, tzinfo=UTC)
    await adverse_event(
        api, subjects[0], day, term="Stroke", grade=4, causality=None, ended_at=ended
    )
    assert (await read_ladder(api))["held_by"] == []
    await adverse_event(api, subjects[1], day, term="Stroke", grade=4, causality=None)
    assert [each["code"] for each in (await read_ladder(api))["held_by"]] == ["related_embolism"]


async def test_the_digest_names_the_evidence_only(api, clock):
    """A passing hour, an eligible subject and a mild event leave it; the day's end does not."""
    subjects = await three_dosed(api, clock)
    digest = (await read_ladder(api))["digest"]
    clock.advance(hours=1)
    assert (await read_ladder(api))["digest"] == digest
    move_to(clock, WINDOW_END)
    assert (await read_ladder(api))["digest"] == digest
    await eligible_subject(api, WINDOW_END)
    await adverse_event(api, subjects[0], FIRST_INFUSION, grade=1)
    assert (await read_ladder(api))["digest"] == digest
    move_to(clock, WINDOW_END + timedelta(days=1))
    assert (await read_ladder(api))["digest"] != digest


async def test_the_digest_moves_with_every_fact_that_counts(api, clock):
    """An enrolment, an infusion, an event, its adjudication and a decision each move it."""
    seen = [(await read_ladder(api))["digest"]]

    async def note():
        seen.append((await read_ladder(api))["digest"])

    subject = await enrolled_subject(api)
    await note()
    move_to(clock, FIRST_INFUSION)
    await note()
    assert seen.pop() == seen[-1]
    await infuse(api, subject, FIRST_INFUSION)
    await note()
    event = await adverse_event(api, subject, FIRST_INFUSION)
    await note()
    await adjudicate(api, event, is_dlt=False)
    await note()
    await decide(api, "hold")
    await note()
    assert len(set(seen)) == len(seen) == 6


async def test_the_digest_moves_when_a_passing_day_changes_the_step(api, clock):
    """With a blocking stagger the step turns from hold to enrol on day 14, no fact changing."""
    stagger = {"policy": "block", "after_first_days": 14, "after_others_days": 0}
    await amend(api, "escalation", stagger=stagger)
    move_to(clock, FIRST_INFUSION)
    await infuse(api, await enrolled_subject(api), FIRST_INFUSION)
    move_to(clock, FIRST_INFUSION + timedelta(days=13))
    held = await read_ladder(api)
    move_to(clock, FIRST_INFUSION + timedelta(days=14))
    free = await read_ladder(api)
    assert (held["recommendation"], free["recommendation"]) == ("hold", "enrol")
    assert held["digest"] != free["digest"]


async def test_the_expansion_rings_on_pooled_toxicity(api, clock):
    """Two DLTs among the first six of both phases hold the trial; one does not."""
    design = {"variant": "storer", "cohort_size": 3, "max_level_size": 6, "stop_at_dlts": 2}
    await amend(api, "escalation", design=design)
    await treat(api, clock, FIRST_INFUSION, 3)
    await decide(api, "escalate")
    await treat(api, clock, date(2026, 8, 1), 2, dlts=2)
    await decide(api, "stop_level")
    await decide(api, "declare_mtd")
    await decide(api, "open_expansion", dose_level="A")
    await treat(api, clock, date(2026, 10, 1), 1, dlts=1)
    assert (await read_ladder(api))["held_by"] == []
    await treat(api, clock, date(2026, 11, 10), 1, dlts=1)
    assert [each["id"] for each in (await read_ladder(api))["held_by"]] == ["expansion_dlts:2"]
    assert await refusals(api, clock, "A", CohortPhase.EXPANSION) == ["expansion_dlts"]


async def test_the_ladder_is_read_as_it_was(api, clock):
    """The past ladder has the past digest."""
    clock.now = datetime.now(UTC)
    digest = (await read_ladder(api))["digest"]
    before = datetime.now(UTC)
    await enrolled_subject(api, clock.now.date() + timedelta(days=2))
    await decide(api, "hold")
    clock.now = datetime.now(UTC)
    assert (await read_ladder(api))["digest"] != digest
    answer = await api().get("/escalation", params={"as_of": before.isoformat()})
    assert answer.json()["digest"] == digest
    assert answer.json()["state"]["on_hold"] is False


async def test_the_top_level_without_toxicity_has_no_mtd(api, clock):
    """C tolerated: the MTD is not reached, and C is the highest tolerated level."""
    for day in (date(2026, 6, 3), date(2026, 8, 1), date(2026, 10, 1)):
        await treat(api, clock, day, 3)
        if day.month < 10:
            await decide(api, "escalate")
    found = await read_ladder(api)
    assert found["recommendation"] == "level_tolerated"
    assert (found["mtd"], found["highest_tolerated"], found["rp2d_candidate"]) == (
        "not_reached",
        "C",
        "C",
    )
    assert "open_expansion" in found["admissible_actions"]


@pytest.mark.parametrize(
    ("role", "status"),
    [
        (Role.PRINCIPAL_INVESTIGATOR, 200),
        (Role.SAFETY_COMMITTEE, 200),
        (Role.AUDITOR, 200),
        (Role.STUDY_COORDINATOR, 403),
        (Role.SPONSOR, 403),
    ],
)
async def test_who_may_read_the_ladder(api, role, status):
    """Those who decide and those who watch over it."""
    assert (await api(role).get("/escalation")).status_code == status


# --- dosing ------------------------------------------------------------------------------------


async def refusals(api, clock, level="A", phase=CohortPhase.ESCALATION) -> list[str]:
    """Ask the service why nobody may be dosed."""
    async with writing(api) as (session, actor):
        found = await dosing_allowed(session, actor, level, phase, clock.now)
    assert all(isinstance(each, Reason) for each in found)
    return [each.code for each in found]


async def test_the_open_level_may_be_dosed_and_others_may_not(api, clock):
    """Levels that were not opened, and an expansion that was not, are refused."""
    assert await refusals(api, clock) == []
    assert await refusals(api, clock, "B") == ["level_not_open"]
    assert await refusals(api, clock, "A", CohortPhase.EXPANSION) == ["expansion_not_open"]


async def test_nobody_is_dosed_on_hold(api, clock):
    """The hold is the reason, on every level."""
    await decide(api, "hold")
    assert await refusals(api, clock) == ["hold_in_force"]


async def test_nobody_is_dosed_on_a_toxic_level_or_above(api, clock):
    """Two DLTs on A forbid A and what would be above it."""
    subjects = await three_dosed(api, clock)
    for subject in subjects[:2]:
        await dose_limiting_event(api, subject, FIRST_INFUSION)
    assert await refusals(api, clock) == ["level_toxic"]
    assert await refusals(api, clock, "B") == ["level_toxic", "level_not_open"]
    await decide(api, "stop_trial")
    assert await refusals(api, clock) == ["trial_stopped", "level_toxic"]


async def test_a_toxic_upper_level_leaves_the_lower_one(api, clock):
    """B toxic and closed: A may still be dosed."""
    await treat(api, clock, FIRST_INFUSION, 3)
    await decide(api, "escalate")
    await treat(api, clock, date(2026, 8, 1), 2, dlts=2)
    assert await refusals(api, clock, "B") == ["level_toxic"]
    await decide(api, "stop_level")
    assert await refusals(api, clock, "B") == ["level_toxic"]
    assert await refusals(api, clock, "A") == []
    await decide(api, "refill_lower")
    assert (await read_ladder(api))["state"]["open_level"] == "A"


async def test_nobody_is_dosed_while_a_level_may_be_toxic(api, clock):
    """One DLT and one open event; once judged harmless, dosing goes on."""
    subjects = await three_dosed(api, clock)
    await dose_limiting_event(api, subjects[0], FIRST_INFUSION)
    event = await adverse_event(api, subjects[1], FIRST_INFUSION)
    assert await refusals(api, clock) == ["possibly_toxic"]
    await adjudicate(api, event, is_dlt=False)
    assert await refusals(api, clock) == []


async def test_nobody_is_dosed_before_a_hold_trigger_is_reviewed(api, clock):
    """A related anaphylaxis of grade 4 stops dosing everywhere."""
    subjects = await three_dosed(api, clock)
    await adverse_event(api, subjects[0], FIRST_INFUSION, term="Anaphylaxis", grade=4)
    assert await refusals(api, clock) == ["related_anaphylaxis"]


# --- operating characteristics -------------------------------------------------------------------


async def characteristics(api, *rates, role=Role.SPONSOR, **body):
    """Ask for the design's characteristics."""
    return await api(role).post(
        "/escalation/operating-characteristics",
        json={"true_dlt_rates": list(rates)} | body,
    )


@pytest.mark.parametrize(
    ("variant", "select", "n", "dlts"),
    [
        ("korn", ("0.1004", "0.2819", "0.3003", "0.3174"), "11.667", "2.169"),
        ("storer", ("0.0939", "0.2640", "0.3247", "0.3174"), "10.267", "1.958"),
    ],
)
async def test_the_published_characteristics_come_out(api, variant, select, n, dlts):
    """For true rates .10, .20, .30 the known figures, to the digits they are known to."""
    answer = await characteristics(api, 0.1, 0.2, 0.3, variant=variant)
    assert answer.status_code == 200, answer.text
    found = json.loads(answer.text, parse_float=Decimal)
    chosen = [round(found["select"][name], 4) for name in ("none", "A", "B", "C")]
    assert chosen == [Decimal(each) for each in select]
    assert round(found["expected_n"], 3) == Decimal(n)
    assert round(found["expected_dlts"], 3) == Decimal(dlts)
    assert sum(found["select"].values()) == pytest.approx(1, abs=Decimal("1e-11"))
    assert [each["level"] for each in found["by_level"]] == ["A", "B", "C"]
    assert (found["variant"], found["protocol_version"]) == (variant, 1)


async def test_storer_is_exact_to_six_places(api):
    """The closed form for .05, .15, .30 without refill."""
    answer = await characteristics(api, 0.05, 0.15, 0.3, variant="storer")
    found = json.loads(answer.text, parse_float=Decimal)
    assert [round(found["select"][name], 6) for name in ("none", "A", "B", "C")] == [
        Decimal(each) for each in ("0.026558", "0.181262", "0.400635", "0.391545")
    ]
    assert round(found["expected_n"], 4) == Decimal("10.7005")
    assert round(found["expected_dlts"], 4) == Decimal("1.7782")


async def test_the_protocols_variant_is_the_default(api):
    """Without a variant the active protocol's is taken, and said."""
    assert (await characteristics(api, 0, 0, 0)).json()["variant"] == "korn"


async def test_certain_outcomes_are_certain(api):
    """No toxicity reaches the top; certain toxicity on A leaves nothing."""
    assert (await characteristics(api, 0, 0, 0)).json()["select"]["C"] == 1
    assert (await characteristics(api, 1, 1, 1)).json()["select"]["none"] == 1


@pytest.mark.parametrize(
    "rates", [(), (0.1, 0.2), (0.1, 0.2, 0.3, 0.4), (-0.1, 0.2, 0.3), (0.1, 0.2, 1.1), ("0.1",) * 3]
)
async def test_rates_that_do_not_fit_are_refused(api, rates):
    """One rate per level, each a number from 0 to 1; the field is named."""
    answer = await characteristics(api, *rates)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith("/body/true_dlt_rates")


async def test_an_unknown_variant_is_refused(api):
    """Only the three variants exist."""
    answer = await characteristics(api, 0.1, 0.2, 0.3, variant="other")
    assert answer.status_code == 422
