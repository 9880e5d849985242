"""The promises of the service: what each says, and which of them cannot be shown here, and why."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
_FILE = re.compile(r"test_(P\d\d)_\w+\.py")


@dataclass(frozen=True, slots=True)
class Promise:
    """A promise in one sentence; `not_shown` is why no test of it can run here, None if one can."""

    text: str
    not_shown: str | None = None


PROMISES = {
    "P01": Promise(
        "What was acknowledged is stored exactly once and whole, though the API, the listener and"
        " PostgreSQL are killed at random."
    ),
    "P02": Promise(
        "The same holds at every statement of every writing operation: a session cut there and a"
        " repeated request end in the state of an undisturbed one."
    ),
    "P03": Promise(
        "The same key and body get the same answer and act once; another body under the key is"
        " refused."
    ),
    "P04": Promise(
        "A result that is sent again is absorbed, whatever it comes as; a correction supersedes"
        " and keeps the old one."
    ),
    "P05": Promise(
        "No update is lost: a change names the version that was read, and of two changes of one"
        " version one is made."
    ),
    "P06": Promise("The last slot of a cohort is never overfilled."),
    "P07": Promise("Of two decisions at the same time one takes effect; the other hears which."),
    "P08": Promise(
        "A decision is computed on the data that it names; what comes later makes it stale."
    ),
    "P09": Promise(
        "Every write has who, in which role, when, what, why and which request, stored with it or"
        " not at all."
    ),
    "P10": Promise("The database takes no write without an actor and no change without a reason."),
    "P11": Promise(
        "The database role of the API can neither alter nor remove nor bypass the audit trail."
    ),
    "P12": Promise("Tampering is detected even when a superuser of the database does it."),
    "P13": Promise(
        "An export, a public key and an old checkpoint are enough to verify, without our programs."
    ),
    "P14": Promise("A published checkpoint stays provable in every later one."),
    "P15": Promise("The seal misses no row, however slow its transaction was."),
    "P16": Promise("A lawful redaction removes the value and keeps the proof and its own record."),
    "P17": Promise(
        "A signed or locked casebook is changed by no door; to unlock it takes two people and a"
        " reason, and late results wait."
    ),
    "P18": Promise("A signature is bound to the bytes that were shown; a later change voids it."),
    "P19": Promise("Signing takes a fresh proof of who signs, and guessing locks it."),
    "P20": Promise("Every role may do in every state what the published table says, no more."),
    "P21": Promise("What is of another study or site looks absent, at two walls."),
    "P22": Promise("What is revoked is refused on the next request."),
    "P23": Promise("A token that is forged, foreign, stale or of another kind is refused alike."),
    "P24": Promise(
        "Generated requests get no server error and no undocumented answer, and no misfit is"
        " accepted."
    ),
    "P25": Promise(
        "Every listed bad input is answered as listed, stores nothing and leaves the door usable."
    ),
    "P26": Promise("Nothing that identifies a patient reaches a log, error, URL, metric or trace."),
    "P27": Promise(
        "A restart of PostgreSQL needs none of the API: 503 while it is down, a good answer soon"
        " after."
    ),
    "P28": Promise("Overload is refused, not queued without bound, and memory has a ceiling."),
    "P29": Promise(
        "Slow clients cannot hold the workers.",
        "The deadlines for headers and bodies are those of the proxy of compose.yaml, and no"
        " container engine runs here.",
    ),
    "P30": Promise(
        "Webhook events are never lost or invented.",
        "The service has no webhooks; nothing leaves it unasked.",
    ),
    "P31": Promise("An export is complete or visibly broken."),
    "P32": Promise(
        "A backup restores to a named point, verifies and serves; what came after is seen to be"
        " missing."
    ),
    "P33": Promise(
        "Migrations go up and down on a filled database under traffic and lose no row; the API's"
        " role cannot change the schema."
    ),
    "P34": Promise(
        "A wrong clock of the API changes neither the order nor the time of the audit trail; time"
        " zones, daylight saving and leap days are told right."
    ),
    "P35": Promise("The service does not get ready without its guarantees."),
    "P36": Promise(
        "The audit trail alone rebuilds every record, and the same records give the same decisions"
        " for ever."
    ),
}


def promise_of(path: Path) -> str | None:
    """Return the id of the promise that a file of tests is about, None if it is of none."""
    found = _FILE.fullmatch(path.name)
    return found.group(1) if found else None
