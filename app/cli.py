"""The commands of `msc-icaht`: each reads the settings, does one thing and says so.

Each imports what it needs when it runs: a token takes no web framework.
"""

from __future__ import annotations

import argparse
import gc
import getpass
import json
import os
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from types import FrameType

from pydantic import ValidationError

from app.core.config import Environment, Settings
from app.core.errors import OperatorError
from app.domain.errors import DomainError
from app.domain.vocabulary import Role

OPENAPI = Path("openapi", "openapi.json")
STOPPED = 130
LONGEST_HOURS = 366 * 24
DEMO_LIFETIME = timedelta(hours=1)
_GRANT_ARGUMENTS = {
    "study": "its key; NCT07212335, which comes with the service, is set up when absent",
    "issuer": "the `iss` of the person's tokens",
    "subject": "the `sub` of the person's tokens",
    "name": "the person's printed name",
    "organisation": "who the person works for",
}
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
Command = Callable[[argparse.Namespace], int | None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    wanted = _parser().parse_args(arguments)
    _unwind_on_signals(0 if wanted.command in (serve, mllp) else STOPPED)
    try:
        return wanted.command(wanted) or 0
    except ValidationError as error:
        for sentence in _misconfigured(error):
            print(f"msc-icaht: {sentence}", file=sys.stderr)
    except (OperatorError, DomainError, OSError) as error:
        print(f"msc-icaht: {error}", file=sys.stderr)
    return 1


def _unwind_on_signals(status: int) -> None:
    """Leave through every `finally` when told to stop, so that PostgreSQL is stopped too."""

    def leave(number: int, frame: FrameType | None) -> None:
        for each in _STOP_SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit(status)

    for each in _STOP_SIGNALS:
        signal.signal(each, leave)


def _misconfigured(error: ValidationError) -> list[str]:
    """Name each setting that is wrong, never its value: a URL holds a password."""
    return [
        ": ".join([*(str(part).upper() for part in item["loc"]), item["msg"]])
        for item in error.errors(include_input=False, include_url=False)
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="msc-icaht", description="Runs the trial NCT07212335.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(command: Command) -> argparse.ArgumentParser:
        """Add a command under its function's name, described by its docstring."""
        words = (command.__doc__ or "").partition("\n")[0]
        added = commands.add_parser(command.__name__, help=words, description=command.__doc__)
        added.set_defaults(command=command)
        return added

    add(serve)
    _add_sender(add(mllp))
    add(migrate)
    _add_role(add(token), second=True).add_argument(
        "--hours", type=_hours, default=12, help="how long it is valid (12)"
    )
    grant_parser = _add_role(add(grant))
    for name, meaning in _GRANT_ARGUMENTS.items():
        grant_parser.add_argument(f"--{name}", required=True, help=meaning)
    _add_target(add(replay))
    demo_parser = add(demo)
    demo_parser.add_argument("--url", help="where the service is (from HOST and PORT)")
    demo_parser.add_argument("--seed", type=int, default=1, help="of everything random (1)")
    add(openapi).add_argument("--output", type=Path, default=OPENAPI, help=f"({OPENAPI})")
    return parser


def _hours(text: str) -> int:
    """Read a lifetime of up to a year."""
    hours = int(text)
    if not 1 <= hours <= LONGEST_HOURS:
        raise argparse.ArgumentTypeError(f"give 1 to {LONGEST_HOURS} hours")
    return hours


def _add_role(parser: argparse.ArgumentParser, second: bool = False) -> argparse.ArgumentParser:
    roles = [role.value for role in Role]
    parser.add_argument(
        "--role", choices=roles, required=True, metavar="ROLE", help=", ".join(roles)
    )
    if second:
        parser.add_argument(
            "--second", action="store_true", help="the second member of the safety committee"
        )
    return parser


def _add_sender(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--study", help="without TLS: key of the study, such as NCT07212335")
    parser.add_argument("--sender", help="without TLS: code of the sender that everybody here is")


def _add_target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="messages one after the other, a batch, or frames")
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--url", help="where the service is (from HOST and PORT)")
    target.add_argument("--mllp", type=_address, metavar="HOST:PORT", help="a listener without TLS")


def _address(text: str) -> tuple[str, int]:
    """Read host and port."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise argparse.ArgumentTypeError("give host and port, such as 127.0.0.1:2575")
    return host.strip("[]"), int(port)


def serve(wanted: argparse.Namespace) -> None:
    """Serve the API in the foreground until Ctrl-C or SIGTERM."""
    settings = Settings()
    gc.disable()  # a start makes no garbage worth a search; the lifespan turns it on again
    from app import server
    from app.core.logging import configure_logging

    configure_logging(settings.log_level)
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

    configure_logging(settings.log_level)
    local = (wanted.study, wanted.sender) if wanted.study else None
    process.listen(settings, local, lambda at: print(f"MLLP is answered at {at}", flush=True))


def migrate(wanted: argparse.Namespace) -> None:
    """Bring the database to the newest schema."""
    from app import operations

    print(f"The schema is at revision {operations.migrate(Settings())}.")


def token(wanted: argparse.Namespace) -> None:
    """Print a token for a role's fixture person; development only."""
    if wanted.second and wanted.role != Role.SAFETY_COMMITTEE:
        raise OperatorError("Only safety_committee has a second fixture person.")
    issue = _issuer(Settings(), timedelta(hours=wanted.hours))
    print(issue(Role(wanted.role), wanted.second))


def _issuer(settings: Settings, lifetime: timedelta) -> Callable[[Role, bool], str]:
    """Return what issues tokens with the key of the data directory, as the service accepts."""
    if settings.environment is Environment.PRODUCTION or not settings.embeds_issuer:
        raise OperatorError("Your identity provider (TOKEN_ISSUER) makes the tokens here.")
    from app.core.clock import system_clock
    from app.core.security import KEY_FILE, DevelopmentIssuer
    from app.services.fixture_subjects import fixture_subject

    if not (settings.data_dir / KEY_FILE).exists():
        raise OperatorError(
            f"No service was started on {settings.data_dir}: start it with make run,"
            " or set DATA_DIR to the directory it runs on."
        )
    issuer = DevelopmentIssuer(settings.data_dir, settings.token_audience)
    return lambda role, second: issuer.token(
        fixture_subject(role, second), system_clock(), lifetime
    )


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


if __name__ == "__main__":
    sys.exit(main())
