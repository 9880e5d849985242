"""Tokens: only those of the issuer, for this audience, within their time, and of the right type."""

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from app.core.development_issuer import DEVELOPMENT_ISSUER, DevelopmentIssuer
from app.core.jose import BadToken, PublicKeys, read
from app.core.key_files import configured_key
from app.core.security import SIGNING_ACR
from app.domain.errors import DomainError

NOW = datetime(2026, 6, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def own(tmp_path) -> DevelopmentIssuer:
    """An issuer of its own."""
    return DevelopmentIssuer(tmp_path, "msc-icaht")


def claims(**changes: object) -> dict[str, object]:
    """Return acceptable claims with changes; None removes a claim."""
    now = int(NOW.timestamp())
    base = {
        "iss": DEVELOPMENT_ISSUER,
        "aud": "msc-icaht",
        "sub": "auditor",
        "iat": now,
        "exp": now + 600,
    } | changes
    return {name: value for name, value in base.items() if value is not None}


def sign(own: DevelopmentIssuer, body: dict[str, object], **header: object) -> str:
    """Sign claims with the issuer's own key."""
    key = own._key
    full = {"alg": "Ed25519", "typ": "at+jwt", "kid": key.kid} | header
    return jwt.encode(full, body, key, algorithms=["Ed25519", "EdDSA"])


def test_a_good_token_says_who(own):
    """Issuer and subject come out as they went in."""
    identity = own.verifier().verify(own.token("auditor", NOW, HOUR), NOW)
    assert (identity.issuer, identity.subject) == (DEVELOPMENT_ISSUER, "auditor")


def test_two_processes_share_the_key(own, tmp_path):
    """Another process on the same folder accepts the token; only we can read the key."""
    other = DevelopmentIssuer(tmp_path, "msc-icaht")
    assert other.verifier().verify(own.token("auditor", NOW, HOUR), NOW).subject == "auditor"
    assert (tmp_path / "issuer-key.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "someone-else"},
        {"iss": None},
        {"aud": "another-service"},
        {"aud": None},
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 201},
        {"sub": "a\x00b"},
        {"sub": 7},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": True},
        {"exp": int(NOW.timestamp()) - 31},
        {"nbf": int(NOW.timestamp()) + 31},
    ],
    ids=str,
)
def test_wrong_claims_are_refused(own, changes):
    """Issuer, audience, subject and time bounds must all fit."""
    with pytest.raises(DomainError, match="valid bearer token"):
        own.verifier().verify(sign(own, claims(**changes)), NOW)


@pytest.mark.parametrize("change", [29, -29])
def test_clocks_may_differ_a_little(own, change):
    """Thirty seconds of leeway are given on both sides."""
    token = sign(own, claims(exp=int(NOW.timestamp()) - 29, nbf=int(NOW.timestamp()) + change))
    assert own.verifier().verify(token, NOW).subject == "auditor"


@pytest.mark.parametrize("kind", ["JWT", "id+jwt", ""])
def test_only_access_tokens_are_taken(own, kind):
    """An ID token is no access token (RFC 9068)."""
    with pytest.raises(DomainError):
        own.verifier().verify(sign(own, claims(), typ=kind), NOW)


def test_unsigned_and_foreign_signatures_are_refused(own):
    """No algorithm, the public key as a secret, another key and garbage are all refused alike."""

    def part(value: object) -> str:
        return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    header = {"alg": "none", "typ": "at+jwt"}
    foreign = OKPKey.generate_key("Ed25519")
    public = json.dumps(own._key.as_dict(private=False)).encode()
    hmac = OctKey.import_key(public)
    rsa = RSAKey.generate_key(2048)
    typed = {"typ": "at+jwt"}
    forged = [
        f"{part(header)}.{part(claims())}.",
        jwt.encode({"alg": "HS256"} | typed, claims(), hmac, algorithms=["HS256"]),
        jwt.encode({"alg": "Ed25519"} | typed, claims(), foreign, algorithms=["Ed25519"]),
        jwt.encode({"alg": "RS256"} | typed, claims(), rsa, algorithms=["RS256"]),
        sign(own, claims(), kid="unknown"),
        sign(own, claims())[:-4] + "AAAA",
        "a.b.c",
        "",
        "é.é.é",
        "." * 9000,
    ]
    for token in forged:
        with pytest.raises(DomainError, match="valid bearer token"):
            own.verifier().verify(token, NOW)


def test_a_token_of_development_is_a_fresh_login(own):
    """By default it says when and how strongly the person logged in; on request it does not."""
    verifier = own.verifier()
    fresh = verifier.verify(own.token("auditor", NOW, HOUR), NOW)
    assert (fresh.auth_time, fresh.acr, fresh.scopes) == (NOW, SIGNING_ACR, None)
    assert fresh.token_id
    plain = verifier.verify(own.token("auditor", NOW, HOUR, signing=False), NOW)
    assert (plain.auth_time, plain.acr) == (None, None)
    earlier = own.token("auditor", NOW, HOUR, auth_time=NOW - HOUR)
    assert verifier.verify(earlier, NOW).auth_time == NOW - HOUR


@pytest.mark.parametrize(
    ("changes", "scopes"),
    [
        (
            {"client_id": "auditor", "scope": "labs:create  labs:status"},
            {"labs:create", "labs:status"},
        ),
        ({"client_id": "auditor"}, set()),
        ({"client_id": "portal", "scope": "openid profile"}, None),
        ({"scope": "openid"}, None),
    ],
    ids=["its scopes", "no scope", "a portal", "a person"],
)
def test_a_machine_is_who_is_its_own_client(own, changes, scopes):
    """Where the subject is the client there are scopes, if only none; a person has none to obey."""
    assert own.verifier().verify(sign(own, claims(**changes)), NOW).scopes == scopes


def test_each_person_has_a_password_of_their_own(own, tmp_path):
    """It follows from the key: another process knows it, another key makes another."""
    assert own.password("auditor") != own.password("monitor")
    assert own.is_password("auditor", own.password("auditor"))
    assert not own.is_password("auditor", own.password("monitor"))
    assert not own.is_password("auditor", "é")
    assert DevelopmentIssuer(tmp_path, "msc-icaht").password("auditor") == own.password("auditor")
    other = DevelopmentIssuer(tmp_path / "other", "msc-icaht")
    assert other.password("auditor") != own.password("auditor")


def test_the_key_of_machines_is_read_from_pem(tmp_path):
    """A private Ed25519 key is taken; a public one, one of another kind and none are refused."""
    private = OKPKey.generate_key("Ed25519")
    good = tmp_path / "good.pem"
    good.write_bytes(private.as_pem(private=True))
    assert configured_key(good).kid
    for content in (
        private.as_pem(private=False),
        OKPKey.generate_key("X25519").as_pem(private=True),
        RSAKey.generate_key(2048).as_pem(private=True),
        b"",
        b"rubbish",
    ):
        good.write_bytes(content)
        with pytest.raises(ValueError, match="key"):
            configured_key(good)


def encoded(part: bytes) -> str:
    """Encode a part of a token."""
    return urlsafe_b64encode(part).rstrip(b"=").decode()


@pytest.mark.parametrize("name", ["Ed25519", "EdDSA"])
@pytest.mark.parametrize("of_key", ["Ed25519", "EdDSA", None])
def test_both_names_of_the_algorithm_are_taken(own, name, of_key):
    """EdDSA is the older name: whichever the key carries, a token may carry either."""
    if of_key is not None:
        published = own._key.as_dict(private=False, use="sig", alg=of_key)
    else:
        published = own._key.as_dict(private=False)
    keys = PublicKeys.read({"keys": [published]})
    header = {"alg": name, "typ": "at+jwt", "kid": own._key.kid}
    signed = ".".join(encoded(json.dumps(each).encode()) for each in (header, claims()))
    signature = JWSRegistry.algorithms["Ed25519"].sign(signed.encode(), own._key)
    token = f"{signed}.{encoded(signature)}"
    read(token).check_signature(keys)
    identity = own.verifier().verify(token, NOW)
    assert identity.subject == "auditor"


def test_a_key_of_one_rsa_algorithm_is_for_no_other():
    """The names of one algorithm are one thing, two algorithms are two."""
    key = RSAKey.generate_key(2048, {"kid": "rsa", "alg": "RS256"})
    keys = PublicKeys.read({"keys": [key.as_dict(private=False)]})
    assert keys.choose({"kid": "rsa", "alg": "RS256"})[1] == "RS256"
    with pytest.raises(BadToken):
        keys.choose({"kid": "rsa", "alg": "RS384"})
