"""What each command of `msc-icaht` does: it reads the settings, does one thing and says so.

Each imports what it needs when it runs: a token takes no web framework.
"""

from __future__ import annotations

import argparse
import gc
import getpass
import json
import os
import shlex
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from app.core.config import Environment, Settings
from app.core.errors import OperatorError
from app.domain.vocabulary import Role

if TYPE_CHECKING:
    from app.core.development_issuer import DevelopmentIssuer

DEMO_LIFETIME = timedelta(hours=1)


def serve(wanted: argparse.Namespace) -> None:
    """Serve the API in the foreground until Ctrl-C or SIGTERM."""
    settings = Settings()
    gc.disable()  # a start makes no garbage worth a search; the lifespan turns it on again
    from app import server
    from app.core.logging import configure_logging

    configure_logging(settings.log_level, "api")
    server.serve(settings, lambda address: print(_welcome(settings, address), flush=True))


def _welcome(settings: Settings, address: str) -> str:
    """Say where the service is and, in development, how to get in."""
    lines = [f"MSC-ICAHT answers at {address} (interactive documentation: {address}/docs)"]
    if settings.embeds_issuer:
        folder = os.environ.get("DATA_DIR")
        command = f"{shlex.quote(sys.argv[0])} token --role"
        if folder:
            command = f"DATA_DIR={shlex.quote(folder)} {command}"
        lines.append("A token for each role, from another terminal:")
        lines += [f"  {command} {role.value}" for role in Role]
        lines.append(f"  {command} {Role.SAFETY_COMMITTEE.value} --second")
    return "\n".join([*lines, "Stop with Ctrl-C."])


def mllp(wanted: argparse.Namespace) -> None:
    """Listen for HL7 v2 over MLLP in the foreground until Ctrl-C or SIGTERM."""
    settings = Settings()
    if (wanted.study is None) != (wanted.sender is None):
        raise OperatorError("Give --study and --sender together, or neither.")
    from app.core.logging import configure_logging
    from app.mllp import process

    configure_logging(settings.log_level, "mllp")
    local = (wanted.study, wanted.sender) if wanted.study else None
    process.listen(settings, local, lambda at: print(f"MLLP is answered at {at}", flush=True))


def seal(wanted: argparse.Namespace) -> None:
    """Seal the trail in the foreground until Ctrl-C or SIGTERM."""
    from app import sealer
    from app.core.logging import configure_logging

    settings = Settings()
    configure_logging(settings.log_level, "sealer")
    wish = sealer.SealWish(wanted.once, wanted.rebuild_nodes, wanted.acknowledge_rollback)
    sealer.seal(settings, wish, lambda said: print(said, flush=True))


def verify_audit(wanted: argparse.Namespace) -> int:
    """Verify the audit trail against its seal and what was published; 1 with findings."""
    from app import auditing

    settings = Settings()
    if wanted.export is not None:
        holds, told = auditing.verify_file(settings, wanted.export, wanted.checkpoint, wanted.key)
    else:
        holds, told = auditing.verify_database(settings, wanted.checkpoint, wanted.key)
    print("\n".join(told))
    return 0 if holds else 1


def migrate(wanted: argparse.Namespace) -> None:
    """Bring the database to the newest schema."""
    from app import operations

    print(f"The schema is at revision {operations.migrate(Settings())}.")


def token(wanted: argparse.Namespace) -> None:
    """Print a token for a role's fixture person; development only."""
    person = _person(wanted)
    print(_issuer(Settings(), timedelta(hours=wanted.hours))(*person))


def password(wanted: argparse.Namespace) -> None:
    """Print the password with which a role's fixture person signs; development only."""
    from app.services.fixture_subjects import fixture_subject

    person = fixture_subject(*_person(wanted))
    print(_development_issuer(Settings()).password(person))


def _person(wanted: argparse.Namespace) -> tuple[Role, bool]:
    """Return whose fixture person is meant, and whether the second one."""
    if wanted.second and wanted.role != Role.SAFETY_COMMITTEE:
        raise OperatorError("Only safety_committee has a second fixture person.")
    return Role(wanted.role), wanted.second


def _issuer(settings: Settings, lifetime: timedelta) -> Callable[[Role, bool], str]:
    """Return what issues tokens as the service accepts."""
    from app.core.clock import system_clock
    from app.services.fixture_subjects import fixture_subject

    issuer = _development_issuer(settings)
    return lambda role, second: issuer.token(
        fixture_subject(role, second), system_clock(), lifetime
    )


def _development_issuer(settings: Settings) -> DevelopmentIssuer:
    """Return the issuer of the service that runs on the data directory."""
    if settings.environment is Environment.PRODUCTION or not settings.embeds_issuer:
        raise OperatorError("Your identity provider (TOKEN_ISSUER) makes the tokens here.")
    from app.core.development_issuer import KEY_FILE, DevelopmentIssuer

    if not (settings.data_dir / KEY_FILE).exists():
        raise OperatorError(
            f"No service was started on {settings.data_dir}: start it with make run,"
            " or set DATA_DIR to the directory it runs on."
        )
    return DevelopmentIssuer(settings.data_dir, settings.token_audience, settings.signing_acr)


def demo(wanted: argparse.Namespace) -> None:
    """Replay a complete, plausible trial over HTTP against a running service of development."""
    import httpx

    from app.core.clock import system_clock
    from app.demo.client import Refused
    from app.demo.play import run

    settings = Settings()
    url = wanted.url or f"http://{settings.host}:{settings.port}"
    try:
        run(url, _issuer(settings, DEMO_LIFETIME), wanted.seed, system_clock())
    except httpx.TransportError as error:
        raise OperatorError(f"No service answers at {url}; start it with make run.") from error
    except Refused as refusal:
        raise OperatorError(
            f"The service refused a step of the demonstration: {refusal}"
        ) from refusal


def replay(wanted: argparse.Namespace) -> int:
    """Send a file of HL7 v2 messages, in order; SENDER_KEY is the API key or token for HTTP."""
    from app import replay as sending

    messages = sending.messages_of(wanted.file.read_bytes())
    if wanted.mllp:
        target = sending.over_mllp(*wanted.mllp)
    else:
        settings = Settings()
        key = os.environ.get("SENDER_KEY")
        if not key:
            raise OperatorError("Set SENDER_KEY to an API key or an access token of the sender.")
        target = sending.over_http(wanted.url or f"http://{settings.host}:{settings.port}", key)
    with target as send:
        return 0 if sending.replay(messages, send, print) else 1


def grant(wanted: argparse.Namespace) -> None:
    """Give a person a role in a study: how a deployment gets its first people."""
    from app import operations
    from app.services.studies import Person

    role = Role(wanted.role)
    person = Person(wanted.issuer, wanted.subject, wanted.name, wanted.organisation, (role,))
    given = operations.grant(Settings(), wanted.study, person, getpass.getuser())
    print("Granted." if given else "This person holds the role already; nothing was changed.")


def openapi(wanted: argparse.Namespace) -> None:
    """Write the OpenAPI document; needs no database."""
    from app.main import openapi_document

    text = json.dumps(openapi_document(), indent=2, ensure_ascii=False)
    wanted.output.parent.mkdir(parents=True, exist_ok=True)
    wanted.output.write_text(text + "\n", encoding="utf-8")
