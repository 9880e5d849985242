"""The trial as a state machine: what a team may do next, and what each step must answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.factories.ladder import treat
from tests.scenarios.conduct_invariants import Watch

one = st.integers(0, 11)
TERMS = (
    "Infusion related reaction", "Chills", "Anaphylaxis", "Thromboembolic event", "Hypertension",
)  # fmt: skip


class Conduct(RuleBasedStateMachine):
    """A trial: whoever is drawn does what is drawn, and everything is checked after each step."""

    stage: ClassVar[Any]  # where trials are played, one after the other

    def __init__(self) -> None:
        super().__init__()
        self.team = self.stage.raise_curtain()
        self.watch = Watch(self.team)
        self.watch.look()

    def teardown(self) -> None:
        """Ask about the past once more."""
        try:
            self.watch.compare()
        finally:
            self.stage.drop_curtain()

    def pick(self, number: int) -> dict[str, Any]:
        """Choose an enrolled subject; the last ones first, since they are under treatment."""
        return self.team.subjects[-1 - number % len(self.team.subjects)]

    def has_subjects(self) -> bool:
        """Tell whether anybody is enrolled."""
        return bool(self.team.subjects)

    @initialize(
        cohorts=st.sampled_from([1, 0, 2]),
        dlts=st.sampled_from([0, 0, 1]),
        choose=st.randoms(use_true_random=True),
    )
    def begin(self, cohorts: int, dlts: int, choose: Random) -> None:
        """Begin with nobody, or with a level or two behind, and get to work."""
        for level in "AB"[:cohorts]:
            treated = treat(self.team.api, self.team.clock, self.team.tomorrow, 3, dlts)
            self.team.subjects += [subject | {"level": level} for subject in self.team.run(treated)]
            self.watch.look()
            self._go_on()
        self.work(choose=choose)
        self.watch.keep()

    # Enrolment and doses

    @rule(level=st.sampled_from([None, None, None, "B", "C"]))
    def enrol(self, level: str | None) -> None:
        """A place is given exactly when the table says that there is one, on the open level."""
        room = self.watch.has_room() and level in {None, self.watch.state.open_level}
        answer = self.team.enrol(level)
        assert (answer.status_code == 201) is room, f"beyond the table: {answer.text}"
        if not room:
            assert answer.json()["code"] == "enrolment_refused"
            assert answer.json()["errors"]

    @precondition(lambda self: self.watch.has_room())
    @rule()
    def fill_the_level(self) -> None:
        """The level takes as many as it has free places, and not one more."""
        for _ in range(self.watch.free_slots(self.watch.state.open_level)):
            assert self.team.enrol().status_code == 201
        assert self.team.enrol().status_code == 409, "a place beyond the last was given"

    @precondition(has_subjects)
    @rule(number=one)
    def order(self, number: int) -> None:
        """A dose is ordered only on a level that may be dosed."""
        subject = self.pick(number)
        allowed = self.watch.may_dose(subject["level"])
        answer = self.team.order(subject)
        assert answer.status_code in {201, 409}, answer.text
        assert answer.status_code == 409 or allowed

    @precondition(has_subjects)
    @rule(number=one, volume=st.sampled_from([120, 120, 120, 100, 0]))
    def dose(self, number: int, volume: int) -> None:
        """Order, allocate, check and give, as far as the ladder allows."""
        self._dose(self.pick(number), volume)

    def _dose(self, subject: dict[str, Any], volume: int = 120) -> None:
        infusion = self.watch.waiting(subject["id"])
        if infusion is None:
            allowed = self.watch.may_dose(subject["level"])
            ordered = self.team.order(subject)
            if ordered.status_code != 201:
                return
            assert allowed
            infusion = ordered.json()
        self._try_a_taken_bag(infusion)
        allocated = self.team.allocate(infusion, self.team.new_bags())
        if allocated.status_code == 200:
            self.team.give(allocated.json(), volume)

    @precondition(has_subjects)
    @rule(pause=st.sampled_from([29, 0, 5]))
    def treat_everybody(self, pause: int) -> None:
        """Give every subject its infusions week by week, and let time pass."""
        for _ in range(4):
            self.watch.recompute()
            waiting = [x for x in self.team.subjects if self.watch.is_to_come(x["id"])]
            for subject in waiting:
                self._dose(subject)
                self.watch.recompute()
            if not any(self.watch.is_to_come(x["id"]) for x in waiting):
                break
            self.watch.look()
            self.team.clock.advance(days=7)
        self.watch.look()
        self.team.clock.advance(days=pause)

    def _try_a_taken_bag(self, infusion: dict[str, Any]) -> None:
        """A bag that was infused, or is held for somebody else, is refused."""
        taken = [
            bag["id"]
            for bag in self.watch.records["product_bag"]
            if bag["status"] != "available" and bag["infusion_id"] != infusion["id"]
        ]
        for bag in taken[-1:]:
            answer = self.team.allocate(infusion, [bag])
            assert answer.status_code == 409, "a taken bag was given to another infusion"
            assert answer.json()["code"] == "bag_not_available"

    @precondition(has_subjects)
    @rule(number=one)
    def cancel(self, number: int) -> None:
        """An infusion that was ordered is not given."""
        if infusion := self.watch.waiting(self.pick(number)["id"]):
            assert self.team.cancel(infusion).status_code == 200

    # What happens to subjects

    @precondition(has_subjects)
    @rule(choose=st.randoms(use_true_random=True))
    def suffer(self, choose: Random) -> None:
        """An event is reported, soon or long after it began, and mostly judged at once."""
        subject = choose.choice(self.team.subjects[-6:])
        later = timedelta(hours=choose.randint(1, 96))
        onset = self.team.clock.now - later
        if choose.random() < 0.7 and (first := self.watch.first_infusion(subject["id"])):
            onset = min(onset, first + later)
        grade = choose.choice([1, 2, 3, 3, 3, 4, 5])
        answer = self.team.report(
            subject,
            term=choose.choice(TERMS),
            grade=grade,
            causality=choose.choice(["definite", "possible", None, "unlikely"]),
            causality_disease=choose.choice(["probable", None, "unlikely"]),
            onset_at=onset.isoformat(),
            investigator_declared_dlt=choose.random() < 0.1,
            **({"seriousness": ["death"], "outcome": "fatal"} if grade == 5 else {}),
        )
        if answer.status_code == 201 and choose.random() < 0.7:
            self.watch.look()
            verdict = self.team.adjudicate(answer.json(), is_dlt=choose.random() < 0.6)
            assert verdict.status_code in {201, 409}

    @precondition(lambda self: self.team.events)
    @rule(number=one, grade=st.integers(1, 4), corrects=st.booleans())
    def regrade(self, number: int, grade: int, corrects: bool) -> None:
        """A grade goes up, or down, by the course of the event or by correction."""
        event = self.team.events[-1 - number % len(self.team.events)]
        told = {"corrects_grade": True} if corrects else {}
        self.team.correct(event, grade=grade, **told)

    @precondition(lambda self: self.team.events)
    @rule(number=one)
    def retract(self, number: int) -> None:
        """A mistaken event is taken back, unless it is signed as dose-limiting."""
        self.team.correct(self.team.events[-1 - number % len(self.team.events)], retracted=True)

    @precondition(lambda self: self.team.events)
    @rule(number=one, is_dlt=st.booleans(), behind=st.sampled_from([0, 0, 1]))
    def adjudicate(self, number: int, is_dlt: bool, behind: int) -> None:
        """A verdict about the version on record counts, one about an earlier one is refused."""
        event = self.team.events[-1 - number % len(self.team.events)]
        version = self.team.ask("GET", f"/adverse-events/{event['id']}").json()["version"]
        answer = self.team.adjudicate(event, is_dlt, behind)
        assert answer.status_code in {201, 409}, answer.text
        if behind and version > 1:
            assert answer.json()["code"] == "stale_adjudication"

    @precondition(has_subjects)
    @rule(
        number=one,
        what=st.sampled_from(["count", "correction", "red_cells", "platelets"]),
        tenths=st.integers(1, 30),
    )
    def treat_the_blood(self, number: int, what: str, tenths: int) -> None:
        """A count is taken or corrected, or blood is given."""
        if what == "count":
            self.team.measure(self.pick(number), tenths / 10)
        elif what != "correction":
            self.team.transfuse(self.pick(number), what)
        elif self.team.labs:
            self.team.correct_result(self.team.labs[number % len(self.team.labs)], tenths / 10)

    @precondition(has_subjects)
    @rule(
        number=one,
        event=st.sampled_from(["withdrew_consent", "died", "lost_to_follow_up"]),
        really=st.sampled_from([False, False, True]),
    )
    def leave(self, number: int, event: str, really: bool) -> None:
        """Now and then somebody leaves."""
        if really:
            self.team.leave(self.pick(number), event)

    # Time and decisions

    @rule(days=st.sampled_from([1, 3, 7, 29, 50]))
    def wait(self, days: int) -> None:
        """Time passes."""
        self.team.clock.advance(days=days)

    @rule(word=st.sampled_from(["confirmed", "confirmed", "confirmed", "rejected"]))
    def decide(self, word: str) -> None:
        """The recommended step is proposed; mostly the committee confirms it."""
        self._go_on(word)

    def _go_on(self, word: str = "confirmed") -> None:
        found = self.team.ladder()
        if found["recommendation"] in found["admissible_actions"]:
            self._decide(found["recommendation"], word)

    @rule(action=st.sampled_from(["escalate", "declare_mtd", "refill_lower", "expand_to_six"]))
    def decide_against_the_ladder(self, action: str) -> None:
        """A bolder step than the recommended one is refused."""
        if action not in self.team.ladder()["admissible_actions"]:
            assert self.team.propose(action).status_code == 409

    @rule(action=st.sampled_from(["hold", "resume"]))
    def hold_or_resume(self, action: str) -> None:
        """The committee stops everything, or lets it go on after review."""
        found = self.team.ladder()
        reviewed = [held["id"] for held in found["held_by"]] if action == "resume" else []
        if action in found["admissible_actions"]:
            self._decide(action, "confirmed", reviewed=reviewed)

    def _decide(self, action: str, word: str, **body: Any) -> None:
        proposed = self.team.propose(action, **body)
        assert proposed.status_code == 201, proposed.text
        if proposed.json()["status"] == "proposed":
            assert self.team.rule_on(proposed.json(), word).status_code == 201

    @rule()
    def remember(self) -> None:
        """What is known of a moment has to be answered again at any later time."""
        if len(self.watch.kept) < 2:
            self.watch.keep()

    @rule(choose=st.randoms(use_true_random=True))
    def work(self, choose: Random) -> None:
        """Do some of all this in any order: short runs get far only by steps that fit."""
        for _ in range(5):
            choose.choice(self._possible(choose))()
            self.watch.look()

    def _possible(self, choose: Random) -> list[Callable[[], None]]:
        number = choose.randrange(12)
        steps = [self._go_on, self._go_on, lambda: self.wait(days=choose.choice([1, 7, 29]))]
        if self.watch.has_room():
            steps += [self.fill_the_level, lambda: self.enrol(level=None)]
        if self.team.subjects:
            steps += [lambda: self.suffer(choose=choose)] * 3
            steps += [
                lambda: self.dose(number=number, volume=choose.choice([120, 120, 100, 0]))
            ] * 3
            steps += [lambda: self.treat_everybody(pause=choose.choice([0, 5, 29]))]
            steps += [lambda: self.leave(number=number, event="withdrew_consent", really=True)]
        if self.team.events:
            steps += [lambda: self.adjudicate(number=number, is_dlt=number < 6, behind=0)] * 2
            steps += [
                lambda: self.regrade(number=number, grade=1 + number % 4, corrects=number > 6)
            ]
            steps += [lambda: self.retract(number=number)]
        return steps

    @invariant()
    def everything_holds(self) -> None:
        """Hold the records, the ladder and each subject against the step before."""
        self.watch.look()
