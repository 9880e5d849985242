"""The seal on the wire: receipts of operations, and the checkpoints that were signed."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field, field_serializer

from app.schemas.lists import Listing
from app.schemas.types import View


class ReceiptView(View):
    """The proof that an operation is in the log; whoever holds the public key can check it."""

    operation_id: UUID
    header: str = Field(description="What the leaf says, to the byte; its hash is the leaf's.")
    index: int = Field(description="The place of the leaf, counted from 0.")
    size: int = Field(description="How many leaves the checkpoint signs.")
    path: list[str] = Field(description="The inclusion proof of RFC 6962 in hexadecimal.")
    checkpoint: str = Field(description="The signed note over the root of these leaves.")


class PendingReceiptView(View):
    """The operation is committed, and not sealed yet."""

    operation_id: UUID
    status: str = Field(examples=["pending"])


class CheckpointView(View):
    """A signed statement of the log: its size, its root, when, and the note itself."""

    epoch: int
    size: int
    root: bytes = Field(description="In hexadecimal.", json_schema_extra={"format": "hex"})
    signed_at: datetime
    note: str

    @field_serializer("root")
    def _hexadecimal(self, root: bytes) -> str:
        return root.hex()


class CheckpointListing(Listing[CheckpointView]):
    """Checkpoints, the statements of restores, and the key that signs."""

    rollbacks: list[str] = Field(description="Signed statements that the database was restored.")
    verifier_key: str | None = Field(
        description="The public key as a C2SP verifier key. Compare it with the one you were given."
    )
