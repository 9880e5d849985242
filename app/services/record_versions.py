"""Every version of every record of some tables, with who made it: the past without asking again.

One query reads a table's whole trail, typed as the table is. What stood at a moment is then found
in memory, so that a hundred moments cost no more queries than one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Uuid, column, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Record

_VERSIONS = """
SELECT entry.operation_id AS written_by, entry.recorded_at AS since, {columns}
FROM change entry, LATERAL jsonb_populate_record(NULL::{name}, entry.new) image
WHERE entry.study_id = :study AND entry.table_name = '{name}'
  AND (CAST(:until AS timestamptz) IS NULL OR entry.recorded_at <= :until)
  AND (CAST(:only AS uuid[]) IS NULL OR entry.record_id = ANY (:only))
ORDER BY entry.id
"""


@dataclass(frozen=True, slots=True)
class Version:
    """A record from one change to the next: its columns by name, since when, and by whom."""

    image: Mapping[str, Any]
    since: datetime
    operation_id: UUID

    @property
    def row(self) -> Any:
        """The image as a row, for what reads rows."""
        return SimpleNamespace(**self.image)


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions of the records of some tables, oldest first, by table and record."""

    by_table: Mapping[str, Mapping[UUID, list[Version]]]
    table_of: Mapping[UUID, str]

    def of(self, record_id: UUID) -> list[Version]:
        """Return the versions of one record; none for what is not in these tables."""
        table = self.table_of.get(record_id)
        return self.by_table[table][record_id] if table else []

    def before(self, record_id: UUID, moment: datetime) -> Version | None:
        """Return what stood just before a moment, None where there was nothing yet."""
        versions = self.of(record_id)
        place = bisect_left(versions, moment, key=lambda version: version.since)
        return versions[place - 1] if place else None

    def since(self, record_id: UUID, moment: datetime) -> list[Version]:
        """Return the versions that were made at a moment and later."""
        return [version for version in self.of(record_id) if version.since >= moment]


async def load_versions(
    session: AsyncSession,
    study_id: UUID,
    models: Collection[type[Record]],
    until: datetime | None,
    only: Collection[UUID] | None = None,
) -> Versions:
    """Read the trail of tables up to a moment (None is now), one query for each table.

    `only` are the ids of the records that are wanted, None for all.
    """
    by_table: dict[str, dict[UUID, list[Version]]] = {}
    table_of: dict[UUID, str] = {}
    for model in models:
        name = model.__tablename__
        found: defaultdict[UUID, list[Version]] = defaultdict(list)
        columns = ", ".join(f"image.{each.key}" for each in model.__table__.c)
        statement = text(_VERSIONS.format(name=name, columns=columns)).columns(
            column("written_by", Uuid), column("since", DateTime(timezone=True)),
            *model.__table__.c,
        )  # fmt: skip
        values = {"study": study_id, "until": until, "only": None if only is None else list(only)}
        rows = await session.execute(statement, values)
        for row in rows.mappings():
            image: dict[str, Any] = {**row}
            operation_id, since = image.pop("written_by"), image.pop("since")
            found[image["id"]].append(Version(image, since, operation_id))
        by_table[name] = found
        table_of |= dict.fromkeys(found, name)
    return Versions(by_table, table_of)
