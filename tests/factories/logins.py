"""Logins of people: fresh ones, stale ones, and tokens that prove no login at all."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx

from app.core.development_issuer import DevelopmentIssuer
from app.domain.vocabulary import Role
from app.services.fixture_subjects import fixture_subject
from tests.conftest import Api, TestClock

LIFETIME = timedelta(minutes=15)


class Logins:
    """Gives clients whose token is one certain token, which does not renew itself."""

    def __init__(self, api: Api, issuer: DevelopmentIssuer, clock: TestClock) -> None:
        self._api, self._issuer, self._clock = api, issuer, clock

    def client(
        self, role: Role = Role.PRINCIPAL_INVESTIGATOR, age: timedelta = timedelta(0), **claims: Any
    ) -> httpx.AsyncClient:
        """Return a client of somebody who logged in that long ago, or who does not say."""
        now = self._clock()
        if claims.get("signing", True):
            claims["auth_time"] = now - age
        token = self._issuer.token(fixture_subject(role), now, LIFETIME, **claims)
        client = self._api(role)
        client.headers["Authorization"] = f"Bearer {token}"
        return client
