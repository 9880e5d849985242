"""Migrations are found wherever the service is installed, and run only when needed."""

from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text

from app.core import migration
from app.core.database import Database
from app.core.errors import OperatorError
from app.core.migration import is_current, migrate, newest_revision, scripts


@pytest.fixture
async def empty(empty_url):
    """A pool on a database without a schema."""
    database = Database(empty_url, role=None)
    yield database
    await database.close()


def test_the_newest_revision_is_read_from_the_file_names():
    """The number taken from the names is the head that alembic finds."""
    config = Config()
    config.set_main_option("script_location", str(scripts()))
    assert newest_revision() == ScriptDirectory.from_config(config).get_current_head()


def test_an_installed_package_finds_its_scripts(monkeypatch, tmp_path):
    """Without a checkout around it, the scripts are those of the installation's data."""
    package = tmp_path / "site-packages" / "app" / "core" / "migration.py"
    (tmp_path / "site-packages" / "alembic").mkdir(parents=True)
    monkeypatch.setattr(migration, "__file__", str(package))
    monkeypatch.setattr(migration.sysconfig, "get_path", lambda name: f"/prefix/{name}")
    assert scripts() == Path("/prefix/data/share/msc-icaht/alembic")


async def test_a_database_is_current_once_migrated(empty):
    """An empty database is behind; after the migration it is not."""
    assert not await is_current(empty.engine)
    await migrate(empty.engine)
    assert await is_current(empty.engine)


async def test_a_newer_schema_is_refused(empty):
    """A database migrated by a later release is left alone, with a sentence."""
    await migrate(empty.engine)
    async with empty.engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert not await is_current(empty.engine)
    with pytest.raises(OperatorError, match="9999"):
        await migrate(empty.engine)
