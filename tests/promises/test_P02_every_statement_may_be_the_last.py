"""P02: wherever a session is cut, the request repeated ends in the state of an undisturbed one.

Every writing operation is cut at its statements, BEGIN and COMMIT among them, before the statement
is sent or after it is done and before anybody hears. The requests are those of P09's course, so an
operation that is added there is cut here. Each cut happens in a copy of the database of its own.
`make chaos` cuts at all statements, otherwise some are drawn; the seed is printed.
"""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from random import Random

import httpx
import pytest
from sqlalchemy import text

from app.core.database import Database
from app.domain.vocabulary import Role
from app.routers import dependencies
from app.services.audit import begin_operation
from tests.conftest import administrator, build_app, clients, on
from tests.promises.courses import again, watched, writing_commands
from tests.promises.cut_line import Cut, Line
from tests.promises.table_contents import Mask, contents
from tests.promises.test_P09_every_write_is_audited import course
from tests.routers.test_subjects import SUBJECT

# How many cuts of each operation, besides the one after its last statement; `make chaos`: all.
_CUTS = os.environ.get("MSC_PROMISE_CUTS", "1")
CUTS = sys.maxsize if _CUTS == "all" else int(_CUTS)
IS_LONG = _CUTS == "all"
PARAMETERS = {"cuts_of_each_operation": _CUTS}
LIVE, COPY = "msc_clone", "msc_cut"


class Knife:
    """Sends requests over a line that is cut, each to a copy of the database as it is."""

    def __init__(self, app, line: Line, server_url: str, chance: Random) -> None:
        self.app, self.line, self._server_url, self._chance = app, line, server_url, chance
        self.seen: set[str] = set()
        self.cuts = 0

    async def look(self, command: str, request: httpx.Request) -> None:
        """Cut an operation's first request that is good, then let it happen for good."""
        if command not in self.seen:
            await request.aread()
            if request.method in ("POST", "PUT"):
                request = again(request, idempotency_key="cut")
            if await self.dissect(command, request):
                self.seen.add(command)

    async def dissect(self, command: str, request: httpx.Request) -> bool:
        """Hold each cut against the undisturbed request; tell whether that was a success."""
        await self.line.close()
        mask = Mask(await contents(on(self._server_url, LIVE)))
        try:
            return await self.compare(command, request, mask)
        finally:
            self.line.lead_to(LIVE)

    async def compare(self, command: str, request: httpx.Request, mask: Mask) -> bool:
        """Send it undisturbed first; if that is good, cut it in every way that is chosen."""
        undisturbed, expected = await self.attempt(request, None)
        if not undisturbed.is_success:
            return False
        for cut in self.chosen(self.line.statements, self.line.commits):
            repeated, found = await self.attempt(request, cut)
            where = f"{command}: {cut}"
            assert repeated.is_success or is_stale(repeated), f"{where}: {repeated.text}"
            extra = mask.added(found) - mask.added(expected)
            missing = mask.added(expected) - mask.added(found)
            assert not extra | missing, f"{where}: too much {extra}, too little {missing}"
        return True

    def chosen(self, statements: int, commits: int) -> list[Cut]:
        """Choose where to cut; always after the last COMMIT, of which nobody hears."""
        cuts = [Cut(number + 1, after) for number in range(statements) for after in (False, True)]
        drawn = self._chance.sample(cuts, min(CUTS, len(cuts)))
        return [*drawn, *unheard(statements, commits)]

    async def attempt(self, request: httpx.Request, cut: Cut | None):
        """Send a request to a copy, cut, and again if it was; return the last answer and all rows.

        Whoever is cut off hears 503 and no success, unless a new session could do it at once.
        """
        async with self.copied() as url:
            self.line.arm(cut)
            answer = await self.send(request)
            if cut is not None:
                assert answer.is_success or answer.status_code == 503, answer.text
                assert self.line.was_cut or not cut.commits
                self.cuts += self.line.was_cut
                self.line.arm(None)
                answer = await self.send(self.repeated(request))
            await self.line.close()
            return answer, await contents(url)

    def repeated(self, request: httpx.Request) -> httpx.Request:
        """Return what a client sends who heard no answer: the same."""
        return again(request)

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send a request to the application."""
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app)) as client:
            return await client.send(again(request))

    @asynccontextmanager
    async def copied(self) -> AsyncIterator[str]:
        """Lead the line to a copy of the database, over sessions that have been used."""
        async with administrator(self._server_url) as connection:
            await connection.execute(text(f"CREATE DATABASE {COPY} TEMPLATE {LIVE}"))
        try:
            self.line.lead_to(COPY)
            await self.warm_up()
            yield on(self._server_url, COPY)
        finally:
            await self.line.close()
            async with administrator(self._server_url) as connection:
                await connection.execute(text(f"DROP DATABASE {COPY} WITH (FORCE)"))

    async def warm_up(self) -> None:
        """Use both ways to the database, so that no statement of a new session is counted."""
        database = self.app.state.database
        async with database.session() as session:
            await session.execute(text("SELECT 1"))
        for _ in range(10):
            # The driver notices a session that is gone when it is used.
            with suppress(OSError, ConnectionError):
                async with database.direct() as connection:
                    await connection.execute("SELECT 1")
                break


def is_stale(answer: httpx.Response) -> bool:
    """Tell whether a change is refused because it was made already."""
    return answer.status_code == 412


@pytest.fixture
async def knife(committing_url, server_url, issuer, clock, seed):
    """A knife, and an application whose every session goes over its line."""
    async with Line(committing_url) as line:
        database = Database(line.url, pool_size=2)
        app = build_app(database, issuer, clock)
        yield Knife(app, line, server_url, Random(seed))
        await database.close()


async def test_a_cut_and_repeated_request_ends_as_if_undisturbed(knife, issuer, clock, parameters):
    """Every writing operation of the document, cut and sent again: the same rows, once."""
    api = clients(knife.app, issuer, clock)
    await course(watched(api, knife.app, knife.look), api, clock)
    missing = writing_commands(knife.app) - knife.seen
    assert not missing, f"add a good request of {missing} to the course of P09"
    parameters(cuts=knife.cuts, operations=len(knife.seen))
    print(f"{knife.cuts} cuts of {len(knife.seen)} operations")


def unheard(_statements: int, commits: int) -> list[Cut]:
    """Cut after the last COMMIT."""
    return [Cut(commits, after=True, commits=True)]


async def request_of(api, **headers: str) -> httpx.Request:
    """Return a request that registers a subject."""
    client = api(Role.STUDY_COORDINATOR)
    request = client.build_request("POST", "/subjects", json=SUBJECT, headers=headers)
    if client.auth is not None:
        request = next(client.auth.sync_auth_flow(request))
    return request


async def test_control_without_a_key_a_lost_answer_doubles(knife, issuer, clock, monkeypatch):
    """Control: whoever repeats a request without its key after a lost answer stores it twice."""
    monkeypatch.setattr(knife, "repeated", lambda request: again(request, idempotency_key=None))
    monkeypatch.setattr(knife, "chosen", unheard)
    request = await request_of(clients(knife.app, issuer, clock), **{"Idempotency-Key": "k"})
    with pytest.raises(AssertionError, match=r"too much .*public\.subject "):
        await knife.dissect("create_subject", request)


async def test_control_a_request_of_two_transactions_is_left_halved(
    knife, issuer, clock, monkeypatch
):
    """Control: a service that commits an operation apart from its rows leaves one without any."""

    async def hasty(session, actor, command, reason):
        studies = await session.scalar(text("SELECT current_setting('app.study_ids')"))
        await begin_operation(session, actor, command, reason)
        await session.commit()
        setting = text("SELECT set_config('app.study_ids', :studies, true)")
        await session.execute(setting, {"studies": studies})
        # The database takes rows only under an operation of their own transaction.
        return await begin_operation(session, actor, command, reason)

    def before_the_last(_statements, commits):
        return [Cut(commits, after=False, commits=True)]

    monkeypatch.setattr(dependencies, "begin_operation", hasty)
    monkeypatch.setattr(knife, "chosen", before_the_last)
    request = await request_of(clients(knife.app, issuer, clock), **{"Idempotency-Key": "k"})
    with pytest.raises(AssertionError, match="create_subject"):
        await knife.dissect("create_subject", request)
