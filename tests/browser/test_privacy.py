"""The token stays in the page's memory, and the page stays at home."""

import json
import re

import pytest
from playwright.async_api import expect

from app.domain.vocabulary import Role
from tests.conftest import STUDY

KEPT = """async () => JSON.stringify([
  {...localStorage}, {...sessionStorage}, document.cookie, location.href, history.state,
  (await indexedDB.databases()).length, (await caches?.keys?.()) ?? [],
])"""


async def test_the_token_is_kept_nowhere(shown):
    """No address, storage or cookie ever holds it; each request does, in its header."""
    token = await shown.show()
    assert token not in await shown.page.evaluate(KEPT)
    assert token not in await shown.page.content()
    asked = [each for each in shown.requests if "/api/v1/" in each.url]
    assert [each.url for each in shown.requests if token in each.url] == []
    for each in asked:
        assert (await each.all_headers())["authorization"] == f"Bearer {token}"
    others = [each for each in shown.requests if "/api/v1/" not in each.url]
    assert [each.url for each in others if "authorization" in await each.all_headers()] == []


async def test_forgetting_leaves_nothing(shown):
    """The token and everything that it showed go, and the page says so."""
    token = await shown.show()
    await shown.page.get_by_role("button", name="Forget token").click()
    await expect(shown.page.locator("#status")).to_contain_text("is forgotten")
    await expect(shown.page.get_by_label("Your access token")).to_have_value("")
    await expect(shown.page.get_by_label("Your access token")).to_be_focused()
    assert await shown.page.locator("[data-metric], figure, table").count() == 0
    assert token not in await shown.page.evaluate(KEPT)


async def test_a_reload_forgets(shown):
    """What was in memory is gone; the study that was asked for is still in the address."""
    await shown.show()
    await shown.page.reload()
    await expect(shown.page.get_by_label("Your access token")).to_have_value("")
    assert shown.page.url == f"{shown.address}/dashboard?study={STUDY}"


async def test_going_back_shows_nothing_again(shown):
    """A page that the browser keeps for its back button holds neither token nor data."""
    await shown.show()
    await shown.page.goto("about:blank")
    await shown.page.go_back()
    await expect(shown.page.get_by_label("Your access token")).to_have_value("")
    assert await shown.page.locator("[data-metric]").count() == 0


@pytest.mark.parametrize("age", [16, 600], ids=["just expired", "long expired"])
async def test_an_expired_token_says_what_to_do(shown, age):
    """The service's words and what to do next; the cursor is where a new one goes."""
    await shown.sign_in(age=age)
    problem = shown.page.get_by_role("alert")
    await expect(problem).to_contain_text("get a new one from your identity provider")
    await expect(problem).to_contain_text("Paste a new token")
    await expect(shown.page.get_by_label("Your access token")).to_be_focused()
    await expect(shown.page.get_by_label("Your access token")).to_have_value("")
    assert await shown.page.locator("section").count() == 0
    await shown.show()
    await expect(problem).to_be_hidden()


@pytest.mark.parametrize(
    ("rubbish", "words"),
    [("not a token", "bearer token is needed"), ("ein Schlüssel…", "copy it again")],
)
async def test_what_is_no_token_is_refused(shown, rubbish, words):
    """Rubbish gets a sentence, whether a header could carry it or not."""
    await shown.page.get_by_label("Your access token").fill(rubbish)
    await shown.page.get_by_role("button", name="Show").click()
    await expect(shown.page.get_by_role("alert")).to_contain_text(words)
    await expect(shown.page.get_by_label("Your access token")).to_have_value("")


async def test_an_unknown_study_is_said(shown):
    """The service's own words."""
    await shown.page.get_by_label("Study", exact=True).fill("NCT00000000")
    await shown.sign_in()
    await expect(shown.page.get_by_role("alert")).to_contain_text("no such study")


async def test_a_link_names_the_study(shown):
    """`?study=` fills the field; a token in the address is not looked at."""
    await shown.open("?study=NCT00000001&token=planted")
    await expect(shown.page.get_by_label("Study", exact=True)).to_have_value("NCT00000001")
    await expect(shown.page.get_by_label("Your access token")).to_have_value("")


async def test_the_policy_is_never_hit(shown):
    """Nothing that the page does is refused by its own policy."""
    await shown.show(Role.PRINCIPAL_INVESTIGATOR)
    assert await shown.violations() == []


async def test_the_policy_keeps_everything_else_out(shown):
    """A script, a style, an image or a request to elsewhere is stopped by the browser."""
    attempts = """() => {
      const script = document.createElement("script");
      script.textContent = "window.stolen = 1";
      const style = document.createElement("style");
      style.textContent = "body { color: red }";
      const image = document.createElement("img");
      image.src = "https://elsewhere.example/pixel";
      document.body.append(script, style, image);
      return fetch("https://elsewhere.example/").then(() => "sent", () => "stopped");
    }"""
    assert await shown.page.evaluate(attempts) == "stopped"
    assert await shown.page.evaluate("window.stolen") is None
    await shown.page.wait_for_function("window.violations.length >= 4")
    stopped = {each.partition(" ")[0] for each in await shown.violations()}
    assert stopped == {"script-src-elem", "style-src-elem", "img-src", "connect-src"}
    assert len(shown.errors) >= 4
    shown.errors.clear()
    shown.requests[:] = [each for each in shown.requests if "elsewhere" not in each.url]


async def test_a_failing_service_is_said(shown):
    """A service that is not there, or answers rubbish, gets a sentence and not a blank page."""
    await shown.page.route("**/api/v1/**", lambda route: route.abort())
    await shown.sign_in()
    await expect(shown.page.get_by_role("alert")).to_contain_text("does not answer")
    await shown.page.unroute("**/api/v1/**")

    async def refuse(route):
        await route.fulfill(status=503, content_type="application/problem+json", body=json.dumps(
            {"detail": "The picture could not be drawn; try again."}))  # fmt: skip

    await shown.page.route("**/metrics/*.svg", refuse)
    await shown.show(said=re.compile("^Not everything is shown: 7 parts are missing"))
    text = await shown.page.locator("figure[data-picture=enrolment]").inner_text()
    assert "The picture could not be drawn; try again." in text
    assert await shown.page.locator("figure img").count() == 0
