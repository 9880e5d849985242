"""Whether identifiers, persons and secrets are those of the subjects whom the trail names.

The vault's tables hold hashes and ids only; of the secrets the database tells whose they are, and
nothing of what they say (`vault.owners`).
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.services.verification_report import Check

_COLUMNS = {
    "subject_identifier": ("subject_id", "site_id", "kind", "token", "retracted"),
    "person": ("subject_id", "identity_id", "initials_id"),
}
# The secrets are told of entered studies; who sees all studies enters them all.
_ENTER = "SELECT enter(array_agg(study_id)) FROM study"
_LIVE = """
WITH last AS (
    SELECT DISTINCT ON (study_id, record_id) study_id, record_id, new FROM change
    WHERE table_name = :table ORDER BY study_id, record_id, id DESC
)
SELECT coalesce(t.id, last.record_id) AS id,
       CASE WHEN t.id IS NULL THEN 'gone' WHEN last.record_id IS NULL THEN 'unrecorded'
            ELSE 'differs' END AS what
FROM vault.{table} t FULL JOIN last ON last.study_id = t.study_id AND last.record_id = t.id
WHERE t.id IS NULL OR last.record_id IS NULL OR EXISTS (
    SELECT FROM unnest(CAST(:columns AS text[])) AS named (name)
    WHERE to_jsonb(t) -> name IS DISTINCT FROM last.new -> name)
ORDER BY 1
"""
_TOLD = {
    "gone": "{name} is in the trail, but not in the vault any more.",
    "unrecorded": "{name} is in the vault, but the trail never saw it.",
    "differs": "{name} is not what the trail says it is: it was changed past the trail.",
}
# Every image that ever named a secret, by the subject that it named beside it.
_SECRETS = """
WITH named AS (
    SELECT DISTINCT study_id, (new ->> 'subject_id')::uuid AS subject_id, secret::uuid AS id
    FROM change, LATERAL unnest(CASE table_name
        WHEN 'subject_identifier' THEN ARRAY[record_id::text]
        ELSE ARRAY[new ->> 'identity_id', new ->> 'initials_id'] END) AS secrets (secret)
    WHERE table_name IN ('subject_identifier', 'person')
)
SELECT named.id FROM named LEFT JOIN vault.owners() kept
    ON kept.study_id = named.study_id AND kept.id = named.id
WHERE kept.subject_id IS DISTINCT FROM named.subject_id
ORDER BY 1
"""


async def check_identifiers(session: AsyncSession, check: Check) -> None:
    """Hold what says who subjects are against the last images in the trail, without reading it."""
    await session.execute(text(_ENTER))
    for table, columns in _COLUMNS.items():
        counted = await session.scalar(text(f"SELECT count(*) FROM vault.{table}"))  # noqa: S608
        check.looked_at += int(counted or 0)
        values = {"table": table, "columns": list(columns)}
        for record_id, what in await session.execute(text(_LIVE.format(table=table)), values):
            check.fail(_TOLD[what].format(name=f"{table} {record_id}"))
    for secret_id in await session.scalars(text(_SECRETS)):
        check.fail(f"The secret {secret_id} is not the one of the subject whom the trail names.")
