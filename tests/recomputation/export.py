"""Exports the records of a study over the public API, one file of JSON lines per resource.

`TOKEN=... python -m tests.recomputation.export URL FOLDER`, where the URL ends with the study.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from tests.recomputation.digits import to_json

LISTS = (
    "subjects",
    "cohorts",
    "transfusions",
    "concomitant-medications",
    "adverse-events",
    "assessments",
    "queries",
)
# What the inbox lists one by one: what waits, and what became of the rest.
INBOX = ("open", "filed", "duplicate", "rejected", "done")
OF_SUBJECTS = ("infusions", "disposition", "timeline", "eligibility")
OF_EVENTS = ("dlt-adjudications",)
PAGE = 200
TIMEOUT = 60
Rows = list[dict[str, Any]]


async def export_study(client: httpx.AsyncClient, folder: Path, **query: str) -> Path:
    """Write all records that the metrics rest on into a folder, and the protocol in force."""
    tables = {name: await _rows(client, f"/{name}", query) for name in LISTS}
    tables["labs"] = await _rows(client, "/labs", query | {"versions": "all"})
    tables["inbox"] = await _inbox(client, query)
    for name in OF_SUBJECTS:
        tables[name] = await _below(client, "subjects", tables["subjects"], name, query)
    for name in OF_EVENTS:
        tables[name] = await _below(client, "adverse-events", tables["adverse-events"], name, query)
    protocol = await _get(client, "/protocol", query)
    # The moment that everything was read for.
    protocol["as_of"] = (await _get(client, "/cohorts", query))["as_of"]
    _write(folder / "protocol.ndjson", [protocol])
    for name, rows in tables.items():
        _write(folder / f"{name}.ndjson", rows)
    return folder


async def _inbox(client: httpx.AsyncClient, query: dict[str, str]) -> Rows:
    """Read the inbox, which stands beside the studies, in every status."""
    root, _, study = str(client.base_url).rstrip("/").rpartition("/studies/")
    found: Rows = []
    for status in INBOX:
        wanted = query | {"study": study, "status": status}
        found += await _rows(client, f"{root}/lis/inbox", wanted)
    return found


async def _below(
    client: httpx.AsyncClient, parents: str, owners: Rows, name: str, query: dict[str, str]
) -> Rows:
    """Read a resource of every owner; each row says whose it is."""
    found: Rows = []
    for owner in owners:
        rows = await _rows(client, f"/{parents}/{owner['id']}/{name}", query)
        found += [{"owner_id": owner["id"]} | row for row in rows]
    return found


async def _rows(client: httpx.AsyncClient, path: str, query: dict[str, str]) -> Rows:
    """Read all pages of a list; an answer that is no list is one row."""
    rows: Rows = []
    wanted = dict(query)
    if not path.endswith("/eligibility"):
        wanted["limit"] = str(PAGE)
    while True:
        page = await _get(client, path, wanted)
        if "items" not in page:
            return [page]
        rows += page["items"]
        if page.get("next") is None:
            return rows
        wanted["cursor"] = page["next"]


async def _get(client: httpx.AsyncClient, path: str, query: dict[str, str]) -> dict[str, Any]:
    answer = await client.get(path, params=query)
    if answer.status_code != httpx.codes.OK:
        raise RuntimeError(f"{path}: {answer.status_code} {answer.text}")
    read: dict[str, Any] = json.loads(answer.text, parse_float=Decimal)
    return read


def _write(file: Path, rows: Rows) -> None:
    file.write_text("".join(to_json(row) + "\n" for row in rows), encoding="utf-8")


async def _main(url: str, folder: Path) -> None:
    headers = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=TIMEOUT) as client:
        await export_study(client, folder)


if __name__ == "__main__":
    if len(sys.argv) != 3 or "TOKEN" not in os.environ:
        sys.exit("usage: TOKEN=... python -m tests.recomputation.export URL FOLDER")
    target = Path(sys.argv[2])
    target.mkdir(parents=True, exist_ok=True)
    asyncio.run(_main(sys.argv[1], target))
