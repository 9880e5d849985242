"""Passwords of the database roles, set without ever telling the server what they are."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from app.core.database import API_ROLE, SEALER_ROLE
from app.core.errors import OperatorError

# As PostgreSQL makes its own verifiers; RFC 5803, RFC 7677.
_ITERATIONS, _SALT_BYTES = 4096, 16


async def set_passwords(owner: AsyncEngine, *urls: str) -> list[str]:
    """Give each role of ours that a URL names the URL's password; return the roles.

    The server gets a SCRAM verifier, so that no log can hold the password. Raises OperatorError.
    """
    given = {url.username: url.password for url in map(make_url, urls)}
    roles = [role for role in (API_ROLE, SEALER_ROLE) if given.get(role)]
    async with owner.begin() as connection:
        for role in roles:
            verifier = scram_verifier(str(given[role]), secrets.token_bytes(_SALT_BYTES))
            # A verifier is letters, digits and +/=:$- only, so it can be written in quotes.
            await connection.execute(text(f"ALTER ROLE {role} PASSWORD '{_quoted(verifier)}'"))
    return roles


def scram_verifier(password: str, salt: bytes) -> str:
    """Return what PostgreSQL keeps of a password under scram-sha-256.

    Raises OperatorError for one beyond ASCII, which clients may write in more than one way.
    """
    if not (password.isascii() and password.isprintable()):
        raise OperatorError("A password of a database role has to be of ASCII characters.")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    client_key, server_key = (
        hmac.digest(salted, name, "sha256") for name in (b"Client Key", b"Server Key")
    )
    words = (salt, hashlib.sha256(client_key).digest(), server_key)
    salt_text, stored, server = (base64.b64encode(word).decode() for word in words)
    return f"SCRAM-SHA-256${_ITERATIONS}:{salt_text}${stored}:{server}"


def _quoted(verifier: str) -> str:
    """Keep SQLAlchemy from reading a colon as the start of a parameter."""
    return verifier.replace(":", "\\:")
