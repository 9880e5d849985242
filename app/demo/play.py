"""The demonstration: a whole trial replayed through the public API, from consent to expansion."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from app.demo import cast
from app.demo.cast import DATA_CUT_DAY, Part
from app.demo.client import Api, Progress, Refused, TokenFor
from app.demo.report import print_report
from app.demo.stage import CRC, MARKER, PI, Stage
from app.domain.errors import conflict
from app.domain.vocabulary import Role

STUDY = "NCT07212335"
FIRST_DAY = date(2025, 10, 13)
DMC = Role.SAFETY_COMMITTEE
DECISIONS = 6


def run(url: str, token_for: TokenFor, seed: int, now: datetime) -> None:
    """Replay the trial at `url` and print what the API concludes; a second run changes nothing.

    Raises conflict when the study holds subjects that are not the demonstration's.
    """
    parts = (
        *cast.GROUP_A, *cast.GROUP_B_FIRST, *cast.GROUP_B_SECOND, *cast.GROUP_C, *cast.EXPANSION,
    )  # fmt: skip
    progress = Progress(len(parts) + DECISIONS)
    with Api(url, STUDY, token_for, seed) as api:
        stage = Stage(api, progress, _first_day(api, now), seed)
        _play(stage)
        progress.say(f"{api.requests} requests made")
        print_report(api)


def _first_day(api: Api, now: datetime) -> date:
    """Choose the first day so that all of the trial lies in the past; keep an earlier run's."""
    subjects = api.items("/subjects", CRC)
    if subjects and subjects[0]["car_t_product"] != MARKER:
        raise conflict(
            "study_in_use",
            "This study holds subjects of its own; run the demonstration on an empty DATA_DIR.",
        )
    if subjects:
        screened = date.fromisoformat(subjects[0]["screening_date"])
        return screened + timedelta(days=5)
    latest = now.date() - timedelta(days=DATA_CUT_DAY + 1)
    return min(FIRST_DAY, latest)


def _play(stage: Stage) -> None:
    """Play the groups in order, with the decisions that open the next."""
    _group(stage, cast.GROUP_A)
    decide(stage, "escalate", "B", "Group A: no DLT in three evaluable subjects.")
    _group(stage, cast.GROUP_B_FIRST)
    decide(stage, "expand_to_six", "B", "Group B: one DLT in three evaluable subjects.")
    first, *others = cast.GROUP_B_SECOND
    stage.treat(first)
    _hold(stage, others[0])
    _group(stage, tuple(others))
    decide(stage, "escalate", "C", "Group B: one DLT in six evaluable subjects.")
    _group(stage, cast.GROUP_C)
    expand(stage, "C", "Group C: no DLT in three; the highest schedule is expanded.")
    _group(stage, cast.EXPANSION)


def _group(stage: Stage, parts: tuple[Part, ...]) -> None:
    for part in parts:
        if part.failure is not None:
            stage.fail(part)
        else:
            stage.treat(part)


def decide(stage: Stage, action: str, level: str | None, rationale: str) -> None:
    """Propose a decision as the investigator and confirm it as the committee."""
    if not _done(stage, rationale):
        ladder = stage.api.get("/escalation")
        body = {
            "digest": ladder["digest"],
            "action": action,
            "dose_level": level,
            "rationale": rationale,
            "reviewed": [trigger["id"] for trigger in ladder["held_by"]]
            if action == "resume"
            else [],
        }
        _confirm(stage, "/escalation/decisions", body, f"{action}-{level}-{ladder['digest'][:12]}")
    stage.progress.step(f"committee: {action} {level or ''}".rstrip())


def expand(stage: Stage, level: str, rationale: str) -> None:
    """Choose the level of the expansion, confirmed by the committee."""
    if not _done(stage, rationale):
        digest = stage.api.get("/escalation")["digest"]
        body = {"digest": digest, "dose_level": level, "reason": rationale}
        _confirm(stage, "/expansion", body, f"expansion-{digest[:12]}")
    stage.progress.step(f"committee: expansion at {level}")


def _done(stage: Stage, rationale: str) -> bool:
    """Tell whether an earlier run made this decision."""
    made = stage.api.items("/escalation/decisions")
    return any(item["rationale"] == rationale and item["status"] == "in_force" for item in made)


def _confirm(stage: Stage, path: str, body: dict[str, object], key: str) -> None:
    """Propose, then confirm as the committee's first member."""
    proposal = stage.api.post(path, body, key, PI)
    if proposal["status"] != "in_force":
        verdict = {
            "verdict": "confirmed",
            "digest": body["digest"],
            "rationale": "The committee reviewed the ladder, the events and the open questions.",
        }
        stage.api.post(
            f"/escalation/decisions/{proposal['id']}/verdict", verdict, f"verdict-{key}", DMC
        )


def _hold(stage: Stage, refused: Part) -> None:
    """Hold the trial, show that nobody can be enrolled meanwhile, and resume."""
    hold, resume = "A release test of a lot is repeated.", "The repeated release test is in order."
    if not _done(stage, hold):
        decide(stage, "hold", None, hold)
        subject = stage.screen(refused)
        try:
            stage.api.post(f"/subjects/{subject['id']}/enrolment", {}, "enrolment-on-hold", PI)
        except Refused as refusal:
            stage.progress.say(f"{subject['number']} on hold: {refusal.problem['detail']}")
    else:
        stage.progress.step("committee: hold")
    decide(stage, "resume", None, resume)
