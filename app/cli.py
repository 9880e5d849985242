"""The command line of `msc-icaht`: what may be written there, and how a command ends."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from pydantic import ValidationError

from app.commands import (
    demo,
    grant,
    migrate,
    mllp,
    openapi,
    password,
    replay,
    seal,
    serve,
    token,
    verify_audit,
)
from app.core.errors import OperatorError
from app.domain.errors import DomainError
from app.domain.vocabulary import Role

OPENAPI = Path("openapi", "openapi.json")
STOPPED = 130
LONGEST_HOURS = 366 * 24
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
    _unwind_on_signals(0 if wanted.command in (serve, mllp, seal) else STOPPED)
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
        name = command.__name__.replace("_", "-")
        added = commands.add_parser(name, help=words, description=command.__doc__)
        added.set_defaults(command=command)
        return added

    add(serve)
    _add_sender(add(mllp))
    seal_parser = add(seal)
    seal_parser.add_argument("--once", action="store_true", help="seal what is there and end")
    seal_parser.add_argument(
        "--acknowledge-rollback", metavar="REASON", help="state that the database was restored"
    )
    seal_parser.add_argument(
        "--rebuild-nodes", action="store_true", help="compute the tree anew from its leaves"
    )
    _add_evidence(add(verify_audit))
    add(migrate)
    _add_role(add(token), second=True).add_argument(
        "--hours", type=_hours, default=12, help="how long it is valid (12)"
    )
    _add_role(add(password), second=True)
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


def _add_evidence(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--checkpoint", type=Path, action="append", default=[], metavar="FILE",
        help="checkpoints that somebody kept, besides those of CHECKPOINT_DIRS",
    )  # fmt: skip
    parser.add_argument(
        "--key", action="append", default=[], help="a public key (from CHECKPOINT_DIRS)"
    )
    parser.add_argument(
        "--export", type=Path, metavar="FILE", help="verify this export, not the database"
    )


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


if __name__ == "__main__":
    sys.exit(main())
