"""A listener that acknowledges before it stores: what the real one must not do, for a control."""

import asyncio
import sys

from app import cli
from app.interop.hl7v2.receiving import Reply
from app.mllp.conversation import Conversation

# As long as a careless program might keep a message in memory before it is stored.
LATE_SECONDS = 0.05


async def exchange(self: Conversation) -> None:
    """Answer each message at once and store it afterwards."""
    while piece := await self._connection.take():
        content = piece.content
        control_id = content.split(b"|")[9]
        await self._connection.answer(
            b"MSH|^~\\&|||||20260601||ACK|1|P|2.5.1\rMSA|AA|" + control_id + b"\r"
        )
        await asyncio.sleep(LATE_SECONDS)
        reply: Reply = await self._intake.receive(self._peer, content)
        assert reply.content


if __name__ == "__main__":
    Conversation._exchange = exchange
    sys.exit(cli.main(["mllp", "--study", "NCT07212335", "--sender", "LIS-01"]))
