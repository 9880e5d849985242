"""The page's numbers against a recomputation that knows only the exported records."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import httpx

from app.domain.vocabulary import Role
from tests.conftest import STUDY
from tests.recomputation.export import export_study
from tests.recomputation.metrics import FAMILIES, IDENTITIES, recompute, value_at

LIMIT = 30


def written(value: Any) -> str | Decimal:
    """Return a recomputed value as the page carries it: nothing for none, a number, or a word."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return Decimal(value) if isinstance(value, int | Decimal) else str(value)


def shown_as(value: str | Decimal, text: str) -> bool:
    """Tell whether an element carries this value, digit for digit."""
    return Decimal(text) == value if text and isinstance(value, Decimal) else text == value


async def numbers_of(shown) -> list[tuple[str, str]]:
    """List where each number of the recomputed families stands, and what it is; no digests."""
    found = await shown.page.locator("[data-metric]").evaluate_all(
        "all => all.map(each => [each.dataset.metric, each.dataset.value])"
    )
    return [
        (place, text)
        for place, text in found
        if place.partition("#")[0] in FAMILIES and place.partition("#/")[2] not in IDENTITIES
    ]


async def recomputed_from(shown, token_of, folder) -> dict[str, Any]:
    """Export the served trial as a data manager does, and compute its metrics again."""
    client = httpx.AsyncClient(
        base_url=f"{shown.address}/api/v1/studies/{STUDY}",
        headers={"Authorization": f"Bearer {token_of(Role.DATA_MANAGER)}"},
        timeout=LIMIT,
    )
    async with client:
        return recompute(await export_study(client, folder))


async def test_every_number_on_the_page_follows_from_the_exported_records(
    shown, token_of, tmp_path
):
    """Each element's value is the recomputed one at its pointer, in every family."""
    await shown.show()
    found = await recomputed_from(shown, token_of, tmp_path)
    numbers = await numbers_of(shown)
    wrong = [
        (place, text, value_at(found, place))
        for place, text in numbers
        if not shown_as(written(value_at(found, place)), text)
    ]
    assert wrong == []
    assert {place.partition("#")[0] for place, _ in numbers} == set(FAMILIES)


async def test_a_number_that_moved_on_the_page_would_be_found(shown, token_of, tmp_path):
    """Control: what the page says of one subject less is not what the records say."""
    await shown.show()
    found = await recomputed_from(shown, token_of, tmp_path)
    found["enrolment"]["screened"] -= 1
    (text,) = {text for place, text in await numbers_of(shown) if place == "enrolment#/screened"}
    assert not shown_as(written(value_at(found, "enrolment#/screened")), text)
