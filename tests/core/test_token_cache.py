"""A token that was verified once is not believed for ever."""

from datetime import UTC, datetime, timedelta

import pytest

from app.core import tokens
from app.core.development_issuer import DevelopmentIssuer
from app.domain.errors import DomainError

NOW = datetime(2026, 6, 1, tzinfo=UTC)
LIFETIME = timedelta(hours=1)


@pytest.fixture
def issuer(tmp_path):
    """An issuer of its own."""
    return DevelopmentIssuer(tmp_path, "msc-icaht")


def test_a_remembered_token_expires_like_any_other(issuer):
    """Its time bounds are held against the clock at each request."""
    verifier, token = issuer.verifier(), issuer.token("somebody", NOW, LIFETIME)
    assert verifier.verify(token, NOW).subject == "somebody"
    assert verifier.verify(token, NOW + timedelta(minutes=59)).subject == "somebody"
    for moment in (NOW + timedelta(hours=2), NOW - timedelta(hours=1)):
        with pytest.raises(DomainError):
            verifier.verify(token, moment)
    assert verifier.verify(token, NOW).subject == "somebody"


def test_a_remembered_token_lends_nothing_to_one_that_differs(issuer):
    """Another signature over the same claims is verified, and refused."""
    verifier, token = issuer.verifier(), issuer.token("somebody", NOW, LIFETIME)
    verifier.verify(token, NOW)
    claims, _, signature = token.rpartition(".")
    other = ("A" if signature[0] != "A" else "B") + signature[1:]
    for _ in range(2):
        with pytest.raises(DomainError):
            verifier.verify(f"{claims}.{other}", NOW)


def test_the_signature_is_verified_once(issuer, monkeypatch):
    """The second time only the digest of the token is looked up."""
    verifier, token = issuer.verifier(), issuer.token("somebody", NOW, LIFETIME)
    verifier.verify(token, NOW)
    monkeypatch.setattr(tokens, "read", None)
    assert verifier.verify(token, NOW).subject == "somebody"


def test_no_more_tokens_are_kept_than_allowed(issuer, monkeypatch):
    """A flood of tokens costs time, not memory."""
    monkeypatch.setattr(tokens, "MOST_KEPT", 3)
    verifier = issuer.verifier()
    for number in range(8):
        token = issuer.token(f"person {number}", NOW, LIFETIME)
        assert verifier.verify(token, NOW).subject == f"person {number}"
        assert len(verifier._verified) <= 3
