"""Measures results over HTTP: one, a panel of twenty, or thousands in a request.

Beside the service, in the same run and on the same PostgreSQL: what the database allows (limits.py)
and the naive application (naive.py). Run by `make bench-labs`, `bench-panels` and `bench-bulk`.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import dataclass, field, replace

from benchmarks import limits
from benchmarks.figures import Run, measure, middle, table
from benchmarks.generator import Plan
from benchmarks.plans import SENDER, check_stored, lab_plan, naive, naive_plan
from benchmarks.service import Postgres, Server, postgres, service

COPIED_ROWS = 10_000
# The naive application takes minutes for more.
MOST_OF_NAIVE = 2_000
COLUMNS = ("connections", "what", "rate", "CPU", "p50 ms", "p99 ms", "CPU us", "PostgreSQL us")


@dataclass(frozen=True, slots=True)
class Rig:
    """What is measured side by side, and what was seen by connections and name."""

    server: Postgres
    senders: dict[str, tuple[Server, Plan]]
    results: int
    runs: defaultdict[tuple[int, str], list[Run]] = field(default_factory=lambda: defaultdict(list))

    def measure(self, name: str, connections: int, seconds: float) -> None:
        """Send requests for some seconds."""
        to, plan = self.senders[name]
        plan = replace(plan, connections=connections, seconds=seconds)
        self.runs[connections, name].append(measure(to, self.server, plan))

    def measure_limits(self, connections: int, seconds: float) -> None:
        """Measure what the database allows: B1 for single results, else B2 and B3."""
        if self.results == 1:
            run = limits.b1(self.server, connections, seconds)
            self.runs[connections, "B1"].append(run)
        else:
            self.runs[1, "B2"].append(limits.b2(self.server, COPIED_ROWS))
            self.runs[1, "B3"].append(limits.b3(self.server, COPIED_ROWS))

    @property
    def acknowledged(self) -> int:
        """Give how many results the service said it stored."""
        runs = (run for (_, name), each in self.runs.items() if name == "service" for run in each)
        return self.results * sum(run.units for run in runs)


def main() -> None:
    """Measure and print."""
    wanted = arguments()
    with postgres() as server, service(server) as ours, naive(server) as other:
        plan = lab_plan(ours, wanted.results, wanted.role, wanted.keys)
        senders = {"service": (ours, plan)}
        if wanted.results <= MOST_OF_NAIVE:
            senders["naive"] = (other, naive_plan(other, wanted.results))
        rig = Rig(server, senders, wanted.results)
        for name in senders:
            rig.measure(name, min(wanted.connections), 0.5)
        warm = rig.acknowledged
        rig.runs.clear()
        for _ in range(wanted.rounds):
            for connections in wanted.connections:
                rig.measure_limits(connections, wanted.seconds)
                for name in senders:
                    rig.measure(name, connections, wanted.seconds)
        check_stored(server, warm + rig.acknowledged)
    show(rig)


def arguments() -> argparse.Namespace:
    """Read what is wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=int, default=1, help="of each request (1)")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8, 32], help="(1 8 32)")
    parser.add_argument("--seconds", type=float, default=2, help="of each measurement (2)")
    parser.add_argument("--rounds", type=int, default=3, choices=range(1, 21), metavar="ROUNDS")
    parser.add_argument("--role", default=SENDER, help=f"who sends ({SENDER})")
    parser.add_argument("--keys", action="store_true", help="with an Idempotency-Key each")
    return parser.parse_args()


def show(rig: Rig) -> None:
    """Print everything as multiples of the unit, by the result, and the times beside each other."""
    found = {key: middle(runs) for key, runs in rig.runs.items()}
    most = max(connections for connections, _ in found)
    unit = found[most, "B1"] if rig.results == 1 else found[1, "B2"]
    name = f"B1 at {most} connections" if rig.results == 1 else f"B2, a COPY of {COPIED_ROWS} rows"
    print(f"{rig.results} result(s) a request; rate and CPU of a result as multiples of {name}")
    rows = []
    for (connections, what), run in sorted(found.items()):
        each = 1 if what.startswith("B") else rig.results
        rows.append(
            (
                str(connections),
                what,
                f"{run.rate * each / unit.rate:.2f}",
                f"{run.us / each / unit.us:.2f}",
                f"{run.p50 * 1e3:.2f}",
                f"{run.p99 * 1e3:.2f}",
                f"{run.us:.0f}",
                f"{run.database_us:.0f}",
            )
        )
    table(COLUMNS, rows)


if __name__ == "__main__":
    main()
