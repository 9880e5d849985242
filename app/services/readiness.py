"""Whether the database is there and keeps the promises the service makes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.clock import Clock, system_clock
from app.core.database import API_ROLE, DATABASE_FAILURES, Database
from app.models import CLOSED_WITH_CASEBOOK, Base, Record, Subject
from app.services.guard_catalogue import differences

# Without these an acknowledged write could be lost when the machine stops.
_DURABLE = ("fsync", "full_page_writes", "synchronous_commit")
_OFF = ("off", "local")
# Enabled ALWAYS: in replication roles, too.
_TRIGGERS = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'A'"
# Beyond this what the service takes for the past or the future is another than the trail's.
_CLOCK_SECONDS = 2
# A database that takes longer to say what it guarantees is not there for a request either.
LIMIT_SECONDS = 5
# So many objects are named in one sentence.
_NAMED = 5
# The functions that write the trail: theirs alone is the right to.
_WRITERS = ("write_inserts", "write_updates")
# The tables of a study, whatever schema they are in, that are open to other studies.
_OPEN_TABLES = """
SELECT relname FROM pg_class
JOIN pg_attribute ON attrelid = pg_class.oid AND attname = 'study_id' AND NOT attisdropped
WHERE relkind = 'r' AND relname = ANY (:tables)
  AND NOT (relrowsecurity AND EXISTS (
      SELECT FROM pg_policy WHERE polrelid = pg_class.oid AND polname = 'own_study'))
ORDER BY relname
"""
_POWERS = """
SELECT rolname, rolsuper, rolbypassrls,
       EXISTS (SELECT FROM pg_class WHERE relname = ANY (:tables) AND relkind = 'r'
               AND pg_has_role(pg_roles.oid, relowner, 'MEMBER')) AS is_owner,
       has_table_privilege(pg_roles.oid, to_regclass('change'),
                           'INSERT, UPDATE, DELETE, TRUNCATE') AS writes
FROM pg_roles WHERE rolname = ANY (ARRAY[current_user, session_user])
ORDER BY rolname = current_user DESC
"""
_WRITE_AS = """
SELECT proname FROM pg_proc
WHERE proname = ANY (:writers) AND prosecdef
  AND NOT pg_has_role(current_user, proowner, 'MEMBER')
"""


def guards() -> set[str]:
    """Name the triggers that write the trail and refuse to change history or a closed casebook."""
    models = [mapper.class_ for mapper in Base.registry.mappers]
    kept = {model.__tablename__ for model in models if model.is_kept}
    changing = {model.__tablename__ for model in Record.__subclasses__()}
    writers = ("count_version", "write_inserts", "write_updates")
    audit = {f"{table}_{writer}" for table in changing for writer in writers}
    return {f"{table}_refuse" for table in kept} | audit | casebook_walls()


def casebook_walls() -> set[str]:
    """Name the triggers that keep a closed casebook as it is."""
    held = {model.__tablename__ for model in CLOSED_WITH_CASEBOOK}
    inserted = held - {Subject.__tablename__}
    walls = {f"{table}_lock_inserts" for table in inserted}
    return walls | {f"{table}_lock_updates" for table in held} | {"casebook_check_step"}


async def shortcomings(
    database: Database, in_production: bool, clock: Clock = system_clock
) -> list[str]:
    """List, one sentence each, what the database lacks for the service to work; empty when ready.

    The clock is this machine's, whatever moment the application lives in.
    """
    try:
        async with asyncio.timeout(LIMIT_SECONDS), database.engine.connect() as connection:
            return [
                *await _of_durability(connection),
                *await _of_trail(connection),
                *await _of_walls(connection),
                *await _of_power(connection, in_production),
                *await _of_time(connection, clock),
                *await _of_guards(connection),
            ]
    except DATABASE_FAILURES:
        return ["The database does not answer."]


async def _of_durability(connection: AsyncConnection) -> list[str]:
    values = {name: await connection.scalar(text(f"SHOW {name}")) for name in _DURABLE}
    reasons = [
        f"The database runs with {name} = {value}; an acknowledged write could be lost."
        for name, value in values.items()
        if value in _OFF
    ]
    if await connection.scalar(text("SELECT pg_is_in_recovery()")):
        reasons.append("The database is a standby that only reads; name the primary.")
    return reasons


async def _of_trail(connection: AsyncConnection) -> Iterable[str]:
    missing = sorted(guards() - set(await connection.scalars(text(_TRIGGERS))))
    if missing:
        told = f"Audit triggers are missing or disabled: {', '.join(missing)}."
        return [f"{told} Run the migrations or put them back before anybody writes."]
    writers = set(await connection.scalars(text(_WRITE_AS), {"writers": list(_WRITERS)}))
    return [
        f"{name} does not write the trail for an owner of its own; run the migrations."
        for name in sorted(set(_WRITERS) - writers)
    ]


async def _of_walls(connection: AsyncConnection) -> Iterable[str]:
    open_to_all = list(await connection.scalars(text(_OPEN_TABLES), {"tables": _tables()}))
    if open_to_all:
        names = ", ".join(open_to_all)
        return [f"Row-level security is off for {names}; other studies would show."]
    return []


async def _of_guards(connection: AsyncConnection) -> Iterable[str]:
    """Hold every trigger, policy, constraint, function, owner and right against the release's."""
    changed = await differences(connection)
    if changed:
        names = ", ".join(changed[:_NAMED]) + (", ..." if changed[_NAMED:] else "")
        told = f"Not guarded as this release guards it: {names}."
        return [f"{told} Find out who changed it and put it back before anybody writes."]
    return []


async def _of_power(connection: AsyncConnection, in_production: bool) -> list[str]:
    """Name what the service's database role may do and must not.

    In development the login may be anybody who can take the API's role; in production the login
    is held to the same, as whoever breaks into the service could go back to it.
    """
    roles = (await connection.execute(text(_POWERS), {"tables": _tables()})).all()
    if not in_production:
        roles = roles[:1]
    reasons = []
    for role in roles:
        powers = {
            "is a superuser": role.rolsuper,
            "passes row-level security": role.rolbypassrls,
            "owns tables": role.is_owner,
            "may write the trail itself": role.writes,
        }
        found = [power for power, has in powers.items() if has]
        if found:
            reasons.append(
                f"The service works as {role.rolname}, which {' and '.join(found)};"
                f" let DATABASE_URL log in as {API_ROLE}."
            )
    return reasons


async def _of_time(connection: AsyncConnection, clock: Clock) -> list[str]:
    of_database = await connection.scalar(text("SELECT clock_timestamp()"))
    seconds = abs((clock() - of_database).total_seconds()) if of_database else 0
    if seconds <= _CLOCK_SECONDS:
        return []
    return [f"This machine's clock and the database's differ by {seconds:.0f} s; set them right."]


def _tables() -> list[str]:
    return sorted(
        table.name for table in Base.metadata.sorted_tables if "study_id" in table.columns
    )
