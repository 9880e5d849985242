"""Machine clients on the wire: public keys, scopes, and what the token endpoint says."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, WithJsonSchema, field_validator

from app.core.jose import PublicKeys
from app.schemas.types import Body, Change, View, example, never_empty

MOST_KEYS = 5
_PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
_KEPT = ("kty", "crv", "x", "y", "n", "e", "kid", "alg", "use")
_EXAMPLE_KEY = {
    "kty": "EC",
    "crv": "P-384",
    "kid": "lis-02-2026",
    "x": "JVr4yuZ0LnlE75JA4tLPgSWCdcMBxGxC7hZaHFiSJ-M0zkgTnrx1jmVi7IU9Xi87",
    "y": "xS-IqG6mqthcN1VFuWXBFHyDYk3lQT72fD0kH6gmSzdW9D0s6PZ_R1g1-zUxjBdJ",
}


def _public_keys(document: dict[str, Any]) -> dict[str, Any]:
    """Return a JSON Web Key Set as it is kept; nothing private is."""
    keys = document.get("keys")
    if not isinstance(keys, list) or not 0 < len(keys) <= MOST_KEYS:
        raise ValueError(f"This must be a JSON Web Key Set of 1 to {MOST_KEYS} keys.")
    if any(not isinstance(key, dict) or _PRIVATE & key.keys() for key in keys):
        raise ValueError("Send public keys only, and keep the private ones to yourself.")
    kept = [{name: key[name] for name in _KEPT if name in key} for key in keys]
    names = [key.get("kid") for key in kept]
    if None in names or len(set(map(str, names))) < len(names):
        raise ValueError("Each key needs a `kid` of its own.")
    try:
        usable = len(PublicKeys.read({"keys": kept}))
    except ValueError:
        usable = 0
    if usable < len(kept):
        raise ValueError("Each key must be for signatures: Ed25519, P-256, P-384 or RSA of 2048.")
    return {"keys": kept}


PublicKeySet = Annotated[
    dict[str, Any],
    AfterValidator(_public_keys),
    Field(description="A JSON Web Key Set of public keys, each with a `kid` (RFC 7517)."),
    WithJsonSchema(
        {
            "type": "object",
            "properties": {
                "keys": {
                    "type": "array", "minItems": 1, "maxItems": MOST_KEYS,
                    "items": {"type": "object"},
                }
            },
            "required": ["keys"],
        }
    ),
]  # fmt: skip
Scope = Literal["labs:create", "labs:status", "system/Observation.c", "system/DiagnosticReport.c"]
Scopes = Annotated[
    list[Scope],
    Field(min_length=1, max_length=4, description="What its tokens may allow, and nothing else."),
    AfterValidator(lambda scopes: sorted(set(scopes))),
]


class ClientCreate(Body):
    """A client of a laboratory system that signs with a key of its own."""

    model_config = example(jwks={"keys": [_EXAMPLE_KEY]}, scopes=["labs:create", "labs:status"])

    jwks: PublicKeySet
    scopes: Scopes


class ClientChange(Change):
    """What is to change; fields left out stay as they are."""

    model_config = example(revoked=True, reason="The laboratory's engine was replaced.")

    jwks: PublicKeySet | None = None
    scopes: Scopes | None = None
    revoked: Literal[True] | None = Field(
        default=None, description="Ends the client for good; its tokens end with it."
    )

    _keep = field_validator("jwks", "scopes", "revoked", mode="before")(never_empty)


class ClientView(View):
    """A client; its `id` is the `client_id` of its assertions and tokens."""

    id: UUID
    sender_id: UUID
    jwks: dict[str, Any]
    scopes: list[str]
    revoked: bool
    version: int
    recorded_at: datetime


class TokenAnswer(BaseModel):
    """A token for a machine (RFC 6749, section 5.1)."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the name of a scheme
    expires_in: int = Field(examples=[300])
    scope: str = Field(examples=["labs:create labs:status"])


class TokenRefusal(BaseModel):
    """Why there is no token (RFC 6749, section 5.2)."""

    error: Literal["invalid_request", "invalid_client", "unsupported_grant_type", "invalid_scope"]
    error_description: str
