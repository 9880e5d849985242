"""P23: a token that is forged, foreign, stale or of another kind is refused alike.

Every hostile token is shown to the service, which answers all of them the same 401 and stores
nothing. The control of each: with the one check taken out that it is meant for, it passes, so the
token is hostile for the reason that is given and for no other.
"""

import json
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
from joserfc.jwk import ECKey, KeySet, OKPKey
from sqlalchemy import text

from app.core import jose, tokens
from app.core.config import Settings
from app.core.database import API_ROLE
from app.core.development_issuer import DEVELOPMENT_ISSUER
from app.core.tokens import TokenVerifier
from app.domain.errors import DomainError
from app.domain.vocabulary import Role
from app.main import create_app
from app.models import Base
from tests.conftest import KEYRING, NOW, TransactionDatabase
from tests.factories.tokens import (
    AUDIENCE,
    KEYS,
    claims,
    encoded,
    public,
    seal,
    sign,
    trusted,
    with_secret,
)
from tests.routers.test_subjects import SUBJECT

OTHER = "https://other.example"
COORDINATOR = Role.STUDY_COORDINATOR.value
SECONDS = int(NOW.timestamp())
GOOD = claims(DEVELOPMENT_ISSUER, COORDINATOR, NOW)
FOREIGN = OKPKey.generate_key("Ed25519", {"kid": "ed"})
Lenience = Callable[[pytest.MonkeyPatch], TokenVerifier | None]


def good(**changes: object) -> dict[str, object]:
    """Return the good claims with changes; None removes one."""
    return claims(DEVELOPMENT_ISSUER, COORDINATOR, NOW, **changes)


def unsigned(_patch: pytest.MonkeyPatch) -> None:
    """Do not look at signatures, nor at which key they are of."""
    _patch.setattr(jose.SignedToken, "check_signature", lambda *_: None)


def any_shape(patch: pytest.MonkeyPatch) -> None:
    """Take a token without a signature, too, and do not look for one."""
    unsigned(patch)
    patch.setattr(jose, "_COMPACT", jose.re.compile(r".*", jose.re.DOTALL))


def any_spelling(patch: pytest.MonkeyPatch) -> None:
    """Decode as the standard library does, which passes over what is no base64."""
    patch.setattr(jose, "_COMPACT", jose.re.compile(r".*", jose.re.DOTALL))
    patch.setattr(jose, "_decoded", padded_decode)
    unsigned(patch)


def padded_decode(part: str) -> bytes:
    """Decode base64url, with or without padding and white space."""
    bare = part.strip().rstrip("=")
    return jose.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))


def any_kid(patch: pytest.MonkeyPatch) -> None:
    """Take anything for the name of a key, and any key for the one that is named."""
    unsigned(patch)
    patch.setattr(jose, "is_text", lambda _: True)


def any_member(patch: pytest.MonkeyPatch) -> None:
    """Read on, whatever the header asks for."""
    patch.setattr(jose, "_REFUSED_MEMBERS", frozenset())


def last_wins(patch: pytest.MonkeyPatch) -> None:
    """Read objects as the standard library does."""
    patch.setattr(jose, "_unique", dict)


def any_size(patch: pytest.MonkeyPatch) -> None:
    """Read tokens of any length."""
    patch.setattr(jose, "LONGEST", 10**9)


def any_type(patch: pytest.MonkeyPatch) -> None:
    """Take every kind of token for an access token."""
    patch.setattr(tokens, "TOKEN_TYPES", ("jwt", "id+jwt", "logout+jwt", ""))


def any_time(patch: pytest.MonkeyPatch) -> None:
    """Do not look at the clock."""
    patch.setattr(tokens, "LEEWAY", timedelta(days=36_500))


def any_number(patch: pytest.MonkeyPatch) -> None:
    """Take anything for an instant, and for within its time."""
    patch.setattr(tokens, "bounds", lambda *_: (0, 1e12))


def any_subject(patch: pytest.MonkeyPatch) -> None:
    """Take anything for a name."""
    patch.setattr(tokens, "is_text", lambda _: True)


def any_lifetime(_patch: pytest.MonkeyPatch) -> TokenVerifier:
    """Trust the issuer for tokens of any lifetime."""
    return TokenVerifier(AUDIENCE, [trusted(DEVELOPMENT_ISSUER, longest=None)])


def for_others(_patch: pytest.MonkeyPatch) -> TokenVerifier:
    """Be the other service."""
    return TokenVerifier("other-service", [trusted(DEVELOPMENT_ISSUER)])


def of_others(_patch: pytest.MonkeyPatch) -> TokenVerifier:
    """Trust the other issuer, too."""
    return TokenVerifier(AUDIENCE, [trusted(OTHER)])


def of_the_slash(_patch: pytest.MonkeyPatch) -> TokenVerifier:
    """Trust the issuer whose name ends with a slash."""
    return TokenVerifier(AUDIENCE, [trusted(f"{DEVELOPMENT_ISSUER}/")])


def for_part(_patch: pytest.MonkeyPatch) -> TokenVerifier:
    """Be the service whose name is a part of this one's."""
    return TokenVerifier("msc", [trusted(DEVELOPMENT_ISSUER)])


def not_text(patch: pytest.MonkeyPatch) -> None:
    """Take claims of any type, and give nothing of them on."""
    patch.setattr(tokens, "_identity", lambda _: object())


def forged(key: object) -> str:
    """Sign the good claims with a key that only calls itself the issuer's."""
    signed = f"{encoded({'alg': 'Ed25519', 'typ': 'at+jwt', 'kid': 'ed'})}.{encoded(GOOD)}"
    model = jose.JWSRegistry.algorithms["Ed25519"]
    return f"{signed}.{encoded(model.sign(signed.encode(), key))}"


def tampered() -> str:
    """Put another subject into a token that is signed."""
    header, _, signature = sign(GOOD).split(".")
    other = good(sub=Role.PRINCIPAL_INVESTIGATOR.value)
    return f"{header}.{encoded(other)}.{signature}"


def cracked() -> str:
    """Change one bit of a signature."""
    head, _, signature = sign(GOOD).rpartition(".")
    first = "A" if signature[0] != "A" else "B"
    return f"{head}.{first}{signature[1:]}"


def respelled() -> str:
    """Write the same signature otherwise: the last letter's idle bits stand for nothing."""
    head, _, signature = sign(GOOD).rpartition(".")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return f"{head}.{signature[:-1]}{letters[letters.index(signature[-1]) ^ 1]}"


def twice(name: str, value: object) -> bytes:
    """Name a claim twice, the good value last."""
    text_ = json.dumps(GOOD)
    return f"{{{json.dumps(name)}: {json.dumps(value)}, {text_[1:]}".encode()


ATTACKER = dict(FOREIGN.as_dict(private=False))
PUBLIC = public("ed")["keys"][0]
# What it is, the token, and the check that is taken out for the control.
TABLE: dict[str, tuple[str, Lenience]] = {
    "alg none": (f"{encoded({'alg': 'none', 'typ': 'at+jwt'})}.{encoded(GOOD)}.", any_shape),
    "alg none, signed": (sign(GOOD, alg="none"), unsigned),
    "alg NoNe": (sign(GOOD, alg="NoNe"), unsigned),
    "no alg": (sign(GOOD, alg=None), unsigned),
    "HS256 with the public key": (with_secret(GOOD, json.dumps(PUBLIC).encode()), unsigned),
    "HS256 with the public x": (with_secret(GOOD, str(PUBLIC["x"]).encode()), unsigned),
    "RS256 with an EC key": (sign(GOOD, "ec", alg="RS256"), unsigned),
    "ES256 with an RSA key": (sign(GOOD, "rsa", alg="ES256"), unsigned),
    "ES256 with a P-384 key": (sign(GOOD, "ec384", alg="ES256"), unsigned),
    "RS512, which is not on the list": (sign(GOOD, "rsa", alg="RS512"), unsigned),
    "signed by another key of that name": (forged(FOREIGN), unsigned),
    "signed by another key of the issuer": (sign(GOOD, "ec", kid="ed"), unsigned),
    "unknown kid": (sign(GOOD, kid="unknown"), unsigned),
    "no kid, and several keys": (sign(GOOD, kid=None), unsigned),
    "kid that is no text": (
        sign(GOOD, kid=["ed"]),
        any_kid,
    ),
    "payload of another": (tampered(), unsigned),
    "signature changed": (cracked(), unsigned),
    "signature spelled otherwise": (respelled(), any_spelling),
    "jku": (sign(GOOD, jku=f"{OTHER}/keys"), any_member),
    "jwk": (sign(GOOD, jwk=ATTACKER), any_member),
    "x5u": (sign(GOOD, x5u=f"{OTHER}/chain"), any_member),
    "x5c": (sign(GOOD, x5c=["MIIB"]), any_member),
    "crit": (sign(GOOD, crit=["exp"]), any_member),
    "b64 false": (sign(GOOD, b64=False, crit=["b64"]), any_member),
    "zip": (sign(GOOD, zip="DEF"), any_member),
    "ID token": (sign(good(nonce="n"), typ="JWT"), any_type),
    "id+jwt": (sign(GOOD, typ="id+jwt"), any_type),
    "logout token": (sign(GOOD, typ="logout+jwt"), any_type),
    "no typ": (sign(GOOD, typ=None), any_type),
    "another issuer": (sign(good(iss=OTHER)), of_others),
    "issuer with a slash": (
        sign(good(iss=f"{DEVELOPMENT_ISSUER}/")),
        of_the_slash,
    ),
    "another audience": (sign(good(aud="other-service")), for_others),
    "other audiences": (sign(good(aud=["other-service", "third"])), for_others),
    "part of the audience": (
        sign(good(aud=["msc", "icaht"])),
        for_part,
    ),
    "expired": (sign(good(iat=SECONDS - 600, exp=SECONDS - 31)), any_time),
    "not yet": (sign(good(nbf=SECONDS + 31)), any_time),
    "issued in the future": (sign(good(iat=SECONDS + 31, exp=SECONDS + 60)), any_time),
    "for too long": (sign(good(exp=SECONDS + 901)), any_lifetime),
    "for ever": (sign(good(exp=None)), any_number),
    "exp of text": (sign(good(exp=str(SECONDS + 600))), any_number),
    "exp true": (sign(good(exp=True)), any_number),
    "exp 1e400": (sign(json.dumps(GOOD).replace(str(GOOD["exp"]), "1e400").encode()), any_number),
    "no iat": (sign(good(iat=None)), any_number),
    "logged in after it was issued": (sign(good(auth_time=SECONDS + 3600)), not_text),
    "acr that is no text": (sign(good(acr=["high"])), not_text),
    "subject with a NUL": (sign(good(sub="a\0b")), any_subject),
    "subject of 201 letters": (sign(good(sub="x" * 201)), any_subject),
    "claim named twice": (sign(twice("sub", "somebody")), last_wins),
    "huge": (sign(good(padding="x" * jose.LONGEST)), any_size),
    "white space inside": (sign(GOOD).replace(".", ". ", 1), any_spelling),
    "line break at the end of a part": (sign(GOOD).replace(".", "\n.", 1), any_spelling),
    "padded": (sign(GOOD).replace(".", "==.", 1), any_spelling),
}
# What nobody could read, whatever is left out.
UNREADABLE = {
    "truncated": sign(GOOD)[:-20].rpartition(".")[0],
    "one part": "token",
    "empty parts": "..",
    "five parts": f"{sign(GOOD)}.a.b",
    "not JSON": seal(encoded(b"{"), encoded(GOOD)),
    "claims that are no object": sign(b"[]"),
    "claims that are no JSON": sign(b"\xff\xfe"),
    "claims nested without end": sign(b"[" * 4000 + b"]" * 2000),
    "NaN": sign(json.dumps(GOOD).replace(str(GOOD["exp"]), "NaN").encode()),
    "no Latin": "é.é.é",
}  # fmt: skip


@pytest.fixture
def verifier() -> TokenVerifier:
    """The verifier of an issuer with keys of four kinds."""
    return TokenVerifier(AUDIENCE, [trusted(DEVELOPMENT_ISSUER)])


@pytest.fixture
def app(database, verifier, clock):
    """The application under test, with that verifier."""
    walled = TransactionDatabase(database.connection, API_ROLE)
    return create_app(Settings(), walled, verifier, KEYRING, clock)


async def register(api, token: str):
    """Ask for a write with a token."""
    header = f"Bearer {token}".encode("utf-8", "surrogatepass").replace(b"\n", b" ")
    return await api(None).post("/subjects", json=SUBJECT, headers={b"Authorization": header})


async def row_counts(session) -> Counter[str]:
    """Count the rows of every table."""
    counts = {
        name: await session.scalar(text(f"SELECT count(*) FROM {table.fullname}"))
        for name, table in Base.metadata.tables.items()
    }
    return Counter(counts)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("kind", ["at+jwt", "application/at+jwt", "AT+JWT"])
async def test_a_good_token_passes(api, key, kind):
    """The request that all hostile tokens are shown with succeeds with a good one."""
    answer = await register(api, sign(GOOD, key, typ=kind))
    assert answer.status_code == 201, answer.text
    assert answer.headers["etag"]


async def test_every_hostile_token_gets_the_same_answer(api, session):
    """One body, one challenge, whatever is wrong; and no row is written by any of them."""
    before, seen = await row_counts(session), set()
    hostile = {name: token for name, (token, _) in TABLE.items()} | UNREADABLE
    assert len(hostile) >= 60
    for name, token in {**hostile, "empty": "", "blank": "  "}.items():
        answer = await register(api, token)
        assert answer.status_code == 401, name
        body = answer.json()
        assert body.pop("instance") == f"urn:uuid:{answer.headers['x-request-id']}"
        seen.add((json.dumps(body), answer.headers["www-authenticate"]))
    ((body, challenge),) = seen
    assert json.loads(body)["code"] == "invalid_token"
    assert challenge == 'Bearer realm="msc-icaht"'
    assert await row_counts(session) == before


@pytest.mark.parametrize("name", TABLE)
def test_each_is_refused_for_its_own_reason(verifier, name, monkeypatch):
    """The control: with one check taken out the token passes: it is what the check is there for."""
    token, lenience = TABLE[name]
    with pytest.raises(DomainError):
        verifier.verify(token, NOW)
    careless = lenience(monkeypatch) or TokenVerifier(AUDIENCE, [trusted(DEVELOPMENT_ISSUER)])
    careless.verify(token, NOW)


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_refused_without_a_fuss(verifier, name):
    """The refusal is the same, not an error of ours."""
    with pytest.raises(DomainError, match="valid bearer token"):
        verifier.verify(UNREADABLE[name], NOW)


def test_keys_that_are_too_weak_or_of_another_use_verify_nothing():
    """An RSA key of 1024 bits, one for encryption and a secret are not taken into the set."""
    weak = [
        public("rsa")["keys"][0] | {"use": "enc"},
        ECKey.generate_key("P-521", {"kid": "p521"}).as_dict(private=False),
        {"kty": "oct", "kid": "secret", "k": "c2VjcmV0"},
        {"kty": "AKP", "kid": "new"},
    ]
    for key in weak:
        with pytest.raises(ValueError, match="no public key"):
            jose.PublicKeys.read({"keys": [key]})
    kept = jose.PublicKeys.read({"keys": [*weak, public("ed")["keys"][0]]})
    assert len(kept) == 1


def test_a_private_key_in_the_set_is_used_as_a_public_one():
    """A provider's mistake does not make this service a holder of its key."""
    keys = jose.PublicKeys.read(dict(KeySet([KEYS["ed"]]).as_dict(private=True)))
    key, _ = keys.choose({"kid": "ed", "alg": "Ed25519"})
    assert not key.is_private
