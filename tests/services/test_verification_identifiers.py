"""Whose hospital number is whose: what is swapped past the trail is found."""

import pytest
from sqlalchemy import text

from app.domain.vocabulary import Role
from app.services.verification_identifiers import check_identifiers
from app.services.verification_report import Check
from tests.factories.rows import owners_session
from tests.factories.subjects import created, register

SWAP = """
UPDATE vault.{table} one SET {column} = other.{column} FROM vault.{table} other
WHERE one.id <> other.id{also}
"""
EDITS = {
    "identifier": SWAP.format(table="subject_identifier", column="subject_id", also=""),
    "hash": "UPDATE vault.subject_identifier SET token = token || 'x'",
    "secret": SWAP.format(
        table="secret",
        column="subject_id",
        also=" AND one.kind = other.kind AND one.kind = 'identifier'",
    ),
    "person": "UPDATE vault.person SET identity_id = initials_id",
    "gone": "DELETE FROM vault.person",
}


@pytest.fixture
async def known(api):
    """Two subjects with a hospital number each, one with a name."""
    coordinator = api(Role.STUDY_COORDINATOR)
    for number in ("MRN-1", "MRN-2"):
        subject = await register(api)
        body = {"kind": "patient", "value": number}
        created(await coordinator.post(f"/subjects/{subject}/identifiers", json=body))
    body = {"family_name": "Heron", "given_name": "A", "birth_date": "1980-03-04"}
    answer = await coordinator.put(f"/subjects/{subject}/identity", json=body | {"initials": "HA"})
    assert answer.status_code in (200, 201), answer.text
    return api


async def findings(session, role):
    """List what the check finds in a role."""
    check = Check("identifiers", "Is everybody's identity the one that the trail names?")
    await session.execute(text(f"SET LOCAL ROLE {role}"))
    if role == "msc_icaht_api":
        await session.execute(text("SELECT enter_by_study('NCT07212335')"))
    await check_identifiers(session, check)
    assert check.looked_at >= 2
    return check.findings


@pytest.mark.parametrize("role", ["msc_icaht_api", "msc_icaht_sealer", "postgres"])
async def test_what_the_vault_holds_is_what_the_trail_says(known, role):
    """The control: whoever verifies finds nothing wrong, and reads no ciphertext for it."""
    async with owners_session(known) as session:
        assert await findings(session, role) == []


@pytest.mark.parametrize("edit", EDITS)
async def test_a_swapped_identity_is_found(known, edit):
    """By the owner of the database, with the triggers off."""
    async with owners_session(known) as session:
        await session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        for table in ("subject_identifier", "secret", "person"):
            await session.execute(text(f"ALTER TABLE vault.{table} DISABLE TRIGGER ALL"))
        await session.execute(text(EDITS[edit]))
        for role in ("msc_icaht_sealer", "msc_icaht_api"):
            assert await findings(session, role), role
        await session.rollback()
