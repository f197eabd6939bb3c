"""`make bench`: everything side by side, in one run, on one machine.

python -m bench.run [--jobs 1000] [--rounds 3] [--samples 200]
"""

import argparse
import asyncio
import json
import os
import platform
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.peers import TASKS, missing, noop_tasks
from bench.pixsim import latencies, whole_jobs
from bench.postgres import Server, durable_server

RESULTS = Path(__file__).parent / "results"
JOBS = 1000
ROUNDS = 3
SAMPLES = 200
BUDGET_S = 240.0
"""No further round begins when the run could then take longer than this."""

out = Console()
Record = dict[str, Any]


class Report:
    """Every measurement of a run: one JSON line each, and the table at the end."""

    def __init__(self) -> None:
        RESULTS.mkdir(exist_ok=True)
        started = datetime.now(UTC)
        self._file = RESULTS / f"{started:%Y%m%dT%H%M%SZ}.jsonl"
        self.records: list[Record] = []
        self.add("machine", {"started": started.isoformat(), **machine()})

    def add(self, what: str, values: Record) -> None:
        record = {"what": what, "load": round(os.getloadavg()[0], 2), **values}
        self.records.append(record)
        with self._file.open("a") as file:
            file.write(json.dumps(record) + "\n")

    def of(self, what: str) -> list[Record]:
        return [record for record in self.records if record["what"] == what]

    def middle(self, what: str, name: str) -> float:
        return float(median(record[name] for record in self.of(what)))

    @property
    def path(self) -> Path:
        return self._file


def machine() -> Record:
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    names = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return {
        "cpus": os.cpu_count(),
        "cpu": names[0] if names else platform.processor(),
        "python": platform.python_version(),
        "system": platform.platform(),
    }


async def measure(report: Report, server: Server, jobs: int, rounds: int, samples: int) -> None:
    """Interleaved rounds of everybody, then the latencies."""
    peers = []
    for peer in TASKS:
        reason = missing(peer)
        if reason is None:
            peers.append(peer)
        else:
            out.print(f"[yellow]{peer} is left out: {reason}[/yellow]")
    began = time.monotonic()
    await measure_latencies(report, server, samples)
    for number in range(rounds):
        round_began = time.monotonic()
        values = await whole_jobs(server, jobs, f"whole_{number}")
        report.add("whole jobs", values)
        out.print(f"round {number + 1}: whole jobs {values['per_s']:.1f}/s")
        for peer in peers:
            values = await noop_tasks(server, peer, f"{peer}_{number}")
            report.add(peer, values)
            out.print(f"round {number + 1}: {peer} {values['per_s']:.0f} no-op tasks/s")
        now = time.monotonic()
        if number + 1 < rounds and now + (now - round_began) > began + BUDGET_S:
            out.print(f"[yellow]Only {number + 1} of {rounds} rounds fit into the time.[/yellow]")
            break


async def measure_latencies(report: Report, server: Server, samples: int) -> None:
    values = await latencies(server, samples, "latency")
    report.add("latency", values)
    p50, p99 = values["total_p50_ms"], values["total_p99_ms"]
    out.print(f"create to the provider's socket: p50 {p50:.1f} ms, p99 {p99:.1f} ms")


def show(report: Report) -> None:
    """The tables of a run."""
    whole = report.middle("whole jobs", "per_s")
    table = Table(title=f"Throughput, medians of {len(report.of('whole jobs'))} rounds")
    for column in ("what", "per second", "whole jobs ÷ this", "run alone", "whole jobs ÷ this"):
        table.add_column(column, justify="left" if column == "what" else "right")
    table.add_row("PixSim7, whole jobs", f"{whole:.1f}", "", "", "")
    for peer in TASKS:
        if report.of(peer):
            both = report.middle(peer, "per_s")
            alone = report.middle(peer, "run_alone_per_s")
            table.add_row(
                f"{peer}, no-op tasks",
                f"{both:.0f}",
                f"{whole / both:.3f}",
                f"{alone:.0f}",
                f"{whole / alone:.3f}",
            )
    out.print(table)
    details = Table(title="One whole job costs")
    details.add_column("what")
    details.add_column("median", justify="right")
    jobs = report.of("whole jobs")
    for name in ("transactions_per_job", "rollbacks_per_job", "wal_kib_per_job"):
        details.add_row(name.replace("_", " "), f"{report.middle('whole jobs', name):.1f}")
    for part in jobs[0]["cpu_ms_per_job"]:
        used = median(record["cpu_ms_per_job"][part] for record in jobs)
        details.add_row(f"CPU ms, {part}", f"{used:.1f}")
    for name in ("accepted_per_s", "derived_per_s", "post_p50_ms", "post_p99_ms"):
        details.add_row(name.replace("_", " "), f"{report.middle('whole jobs', name):.1f}")
    out.print(details)
    latency = report.of("latency")[0]
    spans = Table(title=f"Create to the provider's socket, idle, {latency['samples']} samples")
    for column in ("span", "p50 ms", "p99 ms"):
        spans.add_column(column, justify="left" if column == "span" else "right")
    for name in [key[: -len("_p50_ms")] for key in latency if key.endswith("_p50_ms")]:
        spans.add_row(
            name.replace("_", " "),
            f"{latency[f'{name}_p50_ms']:.1f}",
            f"{latency[f'{name}_p99_ms']:.1f}",
        )
    out.print(spans)
    loads = [record["load"] for record in report.records]
    out.print(f"Load average of the machine during the run: {min(loads)} to {max(loads)}.")
    out.print(f"All measurements: {report.path}")


def main(jobs: int = JOBS, rounds: int = ROUNDS, samples: int = SAMPLES) -> None:
    """Measure, show, and leave nothing running. The jobs are shared out among the rounds."""
    report = Report()
    with (
        TemporaryDirectory(prefix="px7-bench-", dir="/tmp") as made,
        durable_server(Path(made)) as server,
    ):
        asyncio.run(measure(report, server, max(jobs // rounds, 1), rounds, samples))
    show(report)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=JOBS, help="of all rounds together")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--samples", type=int, default=SAMPLES)
    options = parser.parse_args()
    main(options.jobs, options.rounds, options.samples)
