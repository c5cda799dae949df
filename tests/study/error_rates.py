"""How often each gate is wrong: clean observations that stop or warn, and faults that are missed.

Run by hand, on a quiet machine of two cores::

    bash deployments/run python -m tests.study.error_rates clean 430 30
    bash deployments/run python -m tests.study.error_rates faults 400 10
    bash deployments/run python -m tests.study.error_rates weaker 400 3
    bash deployments/run python -m tests.study.error_rates table > qa/ERROR_RATES.md
    bash deployments/run python -m tests.study.history table >> qa/ERROR_RATES.md

Arguments are the first seed and the number of seeds. Results are appended to ``observations/study/results.jsonl``, one
line per run; a run that is there already is not made again. Bounds are tuned on seeds 100 to 199, the
table of expectations on 300 to 306; reported are seeds from 400 on.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.study.expected import EXPECTED

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path("observations/study").absolute()
RESULTS = ROOT / "results.jsonl"
OFF = {"image.enabled": False, "trial.enabled": False}
"""Steps that no gate looks at."""


def jobs(kind: str, first: int, count: int) -> Iterator[tuple[int, str]]:
    """Yield seed and fault (empty: clean) of every run asked for."""
    for seed in range(first, first + count):
        if kind == "clean":
            yield seed, ""
        for expected in EXPECTED:
            if kind == "faults":
                yield seed, expected.fault
            if kind == "weaker":
                yield from ((seed, f"{expected.fault}:{strength}") for strength in expected.weaker)


def one(job: tuple[int, str]) -> dict[str, Any]:
    """Simulate and calibrate one observation; return what its gates said."""
    from prefect import flow

    from flows.calibrate import recipe
    from flows.demo import make_observation
    from flows.prepare import prepared
    from flows.run import Run
    from schemas.errors import CalibrationError
    from schemas.observation import Observation, RequestedRoles

    seed, fault = job
    folder = Path(tempfile.mkdtemp(dir=ROOT))
    began = time.monotonic()
    vis = folder / "tiny.ms"
    truth = make_observation("tiny", vis, seed, [fault] if fault else [], warm_server())
    roles = RequestedRoles(
        flux="1331+305", bandpass=("1407+284", "0319+415"), phase_reference={"1252+5634": "1302+5748"}
    )
    overrides = {"flag.bad_times": str(folder / truth.flag_commands), **OFF}
    observation = Observation(name="tiny", data=vis, profile="emerlin", roles=roles)
    reports: list[Any] = []
    recovered: list[Any] = []

    @flow(name="error rates")
    def calibrated() -> str:
        with prepared(observation, folder / "work", overrides, None, warm_server()) as calibration:
            run = Run(calibration, Silent())
            try:
                recipe(run)
            except CalibrationError as error:
                return type(error).__name__ + ": " + str(error)[:300]
            finally:
                reports.extend(run.reports)
            recovered.extend(entry.model_dump() for entry in found(run, truth))
        return ""

    try:
        ended = calibrated()
    except Exception as error:
        ended = f"{type(error).__name__}: {error}"[:300]
    shutil.rmtree(folder, ignore_errors=True)
    row = {"seed": seed, "fault": fault, "ended": ended, "seconds": time.monotonic() - began}
    return row | {"recovered": recovered} | said(reports)


def found(run: Any, truth: Any) -> Any:
    """Return what a whole run recovered beside what was put in."""
    from qa.outcome import delays_of, fluxes_of
    from qa.truth import compare

    delays = run.calibration.workspace.load_frame(run.records["delay"].tables[0].rows)
    return compare(fluxes_of(run.records["fluxscale"].fits), delays_of(delays), truth)


@functools.cache
def warm_server() -> Any:
    """Return this worker's CASA server: its import takes 5 s of CPU, a third of a run."""
    from tasks.casa import CasaServer

    return CasaServer()


class Silent:
    """A progress display that shows nothing."""

    def began(self, step: Any) -> None: ...
    def done(self, step: Any) -> None: ...
    def judged(self, report: Any) -> None: ...


def said(reports: list[Any]) -> dict[str, Any]:
    """Return the gates' verdicts and what failed, as plain values."""
    failed = [
        {
            "gate": report.gate,
            "metric": check.metric,
            "severity": check.severity,
            "verdict": check.verdict,
            "observed": check.observed,
            "bound": check.bound,
            "places": [*(str(failure.place) for failure in check.failures), check.where, check.reason],
        }
        for report in reports
        for check in report.checks
        if check.verdict in {"warned", "stopped"}
    ]
    return {"verdicts": {report.gate: report.verdict for report in reports}, "failed": failed}


def main(kind: str, first: int, count: int) -> None:
    """Run what is asked for and not there yet, two at a time, against a Prefect server of its own."""
    ROOT.mkdir(parents=True, exist_ok=True)
    done = {(row["seed"], row["fault"]) for row in results()}
    todo = [job for job in jobs(kind, first, count) if job not in done]
    port = 4300 + os.getpid() % 500
    environment = {
        "PREFECT_HOME": str(ROOT / "prefect"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    }
    os.environ.update(environment)
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (ROOT / "server.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_until_ready(port)
            with ProcessPoolExecutor(2) as pool, RESULTS.open("a") as file:
                for number, row in enumerate(pool.map(one, todo), start=1):
                    file.write(json.dumps(row) + "\n")
                    file.flush()
                    print(f"{number}/{len(todo)} seed {row['seed']} {row['fault'] or 'clean'}: {summary(row)}")
        finally:
            server.terminate()
            server.wait(30)


def wait_until_ready(port: int) -> None:
    """Wait for the server, at most two minutes."""
    import urllib.request

    for _ in range(240):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=2)
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise TimeoutError("the Prefect server did not start")


def results() -> list[dict[str, Any]]:
    """Return all runs so far."""
    return [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []


def summary(row: dict[str, Any]) -> str:
    """Return a run's failed checks in one line."""
    parts = [f"{f['gate']}.{f['metric']}:{f['verdict']}({f['observed']})@{f['places'][0]}" for f in row["failed"]]
    return "; ".join(parts) + (f" | {row['ended'][:200]}" if row["ended"] else "")


if __name__ == "__main__":
    if sys.argv[1] == "table":
        from tests.study.table import table

        print(table(results()))
    else:
        main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
