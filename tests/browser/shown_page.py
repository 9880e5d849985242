"""The page as a test sees it: what is shown, what was asked, and what the browser complained of."""

import json
import re
from collections.abc import Callable
from typing import Any

from playwright.async_api import Page, Request, Route, expect

from app.domain.vocabulary import Role

SECTIONS = ("ladder", "enrolment", "safety", "response", "laboratory", "conduct")
_COMPLETE = re.compile(
    r"^Everything( for your role)? is shown(; \d+ parts? (is|are) not for it)?\.$"
)
_WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
"""


def _ending(path: str) -> re.Pattern[str]:
    """Match the addresses with this path, whatever their query."""
    return re.compile(rf"{re.escape(path)}(\?.*)?$")


class ShownPage:
    """One page in the browser, from its opening on."""

    def __init__(self, page: Page, address: str, token_of: Callable[..., str]) -> None:
        self.page, self.address, self._token_of = page, address, token_of
        self.requests: list[Request] = []
        self.errors: list[str] = []
        page.on("request", self._note)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._hear)

    def _note(self, request: Request) -> None:
        self.requests.append(request)

    def _hear(self, message: Any) -> None:
        # A refusal of the API is told by the page; the browser mentions it here, too.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.errors.append(message.text)

    async def open(self, query: str = "") -> None:
        """Open the page as somebody who has not been there."""
        await self.page.add_init_script(_WATCH)
        await self.page.goto(f"{self.address}/dashboard{query}")

    async def sign_in(self, role: Role = Role.PRINCIPAL_INVESTIGATOR, age: float = 0) -> str:
        """Paste a role's token, `age` minutes old, show the study, and return the token."""
        token = self._token_of(role, age)
        await self.page.get_by_label("Your access token").fill(token)
        await self.page.get_by_role("button", name="Show").click()
        return token

    async def show(
        self,
        role: Role = Role.PRINCIPAL_INVESTIGATOR,
        said: str | re.Pattern[str] = _COMPLETE,
    ) -> str:
        """Sign in and wait until everything is there; return the token."""
        token = await self.sign_in(role)
        await self.complete(said)
        return token

    async def complete(self, said: str | re.Pattern[str] = _COMPLETE) -> None:
        """Wait until every section and picture was tried, and the page says how that went."""
        await expect(self.page.locator("#status")).to_have_text(said, timeout=60_000)

    async def refuse(self, path: str, status: int = 500, detail: str = "It failed.") -> None:
        """Let the service refuse every read of an address, in a problem document."""
        body = json.dumps({"detail": detail})

        async def refused(route: Route) -> None:
            await route.fulfill(status=status, content_type="application/problem+json", body=body)

        await self.page.route(_ending(path), refused)

    async def alter(self, path: str, change: Callable[[dict[str, Any]], Any]) -> None:
        """Let each answer of an address arrive as `change` leaves it."""

        async def altered(route: Route) -> None:
            answer = await route.fetch()
            body = await answer.json()
            change(body)
            await route.fulfill(response=answer, body=json.dumps(body))

        await self.page.route(_ending(path), altered)

    async def restore(self) -> None:
        """Let everything arrive as it is again."""
        await self.page.unroute_all()

    def asked(self, path: str) -> int:
        """Count the requests of an address so far."""
        return sum(bool(_ending(path).search(each.url)) for each in self.requests)

    async def unfold(self) -> None:
        """Open everything that is folded away but the explanations, which take their time."""
        folded = self.page.locator("details:not(.sources *)")
        await folded.evaluate_all("all => all.forEach((each) => { each.open = true; })")
        await expect(self.page.locator(".folded:empty:visible")).to_have_count(0)
        await expect(self.page.get_by_text("Loading…")).to_have_count(0)

    async def violations(self) -> list[str]:
        """List what the page's content security policy kept from happening."""
        found: list[str] = await self.page.evaluate("window.violations")
        return found

    async def width(self) -> int:
        """Give the width of everything on the page, in pixels."""
        found: int = await self.page.evaluate("document.documentElement.scrollWidth")
        return found

    def foreign_requests(self) -> list[str]:
        """List the addresses outside the service that the page asked for."""
        own = (f"{self.address}/", f"blob:{self.address}/")
        return [each.url for each in self.requests if not each.url.startswith(own)]

    def check_behaviour(self) -> None:
        """Fail if a script failed or anything left the origin, whatever the test was about."""
        assert self.errors == []
        assert self.foreign_requests() == []
