"""Bringing a database to the newest schema."""

from __future__ import annotations

import sysconfig
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.core.errors import OperatorError

OLDEST_POSTGRES = 15
# Of the advisory lock that lets one process migrate at a time; it only has to be our own.
_MIGRATING = 72_123_350


def scripts() -> Path:
    """Find the migration scripts: beside the source, or among the data of an installed package."""
    checkout = Path(__file__).resolve().parents[2] / "alembic"
    installed = Path(sysconfig.get_path("data")) / "share" / "msc-icaht" / "alembic"
    # In site-packages the first place is the alembic library, which has no env.py.
    return checkout if (checkout / "env.py").is_file() else installed


def newest_revision() -> str:
    """Return the newest revision: the number that starts the file names, as 0003 in 0003_x.py."""
    return max(path.name for path in (scripts() / "versions").glob("[0-9]*.py")).split("_")[0]


async def is_current(engine: AsyncEngine) -> bool:
    """Tell whether the schema is at the newest revision."""
    async with engine.connect() as connection:
        if await connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
            return False
        revision = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    return bool(revision == newest_revision())


async def server_version(engine: AsyncEngine) -> int:
    """Return the major version of the PostgreSQL server."""
    async with engine.connect() as connection:
        number = await connection.scalar(text("SHOW server_version_num"))
    return int(number) // 10_000


async def migrate(engine: AsyncEngine, revision: str = "head") -> None:
    """Run the migrations up to `revision` in one transaction; raise OperatorError if it fails."""
    async with engine.connect() as connection:
        # Whoever comes second waits for the first, however long a big table takes.
        await connection.execute(text("SET LOCAL statement_timeout = 0"))
        await connection.execute(text("SET LOCAL lock_timeout = 0"))
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATING})
        await connection.run_sync(_upgrade, revision)
        await connection.commit()


def _upgrade(connection: Connection, revision: str) -> None:
    # Importing alembic takes longer than the rest of the start, so a server that finds the
    # schema in place never does.
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    from alembic import command  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(scripts()).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, revision)
    except CommandError as error:
        raise OperatorError(f"The schema cannot be migrated: {error}.") from error
