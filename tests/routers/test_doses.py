"""The dose calculation over HTTP: exact from the text of the parameter to the last digit."""

import json
from decimal import Decimal

import pytest

from app.domain.vocabulary import Role


def exact(answer) -> dict:
    """Read an answer without binary floats."""
    assert answer.status_code == 200, answer.text
    return json.loads(answer.text, parse_float=Decimal, parse_int=Decimal)


@pytest.mark.parametrize(
    ("weight", "volume", "bags", "waste"),
    [
        ("40", "80", 1, "20"),
        ("50", "100", 1, "0"),
        ("50.1", "100.2", 2, "99.8"),
        ("60", "120", 2, "80"),
        ("65.5", "131", 2, "69"),
        ("75", "150", 2, "50"),
        ("100", "200", 2, "0"),
        ("100.1", "200.2", 3, "99.8"),
    ],
)
async def test_one_infusion(api, weight, volume, bags, waste):
    """Two million cells and two millilitres per kilogram, in as many bags as that needs."""
    answer = await api(Role.MONITOR).get(f"/dose-calculation?weight_kg={weight}&dose_level=A")
    dose = exact(answer)
    assert dose["weight_kg"] == Decimal(weight)
    assert dose["per_infusion"] == {
        "cells": Decimal(weight) * 2_000_000,
        "volume_ml": Decimal(volume),
        "bags": bags,
        "waste_volume_ml": Decimal(waste),
    }


async def test_the_whole_level_and_what_it_rests_on(api):
    """Level C is four infusions, each from its own bags, under a named protocol version."""
    dose = exact(await api().get("/dose-calculation?weight_kg=50.1&dose_level=C"))
    assert (dose["dose_level"], dose["planned_infusions"]) == ("C", 4)
    assert dose["cumulative"] == {
        "cells": Decimal(400800000),
        "volume_ml": Decimal("400.8"),
        "bags": 8,
        "waste_volume_ml": Decimal("399.2"),
    }
    assert (dose["rule"], dose["protocol_version"]) == ("dosing.levels.C", 1)
    assert len(dose["protocol_digest"]) == 64
    assert dose["as_of"].startswith("2026-06-01T04:00")


async def test_no_digit_is_lost(api):
    """Nine decimals go in and come out of the arithmetic as they are."""
    answer = await api().get("/dose-calculation?weight_kg=50.000000001&dose_level=A")
    assert '"cells":100000000.002' in answer.text
    assert exact(answer)["per_infusion"]["volume_ml"] == Decimal("100.000000002")
    assert exact(answer)["per_infusion"]["bags"] == 2


@pytest.mark.parametrize(
    "weight",
    [
        "", "%20", "%2060", "NaN", "Infinity", "-Infinity", "1e2", "6E1", "%2B60", "-60", "0",
        "60.", ".5", "60,5", "0x3C", "6_0", "%D9%A6%D9%A0", "60.0000000001", "1" * 16, "1" * 400,
        "sixty",
        "19.99", "300.01",
    ],
)  # fmt: skip
async def test_a_weight_is_a_plain_plausible_number(api, weight):
    """Blank, signed, exponential, non-finite, too long or implausible text is refused in place."""
    answer = await api().get(f"/dose-calculation?weight_kg={weight}&dose_level=A")
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"] == "/query/weight_kg"


async def test_an_unknown_level_is_refused(api):
    """There is no level of three infusions."""
    answer = await api().get("/dose-calculation?weight_kg=60&dose_level=D")
    assert answer.status_code == 422
    assert answer.json()["code"] == "dose_level_unknown"
    assert answer.json()["errors"][0]["pointer"] == "/query/dose_level"


async def test_both_parameters_are_needed(api):
    """Neither weight nor level has a default."""
    assert (await api().get("/dose-calculation?weight_kg=60")).status_code == 422
    assert (await api().get("/dose-calculation?dose_level=A")).status_code == 422
