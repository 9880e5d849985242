"""The service as one process: its port, its database, then requests until told to stop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager, nullcontext
from datetime import timedelta
from functools import partial

import uvicorn
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import system_clock
from app.core.config import Environment, Settings
from app.core.database import Database
from app.core.development_issuer import DEVELOPMENT_ISSUER, DevelopmentIssuer
from app.core.errors import OperatorError
from app.core.issuer_keys import IssuerKeys
from app.core.key_files import configured_key, local_key
from app.core.keyring import Keyring, local_keyring
from app.core.logging import log
from app.core.machine_issuer import KEY_FILE, MachineIssuer
from app.core.migration import is_current, migrate
from app.core.tokens import TokenVerifier, TrustedIssuer
from app.main import OwnIssuers, create_app
from app.operations import database_urls, with_database
from app.sealer import sealing_beside
from app.services.development import load_study
from app.services.readiness import shortcomings

# Beyond this many open connections a new one gets 503 at once: refused, not queued without bound.
MAX_CONNECTIONS = 512
KEEP_ALIVE_SECONDS = 5
# A running request gets this long to finish after the signal to stop.
STOP_SECONDS = 10


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until a signal; `announce` gets the address once the service answers.

    Raises OperatorError.
    """
    with listening(settings.host, settings.port) as listener, database_urls(settings) as urls:
        asyncio.run(with_database(urls.owner, partial(prepare, settings)))
        asyncio.run(check_guarantees(settings, urls.api))
        pool = Database(urls.api, settings.database_pool_size)
        own = own_issuers(settings)
        verifier = token_verifier(settings, own)
        app = create_app(settings, pool, verifier, identity_keyring(settings), own=own)
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
        production = settings.environment is Environment.PRODUCTION
        beside = nullcontext() if production else sealing_beside(settings, urls.sealer)
        _Server(config, lambda: announce(address(listener)), beside).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Uvicorn, saying when it answers; what works beside it begins then and ends with it."""

    def __init__(
        self,
        config: uvicorn.Config,
        announce: Callable[[], None],
        beside: AbstractAsyncContextManager[None],
    ) -> None:
        super().__init__(config)
        self._announce = announce
        self._beside = beside

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve, and end what works beside whatever happens."""
        async with AsyncExitStack() as self._stack:
            await super().serve(sockets)
        log.info("stopped")

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the port, then say so."""
        await super().startup(sockets)
        log.info("started")
        self._announce()
        await self._stack.enter_async_context(self._beside)


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
            await _check_owner(session)
            await load_study(session, system_clock())
            await session.commit()


async def _check_owner(session: AsyncSession) -> None:
    """Refuse to load the study of development as who does not see which studies are there."""
    query = text(
        "SELECT current_user FROM pg_class WHERE oid = 'study'::regclass"
        " AND NOT pg_has_role(current_user, relowner, 'MEMBER')"
    )
    login = await session.scalar(query)
    if login is not None:
        raise OperatorError(
            f"In development the service loads a study, which {login} cannot; set"
            " OWNER_DATABASE_URL to the same database as the owner of its tables."
        )


async def check_guarantees(settings: Settings, url: str) -> None:
    """Refuse to serve in production without what the service promises; raise OperatorError."""
    if not settings.in_production:
        return
    database = Database(url, pool_size=1)
    try:
        reasons = settings.shortcomings() + await shortcomings(database, in_production=True)
    finally:
        await database.close()
    if reasons:
        raise OperatorError(" ".join(reasons))


def identity_keyring(settings: Settings) -> Keyring:
    """Return the configured identity key, or development's own of the data directory."""
    if settings.identity_key is None:
        return local_keyring(settings.data_dir)
    return Keyring(bytes.fromhex(settings.identity_key.get_secret_value()))


def own_issuers(settings: Settings) -> OwnIssuers:
    """Return the issuers that the service is itself; raise OperatorError.

    People's in development only; machines' in development, and where a key is configured.
    """
    production = settings.environment is Environment.PRODUCTION
    development = None
    if settings.token_issuer is None:
        if production:
            raise OperatorError("The development issuer never runs in production.")
        development = DevelopmentIssuer(
            settings.data_dir, settings.token_audience, settings.signing_acr
        )
    return OwnIssuers(development, _machine_issuer(settings, production))


def _machine_issuer(settings: Settings, production: bool) -> MachineIssuer | None:
    """Return the issuer of machines' tokens, named by the address at which they know the service.

    None in production without a key; raises OperatorError for a key that cannot be read.
    """
    name = settings.public_url or f"http://{settings.host}:{settings.port}"
    path = settings.machine_issuer_key_file
    if path is None and production:
        return None
    try:
        key = configured_key(path) if path else local_key(settings.data_dir / KEY_FILE)
    except (OSError, ValueError) as error:
        raise OperatorError(
            f"MACHINE_ISSUER_KEY_FILE does not hold a private Ed25519 key in PEM ({error})."
        ) from error
    return MachineIssuer(name, settings.token_audience, key)


def token_verifier(settings: Settings, own: OwnIssuers) -> TokenVerifier:
    """Build the verifier of the configured issuer and of the service's own.

    Raises OperatorError when the issuer is not fully configured or its keys cannot be read.
    """
    people = own.development.trusted() if own.development else _identity_provider(settings)
    machines = [own.machines.trusted()] if own.machines else []
    if any(people.name == each.name for each in machines):
        raise OperatorError("PUBLIC_URL names this service; it cannot be TOKEN_ISSUER, too.")
    return TokenVerifier(settings.token_audience, [people, *machines])


def _identity_provider(settings: Settings) -> TrustedIssuer:
    """Return the configured provider of people's identity."""
    assert settings.token_issuer is not None
    if settings.token_issuer == DEVELOPMENT_ISSUER:
        raise OperatorError(
            "TOKEN_ISSUER names the development issuer; name your identity provider."
        )
    if settings.token_jwks is None:
        raise OperatorError(
            "TOKEN_ISSUER needs TOKEN_JWKS: the file or https URL of its public keys."
        )
    try:
        keys = IssuerKeys.at(settings.token_jwks)
    except (OSError, ValueError) as error:
        raise OperatorError(f"TOKEN_JWKS does not hold a JSON Web Key Set ({error}).") from error
    return TrustedIssuer(settings.token_issuer, keys, timedelta(seconds=settings.token_max_seconds))
