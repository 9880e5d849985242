"""The page in a real browser: a served application with a trial in it, and one Chromium a worker.

Both are started by the first test that asks, and live as long as the run.
"""

import asyncio
import os
import shutil
from contextlib import asynccontextmanager, nullcontext
from datetime import timedelta

import pytest
import uvicorn
from playwright.async_api import async_playwright
from sqlalchemy import text

from app.core.database import Database
from app.domain.vocabulary import Role
from app.services.fixture_subjects import fixture_subject
from tests.browser.shown_page import ShownPage
from tests.browser.small_trial import run_small_trial
from tests.conftest import TestClock, administrator, build_app, clients, on
from tests.factories.seal import until

DATABASE = "msc_browser"
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
DESKTOP, PHONE = (1280, 900), (390, 844)


class _Server(uvicorn.Server):
    """Uvicorn that leaves the signals to the test run."""

    def capture_signals(self):
        """Capture none."""
        return nullcontext()


@asynccontextmanager
async def served(app):
    """Serve an application on a free port; gives its address."""
    config = uvicorn.Config(
        app, port=0, log_config=None, lifespan="off", timeout_graceful_shutdown=2
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve())

    async def started():
        return server.started

    await until(started)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        app.state.renderer.close()


@pytest.fixture(scope="session")
def trial_clock():
    """The clock of the served application; it stands after the small trial."""
    return TestClock()


@pytest.fixture(scope="session")
async def address(server_url, template, issuer, trial_clock):
    """The address of an application that serves a small trial."""
    async with administrator(server_url) as connection:
        await connection.execute(text(f"CREATE DATABASE {DATABASE} TEMPLATE {template}"))
    database = Database(on(server_url, DATABASE), pool_size=10)
    app = build_app(database, issuer, trial_clock)
    await run_small_trial(clients(app, issuer, trial_clock), trial_clock)
    async with served(app) as found:
        yield found
    await database.close()


@pytest.fixture(scope="session")
async def browser():
    """Debian's Chromium, without a window; its absence is a failure and not a reason to skip."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if path is None:
        pytest.fail(
            "The tests of the page need Chromium: as root, apt-get install chromium; or name"
            " another one, CHROMIUM=/path/to/chromium.",
            pytrace=False,
        )
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield started
        await started.close()


@pytest.fixture
def token_of(issuer, trial_clock):
    """Return a function that gives a role's token, by default of now."""

    def token(role: Role = Role.PRINCIPAL_INVESTIGATOR, age: float = 0) -> str:
        issued = trial_clock() - timedelta(minutes=age)
        return issuer.token(fixture_subject(role), issued, timedelta(minutes=15))

    return token


@pytest.fixture(params=[DESKTOP], ids=lambda size: f"{size[0]}px")
async def shown(browser, address, token_of, request):
    """The page as a newcomer opens it; it has to keep its policy and its origin to the end."""
    width, height = request.param
    context = await browser.new_context(viewport={"width": width, "height": height})
    page = ShownPage(await context.new_page(), address, token_of)
    await page.open()
    yield page
    await context.close()
    page.check_behaviour()
