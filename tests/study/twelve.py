"""Twelve observations in one night: three workers, PostgreSQL for server and history, the inbox fired twice at once.

Run by hand, on a quiet machine of two cores (about a quarter of an hour)::

    bash deployments/run python -m tests.study.twelve > deployments/TWELVE.md

Ends with an error where anything was lost, done twice, or told a run 503.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from flows.demo import make_observation
from tests.contract.postgresql import engine_of, make_database, postgresql
from tests.e2e.conftest import environment
from tests.e2e.running import Gatecal, outcome
from tests.e2e.whole_service import WholeService

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNT, WORKERS, FIRST_SEED = 12, 3, 500
NIGHT_S = 3600.0
ROLES = """\
profile: emerlin
overrides: {{flag.bad_times: {name}.flagcmd.txt}}
roles:
  flux: "1331+305"
  bandpass: ["1407+284", "0319+415"]
  phase_reference: {{"1252+5634": "1302+5748"}}
"""


def main() -> None:
    """Run the night and print the page."""
    with tempfile.TemporaryDirectory(prefix="gatecal-twelve-") as scratch, postgresql() as database:
        folder = Path(scratch)
        service = made(folder, make_database(database, "prefect"), make_database(database, "history"))
        fill(service.inbox)
        try:
            began = time.monotonic()
            up = service.up()
            assert up.code == 0, up.output
            parts = {"service up": time.monotonic() - began}
            night(service, parts)
            runs = finished(service)
            check(service, runs, database)
            aimed_at_one_workspace(service, runs)
            page(service, runs, parts)
        finally:
            sys.stderr.write(service.down().output)


def made(folder: Path, prefect: str, history: str) -> WholeService:
    """Return the service, not up yet: both of its databases on PostgreSQL."""
    (folder / "home").mkdir()
    extra = {
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": prefect.replace("postgresql:", "postgresql+asyncpg:"),
        "GATECAL_HISTORY_URL": history,
        "GATECAL_WORKERS": str(WORKERS),
        "GATECAL_QUIET_MINUTES": "0.05",
        "GATECAL_MIN_FREE_GB": "0",
    }
    return WholeService(folder, Gatecal(environment(folder / "home") | extra, folder))


def fill(inbox: Path) -> None:
    """Simulate twelve nights of the smallest preset into the inbox."""
    made_in = inbox.with_name("simulated")
    for path in (inbox, made_in):
        path.mkdir()
    for seed in range(FIRST_SEED, FIRST_SEED + COUNT):
        vis = made_in / f"night{seed}.ms"
        make_observation("tiny", vis, seed, ())
        (inbox / f"{vis.stem}.yaml").write_text(ROLES.format(name=vis.name))
        for path in (vis.with_name(f"{vis.name}.flagcmd.txt"), vis):
            path.rename(inbox / path.name)


def night(service: WholeService, parts: dict[str, float]) -> None:
    """Let the schedule fire, fire beside it, wait until everything has ended; fire again: nothing is begun."""
    began = time.monotonic()
    both = [service.scheduled(), service.fire()]
    for run in both:
        ended = service.ended(run, NIGHT_S)
        assert ended["state_type"] == "COMPLETED", ended
    parts["night"] = time.monotonic() - began
    again = service.ended(service.fire(), NIGHT_S)
    assert "0 begun" in again["state"]["message"], again


def finished(service: WholeService) -> list[dict[str, Any]]:
    """Return all runs of `calibrate`, in the order in which they started."""
    chosen = {"flows": {"name": {"any_": ["calibrate"]}}, "limit": 200}
    return sorted(service.ask("flow_runs/filter", chosen), key=lambda run: run["start_time"])


def check(service: WholeService, runs: list[dict[str, Any]], database: str) -> None:
    """Refuse a night with a lost or double run, or a 503 that a run has seen."""
    wanted = {f"night{seed}" for seed in range(FIRST_SEED, FIRST_SEED + COUNT)}
    begun = sorted(run["name"] for run in runs)
    assert begun == sorted(wanted), (begun, service.ask("artifacts/latest/filter", {}))
    for run in runs:
        found = outcome(service.workspace / run["name"])
        assert found["provenance"]["flow_run"] == run["id"]
        assert (run["state_type"], found["verdict"] in {"passed", "warned"}, run["run_count"]) == ("COMPLETED", True, 1)
    with engine_of(f"{database}/history").connect() as history:
        assert history.scalar(text("SELECT count(*) FROM gatecal_run")) == COUNT
    seen = [line for line in lines(service) if " 503" in line or "503 " in line]
    assert not seen, seen


def lines(service: WholeService) -> Iterator[str]:
    """Yield every line that server, workers and runs have logged."""
    for log in (service.folder / "logs").glob("*.log"):
        yield from log.read_text(errors="replace").splitlines()
    offset = 0
    while found := service.ask("logs/filter", {"limit": 200, "offset": offset}):
        yield from (entry["message"] for entry in found)
        offset += len(found)


def aimed_at_one_workspace(service: WholeService, runs: list[dict[str, Any]]) -> None:
    """Start two reruns of one observation at once: one is refused, and says who has the workspace."""
    deployment = service.ask("deployments/name/calibrate/calibrate")
    parameters = runs[0]["parameters"] | {"from_step": "gains"}
    made_at_once = [service.ask(f"deployments/{deployment['id']}/create_flow_run", {"parameters": parameters})["id"]
                    for _ in range(2)]  # fmt: skip
    ended = {run["state_name"]: run for run in (service.ended(run, NIGHT_S) for run in made_at_once)}
    assert len(ended) == 2, ended
    (refused,) = (run["state"]["message"] for run in ended.values() if run["state_type"] == "FAILED")
    assert f"gatecal {runs[0]['name']}" in refused, refused
    sys.stderr.write(f"refused: {refused}\n")


def page(service: WholeService, runs: list[dict[str, Any]], parts: dict[str, float]) -> None:
    """Print what the night took."""
    print(f"# {COUNT} observations, {WORKERS} workers, PostgreSQL\n")
    print("Made by `python -m tests.study.twelve`: the `tiny` preset, seeds "
          f"{FIRST_SEED} to {FIRST_SEED + COUNT - 1}, with plots and reports, on {os.cpu_count()} cores. All were done "
          "once, by two nights fired at once; one fired after them began nothing; no run saw a 503.\n")  # fmt: skip
    print("| part | time [s] |\n|---|---|")
    for name, seconds in parts.items():
        print(f"| {name} | {seconds:.0f} |")
    print("\n| observation | waited for a worker [s] | process start [s] | stages [s] | "
          "checks, plots, report [s] | whole run [s] | verdict |\n|---|---|---|---|---|---|---|")  # fmt: skip
    spans = [spans_of(service, run) for run in runs]
    for run, span in zip(runs, spans, strict=True):
        verdict = outcome(service.workspace / run["name"])["verdict"]
        print(f"| {run['name']} | " + " | ".join(f"{seconds:.0f}" for seconds in span) + f" | {verdict} |")
    means = [sum(column) / len(column) for column in zip(*spans, strict=True)]
    print("| mean | " + " | ".join(f"{seconds:.0f}" for seconds in means) + " | |")


def spans_of(service: WholeService, run: dict[str, Any]) -> tuple[float, ...]:
    """Return a run's times [s]: waiting, process start, stages, the rest, the whole."""
    found = outcome(service.workspace / run["name"])
    states = service.ask(f"flow_run_states/?flow_run_id={run['id']}")
    at = {state["type"]: datetime.fromisoformat(state["timestamp"]) for state in reversed(states)}
    stages = sum(step["seconds"] for step in found["steps"])
    whole = (at["COMPLETED"] - at["RUNNING"]).total_seconds()
    waited = (at["PENDING"] - at["SCHEDULED"]).total_seconds()
    return waited, (at["RUNNING"] - at["PENDING"]).total_seconds(), stages, whole - stages, whole


if __name__ == "__main__":
    main()
