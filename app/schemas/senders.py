"""Senders on the wire: who a laboratory system is, how it is read, and what opens its door."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from ipaddress import ip_network
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from app.domain.shipped_profiles import SHIPPED_PROFILES
from app.schemas.sender_profiles import profile_document
from app.schemas.types import Body, Change, Code, Name, Rationale, View, example, never_empty

_MAX_ITEMS = 200


def _network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError:
        raise ValueError("This must be a network such as 10.20.0.0/16 or 10.20.3.4/32.") from None


def _certificate(text: str) -> str:
    return text.replace(":", "").lower()


# It is the user of HTTP Basic, so it holds no colon.
SenderCode = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$"),
    Field(description="Names the sender in the study; the user of HTTP Basic."),
]
Network = Annotated[
    str,
    StringConstraints(min_length=1, max_length=43),
    AfterValidator(_network),
    WithJsonSchema({"type": "string", "examples": ["10.20.0.0/16"]}),
]
Certificate = Annotated[
    str,
    StringConstraints(pattern=r"^([0-9A-Fa-f]{64}|[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){31})$"),
    AfterValidator(_certificate),
]
Analytes = Annotated[
    list[Code],
    Field(max_length=_MAX_ITEMS, description="Keys of the analytes it may send; empty is all."),
]
Networks = Annotated[
    list[Network],
    Field(max_length=_MAX_ITEMS, description="CIDR blocks it may send from; empty is any."),
]
Certificates = Annotated[
    list[Certificate],
    Field(
        max_length=_MAX_ITEMS,
        description="SHA-256 of its client certificates in hexadecimal, colons or not.",
    ),
]
RatePerMinute = Annotated[
    int, Field(ge=1, le=1_000_000, description="Messages a minute; more is answered 429.")
]


def _document(value: Any) -> Any:
    """Take a document as it is, for its own schema to judge, and a shipped profile by its name."""
    if isinstance(value, dict):
        return value
    if isinstance(value, str) and value in SHIPPED_PROFILES:
        return profile_document(SHIPPED_PROFILES[value])
    raise ValueError(f"This must be one of {', '.join(SHIPPED_PROFILES)}, or a whole profile.")


Profile = Annotated[
    dict[str, Any],
    BeforeValidator(_document),
    Field(
        description="The name of a profile that comes with the service, or a profile: `document` in"
        " the list of a sender's profiles is a whole one."
    ),
    WithJsonSchema({"anyOf": [{"enum": list(SHIPPED_PROFILES)}, {"type": "object"}]}),
]


class SenderCreate(Body):
    """A laboratory system that is to push results."""

    model_config = example(
        code="LIS-02",
        name="Hematology laboratory",
        issuer="https://id.hospital.example",
        subject="lis-client",
        sending_application="LIS",
        sending_facility="HOSPITAL",
        analytes=["ANC", "PLT", "HGB"],
        networks=["10.20.0.0/16"],
        rate_per_minute=600,
        profile="generic_oru",
    )

    code: SenderCode
    name: Name
    site: Code = Field(default="01", description="Code of the site whose subjects it reports on.")
    issuer: Name | None = Field(
        default=None, description="The `iss` of its access tokens, where it has any."
    )
    subject: Name | None = Field(default=None, description="The `sub` of its access tokens.")
    sending_application: Name | None = Field(
        default=None, description="What MSH-3 has to say; null is anything."
    )
    sending_facility: Name | None = Field(
        default=None, description="What MSH-4 has to say; null is anything."
    )
    analytes: Analytes | None = None
    networks: Networks | None = None
    certificates: Certificates | None = None
    rate_per_minute: RatePerMinute = 600
    profile: Profile = Field(default="generic_oru", validate_default=True)

    @model_validator(mode="after")
    def _whole_identity(self) -> SenderCreate:
        """Let an identity be given whole or not at all."""
        if (self.issuer is None) != (self.subject is None):
            raise ValueError("Give issuer and subject together, or neither.")
        return self

    def identity(self) -> tuple[str, str] | None:
        """Return the identity of its tokens, None where it has none."""
        return (self.issuer, self.subject) if self.issuer and self.subject else None

    def values(self) -> Mapping[str, Any]:
        """Return what is a column of the sender itself."""
        return self.model_dump(exclude={"site", "issuer", "subject", "profile"})


class SenderChange(Change):
    """What is to change; fields left out stay as they are."""

    model_config = example(
        active=False,
        reason="The laboratory's interface engine is being replaced.",
    )

    name: Name | None = None
    sending_application: Name | None = None
    sending_facility: Name | None = None
    analytes: Analytes | None = None
    networks: Networks | None = None
    certificates: Certificates | None = None
    rate_per_minute: RatePerMinute | None = None
    active: bool | None = Field(
        default=None, description="False turns the sender away from its next message on."
    )

    _keep = field_validator("name", "rate_per_minute", "active", mode="before")(never_empty)


class SenderView(View):
    """A sender with its identity and the number of the profile in force."""

    id: UUID
    code: str = Field(examples=["LIS-01"])
    name: str
    site: str = Field(examples=["01"])
    issuer: str
    subject: str
    sending_application: str | None
    sending_facility: str | None
    analytes: list[str] | None
    networks: list[str] | None
    certificates: list[str] | None
    rate_per_minute: int
    active: bool
    profile_number: int
    version: int
    recorded_at: datetime


class ProfileCreate(Body):
    """A new version of how a sender's messages are read, whole."""

    model_config = example(
        profile="china_oul_r24",
        reason="The hospital sends OUL^R24 from its new system.",
    )

    profile: Profile
    based_on: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None,
        description="Number of the version that was changed; refused when another came meanwhile.",
    )
    reason: Rationale


class ProfileVersionView(View):
    """One version of a sender's profile; the last one counts for new messages."""

    id: UUID
    sender_id: UUID
    number: int
    digest: str
    document: dict[str, Any]
    reason: str
    recorded_at: datetime


class KeyView(View):
    """An API key without its secret."""

    id: UUID
    sender_id: UUID
    prefix: str = Field(description="The eight characters after `msck_`, to tell keys apart.")
    revoked: bool
    version: int
    recorded_at: datetime


class NewKeyView(KeyView):
    """A new API key, the only time that its text is shown."""

    key: str | None = Field(
        description="The key; null when the request is repeated, for it is nowhere kept.",
        examples=["msck_01234567_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"],
    )


class KeyRevocation(Change):
    """The end of a key; it cannot be taken back."""

    model_config = example(revoked=True, reason="The new key is in place.")

    revoked: Literal[True]
