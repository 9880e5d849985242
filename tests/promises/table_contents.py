"""What a database holds, row by row, and what a request added to it, told without chance."""

from __future__ import annotations

import re
from collections import Counter

import asyncpg

_TABLES = """
SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND tablename <> 'alembic_version'
ORDER BY 1
"""
# What is new at every attempt: ids, digests of them, ciphers, secrets, and the database's clock.
_UUID = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
_CHANCE = re.compile(rf"{_UUID}|\\+x[0-9a-f]*|\b[0-9a-f]{{64}}\b|msc_[\w-]{{8,}}")
_NAMES = "recorded_at|transaction|request_id|prefix|signed_at|alive_at"
# Within a document that is kept as text the quotes are escaped.
_OF_THE_DATABASE = re.compile(rf'\\*"(?:{_NAMES})\\*": ?(?:\\*"[^"\\]*\\*"|\d+)')

Rows = Counter[str]


async def contents(url: str) -> Rows:
    """Read every row of every table as text, `table {json}`."""
    connection = await asyncpg.connect(url)
    try:
        tables = [row[0] for row in await connection.fetch(_TABLES)]
        union = " UNION ALL ".join(
            f"SELECT '{table} ' || to_jsonb(t)::text FROM {table} t" for table in tables
        )
        return Counter(row[0] for row in await connection.fetch(union))
    finally:
        await connection.close()


class Mask:
    """Hides what is new at every attempt; what was there before is told as it is."""

    def __init__(self, before: Rows) -> None:
        self._before = before
        self._known = {found for row in before for found in _CHANCE.findall(row)}

    def added(self, after: Rows) -> Rows:
        """Return what came and, marked, what went."""
        came, went = after - self._before, self._before - after
        masked = Counter({f"+ {self._masked(row)}": 0 for row in came})
        for mark, rows in (("+", came), ("-", went)):
            for row, times in rows.items():
                masked[f"{mark} {self._masked(row)}"] += times
        return masked

    def _masked(self, row: str) -> str:
        shown = _CHANCE.sub(lambda found: found[0] if found[0] in self._known else "*", row)
        shown = _OF_THE_DATABASE.sub("*", shown)
        return re.sub(r"^([\w.]+change) \{\"id\": \d+", r"\1 {", shown)
