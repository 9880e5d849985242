"""What guards the database is known object by object, and any change to it is noticed."""

import pytest
from sqlalchemy import text

from app.services.guard_catalogue import differences, digests, expected

SUBJECT, SECRET = "table public.subject", "table vault.secret"
# What somebody with the owner's rights could do to get past a wall, and where it shows.
CHANGES = {
    "ALTER POLICY own_site ON subject USING (true)": SUBJECT,
    "ALTER POLICY own_study ON subject USING (true)": SUBJECT,
    "CREATE POLICY another ON subject USING (true)": SUBJECT,
    "ALTER TABLE subject DISABLE ROW LEVEL SECURITY": SUBJECT,
    "ALTER TABLE subject DISABLE TRIGGER subject_refuse": SUBJECT,
    "DROP TRIGGER lab_result_refuse ON lab_result": "table public.lab_result",
    "ALTER TABLE lab_result DROP CONSTRAINT uq_lab_result_natural_key": "table public.lab_result",
    "CREATE RULE nothing AS ON INSERT TO change DO INSTEAD NOTHING": "table public.change",
    "GRANT DELETE ON subject TO msc_icaht_api": SUBJECT,
    "GRANT UPDATE (reason) ON operation TO msc_icaht_api": "table public.operation",
    "GRANT SELECT ON vault.secret TO msc_icaht_api": SECRET,
    "GRANT SELECT ON vault.secret TO PUBLIC": SECRET,
    "ALTER TABLE vault.secret NO FORCE ROW LEVEL SECURITY": SECRET,
    "ALTER TABLE change OWNER TO CURRENT_USER": "table public.change",
    "GRANT CREATE ON SCHEMA public TO msc_icaht_api": "schema public",
    "GRANT msc_icaht_sealer TO msc_icaht_api": "role msc_icaht_api",
    "ALTER ROLE msc_icaht_api CREATEROLE": "role msc_icaht_api",
    "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN RETURN NULL; END $$": "function public.refuse()",
    "ALTER FUNCTION write_updates() SECURITY INVOKER": "function public.write_updates()",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'": "function public.mine()",
    "CREATE TABLE mine (id int)": "table public.mine",
}


async def test_the_migrations_make_what_the_release_expects(session):
    """A migration that changes a guard comes with guards.json written anew: make guards."""
    assert await digests(session) == expected()


@pytest.mark.parametrize("change", CHANGES)
async def test_a_changed_guard_is_named(session, change):
    """Whatever is weakened or slipped in, the object that it concerns is named."""
    async with session.begin_nested() as savepoint:
        await session.execute(text(change))
        assert CHANGES[change] in await differences(session)
        await savepoint.rollback()
    assert await differences(session) == []
