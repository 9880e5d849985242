"""What the page says when something is missing: whose it is, what failed, and how to go on."""

import asyncio
import re
from datetime import timedelta

import pytest
from playwright.async_api import expect

from app.domain.vocabulary import Role

INCOMPLETE = re.compile("^Not everything is shown")
COUNTED = """
window.held = 0;
for (const [name, step] of [["createObjectURL", 1], ["revokeObjectURL", -1]]) {
  const given = URL[name].bind(URL);
  URL[name] = (...all) => { window.held += step; return given(...all); };
}
const wait = AbortSignal.timeout.bind(AbortSignal);
window.limits = new Set();
AbortSignal.timeout = (most) => { window.limits.add(most); return wait(window.most ?? most); };
"""


async def hang(route):
    """Answer a request far later than the test waits for."""
    await asyncio.sleep(5)
    await route.abort()


async def text_of(shown, section):
    """Return what a section says."""
    return await shown.page.locator(f"section#{section}").inner_text()


async def test_each_failure_is_said_where_it_belongs(shown):
    """Whatever the error, its section says it and how to go on; the others stand, and it mends."""
    await shown.refuse("/escalation", 500, "The ladder broke.")
    await shown.refuse("/metrics/safety", 503, "No database is free.")
    await shown.refuse("/metrics/efficacy", 404, "There is nothing here.")
    await shown.page.route(re.compile("/metrics/laboratory"), lambda route: route.abort())
    await shown.page.route(re.compile("/metrics/operations"), lambda route: route.fulfill(body="<"))
    await shown.show(said=INCOMPLETE)
    assert "because of an error" in await shown.page.locator("#status").inner_text()
    said = {
        "ladder": "How each level stands on the ladder, and why: The ladder broke.",
        "safety": "Safety: No database is free.",
        "response": "Response: There is nothing here.",
        "laboratory": "Laboratory: The service does not answer; check the connection",
        "conduct": "Conduct: The service sent something that is no answer",
    }
    for section, words in said.items():
        text = await text_of(shown, section)
        assert words in text, section
        assert "not for your role" not in text, section
        assert "Try again" in text, section
    assert "Dose-limiting toxicities by dose level: No database" in await text_of(shown, "ladder")
    await expect(shown.page.locator("#ladder td").first).to_be_visible()
    await expect(shown.page.locator("#ladder img, #enrolment img")).to_have_count(2)
    await shown.restore()
    await shown.page.locator("#safety").get_by_role("button", name="Try again").click()
    await shown.complete()
    assert await shown.page.locator("[data-gap]").count() == 0


async def test_an_answer_of_another_form_breaks_its_own_section_alone(shown):
    """A section that cannot be drawn says so; so does one with nothing recorded yet."""
    await shown.alter("/metrics/efficacy", lambda body: body.pop("readings"))
    await shown.alter("/metrics/enrolment", lambda body: body.update(screened=0))
    await shown.alter("/metrics/pictures", lambda body: body.update(items=[]))
    await shown.show(Role.PRINCIPAL_INVESTIGATOR, said=INCOMPLETE)
    assert "Response: The service's answer cannot be shown here." in await text_of(
        shown, "response"
    )
    assert "Nobody has been screened yet." in await text_of(shown, "enrolment")
    assert "single participants, which is not for your role" in await text_of(shown, "safety")
    await expect(shown.page.locator("#laboratory table").first).to_be_visible()


async def test_pictures_that_fail_are_told_and_tried_again(shown):
    """One is refused, one is no picture; each says so, arrives at the second try, and is let go."""
    await shown.page.add_init_script(COUNTED)
    await shown.open()
    await shown.refuse("/metrics/ladder.svg", 503, "The picture could not be drawn; try again.")
    await shown.page.route(re.compile("/enrolment.svg"), lambda route: route.fulfill(body="no"))
    await shown.show(said=re.compile("^Not everything is shown: 2 parts are missing"))
    assert "Picture “Escalation ladder”: The picture could not be drawn" in await text_of(
        shown, "ladder"
    )
    assert "The picture did not arrive as one" in await text_of(shown, "enrolment")
    await shown.restore()
    for section in ("ladder", "enrolment"):
        await shown.page.locator(f"#{section}").get_by_role("button", name="Try again").click()
        await expect(shown.page.locator(f"#{section} img")).to_be_visible()
    await shown.complete()
    assert await shown.page.evaluate("window.held") >= 7
    await shown.page.get_by_role("button", name="Forget token").click()
    assert await shown.page.evaluate("window.held") == 0


async def test_a_list_of_pictures_that_fails_is_said(shown):
    """Neither silence nor a role's limits stands where pictures would be."""
    await shown.refuse("/metrics/pictures", 500, "The list broke.")
    await shown.show(said=re.compile("^Not everything is shown: 5 parts are missing"))
    assert "Pictures of Ladder: The list broke." in await text_of(shown, "ladder")


async def test_a_fold_that_fails_can_be_opened_again(shown):
    """In place by its button, or by closing and opening it; after a minute it gives up waiting."""
    await shown.page.add_init_script(COUNTED)
    await shown.open()
    await shown.show()
    await shown.refuse("/metrics/enrolment", 500, "The rules broke.")
    fold = shown.page.locator("#enrolment .sources details").first
    await fold.locator("summary").first.click()
    await expect(fold).to_contain_text("rest on: The rules broke.")
    await shown.restore()
    await fold.locator("summary").first.click()
    await fold.locator("summary").first.click()
    await expect(fold).to_contain_text("How they are counted")
    await shown.page.route(re.compile("/safety.*explain"), hang)
    await shown.page.evaluate("window.most = 50")
    fold = shown.page.locator("#safety .sources details").first
    await fold.locator("summary").first.click()
    await expect(fold).to_contain_text("did not answer within 60 seconds; try again.")
    assert await shown.page.evaluate("[...window.limits]") == [60_000]
    await shown.restore()
    await shown.page.evaluate("window.most = undefined")
    await fold.get_by_role("button", name="Try again").click()
    await expect(fold).to_contain_text("How they are counted")


async def nothing_is_left(shown):
    """Check that a token is asked for, and that nothing of the study is on the page any more."""
    await expect(shown.page.get_by_role("alert")).to_contain_text("Paste a new token")
    await expect(shown.page.get_by_label("Your access token")).to_have_value("")
    await expect(shown.page.get_by_label("Your access token")).to_be_focused()
    assert await shown.page.locator("[data-metric], figure, table, section").count() == 0
    assert await shown.page.title() == "Study dashboard"


async def test_a_token_that_expires_later_takes_everything_with_it(shown, trial_clock, monkeypatch):
    """At a fold that is opened a quarter of an hour later."""
    await shown.show()
    monkeypatch.setattr(trial_clock, "now", trial_clock.now + timedelta(minutes=20))
    await shown.page.locator("#enrolment .sources summary").first.click()
    await nothing_is_left(shown)


@pytest.mark.parametrize("path", ["/metrics/swimmer.svg", "/metrics/operations"])
async def test_a_token_that_expires_meanwhile_does_so_too(shown, path):
    """At a picture, or at a section, that is refused while others were shown."""
    await shown.refuse(path, 401, "The token has expired.")
    await shown.sign_in()
    await nothing_is_left(shown)


async def test_a_page_that_comes_back_from_the_browsers_memory_is_empty(shown):
    """Whatever of it was kept for the back button."""
    await shown.show()
    back = 'dispatchEvent(new PageTransitionEvent("pageshow", {persisted: true}))'
    await shown.page.evaluate(back)
    await expect(shown.page.get_by_label("Your access token")).to_have_value("")
    assert await shown.page.locator("[data-metric], section").count() == 0
