"""Which laboratory system is calling: found by its token, its key, its certificate or its code.

Machine clients have no study in the address: study, site and reading follow from who they are.
Everything is read in the message's own transaction, so that a closed door is closed at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Select, bindparam, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Bundle

from app.core.rate import Rates
from app.core.security import Identity
from app.domain.errors import forbidden, not_found, too_many
from app.domain.sender_profile import SenderProfile
from app.domain.vocabulary import Role
from app.models import MachineClient, Principal, RoleGrant, Sender, SenderProfileVersion, Study
from app.services.access import Actor, in_force
from app.services.history import lock
from app.services.sender_keys import invalid_credentials, opened_by, prefix_of
from app.services.sender_profiles import last_number, stored_profile
from app.services.walls import (
    enter_by_certificate,
    enter_by_client,
    enter_by_identity,
    enter_by_key,
    enter_by_study,
)

# The active senders whose grant is in force. Put together once, as every message asks; it gives
# columns and no entities, so that nothing that was read before can stand in for what is true now.
_GRANTED = exists().where(
    RoleGrant.study_id == Principal.study_id,
    RoleGrant.principal_id == Principal.id,
    RoleGrant.role == Role.LABORATORY_SYSTEM,
    or_(RoleGrant.site_id.is_(None), RoleGrant.site_id == Sender.site_id),
    in_force(bindparam("now", type_=DateTime(timezone=True))),
)
_ACTIVE: Select[*tuple[Any, ...]] = (
    select(
        Bundle("study", Study.study_id, Study.key, Study.time_zone),
        Bundle("principal", Principal.id, Principal.display_name, Principal.organisation),
        Bundle(
            "sender", Sender.id, Sender.code, Sender.site_id, Sender.sending_application,
            Sender.sending_facility, Sender.analytes, Sender.networks, Sender.rate_per_minute,
        ),
        SenderProfileVersion.number,
        SenderProfileVersion.digest,
    )
    .join(Sender, Sender.study_id == Study.study_id)
    .join(
        Principal,
        (Principal.study_id == Sender.study_id) & (Principal.id == Sender.principal_id),
    )
    .join(
        SenderProfileVersion,
        (SenderProfileVersion.study_id == Sender.study_id)
        & (SenderProfileVersion.sender_id == Sender.id)
        & (SenderProfileVersion.number == last_number(Sender)),
    )
    .where(Sender.active, _GRANTED)
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CallingSender:
    """A laboratory system at the door: who acts, what it may send, and how to read it.

    `networks` are CIDR blocks; empty ones and `analytes` None restrict nothing.
    """

    actor: Actor
    sender_id: UUID
    code: str
    site_id: UUID
    sending_application: str | None
    sending_facility: str | None
    analytes: frozenset[str] | None
    networks: tuple[str, ...]
    rate_per_minute: int
    profile: SenderProfile
    profile_number: int


async def sender_of_identity(
    session: AsyncSession,
    identity: tuple[str, str],
    code: str | None,
    request_id: str,
    now: datetime,
) -> CallingSender:
    """Find the sender bound to a token's issuer and subject; `code` picks one of several.

    Raises forbidden for people, and for a client of several studies that names no sender.
    """
    await enter_by_identity(session, identity, None)
    query = _ACTIVE.where(Principal.issuer == identity[0], Principal.subject == identity[1])
    if code is not None:
        query = query.where(Sender.code == code)
    found = await _find(session, query, request_id, now)
    if not found:
        raise forbidden(
            "not_a_sender",
            "Only a laboratory system sends here, and this identity belongs to none that is active;"
            " let a data manager register it as a sender.",
        )
    return _only(found)


async def sender_of_client(
    session: AsyncSession, identity: Identity, request_id: str, now: datetime
) -> CallingSender:
    """Find the sender of a machine client by a token that the service itself gave it.

    Raises invalid_credentials for a client that was revoked, or has lost a scope of the token.
    """
    client_id = UUID(identity.subject)
    await enter_by_client(session, client_id)
    let_in = exists().where(
        MachineClient.id == client_id,
        MachineClient.study_id == Sender.study_id,
        MachineClient.sender_id == Sender.id,
        MachineClient.revoked.is_(False),
        MachineClient.scopes.bool_op("@>")(sorted(identity.scopes or ())),
    )
    found = await _find(session, _ACTIVE.where(let_in), request_id, now)
    if not found:
        raise invalid_credentials()
    return _only(found)


async def sender_of_key(
    session: AsyncSession, secret: str, request_id: str, now: datetime
) -> CallingSender:
    """Find the sender that an API key opens the door for; raise invalid_credentials."""
    await enter_by_key(session, prefix_of(secret))
    found = await _find(session, _ACTIVE.where(opened_by(secret)), request_id, now)
    if not found:
        raise invalid_credentials()
    return _only(found)


async def sender_of_certificate(
    session: AsyncSession, digest_hex: str, request_id: str, now: datetime
) -> CallingSender:
    """Find the sender of a client certificate by its SHA-256; raise invalid_credentials."""
    await enter_by_certificate(session, digest_hex.lower())
    known = Sender.certificates.any_() == digest_hex.lower()
    found = await _find(session, _ACTIVE.where(known), request_id, now)
    if not found:
        raise invalid_credentials()
    return _only(found)


async def sender_of_code(
    session: AsyncSession, study_key: str, code: str, request_id: str, now: datetime
) -> CallingSender:
    """Find a sender by its code, for doors that only this machine reaches; raise not_found."""
    await enter_by_study(session, study_key)
    query = _ACTIVE.where(Study.key == study_key, Sender.code == code)
    found = await _find(session, query, request_id, now)
    if not found:
        raise not_found("sender")
    return _only(found)


async def sender_again(session: AsyncSession, actor: Actor, sender_id: UUID) -> CallingSender:
    """Return a sender, open or closed, as its messages are read again by a person.

    The lock keeps its profile as it is, and lets one person after the other release what waits.
    """
    sender = await lock(session, Sender, actor.study_id, sender_id, None)
    profile, number = await present_profile(session, actor, sender_id)
    return _caller(actor, sender, profile, number)


async def present_profile(
    session: AsyncSession, actor: Actor, sender_id: UUID
) -> tuple[SenderProfile, int]:
    """Return how a sender is read now, and the number of that version."""
    last = (
        select(SenderProfileVersion.number, SenderProfileVersion.digest)
        .where(
            SenderProfileVersion.study_id == actor.study_id,
            SenderProfileVersion.sender_id == sender_id,
        )
        .order_by(SenderProfileVersion.number.desc())
        .limit(1)
    )
    number, content = (await session.execute(last)).one()
    profile = await stored_profile(session, actor.study_id, sender_id, number, content)
    return profile, number


def check_network(caller: CallingSender, address: str | None) -> None:
    """Refuse a caller from outside its networks; raise forbidden `network_not_allowed`."""
    if not caller.networks:
        return
    client = _address(address)
    if client is None or not any(client in ip_network(block) for block in caller.networks):
        raise forbidden(
            "network_not_allowed",
            "This sender may not send from this network; let a data manager add the network.",
        )


def check_rate(caller: CallingSender, rates: Rates) -> None:
    """Count one message, however many results it holds; raise `too_many_messages`."""
    wait = rates.take(caller.sender_id, caller.rate_per_minute)
    if wait:
        raise too_many(
            "too_many_messages",
            f"This sender may send {caller.rate_per_minute} messages a minute; wait as long as"
            " Retry-After says and send the message again.",
            wait,
        )


def _address(text: str | None) -> IPv4Address | IPv6Address | None:
    """Read a client's address; an IPv4 one behind an IPv6 socket is meant as IPv4."""
    try:
        address = ip_address(text or "")
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _only(found: list[CallingSender]) -> CallingSender:
    """Take the one sender; two studies may know the same client."""
    if len(found) > 1:
        raise forbidden(
            "several_senders",
            "These credentials belong to several senders; name one by its code as `sender`, or use"
            " its API key.",
        )
    return found[0]


async def _find(
    session: AsyncSession, query: Select[*tuple[Any, ...]], request_id: str, now: datetime
) -> list[CallingSender]:
    """List the senders that a narrowed `_ACTIVE` finds."""
    found = []
    for study, principal, sender, number, content in await session.execute(query, {"now": now}):
        profile = await stored_profile(session, study.study_id, sender.id, number, content)
        actor = _actor(study, principal, request_id)
        found.append(_caller(actor, sender, profile, number))
    return found


def _actor(study: Any, principal: Any, request_id: str) -> Actor:
    return Actor(
        study_id=study.study_id,
        study_key=study.key,
        time_zone=study.time_zone,
        principal_id=principal.id,
        display_name=principal.display_name,
        organisation=principal.organisation,
        role=Role.LABORATORY_SYSTEM,
        request_id=request_id,
    )


def _caller(actor: Actor, sender: Any, profile: SenderProfile, number: int) -> CallingSender:
    return CallingSender(
        actor=actor,
        sender_id=sender.id,
        code=sender.code,
        site_id=sender.site_id,
        sending_application=sender.sending_application,
        sending_facility=sender.sending_facility,
        analytes=frozenset(sender.analytes) if sender.analytes else None,
        networks=tuple(sender.networks or ()),
        rate_per_minute=sender.rate_per_minute,
        profile=profile,
        profile_number=number,
    )
