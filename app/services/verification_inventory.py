"""Whether what keeps the trail is in place: triggers, their functions, owners, and the walls."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Base
from app.services.guard_catalogue import differences, expected
from app.services.readiness import guards
from app.services.verification_report import Check

_OWNER = "msc_icaht_audit"
_TRIGGERS = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'A'"
_OWNED = """
SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace AND nspname = 'public'
WHERE relkind = 'r' AND (relname IN ('change', 'operation') OR relname LIKE 'seal\\_%')
  AND pg_get_userbyid(relowner) <> :owner
ORDER BY relname
"""
_WRITERS = """
SELECT proname FROM pg_proc
WHERE proname IN ('write_inserts', 'write_updates', 'redact')
  AND NOT (prosecdef AND pg_get_userbyid(proowner) = :owner)
ORDER BY proname
"""
_OPEN = """
SELECT relname FROM pg_class WHERE relkind = 'r' AND relname = ANY (:tables)
  AND NOT (relrowsecurity AND EXISTS (
      SELECT FROM pg_policy WHERE polrelid = pg_class.oid AND polname = 'own_study'))
ORDER BY relname
"""


async def check_inventory(session: AsyncSession, check: Check) -> None:
    """Compare the catalogue of the database with what the migrations put there."""
    wanted = guards()
    check.looked_at = len(wanted) + len(expected())
    there = set(await session.scalars(text(_TRIGGERS)))
    for name in sorted(wanted - there):
        check.fail(f"The trigger {name} is missing or disabled: writes may have passed it by.")
    owner = {"owner": _OWNER}
    for name in await session.scalars(text(_OWNED), owner):
        check.fail(f"The table {name} does not belong to the owner of the trail.")
    for name in await session.scalars(text(_WRITERS), owner):
        check.fail(f"The function {name} does not work for the owner of the trail.")
    tables = [table.name for table in Base.metadata.sorted_tables if "study_id" in table.columns]
    for name in await session.scalars(text(_OPEN), {"tables": tables}):
        check.fail(f"The table {name} shows rows of every study to the service.")
    for name in await differences(session):
        check.fail(
            f"Not guarded as this release guards it: {name}. A trigger, policy, constraint,"
            " function, owner or right is another."
        )
