"""The demonstration plays to its end, and what the service then counts is what its records say."""

import asyncio
import json
from decimal import Decimal

import httpx

from tests.conftest import STUDY
from tests.recomputation.export import export_study
from tests.recomputation.metrics import FAMILIES, differences, recompute
from tests.test_cli import run, serving


def test_the_demonstration_plays_and_adds_up(empty_url, tmp_path):
    """A trial to the end of its expansion; every metric equals that of the exported records."""
    settings = {"DATABASE_URL": empty_url, "DATA_DIR": str(tmp_path)}
    with serving(**settings) as (address, _):
        played = run("demo", "--url", address, limit=600, **settings)
        assert played.returncode == 0, played.stderr
        assert "Recommendation: level_tolerated C" in played.stdout
        token = run("token", "--role", "data_manager", **settings).stdout.strip()
        served = asyncio.run(_served(address, token, tmp_path / "export"))
    recomputed = recompute(tmp_path / "export")
    for family in FAMILIES:
        assert differences(recomputed[family], served[family]) == [], family
    toxic = {
        (row["level"], row["phase"]): (row["dlts"]["events"], row["dlts"]["n"])
        for row in served["safety"]["dose_limiting_toxicities"]
    }
    assert toxic == {
        ("A", "escalation"): (0, 3),
        ("B", "escalation"): (1, 6),
        ("C", "escalation"): (0, 3),
        ("C", "expansion"): (0, 6),
    }


async def _served(address, token, folder):
    """Export the records, and read what the service makes of them."""
    headers = {"Authorization": f"Bearer {token}"}
    root = f"{address}/api/v1/studies/{STUDY}"
    folder.mkdir()
    async with httpx.AsyncClient(base_url=root, headers=headers, timeout=60) as client:
        await export_study(client, folder)
        answers = {name: await client.get(f"/metrics/{name}") for name in FAMILIES}
    assert {answer.status_code for answer in answers.values()} == {200}
    return {name: json.loads(answer.text, parse_float=Decimal) for name, answer in answers.items()}
