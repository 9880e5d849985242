"""The moment that a page is of: asked for in any form, one for all its parts, and said."""

import re
from urllib.parse import urlsplit

import pytest
from playwright.async_api import expect

MOVED = re.compile("^Everything is shown. Records may have changed while this was read")
READ = """async (texts) => {
  const { readMoment } = await import("./dashboard/moment.js");
  return texts.map((text) => { try { return readMoment(text); } catch { return "refused"; } });
}"""
MOMENTS = {
    "": None,
    "2026-05-01": "2026-05-01T00:00:00Z",
    "2026-05-01T12:00": "2026-05-01T12:00:00Z",
    "2026-05-01T12:00:30.25Z": "2026-05-01T12:00:30.25Z",
    "2026-05-01t12:00z": "2026-05-01T12:00:00Z",
    "2026-05-01T20:00+08:00": "2026-05-01T20:00:00+08:00",
    "2026-02-30": "refused",
    "2026-05-01T25:00Z": "refused",
    "2026-05-01T12:00+8": "refused",
    "01.05.2026": "refused",
    "yesterday": "refused",
}


def moved(body):
    """Let an answer rest on other evidence."""
    body["evidence_digest"] = "0" * 64


async def test_a_moment_is_read_or_refused(shown):
    """A date, or a moment of RFC 3339, in UTC where it has no zone; nothing else."""
    assert await shown.page.evaluate(READ, list(MOMENTS)) == list(MOMENTS.values())


@pytest.mark.parametrize("query", ["2026-05-01T20:00%2B08:00", "2026-05-01T20:00+08:00"])
async def test_the_moment_of_the_address_is_kept(shown, query):
    """With its zone, and with a plus sign that nobody encoded, from the address into the field."""
    await shown.open(f"?as_of={query}")
    await expect(shown.page.get_by_label("As of")).to_have_value("2026-05-01T20:00+08:00")
    await expect(shown.page.get_by_role("alert")).to_be_hidden()


async def test_a_moment_that_is_none_is_refused_where_it_is_read(shown, trial_clock):
    """At once, and again at Show, without asking the service; the future is refused only once."""
    await shown.open("?as_of=yesterday")
    problem = shown.page.get_by_role("alert")
    await expect(problem).to_contain_text("takes a date or a moment")
    await expect(shown.page.get_by_label("As of")).to_have_value("yesterday")
    await shown.sign_in()
    await expect(problem).to_contain_text("takes a date or a moment")
    assert not [each for each in shown.requests if "/api/" in each.url]
    await shown.page.get_by_label("As of").fill(f"{trial_clock().year + 1}-01-01")
    await shown.sign_in()
    await expect(problem).to_contain_text("lies in the future")
    assert len([each for each in shown.requests if "/api/" in each.url]) == 1


async def test_answers_of_different_records_are_asked_for_again(shown):
    """Once is enough when they then agree; the page does not ask for ever, and says so."""
    first = []

    def moved_once(body):
        if not first:
            first.append(moved(body))

    await shown.alter("/metrics/safety", moved_once)
    await shown.show()
    assert shown.asked("/metrics/safety") == 2
    await shown.restore()
    await shown.alter("/metrics/safety", moved)
    await shown.show(said=MOVED)
    assert shown.asked("/metrics/safety") == 2 + 3


async def test_records_that_change_while_pictures_are_drawn_are_said(shown):
    """The numbers are looked at again at the end; an explanation that is newer says so as well."""
    seen = []

    def moved_later(body):
        seen.append(body)
        if len(seen) > 1:
            moved(body)

    await shown.alter("/metrics/enrolment", moved_later)
    await shown.show(said=MOVED)
    fold = shown.page.locator("#enrolment .sources details").first
    await fold.locator("summary").first.click()
    await expect(fold).to_contain_text("Records have changed since")


async def test_the_page_says_when_its_answers_were_taken(shown, trial_clock):
    """In UTC and in the zone of the study; the study and one family are asked before the rest."""
    await shown.show()
    basis = await shown.page.locator("#basis").inner_text()
    assert f"{trial_clock():%Y-%m-%d %H:%M:%S} UTC" in basis
    assert "Asia/Shanghai" in basis
    asked = [urlsplit(each.url).path.rpartition("/")[2] for each in shown.requests]
    asked = [each for each in asked if "." not in each and each != "dashboard"]
    assert asked[1] == "enrolment"
    assert asked.count("safety") == 1


async def test_pictures_are_drawn_one_after_the_other(shown):
    """The service draws one at a time, and none waits there with a connection in its hand."""
    under_way, most = [], []

    async def drawn(route):
        under_way.append(route)
        most.append(len(under_way))
        await route.fulfill(response=await route.fetch())
        under_way.remove(route)

    await shown.page.route(re.compile("/api/.*[.]svg"), drawn)
    await shown.show()
    assert (len(most), max(most)) == (7, 1)
