"""How the database is guarded, object by object, held against what this release's migrations make.

A guard is a trigger, a policy, a constraint, an owner, a function's body or a right of a role. For
each table, function, schema and role there is one digest of all of its guards; `guards.json` holds
the digests of this release (`make guards` writes it).
"""

from __future__ import annotations

import json
from collections import defaultdict
from functools import cache
from hashlib import sha256
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

EXPECTED = Path(__file__).with_name("guards.json")
_ROLES = ("msc_icaht_api", "msc_icaht_sealer", "msc_icaht_audit", "msc_icaht_vault")
_DIGITS = 16

# Each row names an object and one guard of it. Who owns the schema is called differently in every
# deployment, and what an owner may do to its own needs no grant.
_GUARDS = """
WITH named AS (
    SELECT oid, CASE WHEN rolname = ANY (:roles) THEN rolname ELSE 'the owner' END AS name
    FROM pg_roles UNION ALL SELECT 0, 'everybody'
), spaces AS (
    SELECT oid, nspname FROM pg_namespace WHERE nspname IN ('public', 'vault')
), tables AS (
    SELECT c.oid, format('table %I.%I', nspname, relname) AS object, c.relowner, c.relacl,
           c.relrowsecurity, c.relforcerowsecurity
    FROM pg_class c JOIN spaces s ON s.oid = relnamespace WHERE relkind IN ('r', 'p', 'v', 'm')
), functions AS (
    SELECT p.oid, format('function %I.%I(%s)', nspname, proname,
                         pg_get_function_identity_arguments(p.oid)) AS object, p.*
    FROM pg_proc p JOIN spaces s ON s.oid = pronamespace
    WHERE NOT EXISTS (SELECT FROM pg_depend WHERE objid = p.oid AND deptype = 'e')
), rights AS (
    SELECT object, '' AS part, relowner AS owner,
           aclexplode(coalesce(relacl, acldefault('r', relowner))) AS acl FROM tables
    UNION ALL
    SELECT object, attname, relowner, aclexplode(attacl)
    FROM tables JOIN pg_attribute ON attrelid = tables.oid WHERE attacl IS NOT NULL
    UNION ALL
    SELECT object, '', proowner, aclexplode(coalesce(proacl, acldefault('f', proowner)))
    FROM functions
    UNION ALL
    SELECT 'schema ' || nspname, '', nspowner,
           aclexplode(coalesce(nspacl, acldefault('n', nspowner)))
    FROM pg_namespace WHERE nspname IN ('public', 'vault')
)
SELECT object, format('owner %s walled %s forced %s', name, relrowsecurity, relforcerowsecurity)
FROM tables JOIN named ON named.oid = relowner
UNION ALL
SELECT object, format('policy %s %s %s %s %s %s', polname, polpermissive, polcmd,
    (SELECT string_agg(name, ' ' ORDER BY name) FROM named WHERE named.oid = ANY (polroles)),
    pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
FROM tables JOIN pg_policy ON polrelid = tables.oid
UNION ALL
SELECT object, format('trigger %s %s', tgenabled, pg_get_triggerdef(t.oid))
FROM tables JOIN pg_trigger t ON tgrelid = tables.oid WHERE NOT tgisinternal
UNION ALL
SELECT object, format('constraint %s %s %s', conname, convalidated, pg_get_constraintdef(c.oid))
FROM tables JOIN pg_constraint c ON conrelid = tables.oid WHERE contype IN ('p', 'u', 'f', 'c')
UNION ALL
SELECT object, format('unique %s', pg_get_indexdef(indexrelid))
FROM tables JOIN pg_index ON indrelid = tables.oid WHERE indisunique
UNION ALL
SELECT object, format('rule %s', rulename) FROM tables JOIN pg_rewrite ON ev_class = tables.oid
UNION ALL
SELECT object, format('owner %s definer %s volatility %s settings %s body %s', name, prosecdef,
    provolatile, proconfig, prosrc)
FROM functions JOIN named ON named.oid = proowner
UNION ALL
SELECT object, format('%s of %s may %s, and pass it on: %s', part, name,
    (acl).privilege_type, (acl).is_grantable)
FROM rights JOIN named ON named.oid = (acl).grantee
WHERE (acl).grantee <> owner AND name <> 'the owner'
UNION ALL
SELECT 'role ' || rolname, format('%s %s %s %s %s %s', rolsuper, rolcreaterole, rolcreatedb,
    rolbypassrls, rolreplication, rolcanlogin)
FROM pg_roles WHERE rolname = ANY (:roles)
UNION ALL
SELECT 'role ' || r.rolname, 'member of ' || g.rolname
FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member JOIN pg_roles g ON g.oid = m.roleid
WHERE r.rolname = ANY (:roles)
"""


async def digests(connection: AsyncConnection | AsyncSession) -> dict[str, str]:
    """Return a digest of the guards of each object, by what the object is called."""
    guards = defaultdict(list)
    for thing, guard in await connection.execute(text(_GUARDS), {"roles": list(_ROLES)}):
        guards[thing].append(" ".join(guard.split()))
    return {
        thing: sha256("\n".join(sorted(found)).encode()).hexdigest()[:_DIGITS]
        for thing, found in sorted(guards.items())
    }


async def differences(connection: AsyncConnection | AsyncSession) -> list[str]:
    """Name the objects that are not guarded as in this release, or are none of its own."""
    found, wanted = await digests(connection), expected()
    return sorted(thing for thing in {*found, *wanted} if found.get(thing) != wanted.get(thing))


@cache
def expected() -> dict[str, str]:
    """Return the digests of this release."""
    read: dict[str, str] = json.loads(EXPECTED.read_text("utf-8"))
    return read
