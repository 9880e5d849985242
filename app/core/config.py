"""Configuration: one frozen object read from the environment, complete or refused at start."""

from __future__ import annotations

import os
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.core.security import SIGNING_ACR


class Environment(StrEnum):
    """Where the service runs; production refuses every convenience of development."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


def _key_text(value: SecretStr) -> SecretStr:
    """Check that a secret is the hexadecimal text of 32 bytes, the size of the keyring's."""
    if not re.fullmatch("[0-9a-fA-F]{64}", value.get_secret_value()):
        raise ValueError("write 64 hexadecimal characters (openssl rand -hex 32)")
    return value


IdentityKey = Annotated[SecretStr, AfterValidator(_key_text)]
# Written as PATH is: one after the other, with a colon between.
Folders = Annotated[
    tuple[Path, ...],
    NoDecode,
    BeforeValidator(lambda text: text.split(os.pathsep) if isinstance(text, str) else text),
]
# Written one after the other, with a comma between.
Words = Annotated[
    tuple[str, ...],
    NoDecode,
    BeforeValidator(
        lambda text: (
            tuple(filter(None, map(str.strip, text.split(",")))) if isinstance(text, str) else text
        )
    ),
]


def _collector(address: str) -> str:
    """Return an address without the path that belongs to traces; say what is wrong, never it."""
    try:
        found = urlsplit(address)
        is_address = bool(found.hostname) and found.port != 0
    except ValueError:
        is_address = False
    if not is_address or not re.fullmatch(r"https?://[^\s@?#]+", address):
        raise ValueError(
            "write the address of a collector, such as http://collector:4318, without a name,"
            " a password, ? and #; what it asks for goes into OTEL_EXPORTER_OTLP_HEADERS"
        )
    return address.rstrip("/").removesuffix("/v1/traces")


Collector = Annotated[str, AfterValidator(_collector)]
LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(str.upper)]


# A random key has about 30 different bytes among its 32; fewer than this were typed by somebody.
_LEAST_BYTES = 8


class Settings(BaseSettings):
    """Every setting of the service; the environment variable has the field's name in capitals."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    environment: Environment = Environment.DEVELOPMENT
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    data_dir: Path = Path("data")
    database_url: str | None = None
    owner_database_url: str | None = None
    sealer_database_url: str | None = None
    database_pool_size: int = Field(default=8, ge=1, le=100)
    token_issuer: str | None = None
    token_audience: str = "msc-icaht"  # noqa: S105 - an audience is public
    token_jwks: str | None = None
    token_max_seconds: int = Field(default=900, ge=60, le=86_400)
    signing_acr: str = SIGNING_ACR
    public_url: str | None = Field(default=None, pattern=r"^https?://[^\s/]+(/[^\s/]+)*$")
    machine_issuer_key_file: Path | None = None
    identity_key: IdentityKey | None = None
    seal_key_file: Path | None = None
    checkpoint_dirs: Folders = ()
    body_limit_bytes: int = Field(default=1_000_000, ge=1_000)
    bulk_body_limit_bytes: int = Field(default=10_000_000, ge=1_000)
    mllp_host: str = "127.0.0.1"
    mllp_port: int = Field(default=2575, ge=0, le=65535)
    mllp_tls_cert: Path | None = None
    mllp_tls_key: Path | None = None
    mllp_client_ca: Path | None = None
    mllp_connections: int = Field(default=64, ge=1, le=10_000)
    mllp_idle_seconds: int = Field(default=600, ge=1)
    mllp_message_seconds: int = Field(default=60, ge=1)
    log_level: LogLevel = "INFO"
    metrics_studies: Words = ("NCT07212335",)
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    otel_exporter_otlp_endpoint: Collector | None = None

    @model_validator(mode="after")
    def _complete(self) -> Settings:
        """Name everything that production needs and does not have, in one message."""
        if self.environment is Environment.PRODUCTION:
            needed = {
                "DATABASE_URL": self.database_url,
                "TOKEN_ISSUER": self.token_issuer,
                "TOKEN_JWKS": self.token_jwks,
                "IDENTITY_KEY": self.identity_key,
            }
            if self.machine_issuer_key_file is not None:
                needed["PUBLIC_URL"] = self.public_url
            missing = [name for name, value in needed.items() if not value]
            if missing:
                raise ValueError(f"production needs {', '.join(missing)}; set them and start again")
        return self

    @property
    def in_production(self) -> bool:
        """Tell whether the conveniences of development are refused."""
        return self.environment is Environment.PRODUCTION

    def shortcomings(self) -> list[str]:
        """List, one sentence each, what production must not run with."""
        reasons = []
        if self.in_production and self.embeds_issuer:
            reasons.append(
                "Tokens of the development issuer are taken in production; set TOKEN_ISSUER."
            )
        key = self.identity_key.get_secret_value() if self.identity_key else ""
        if self.in_production and len(set(bytes.fromhex(key))) < _LEAST_BYTES:
            reasons.append("IDENTITY_KEY is no random key; make one with openssl rand -hex 32.")
        return reasons

    @property
    def embeds_issuer(self) -> bool:
        """Tell whether tokens come from the development issuer."""
        return self.token_issuer is None
