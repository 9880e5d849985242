"""The service as one process: its port, its database, then requests until told to stop."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import uvicorn
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from app.core.clock import system_clock
from app.core.config import Environment, Settings
from app.core.database import Database
from app.core.errors import OperatorError
from app.core.keyring import Keyring, local_keyring
from app.core.migration import is_current, migrate
from app.core.security import DEVELOPMENT_ISSUER, DevelopmentIssuer, TokenVerifier
from app.main import create_app
from app.operations import database_url, with_database
from app.services.development import load_study

# Beyond this many open connections a new one gets 503 at once: refused, not queued without bound.
MAX_CONNECTIONS = 512
KEEP_ALIVE_SECONDS = 5
# A running request gets this long to finish after the signal to stop.
STOP_SECONDS = 10
KEYS_SECONDS = 10


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until a signal; `announce` gets the address once the service answers.

    Raises OperatorError.
    """
    with listening(settings.host, settings.port) as listener, database_url(settings) as url:
        asyncio.run(with_database(url, partial(prepare, settings)))
        pool = Database(url, settings.database_pool_size)
        app = create_app(settings, pool, token_verifier(settings), identity_keyring(settings))
        config = uvicorn.Config(
            app,
            http="httptools",
            loop="uvloop",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=STOP_SECONDS,
            limit_concurrency=MAX_CONNECTIONS,
        )
        _Server(config, lambda: announce(address(listener))).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Uvicorn, saying when it answers."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the port, then say so."""
        await super().startup(sockets)
        self._announce()


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Take the port before anything is started, so that a taken one costs nothing."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen()
        except OSError as error:
            raise OperatorError(
                f"Port {port} of {host} cannot be used ({error.strerror or error}); "
                "set PORT or HOST to another one."
            ) from error
        yield listener


def address(listener: socket.socket) -> str:
    """Return the address that people type."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def prepare(settings: Settings, database: Database) -> None:
    """Bring a database of development up to date; refuse one of production that is not."""
    production = settings.environment is Environment.PRODUCTION
    if not await is_current(database.engine):
        if production:
            raise OperatorError(
                "The database's schema is not the one of this release; run msc-icaht migrate."
            )
        await migrate(database.engine)
    if not production:
        async with database.session() as session:
            await load_study(session, system_clock())
            await session.commit()


def identity_keyring(settings: Settings) -> Keyring:
    """Return the configured identity key, or development's own of the data directory."""
    if settings.identity_key is None:
        return local_keyring(settings.data_dir)
    return Keyring(bytes.fromhex(settings.identity_key.get_secret_value()))


def token_verifier(settings: Settings) -> TokenVerifier:
    """Build the verifier of the configured issuer, or of development's own.

    Raises OperatorError when the issuer is not fully configured or its keys cannot be read.
    """
    if settings.token_issuer is None:
        return DevelopmentIssuer(settings.data_dir, settings.token_audience).verifier()
    if settings.token_issuer == DEVELOPMENT_ISSUER:
        raise OperatorError(
            "TOKEN_ISSUER names the development issuer; name your identity provider."
        )
    if settings.token_jwks is None:
        raise OperatorError(
            "TOKEN_ISSUER needs TOKEN_JWKS: the file or https URL of its public keys."
        )
    try:
        keys = KeySet.import_key_set(json.loads(_read_keys(settings.token_jwks)))
    except (OSError, ValueError, KeyError, TypeError, JoseError) as error:
        raise OperatorError(f"TOKEN_JWKS does not hold a JSON Web Key Set ({error}).") from error
    return TokenVerifier(settings.token_issuer, settings.token_audience, keys)


def _read_keys(location: str) -> str:
    """Read the issuer's public keys once, from a file or over TLS."""
    if not location.startswith("https://"):
        return Path(location).read_text(encoding="utf-8")
    import httpx  # noqa: PLC0415 - only this needs it

    try:
        answer = httpx.get(location, timeout=KEYS_SECONDS)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise OSError(f"{type(error).__name__} while reading it") from error
    return answer.text
