"""API keys over HTTP: shown once, never kept, two at a time, and useless when revoked."""

import hashlib
import re

import pytest

from app.domain.vocabulary import Role
from tests.factories.senders import SENDERS, change, create_key, create_sender, tables_holding
from tests.factories.subjects import created

KEY = re.compile(r"msck_([0-9a-f]{8})_[A-Za-z0-9_-]{43}")


async def test_a_key_is_shown_once_and_kept_as_a_digest(api, session, capsys):
    """Neither a list nor a table nor a log has it afterwards."""
    sender = await create_sender(api)
    made = await create_key(api, sender["id"])
    prefix = KEY.fullmatch(made["key"])[1]
    assert (made["prefix"], made["revoked"], made["sender_id"]) == (prefix, False, sender["id"])
    listed = await api(Role.DATA_MANAGER).get(f"{SENDERS}/{sender['id']}/keys")
    (shown,) = listed.json()["items"]
    assert shown == {name: made[name] for name in made if name != "key"}
    assert await tables_holding(session, made["key"]) == []
    assert await tables_holding(session, made["key"].removeprefix(f"msck_{prefix}_")) == []
    digest = hashlib.sha256(made["key"].encode()).hexdigest()
    assert await tables_holding(session, digest) == ["change", "sender_key"]
    assert made["key"] not in capsys.readouterr().out


async def test_a_repeated_request_makes_no_second_key_and_shows_none(api, session):
    """With an Idempotency-Key the answer is kept without the key."""
    sender = await create_sender(api)
    client, path = api(Role.DATA_MANAGER), f"{SENDERS}/{sender['id']}/keys"
    headers = {"Idempotency-Key": "k"}
    made = created(await client.post(path, headers=headers))
    again = created(await client.post(path, headers=headers))
    assert again == made | {"key": None}
    assert len((await client.get(path)).json()["items"]) == 1
    assert await tables_holding(session, made["key"]) == []


async def test_two_keys_are_active_at_most(api):
    """A third is refused until one of the two is revoked; revoking needs the version read."""
    sender = await create_sender(api)
    client, path = api(Role.DATA_MANAGER), f"{SENDERS}/{sender['id']}/keys"
    first = await create_key(api, sender["id"])
    await create_key(api, sender["id"])
    refused = await client.post(path)
    assert (refused.status_code, refused.json()["code"]) == (409, "two_keys")
    assert (await change(client, f"{path}/{first['id']}", 2, revoked=True)).status_code == 412
    revoked = await change(client, f"{path}/{first['id']}", 1, revoked=True)
    assert (revoked.status_code, revoked.json()["revoked"]) == (200, True)
    assert revoked.headers["etag"] == '"v2"'
    await create_key(api, sender["id"])
    assert [item["revoked"] for item in (await client.get(path)).json()["items"]] == [
        True, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize("revoked", [False, None, "true"])
async def test_a_revocation_is_not_taken_back(api, revoked):
    """The only change of a key is its end."""
    sender = await create_sender(api)
    key = await create_key(api, sender["id"])
    one = f"{SENDERS}/{sender['id']}/keys/{key['id']}"
    answer = await change(api(Role.DATA_MANAGER), one, 1, revoked=revoked)
    assert answer.status_code == 422


async def test_a_key_is_found_below_its_sender_only(api):
    """The key of another sender, and an unknown sender, are not found alike."""
    ours = await create_sender(api)
    other = await create_sender(api, code="LIS-02", subject="other")
    key, client = await create_key(api, ours["id"]), api(Role.DATA_MANAGER)
    foreign = f"{SENDERS}/{other['id']}/keys/{key['id']}"
    assert (await change(client, foreign, 1, revoked=True)).status_code == 404
    nobody = f"{SENDERS}/{key['id']}/keys"
    assert (await client.get(nobody)).status_code == 404
    assert (await client.post(nobody)).status_code == 404
