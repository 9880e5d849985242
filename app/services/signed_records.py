"""Signed records: signing what was shown, and whether a signature still fits its record.

A signature is valid when its document is the one its digest is of, and speaks of its record. A
valid signature is void once the record says something else than what was signed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, false, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.canonical import canonical, canonical_digest
from app.core.serialization import from_json
from app.domain.errors import DomainError, ErrorKind, conflict, forbidden, invalid, not_found
from app.domain.signing import Meaning, VersionChange, says_the_same, void_from
from app.models import Change, Signature, Subject
from app.services.access import Actor
from app.services.history import When, as_of, fetch
from app.services.paging import Page, PageRequest, page
from app.services.record_sites import site_of
from app.services.redactions import lost_text
from app.services.role_matrix import Right, roles_with
from app.services.signable import DOCUMENTS, Shown, Signable
from app.services.signatures import Signed, Signing, SigningProof, document_text, sign


@dataclass(frozen=True, slots=True)
class SignatureWish:
    """A signature that is wanted; `digest` is what the signer was shown, None within an act."""

    record_type: str
    record_id: UUID
    meaning: Meaning
    reason: str | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownDocument:
    """A record as it is shown for signing, and the digest that names exactly this."""

    record_type: str
    record_id: UUID
    record_version: int | None
    digest: str
    document: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureFilter:
    """Which signatures are wanted; None does not filter."""

    record_type: str | None = None
    record_id: UUID | None = None
    signer_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedSignature:
    """A signature's row with the document that was signed, and what became of it."""

    row: Signature
    document: Any
    valid: bool
    invalid_reason: str | None
    redacted: bool
    void: bool
    void_from_version: int | None

    def __getattr__(self, name: str) -> Any:
        """Show the row's own columns as the signature's."""
        return getattr(self.row, name)


async def show_document(
    session: AsyncSession, actor: Actor, record_type: str, record_id: UUID, now: datetime
) -> ShownDocument:
    """Draw a record as it would be signed now; raise not_found for what the role may not read."""
    kind = await _readable(session, actor, record_type, record_id)
    content, version = await _drawn(session, actor, kind, record_id, now)
    text = document_text(actor, record_type, record_id, content)
    return ShownDocument(
        record_type=record_type,
        record_id=record_id,
        record_version=version,
        digest=canonical_digest(text),
        document=from_json(text),
    )


async def sign_shown(
    session: AsyncSession, actor: Actor, proof: SigningProof, wish: SignatureWish
) -> Signature:
    """Sign what was shown.

    Raises invalid for a type that nobody signs, forbidden for a role that does not sign it, and
    conflict when the record is not ready or not what the digest names any more.
    """
    kind = _known(wish.record_type, "/body/record_type")
    if actor.acting(kind.area, Right.SIGN) is not None:
        await _readable(session, actor, wish.record_type, wish.record_id)
    if not await may_sign(session, actor, wish.record_type, wish.record_id):
        raise forbidden(
            "role_does_not_sign", "Your role does not sign records of this type; read them only."
        )
    if kind.require_ready is not None:
        await kind.require_ready(session, actor, wish.record_id)
    signed = await sign_record(session, actor, proof, wish)
    if signed.digest != wish.digest:
        raise conflict(
            "document_moved",
            "The record is not what you were shown any more; read the document again and sign it.",
        )
    return signed


async def may_sign(session: AsyncSession, actor: Actor, record_type: str, record_id: UUID) -> bool:
    """Tell whether somebody has a role that signs such a record at the record's site."""
    site_id = await site_of(session, actor.study_id, record_id)
    return actor.may(DOCUMENTS[record_type].area, Right.SIGN, site_id)


async def sign_record(
    session: AsyncSession, actor: Actor, proof: SigningProof, wish: SignatureWish
) -> Signature:
    """Sign a record as it is now, for an act whose right was checked already.

    At the site of the record, in the role that signs it there.
    """
    kind = DOCUMENTS[wish.record_type]
    site_id = await site_of(session, actor.study_id, wish.record_id)
    if site_id is not None:
        actor = actor.acting(kind.area, Right.SIGN, site_id) or actor
    content, version = await _drawn(session, actor, kind, wish.record_id, proof.at)
    signing = Signing(
        record_type=wish.record_type,
        record_id=wish.record_id,
        version=version,
        subject_id=_subject_of(kind, content),
        content=content,
        meaning=wish.meaning,
        reason=wish.reason,
    )
    return await sign(session, actor, proof, signing)


async def sign_made(
    session: AsyncSession, actor: Actor, proof: SigningProof, made: Any, wish: SignatureWish
) -> Signed:
    """Sign what an act has just recorded, and return the record beside its signature."""
    return Signed(made, await sign_record(session, actor, proof, wish))


async def list_signatures(
    session: AsyncSession, actor: Actor, wanted: PageRequest, only: SignatureFilter
) -> Page:
    """List a page of the signatures on records that the role may read, the first signed first."""
    if only.record_type is not None:
        _known(only.record_type, "/query/record_type")
    entity = as_of(Signature, actor.study_id, wanted.moment)
    readable = [_shown(actor, entity, name, kind) for name, kind in DOCUMENTS.items()]
    query = select(entity).where(entity.study_id == actor.study_id, or_(*readable))
    for name in ("record_type", "record_id", "signer_id"):
        value = getattr(only, name)
        if value is not None:
            query = query.where(getattr(entity, name) == value)
    return await page(session, query, entity.id, wanted)


async def read_signature(
    session: AsyncSession, actor: Actor, signature_id: UUID, past: datetime | None
) -> CheckedSignature:
    """Read a signature and hold it against its record; raise not_found as for its record."""
    row = await fetch(session, Signature, actor.study_id, signature_id, past)
    kind = await _readable(session, actor, row.record_type, row.record_id)
    fault = _fault(actor, row)
    document = from_json(row.document)
    void_version = await _void_from(session, row, kind, past)
    return CheckedSignature(
        row=row,
        document=document,
        valid=fault is None,
        invalid_reason=fault,
        redacted=await lost_text(session, row),
        void=void_version is not None or not await _stands(session, actor, row, kind, past),
        void_from_version=void_version,
    )


def _subject_of(kind: Signable, content: Mapping[str, Any]) -> UUID | None:
    """Tell whose record a document shows; None for what concerns nobody alone."""
    holder = kind.source.holder if kind.source else None
    record = content[holder] if holder else content
    subject_id: UUID | None = record.get("subject_id")
    return subject_id


def _known(record_type: str, pointer: str) -> Signable:
    kind = DOCUMENTS.get(record_type)
    if kind is None:
        names = ", ".join(sorted(DOCUMENTS))
        raise invalid("not_signable", f"The records that are signed are {names}.", pointer)
    return kind


def _shown(actor: Actor, entity: Any, record_type: str, kind: Signable) -> ColumnElement[bool]:
    """Say which signatures on a type of record are shown: those of sites where a role reads it."""
    sites = actor.sites_as(roles_with(kind.area, Right.READ))
    condition: ColumnElement[bool] = entity.record_type == record_type
    if sites is None:
        return condition
    own = select(Subject.id).where(Subject.study_id == actor.study_id, Subject.site_id.in_(sites))
    of_nobody = entity.subject_id.is_(None) if sites else false()
    return and_(condition, or_(of_nobody, entity.subject_id.in_(own)))


async def _drawn(
    session: AsyncSession, actor: Actor, kind: Signable, record_id: UUID, at: datetime
) -> Shown:
    """Draw a document; the not_found of what is not there is that of what cannot be read."""
    try:
        return await kind.provider(session, actor, record_id, When(at))
    except DomainError as error:
        if error.kind is ErrorKind.NOT_FOUND:
            raise not_found("record") from error
        raise


async def _readable(
    session: AsyncSession, actor: Actor, record_type: str, record_id: UUID
) -> Signable:
    """Return a type of record, the same not_found for one unknown and one the role cannot read."""
    kind = DOCUMENTS.get(record_type)
    site_id = await site_of(session, actor.study_id, record_id)
    if kind is None or not actor.may(kind.area, Right.READ, site_id):
        raise not_found("record")
    return kind


def _fault(actor: Actor, row: Signature) -> str | None:
    """Say why a signature does not belong to its record, None when it does."""
    if canonical_digest(row.document) != row.digest:
        return "The digest is not that of the document: the signature was altered."
    document = from_json(row.document)
    named = [document.get(name) for name in ("study", "record_type", "record_id")]
    if named != [actor.study_key, row.record_type, str(row.record_id)]:
        return "The document is that of another record: the signature was put on this one."
    return None


async def _stands(
    session: AsyncSession, actor: Actor, row: Signature, kind: Signable, past: datetime | None
) -> bool:
    """Tell whether all that was signed is what the records say (or said), for the same moment."""
    try:
        content, _ = await kind.provider(session, actor, row.record_id, When(row.as_of, past))
    except DomainError:
        return False
    present = from_json(canonical(content))
    return says_the_same(from_json(row.document).get("content"), present)


async def _void_from(
    session: AsyncSession, row: Signature, kind: Signable, past: datetime | None
) -> int | None:
    """Find the version of the record from which on it is not what was signed."""
    if kind.source is None:
        return None
    record_id = row.record_id
    if kind.source.holder is not None:
        record_id = UUID(from_json(row.document)["content"][kind.source.holder]["id"])
    query = select(Change.old, Change.new).where(
        Change.study_id == row.study_id,
        Change.table_name == kind.source.table.__tablename__,
        Change.record_id == record_id,
        Change.action == "update",
    )
    if past is not None:
        query = query.where(Change.recorded_at <= past)
    changes = _changes(await session.execute(query.order_by(Change.id)))
    return void_from(row.record_version, changes, kind.source.watched)


def _changes(images: Iterable[Any]) -> list[VersionChange]:
    """Read from each change which version it made and which fields differ."""
    return [
        VersionChange(new["version"], frozenset(name for name in new if old.get(name) != new[name]))
        for old, new in images
    ]
