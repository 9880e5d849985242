"""The page for everybody: by keyboard alone, by ear, in print, and without colour."""

import pytest
from playwright.async_api import expect

from tests.browser.conftest import DESKTOP, PHONE

FOCUSED = "document.activeElement.id || document.activeElement.textContent.trim()"
# WCAG 2.2, 1.4.3: of each text against what is painted behind it.
CONTRASTS = """() => {
  const channel = (value) =>
    value <= 10.31475 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4;
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const found = numbers(getComputedStyle(each).backgroundColor);
      if (found.length === 3 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const low = new Set();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !element.checkVisibility()) continue;
    if (element.closest(":disabled")) continue;
    const pair = [light(numbers(getComputedStyle(element).color)), light(ground(element))];
    const contrast = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    if (contrast < 4.5) low.add(`${element.tagName}.${element.className} ${contrast.toFixed(2)}`);
  }
  return [...low];
}"""
# A4 within margins of 10 mm; what is wider makes the browser shrink the whole page.
PAPER = {"width": 718, "height": 1047}
# Texts on paper below 8 points, which are 4/3 of a pixel each.
SMALL = """() => [...document.querySelectorAll("body *")]
  .filter((each) => [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
  .filter((each) => each.checkVisibility() && !each.closest("noscript, svg"))
  .filter((each) => parseFloat(getComputedStyle(each).fontSize) < 8 * 4 / 3)
  .map((each) => each.outerHTML)"""
FAULTS = """() => {
  const faults = [];
  const ids = [...document.querySelectorAll("[id]")].map((each) => each.id);
  if (new Set(ids).size !== ids.length) faults.push("an id twice");
  const say = (selector, what) =>
    faults.push(...[...document.querySelectorAll(selector)].map((each) => what + each.outerHTML));
  say("img:not([alt]), img[alt='']", "no alternative: ");
  say("table:not(:has(> caption))", "no caption: ");
  say("th:not([scope])", "no scope: ");
  say("section:not([aria-labelledby])", "no name: ");
  say("html:not([lang])", "no language: ");
  say("[tabindex]:not([tabindex='0'], [tabindex='-1'])", "tab order changed: ");
  for (const each of document.querySelectorAll("input")) {
    if (!each.labels.length) faults.push(`no label: ${each.id}`);
  }
  for (const each of document.querySelectorAll("[aria-labelledby], [aria-describedby]")) {
    for (const name of ["aria-labelledby", "aria-describedby"]) {
      const id = each.getAttribute(name);
      if (id && !document.getElementById(id)) faults.push(`names nothing: ${id}`);
    }
  }
  let before = 0;
  for (const each of document.querySelectorAll("h1, h2, h3, h4")) {
    const level = Number(each.tagName[1]);
    if (level > before + 1) faults.push(`heading skips to ${level}: ${each.textContent}`);
    before = level;
  }
  for (const name of ["header", "main", "nav", "footer"]) {
    if (document.querySelectorAll(`body > ${name}, body > .wide > ${name}`).length !== 1) {
      faults.push(`not one ${name}`);
    }
  }
  return faults;
}"""


async def press(page, *keys):
    """Press keys one after the other."""
    for key in keys:
        await page.keyboard.press(key)


async def test_the_keyboard_is_enough(shown, token_of):
    """Tab and Enter alone: skip link, token, show, a section, a picture's data, forget."""
    page = shown.page
    await press(page, "Tab")
    assert await page.evaluate(FOCUSED) == "Skip to the content"
    await press(page, "Tab", "Tab")
    assert await page.evaluate(FOCUSED) == "token"
    await page.keyboard.insert_text(token_of())
    await press(page, "Enter")
    await shown.complete()
    assert await page.evaluate(FOCUSED) == "token"
    await reach(page, "Enrolment")
    await press(page, "Enter")
    assert page.url.endswith("#enrolment")
    await reach(page, "Data of this picture: Enrolment over time")
    await press(page, "Enter")
    await expect(page.locator("figure[data-picture=enrolment] tbody tr").first).to_be_visible()
    await press(page, "Tab")
    assert await page.evaluate(FOCUSED) == "Save as .svg"
    await reach(page, "forget", "Shift+Tab")
    await press(page, "Enter")
    await expect(page.locator("#status")).to_contain_text("is forgotten")


async def reach(page, name, key="Tab", most=60):
    """Press Tab until something has the focus; fail where the keyboard is trapped."""
    for _ in range(most):
        if await page.evaluate(FOCUSED) == name:
            return
        await press(page, key)
    pytest.fail(f"{name} was not reached")


async def test_no_part_keeps_the_keyboard(shown):
    """Tab goes through everything, once, and leaves the page at its end."""
    await shown.show()
    await shown.page.evaluate("document.activeElement.blur(); window.seen = new Set()")
    step = """() => {
      const focused = document.activeElement;
      if (focused === document.body) return "left";
      if (window.seen.has(focused)) return "again";
      window.seen.add(focused);
      return "new";
    }"""
    met = []
    for _ in range(300):
        await press(shown.page, "Tab")
        met.append(await shown.page.evaluate(step))
        if met[-1] in {"left", "again"}:
            break
    assert met.count("new") > 20
    assert met[-1] == "left" or await shown.page.evaluate(FOCUSED) == "Skip to the content"


async def test_the_focus_is_seen(shown):
    """Whatever has the focus by keyboard is outlined."""
    await press(shown.page, "Tab", "Tab")
    outline = "getComputedStyle(document.activeElement).outlineWidth"
    assert await shown.page.evaluate(outline) == "3px"


@pytest.mark.parametrize("shown", [DESKTOP, PHONE], indirect=True, ids=["1280px", "390px"])
async def test_it_can_be_read_aloud(shown):
    """Landmarks, headings in order, names, captions and scopes, before and after."""
    before = [each for each in await shown.page.evaluate(FAULTS) if each != "not one nav"]
    assert before == []
    await shown.show()
    await shown.unfold()
    assert await shown.page.evaluate(FAULTS) == []


async def test_every_text_stands_out(shown):
    """A contrast of at least 4.5 to 1, before and after."""
    assert await shown.page.evaluate(CONTRASTS) == []
    await shown.show()
    assert await shown.page.evaluate(CONTRASTS) == []


async def test_whoever_asked_for_less_motion_gets_none(shown):
    """Jumps to a section do not glide."""
    glide = "getComputedStyle(document.documentElement).scrollBehavior"
    assert await shown.page.evaluate(glide) == "smooth"
    await shown.page.emulate_media(reduced_motion="reduce")
    assert await shown.page.evaluate(glide) == "auto"


async def test_paper_has_no_form(shown):
    """What is printed is the numbers and pictures; a token is no part of it."""
    await shown.show()
    await shown.page.emulate_media(media="print")
    for hidden in ("#entry", "#contents", ".sources button"):
        await expect(shown.page.locator(hidden).first).to_be_hidden()
    for kept in ("#title", "#basis", "#ladder table", "#ladder img"):
        await expect(shown.page.locator(kept).first).to_be_visible()
    assert await shown.page.evaluate(SMALL) == []
    await shown.page.set_viewport_size(PAPER)
    assert await shown.width() <= PAPER["width"]
