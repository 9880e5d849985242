"""Bringing a database to the newest schema."""

from __future__ import annotations

import sysconfig
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

OLDEST_POSTGRES = 15


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
    """Run the migrations up to `revision` in one transaction."""
    async with engine.connect() as connection:
        await connection.run_sync(_upgrade, revision)
        await connection.commit()


def _upgrade(connection: Connection, revision: str) -> None:
    # Importing alembic takes longer than the rest of the start, so a server that finds the
    # schema in place never does.
    from alembic.config import Config  # noqa: PLC0415

    from alembic import command  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(scripts()).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
