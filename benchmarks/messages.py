"""Measures HL7 v2 messages of twenty results, over MLLP and over HTTP, beside the JSON panel.

Each is also sent a second time, byte for byte. Run by `make bench-messages`.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

from benchmarks.figures import SERIALS, Run, measure, middle, table
from benchmarks.generator import MLLP, Plan
from benchmarks.panel import PANEL, message_bodies
from benchmarks.plans import SENDER, lab_plan
from benchmarks.service import COMMAND, Postgres, Server, Service, postgres, service, serving

WARM = 50
SENDER_CODE = "LIS-01"
SENDERS_PATH = "/api/v1/lis/senders"
COLUMNS = ("what", "rate", "CPU", "p50 ms", "p99 ms", "CPU us", "PostgreSQL us")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=8, help="(8)")
    parser.add_argument("--requests", type=int, default=200, help="of each measurement (200)")
    parser.add_argument("--rounds", type=int, default=3, choices=range(1, 21), metavar="ROUNDS")
    wanted = parser.parse_args()
    with postgres() as server, service(server) as ours:
        lift_rate(ours)
        settings = {"DATABASE_URL": server.database("service"), "DATA_DIR": ours.folder}
        command = [str(COMMAND), "mllp", "--study", "NCT07212335", "--sender", SENDER_CODE]
        with serving(command, None, settings) as (port, pid):
            senders = plans(ours, Server(port, pid))
            warm_up(server, senders)
            rounds = [one_round(server, senders, wanted) for _ in range(wanted.rounds)]
        check_filed(
            server,
            sum(each[name].units for each in rounds for name in senders) + WARM * len(senders),
        )
    show({name: middle([each[name] for each in rounds]) for name in rounds[0]})


def show(found: dict[str, Run]) -> None:
    """Print everything as multiples of the JSON panel."""
    unit = found["JSON panel"]
    print(f"{len(PANEL)} results each; rate and CPU as multiples of the JSON panel")
    rows = [
        (
            name,
            f"{run.rate / unit.rate:.2f}",
            f"{run.us / unit.us:.2f}",
            f"{run.p50 * 1e3:.2f}",
            f"{run.p99 * 1e3:.2f}",
            f"{run.us:.0f}",
            f"{run.database_us:.0f}",
        )
        for name, run in found.items()
    ]
    table(COLUMNS, rows)


def plans(ours: Service, listener: Server) -> dict[str, tuple[Server, Plan]]:
    """Return what is sent, by name."""
    message = message_plan(ours)
    return {
        "JSON panel": (ours, lab_plan(ours, len(PANEL))),
        "HTTP": (ours, message),
        "MLLP": (listener, replace(message, port=listener.port, method=MLLP)),
    }


def message_plan(ours: Service) -> Plan:
    """Return messages for the service over HTTP."""
    token = ours.tokens[SENDER]
    return Plan(
        port=ours.port,
        method="POST",
        path="/api/v1/lis/hl7v2",
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/hl7-v2"},
        bodies=message_bodies(ours.numbers),
        connections=8,
    )


def one_round(
    server: Postgres, senders: dict[str, tuple[Server, Plan]], wanted: argparse.Namespace
) -> dict[str, Run]:
    """Send some requests each way, then the same again."""
    runs = {}
    for name, (to, plan) in senders.items():
        once = replace(
            plan,
            connections=wanted.connections,
            requests=wanted.requests,
            first_serial=next(SERIALS),
        )
        runs[name] = measure(to, server, once)
        runs[f"{name} again"] = measure(to, server, once)
    return runs


def warm_up(server: Postgres, senders: dict[str, tuple[Server, Plan]]) -> None:
    """Let every way run, and the database know its tables, which it would do by itself later."""
    for to, plan in senders.values():
        measure(to, server, replace(plan, requests=WARM))
    server.run_sql("ANALYZE", "service")


def lift_rate(ours: Service) -> None:
    """Let the sender come as often as it can."""
    (sender,) = ours.call("data_manager", "GET", SENDERS_PATH)["items"]
    change = {"rate_per_minute": 1_000_000, "reason": "Measured."}
    ours.call("data_manager", "PATCH", f"{SENDERS_PATH}/{sender['id']}", change, '"v1"')


def check_filed(server: Postgres, sent: int) -> None:
    """Stop unless every result of every message was filed or stored."""
    stored = int(server.run_sql("SELECT count(*) FROM lab_result", "service"))
    if stored != sent * len(PANEL):
        raise SystemExit(f"{sent * len(PANEL)} results were acknowledged, {stored} are stored")


if __name__ == "__main__":
    main()
