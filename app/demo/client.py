"""The demonstration's way to the API: one client for each role, keys on every POST, progress."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from types import TracebackType
from typing import Any

import httpx

from app.domain.vocabulary import Role

TokenFor = Callable[[Role, bool], str]


class Refused(Exception):  # noqa: N818 - an answer the story may expect
    """The API refused; holds the problem document."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('code')}: {problem.get('detail')}")
        self.status = status
        self.problem = problem


class Api:
    """Speaks to one study in any role; repeated runs with one seed repeat nothing."""

    def __init__(self, url: str, study: str, token_for: TokenFor, seed: int) -> None:
        self._base = f"{url.rstrip('/')}/api/v1/studies/{study}"
        self._token_for = token_for
        self._seed = seed
        self._clients: dict[tuple[Role, bool], httpx.Client] = {}
        self.requests = 0

    def __enter__(self) -> Api:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for client in self._clients.values():
            client.close()

    def get(self, path: str, role: Role = Role.PRINCIPAL_INVESTIGATOR, **query: Any) -> Any:
        """Read."""
        return self._call(role, "GET", path, params=query).json()

    def items(self, path: str, role: Role = Role.PRINCIPAL_INVESTIGATOR, **query: Any) -> list[Any]:
        """Read all pages of a list."""
        found: list[Any] = []
        page = self.get(path, role, limit=200, **query)
        found += page["items"]
        while page["next"]:
            page = self.get(path, role, limit=200, cursor=page["next"], **query)
            found += page["items"]
        return found

    def post(
        self, path: str, body: Any, key: str, role: Role, second: bool = False
    ) -> dict[str, Any]:
        """Create, once for each key."""
        headers = {"Idempotency-Key": f"demo-{self._seed}-{key}"}
        made: dict[str, Any] = self._call(
            role, "POST", path, second=second, json=body, headers=headers
        ).json()
        return made

    def put(self, path: str, body: Any, role: Role) -> None:
        """Record an answer."""
        self._call(role, "PUT", path, json=body)

    def patch(self, path: str, body: Any, role: Role) -> dict[str, Any]:
        """Change the record as it is now."""
        tag = self._call(role, "GET", path).headers["ETag"]
        changed: dict[str, Any] = self._call(
            role, "PATCH", path, json=body, headers={"If-Match": tag}
        ).json()
        return changed

    def _call(
        self, role: Role, method: str, path: str, second: bool = False, **options: Any
    ) -> httpx.Response:
        who = (role, second)
        if who not in self._clients:
            login = _FreshLogin(lambda: self._token_for(role, second))
            self._clients[who] = httpx.Client(auth=login, timeout=30)
        self.requests += 1
        answer = self._clients[who].request(method, self._base + path, **options)
        if answer.is_error:
            raise Refused(answer.status_code, answer.json())
        return answer


class _FreshLogin(httpx.Auth):
    """Shows a new token with every request, as signing needs a login of the last minutes."""

    def __init__(self, issue: Callable[[], str]) -> None:
        self._issue = issue

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._issue()}"
        yield request


class Progress:
    """A bar on a terminal, a line a step elsewhere."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._done = 0
        self._live = sys.stdout.isatty()

    def step(self, what: str) -> None:
        """Say what has just been done."""
        self._done += 1
        share = self._done / self._steps
        bar = "#" * round(share * 30)
        line = f"[{bar:<30}] {self._done:>2}/{self._steps} {what}"
        sys.stdout.write(f"\r\x1b[K{line}" if self._live else f"{line}\n")
        sys.stdout.flush()

    def say(self, what: str) -> None:
        """Print a line of its own."""
        sys.stdout.write(f"\r\x1b[K  {what}\n" if self._live else f"  {what}\n")
        sys.stdout.flush()
