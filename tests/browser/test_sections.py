"""What the page shows: the API's numbers, its pictures, and their data a click away."""

import json
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import expect

from app.domain.vocabulary import Role
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.shown_page import SECTIONS
from tests.browser.small_trial import MARKUP
from tests.conftest import STUDY

AGGREGATED = {"ladder", "enrolment", "adverse-events", "kaplan-meier"}
INDIVIDUAL = {"swimmer", "waterfall", "lab-trajectories"}
PATHS = {
    "study": "",
    "escalation": "/escalation",
    "reports": "/safety-reports?status=overdue",
    **{
        name: f"/metrics/{name}"
        for name in ("enrolment", "safety", "efficacy", "laboratory", "operations")
    },
}


def value_at(body, pointer):
    """Return the value at a JSON pointer, as the page writes it."""
    for step in pointer.split("/")[1:]:
        body = body[int(step)] if isinstance(body, list) else body[step]
    if isinstance(body, bool):
        return "true" if body else "false"
    return "" if body is None else str(body)


def same(shown, value):
    """Tell whether two texts are the same, as numbers if they are numbers."""
    try:
        return float(shown) == float(value)
    except ValueError:
        return shown == value


async def test_every_number_is_the_one_of_the_api(shown):
    """Each number names the place in an answer where it stands, and stands there."""
    token = await shown.show()
    answers = {}
    for name, path in PATHS.items():
        address = f"{shown.address}/api/v1/studies/{STUDY}{path}"
        headers = {"Authorization": f"Bearer {token}"}
        answer = await shown.page.request.get(address, headers=headers)
        answers[name] = json.loads(await answer.text())
    found = await shown.page.locator("[data-metric]").evaluate_all(
        "all => all.map(each => [each.dataset.metric, each.dataset.value, each.textContent])"
    )
    assert {place.partition("#")[0] for place, _, _ in found} == set(PATHS)
    wrong = [
        place
        for place, value, _ in found
        if not same(value, value_at(answers[place.partition("#")[0]], place.partition("#")[2]))
    ]
    assert wrong == []
    assert [place for place, _, text in found if not text] == []


async def test_every_section_is_there(shown):
    """A section has its heading, key numbers, a table, and the files that it rests on."""
    await shown.show()
    for section in SECTIONS:
        place = shown.page.locator(f"section#{section}")
        await expect(place.get_by_role("heading", level=2)).to_have_count(1)
        for part in (".figures [data-metric]", "table caption", ".sources button"):
            assert await place.locator(part).count() > 0, (section, part)
        await expect(place.locator("[aria-busy]")).to_have_count(0)


async def test_every_picture_is_drawn_and_told(shown):
    """Each has an alternative text and its size, which a broken one has not."""
    await shown.show()
    pictures = await shown.page.locator("figure[data-picture]").evaluate_all(
        "all => all.map(each => [each.dataset.picture, each.querySelector('img')?.naturalWidth,"
        " each.querySelector('img')?.alt.length, each.querySelector('img')?.src])"
    )
    assert {name for name, *_ in pictures} == AGGREGATED | INDIVIDUAL
    for name, width, words, source in pictures:
        assert width > 100, name
        assert words > 20, name
        assert source.startswith("blob:"), name


async def test_a_sponsor_sees_no_single_participant(shown):
    """Neither a picture of single participants nor a number of one; that is said, not broken."""
    await shown.show(Role.SPONSOR)
    drawn = await shown.page.locator("figure[data-picture] img").count()
    assert drawn == len(AGGREGATED)
    asked = {each.url.partition("?")[0].rpartition("/")[2] for each in shown.requests}
    assert not asked & {f"{name}.svg" for name in INDIVIDUAL}
    text = await shown.page.locator("main").inner_text()
    assert re.findall(r"S-\d{3}", text) == []
    withheld = len(INDIVIDUAL) + len(("escalation", "safety reports"))
    assert text.count("not for your role") == withheld
    await expect(shown.page.locator("#status")).to_have_text(
        f"Everything for your role is shown; {withheld} parts are not for it."
    )
    await expect(shown.page.locator("section#ladder table")).to_have_count(1)


async def test_a_role_without_metrics_is_told_so(shown):
    """Whoever may read the study alone sees how it stands, and sentences instead of the rest."""
    await shown.show(Role.CELL_LABORATORY)
    for section in SECTIONS:
        place = shown.page.locator(f"section#{section}")
        assert "This is not for your role." in await place.inner_text(), section
        await expect(place.get_by_role("button", name="Try again")).to_have_count(0)
    await expect(shown.page.locator("[data-metric='study#/recommendation']")).to_be_visible()


async def test_the_data_of_a_picture_are_a_click_away(shown):
    """As a table of rows, and as files to keep."""
    await shown.show()
    figure = shown.page.locator("figure[data-picture=enrolment]")
    await figure.locator("summary").click()
    await expect(figure.locator("tbody tr").first).to_be_visible()
    contents = {}
    for ending in (".svg", ".vl.json"):
        async with shown.page.expect_download() as download:
            await figure.get_by_role("button", name=ending).click()
        kept = await download.value
        assert kept.suggested_filename == f"{STUDY}-enrolment{ending}"
        contents[ending] = (await kept.path()).read_text("utf-8")
    assert contents[".svg"].startswith("<svg")
    assert "vega-lite" in json.loads(contents[".vl.json"])["$schema"]


async def test_the_metrics_can_be_kept_as_they_came(shown):
    """The file is the answer, byte by byte."""
    token = await shown.show()
    async with shown.page.expect_download() as download:
        await shown.page.locator("#safety").get_by_role("button", name="Save safety.json").click()
    kept = await (await download.value).path()
    address = f"{shown.address}/api/v1/studies/{STUDY}/metrics/safety"
    headers = {"Authorization": f"Bearer {token}"}
    answer = await shown.page.request.get(address, headers=headers)
    assert kept.read_bytes() == await answer.body()


@pytest.mark.parametrize("shown", [PHONE], indirect=True, ids=["390px"])
async def test_the_numbers_can_be_explained(shown):
    """Rules, who adds to each number, and the records are read when somebody asks."""
    await shown.show()
    asked = shown.page.locator("#enrolment .sources > div > details")
    await asked.locator("summary").first.click()
    for part in ("How they are counted", "Who adds to each number", "The records of each"):
        await asked.get_by_text(part).click()
    await asked.get_by_label("Only numbers that hold the words").fill("/screened")
    rows = asked.locator("table tbody tr:visible")
    await expect(rows.first).to_contain_text("S-001")
    assert any("explain=true" in each.url for each in shown.requests)
    assert await shown.width() <= PHONE[0]


async def test_a_text_is_never_markup(shown):
    """What looks like a script in a text of the API is read, not run."""
    await shown.show()
    await expect(shown.page.locator("#safety").get_by_text(MARKUP).first).to_be_visible()
    assert await shown.page.evaluate("window.stolen") is None
    assert await shown.page.locator("main script").count() == 0


async def test_the_past_is_asked_for_everywhere(shown, trial_clock, monkeypatch):
    """With a moment every read is of it, the pictures too, and the page says which."""
    # The trail has the time of the database, which the clock of the tests does not move.
    past = datetime.now(UTC).replace(microsecond=0)
    monkeypatch.setattr(trial_clock, "now", max(trial_clock.now, past + timedelta(hours=1)))
    await shown.page.get_by_label("As of").fill(f"{past:%Y-%m-%dT%H:%M:%S}")
    await shown.show()
    reads = [parse_qs(urlsplit(each.url).query) for each in shown.requests if "/api/" in each.url]
    assert len(reads) >= len(PATHS)
    assert {moment for each in reads for moment in each["as_of"]} == {f"{past:%Y-%m-%dT%H:%M:%SZ}"}
    await expect(shown.page.locator("#basis")).to_contain_text(f"{past:%Y-%m-%d %H:%M:%S} UTC")
    await expect(shown.page.locator("figure img")).to_have_count(len(AGGREGATED | INDIVIDUAL))


@pytest.mark.parametrize("shown", [DESKTOP, PHONE], indirect=True, ids=["1280px", "390px"])
@pytest.mark.parametrize("role", [Role.PRINCIPAL_INVESTIGATOR, Role.SPONSOR])
async def test_nothing_runs_over_the_side(shown, role):
    """The page never scrolls sideways; a wide table does so in an area that keys reach."""
    width = shown.page.viewport_size["width"]
    assert await shown.width() <= width
    await shown.show(role)
    assert await shown.width() <= width
    await shown.unfold()
    assert await shown.width() <= width
    unreached = await shown.page.locator(".scroll").evaluate_all(
        "all => all.filter(each => each.scrollWidth > each.clientWidth && each.tabIndex !== 0)"
        ".length"
    )
    assert unreached == 0
