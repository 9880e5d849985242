"""What the numbers mean is said beside them: intervals, n, levels, clocks and words."""

import pytest
from playwright.async_api import expect

from app.domain.vocabulary import Role
from tests.conftest import STUDY

UNNAMED = """() => [...document.querySelectorAll(".proportion")].filter((each) => {
  const table = each.closest("table");
  const named = table ? table.caption.innerText + table.tHead.innerText : each.innerText;
  return !(table ? /95% CI, Clopper-Pearson/ : /95% CI/).test(named);
}).map((each) => each.outerHTML)"""


async def heads(shown, caption):
    """List the columns of the table with a caption."""
    table = shown.page.locator("table", has=shown.page.locator("caption", has_text=caption)).first
    return [each.strip() for each in await table.locator("thead th").all_inner_texts()]


async def test_every_interval_is_named(shown):
    """With its method in the caption, or, where a proportion stands alone, beside it."""
    await shown.show()
    await shown.unfold()
    assert await shown.page.locator(".proportion").count() > 50
    assert await shown.page.evaluate(UNNAMED) == []


async def test_the_interval_is_that_of_the_answer(shown):
    """Its confidence is read, and not known beforehand."""
    await shown.alter("/metrics/safety", lambda body: body.update(confidence=0.9))
    await shown.show()
    await expect(shown.page.locator("#safety .figures").first).to_contain_text("90% CI")
    await expect(shown.page.locator("#response .figures").first).to_contain_text("95% CI")


async def test_enrolled_means_entered(shown):
    """The record has no day of enrolment; what counts is when it was entered."""
    await shown.show()
    section = shown.page.locator("#enrolment")
    await expect(section.locator("dt", has_text="entered in the system")).to_have_count(1)
    await expect(section).to_contain_text("means entered in the system as enrolled")
    assert "Enrolled, by the day of entry" in await heads(shown, "By month")


async def test_the_laboratory_says_how_many_and_which_level(shown):
    """The n on the cards and beside each median, the baseline, and a column for each level."""
    await shown.show()
    await shown.unfold()
    cards = await shown.page.locator("#laboratory .figures dd").all_inner_texts()
    assert [("n = 3" in each) for each in cards] == [False, True, True, True]
    columns = await heads(shown, "Blood counts: baseline")
    assert {"Level", "n at baseline", "n at that visit", "n of the change"} <= set(columns)
    levels = {"All levels", "Level A", "Level B", "Level C"}
    for caption in ("Shifts of laboratory grade", "Immune and inflammatory markers"):
        assert levels <= set(await heads(shown, caption)), caption
    assert (await heads(shown, "Platelet count decreased (PLT): Level A, n = 3"))[-1] == (
        "All with this baseline"
    )
    first = shown.page.locator("table", has_text="Platelets, 10⁹/L: All levels").first
    await expect(first.locator("tbody tr").first).to_contain_text("Baseline")


async def test_the_ladder_gives_its_own_answers(shown):
    """The study's and the ladder's files, byte by byte, and the digest that it rests on."""
    token = await shown.show()
    sources = shown.page.locator("#ladder .sources")
    await expect(sources.locator("[data-metric='escalation#/digest']")).to_be_visible()
    async with shown.page.expect_download() as download:
        await sources.get_by_role("button", name="Save escalation.json").click()
    kept = (await (await download.value).path()).read_text()
    answer = await shown.page.request.get(
        f"{shown.address}/api/v1/studies/{STUDY}/escalation",
        headers={"Authorization": f"Bearer {token}"},
    )
    assert f'"digest":"{(await answer.json())["digest"]}"' in kept
    await expect(sources.get_by_role("button", name="Save study.json")).to_be_visible()


async def test_hard_words_are_explained(shown):
    """Late responses, expected and overdue, and a median that is not reached."""

    def unreached(body):
        body["times_to_response"][0]["kaplan_meier"]["median"]["value"] = None

    await shown.alter("/metrics/efficacy", unreached)
    await shown.show()
    response = shown.page.locator("#response")
    await expect(response).to_contain_text("A first response after the response time is over is")
    await expect(response).to_contain_text("has not fallen below one half")
    medians = response.locator("[data-metric$='/kaplan_meier/median/value']")
    assert await medians.first.inner_text() == "not reached"
    assert {await medians.nth(1).inner_text(), await medians.first.inner_text()} != {"not reached"}
    conduct = shown.page.locator("#conduct")
    await expect(conduct).to_contain_text("overdue when the target day has passed")


@pytest.mark.parametrize("role", [Role.PRINCIPAL_INVESTIGATOR, Role.MONITOR])
async def test_overdue_safety_reports_are_shown(shown, role):
    """Each clock that ran out: of whom, on what, to whom, and when it was due."""
    await shown.show(role)
    rows = shown.page.locator("table", has_text="Safety reports overdue").locator("tbody tr")
    assert await rows.count() > 0
    await expect(rows.first).to_contain_text("S-001")
    await expect(rows.first).to_contain_text("UTC")
    card = shown.page.locator("#safety dt", has_text="Safety reports overdue").locator("xpath=..")
    await expect(card).to_contain_text(str(await rows.count()))


async def test_records_of_no_participant_are_explained_too(shown):
    """An item of the inbox counts in a number before anybody knows whose it is."""
    item = {
        "id": "item-1",
        "kind": "inbox_item",
        "recorded_at": "2026-06-01T00:00:00Z",
        "origin": "message",
        "source": "LIS-07",
        "operation_id": "operation-1",
    }

    def waiting(body):
        if explanation := body.get("explanation"):
            explanation["records"] = [item]
            explanation["metrics"][0]["records"] = [item["id"]]

    await shown.alter("/metrics/operations", waiting)
    await shown.show()
    fold = shown.page.locator("#conduct .sources details").first
    await fold.locator("summary").first.click()
    await fold.get_by_text("Who adds to each number").click()
    await expect(fold).to_contain_text("no participant yet: 1 record")
    await fold.get_by_text("No participant yet (1)").click()
    await expect(fold.locator("table", has_text="Records of No participant yet")).to_contain_text(
        "LIS-07"
    )
