"""Finding whose results a message holds, by keyed hashes only: nobody's name is ever looked at."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.keyring import Keyring
from app.domain.errors import Reason
from app.domain.inbound import InboxReason, because
from app.domain.sent_results import SentIdentifier, SentResult
from app.domain.vocabulary import IdentifierKind
from app.services.senders import CallingSender

_ONLY_SPECIMEN = "The specimen is known, but not the identifiers of the patient; find out whose."
# Subjects by the keyed hash of an identifier, then those of the site by number, or by the id that
# FHIR refers to them with.
_FIND = text("""
SELECT true AS by_token, token AS name, subject_id FROM vault.subject_identifier
WHERE study_id = :study_id AND token = ANY(CAST(:tokens AS text[])) AND NOT retracted
UNION ALL
SELECT false, name, id FROM subject CROSS JOIN LATERAL (VALUES (number), (id::text)) AS said (name)
WHERE study_id = :study_id AND site_id = :site_id
  AND (number = ANY(CAST(:numbers AS text[])) OR id = ANY(CAST(:ids AS uuid[])))
""")


@dataclass(frozen=True, slots=True)
class Match:
    """Whose result it is, or why nobody can tell; the tokens are kept to match again later."""

    subject_id: UUID | None
    tokens: tuple[str, ...]
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """What a hospital calls a patient or a specimen, as closely as somebody told it.

    `authority` is PID-3.4 or the system of FHIR, `type` PID-3.5 or the code of the FHIR type;
    empty means whichever.
    """

    kind: IdentifierKind
    value: str
    authority: str = ""
    type: str = ""

    @property
    def readings(self) -> list[Identifier]:
        """Give every identifier that may be recorded and is this one, the closest first."""
        authorities = dict.fromkeys((self.authority, ""))
        types = dict.fromkeys((self.type, ""))
        return [
            replace(self, authority=authority, type=type_)
            for authority in authorities
            for type_ in types
        ]


@dataclass(frozen=True, slots=True)
class _Clues:
    """What a result says about its subject: keyed hashes, and numbers of this study."""

    patient: tuple[str, ...]
    specimen: tuple[str, ...]
    numbers: tuple[str, ...]

    @property
    def tokens(self) -> tuple[str, ...]:
        """Give the keyed hashes of the patient and of the specimen."""
        return self.patient + self.specimen


def identifier_token(keyring: Keyring, site_id: UUID, identifier: Identifier) -> str:
    """Return the keyed hash by which an identifier of a site is stored and matched."""
    said = (identifier.authority, identifier.type, identifier.value)
    parts = (each.strip() for each in said)
    return keyring.token(identifier.kind.value, str(site_id), *parts).hex()


async def match_subjects(
    session: AsyncSession, caller: CallingSender, sent: Sequence[SentResult], keyring: Keyring
) -> list[Match]:
    """Match any number of results by one query, each to at most one subject of the site."""
    # The results of a message mostly share their patient and specimen.
    different = {(each.patients, each.accession): each for each in sent}
    clues = {key: _clues(caller, each, keyring) for key, each in different.items()}
    by_token, by_number = await _find(session, caller, clues.values())
    matches = {key: _match(each, by_token, by_number) for key, each in clues.items()}
    return [matches[(each.patients, each.accession)] for each in sent]


def patient_identifiers(caller: CallingSender, sent: SentResult) -> list[Identifier]:
    """Return the hospital's identifiers of the patient, as far as the profile goes by them."""
    return [
        Identifier(
            kind=IdentifierKind.PATIENT,
            value=each.value.strip(),
            authority=each.authority.strip(),
            type=each.kind.strip(),
        )
        for each in sent.patients
        if not _is_number(caller, each) and _accepted(caller, each)
    ]


def _clues(caller: CallingSender, sent: SentResult, keyring: Keyring) -> _Clues:
    tokens = dict.fromkeys(
        identifier_token(keyring, caller.site_id, reading)
        for identifier in patient_identifiers(caller, sent)
        for reading in identifier.readings
    )
    specimen = Identifier(kind=IdentifierKind.SPECIMEN, value=sent.accession)
    specimens = (identifier_token(keyring, caller.site_id, specimen),) if sent.accession else ()
    numbers = dict.fromkeys(
        each.value.strip() for each in sent.patients if _is_number(caller, each)
    )
    return _Clues(tuple(tokens), specimens, tuple(numbers))


def _is_number(caller: CallingSender, identifier: SentIdentifier) -> bool:
    """Tell whether an identifier is the subject's number in this study."""
    return identifier.authority == caller.actor.study_key


def _accepted(caller: CallingSender, identifier: SentIdentifier) -> bool:
    """Tell whether the profile lets this kind of identifier say who somebody is."""
    kinds = caller.profile.patient_identifier_kinds
    return bool(identifier.value.strip()) and (not kinds or identifier.kind.strip() in kinds)


async def _find(
    session: AsyncSession, caller: CallingSender, clues: Collection[_Clues]
) -> tuple[dict[str, UUID], dict[str, UUID]]:
    """Find the subjects that the clues may mean, by keyed hash and by number."""
    numbers = {number for each in clues for number in each.numbers}
    given = {
        "study_id": caller.actor.study_id,
        "site_id": caller.site_id,
        "tokens": list({token for each in clues for token in each.tokens}),
        "numbers": list(numbers),
        "ids": _ids(numbers),
    }
    found = (await session.execute(_FIND, given)).all() if clues else []
    by_token = {row.name: row.subject_id for row in found if row.by_token}
    by_number = {row.name: row.subject_id for row in found if not row.by_token}
    return by_token, by_number


def _ids(texts: Collection[str]) -> list[UUID]:
    """Read those of the texts that are ids, written as we write them."""
    found = []
    for each in texts:
        with suppress(ValueError):
            if str(UUID(each)) == each:
                found.append(UUID(each))
    return found


def _match(clues: _Clues, by_token: Mapping[str, UUID], by_number: Mapping[str, UUID]) -> Match:
    persons = {by_token[token] for token in clues.patient if token in by_token}
    persons |= {by_number[number] for number in clues.numbers if number in by_number}
    found = persons | {by_token[token] for token in clues.specimen if token in by_token}
    # A number of specimens is used again, for patients outside of the trial too: where a patient
    # is named, it is not enough.
    is_named = bool(clues.patient or clues.numbers)
    if len(found) == 1 and (persons or not is_named):
        return Match(found.pop(), clues.tokens)
    if found and not persons:
        return Match(None, clues.tokens, (because(InboxReason.AMBIGUOUS_PATIENT, _ONLY_SPECIMEN),))
    if found:
        reason = InboxReason.AMBIGUOUS_PATIENT
    elif is_named or clues.specimen:
        reason = InboxReason.UNKNOWN_PATIENT
    else:
        reason = InboxReason.PATIENT_MISSING
    return Match(None, clues.tokens, (because(reason),))
