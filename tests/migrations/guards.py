"""Writes how the migrations guard the database, for the service to compare (`make guards`)."""

import asyncio
import json
from pathlib import Path
from tempfile import TemporaryDirectory

from app.core.config import Settings
from app.core.database import Database
from app.core.migration import migrate
from app.operations import database_urls
from app.services.guard_catalogue import EXPECTED, digests


async def write(url: str) -> None:
    """Migrate an empty database and keep the digests of its guards."""
    database = Database(url, role=None)
    await migrate(database.engine)
    async with database.engine.connect() as connection:
        EXPECTED.write_text(json.dumps(await digests(connection), indent=1) + "\n", "utf-8")
    await database.close()


if __name__ == "__main__":
    with TemporaryDirectory() as folder, database_urls(Settings(data_dir=Path(folder))) as urls:
        asyncio.run(write(urls.owner))
