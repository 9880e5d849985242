"""How fast a client may come: an allowance a minute, kept in this process for each client."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable

SECOND = 1_000_000_000
MINUTE = 60 * SECOND


class Rates:
    """Token buckets that hold a minute's allowance, full at first and refilled evenly.

    `clock` gives nanoseconds and never goes back. A bucket is one number: when it will be full
    again. Every process counts for itself. Full buckets are forgotten once there are many, so that
    clients who only come by cost no memory.
    """

    MOST = 10_000

    def __init__(self, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock = clock
        self._full_at: dict[Hashable, int] = {}

    def take(self, client: Hashable, per_minute: int) -> int:
        """Take one from a client's bucket and return 0.

        When it is empty nothing is taken, and the answer is the whole seconds until there is one.
        """
        now = self._clock()
        full_at = max(self._full_at.get(client, now), now) + MINUTE // per_minute
        missing = full_at - now - MINUTE
        if missing > 0:
            return -(-missing // SECOND)
        self._full_at[client] = full_at
        if len(self._full_at) > self.MOST:
            self._full_at = {each: at for each, at in self._full_at.items() if at > now}
        return 0
