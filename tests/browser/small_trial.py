"""A small trial to look at: responders, a dose-limiting toxicity, and a text full of markup.

The event with the markup is serious, and nobody has reported it.
"""

from datetime import timedelta

from app.domain.vocabulary import Role
from tests.conftest import Api, TestClock
from tests.factories.events import adverse_event, dose_limiting_event
from tests.factories.responses import FAIR, GOOD, LOW, count, treated_subject
from tests.factories.rows import move_to
from tests.factories.subjects import FIRST_INFUSION, leave, screened_subject

MARKUP = '<script>window.stolen = 1</script><img src="x" onerror="window.stolen = 1">'
"""What a hostile text may look like; the service keeps texts as they are sent."""

WEEKS = (28, 35, 42, 49, 56, 63)


async def run_small_trial(api: Api, clock: TestClock) -> None:
    """Treat three subjects on the first level, let one fail screening, and stop after week 9."""
    day = FIRST_INFUSION
    subjects = [await treated_subject(api, clock) for _ in range(3)]
    for subject, reached in zip(subjects, (GOOD, FAIR, LOW), strict=True):
        move_to(clock, day + timedelta(days=WEEKS[-1] + 7))
        await count(api, subject, {7: LOW} | dict.fromkeys(WEEKS, reached))
    await adverse_event(
        api, subjects[0], day, term=MARKUP, grade=2, seriousness=["hospitalization"]
    )
    await dose_limiting_event(api, subjects[1], day)
    failed = await screened_subject(api, day)
    await leave(api, failed["id"], "screen_failed", clock())
    answer = await api(Role.PRINCIPAL_INVESTIGATOR).get("/metrics/efficacy")
    assert answer.json()["treated"] == len(subjects), answer.text
