"""Where a word about a patient could end up, and the search for it in every form it could take."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

# Every table of every schema that is not PostgreSQL's own.
TABLES = """
SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1
"""
CHARSETS = ("utf-8", "gb18030", "utf-16-le", "utf-16-be")


def forms_of(word: str) -> set[str]:
    """Return a word as bytes in hexadecimal and in base64, at each of its three alignments."""
    found = set()
    for charset in CHARSETS:
        content = word.encode(charset)
        found.add(content.hex())
        for shift in range(3):
            whole = b64encode(bytes(shift) + content).decode()
            first, left = (0, 2, 3)[shift], (shift + len(content)) % 3
            found.add(whole[first : len(whole) - (4 if left else 0)])
    return found


def holds(content: str, word: str) -> bool:
    """Tell whether a text holds a word, in whatever case, or one of its forms."""
    lowered = content.lower()
    return word.lower() in lowered or any(each in content for each in forms_of(word))


async def tables_with(session: AsyncSession, word: str) -> list[str]:
    """Name the tables of which a row, as text, holds a word or one of its forms."""
    found = []
    given = {"like": f"%{word}%", "forms": [f"%{form}%" for form in sorted(forms_of(word))]}
    for table in list(await session.scalars(text(TABLES))):
        query = (
            f"SELECT count(*) FROM {table} AS t"
            " WHERE t::text ILIKE :like OR t::text LIKE ANY (:forms)"
        )
        if await session.scalar(text(query), given):
            found.append(table)
    return found


async def server_log(session: AsyncSession) -> str:
    """Read the log of the PostgreSQL server."""
    folder = Path(await session.scalar(text("SELECT current_setting('data_directory')")))
    return (folder.parent / "log").read_text(encoding="utf-8", errors="replace")


class Answers:
    """Keeps every answer that clients get, with its headers, unless it is meant to tell."""

    def __init__(self) -> None:
        self._kept: list[tuple[str, str]] = []

    def watch(self, client: httpx.AsyncClient) -> httpx.AsyncClient:
        """Return the client, whose answers are kept from now on."""

        async def keep(response: httpx.Response) -> None:
            await response.aread()
            headers = " ".join(f"{name}: {value}" for name, value in response.headers.items())
            request = response.request
            content = response.content.decode(errors="backslashreplace")
            self._kept.append((f"{request.method} {response.status_code}", headers + content))

        client.event_hooks["response"].append(keep)
        return client

    def with_word(self, word: str) -> Iterator[str]:
        """Name the answers that hold a word: method, status and how they begin."""
        for name, content in self._kept:
            if holds(content, word):
                yield f"{name}: {content[-300:]}"

    def __len__(self) -> int:
        return len(self._kept)
