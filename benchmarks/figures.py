"""One measurement, the median of several, and how they are shown beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count
from statistics import median

from benchmarks.generator import Plan, generate
from benchmarks.service import Postgres, Server

# No two measurements may send the same specimen; each gets this many serial numbers.
SERIALS = count(1_000_000, 1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one measurement saw; a unit is a request, a transaction or a row.

    `rate` is units a second, `p50` and `p99` are seconds, `app_us` and `database_us` are processor
    time for each unit in microseconds.
    """

    rate: float
    p50: float = 0.0
    p99: float = 0.0
    app_us: float = 0.0
    database_us: float = 0.0
    units: int = 0

    @property
    def us(self) -> float:
        """Give the processor time of application and database."""
        return self.app_us + self.database_us


def measure(server: Server, database: Postgres, plan: Plan) -> Run:
    """Run a plan against a server; count its processor time and the database's.

    Unless the plan says where its serial numbers start, they are new.
    """
    plan = replace(plan, first_serial=plan.first_serial or next(SERIALS))
    app, stored = server.cpu(), database.cpu()
    seen = generate(plan)
    app, stored = server.cpu() - app, database.cpu() - stored
    return Run(
        rate=seen.answers / seen.seconds,
        p50=seen.p50,
        p99=seen.p99,
        app_us=app / seen.answers * 1e6,
        database_us=stored / seen.answers * 1e6,
        units=seen.answers,
    )


def middle(runs: Sequence[Run]) -> Run:
    """Return the median of each figure."""
    names = asdict(runs[0])
    return Run(**{name: median(getattr(run, name) for run in runs) for name in names})


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their columns."""
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    for row in [columns, *rows]:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
