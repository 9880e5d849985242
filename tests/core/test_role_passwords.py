"""Passwords of the database roles: what PostgreSQL keeps, without having been told."""

import base64

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from app.core.database import API_ROLE, SEALER_ROLE
from app.core.errors import OperatorError
from app.core.role_passwords import scram_verifier, set_passwords

KEPT = text("SELECT rolpassword FROM pg_authid WHERE rolname = :role")
PASSWORD = "pencil"


async def kept(engine, role: str) -> str | None:
    """Return what the server keeps of a role's password."""
    async with engine.connect() as connection:
        return await connection.scalar(KEPT, {"role": role})


async def test_the_server_would_have_kept_the_same(committing_database):
    """PostgreSQL's own verifier of a password equals ours for the salt that it drew."""
    engine = committing_database.engine
    async with engine.begin() as connection:
        await connection.execute(text("CREATE ROLE msc_icaht_pencil PASSWORD 'pencil'"))
    try:
        theirs = await kept(engine, "msc_icaht_pencil")
    finally:
        async with engine.begin() as connection:
            await connection.execute(text("DROP ROLE msc_icaht_pencil"))
    salt = base64.b64decode(theirs.split(":")[1].split("$")[0])
    assert scram_verifier(PASSWORD, salt) == theirs


async def test_the_roles_that_the_urls_name_get_their_passwords(
    committing_url, committing_database
):
    """Each of our two roles gets its own, whoever else a URL names gets none."""
    engine = committing_database.engine
    url = make_url(committing_url)
    given = [
        url.set(username=role, password=PASSWORD).render_as_string(hide_password=False)
        for role in (API_ROLE, "postgres")
    ]
    try:
        assert await set_passwords(engine, *given) == [API_ROLE]
        verifier = await kept(engine, API_ROLE)
        assert verifier.startswith("SCRAM-SHA-256$4096:")
        assert await kept(engine, SEALER_ROLE) is None
        assert await kept(engine, "postgres") is None
        assert await set_passwords(engine, committing_url) == []
        assert await kept(engine, API_ROLE) == verifier
    finally:
        async with engine.begin() as connection:
            await connection.execute(text(f"ALTER ROLE {API_ROLE} PASSWORD NULL"))


def test_a_password_beyond_ascii_is_refused():
    """Such a one could be typed in several ways; the sentence does not repeat it."""
    with pytest.raises(OperatorError, match="ASCII") as refusal:
        scram_verifier("schlüssel", bytes(16))
    assert "schl" not in str(refusal.value)
