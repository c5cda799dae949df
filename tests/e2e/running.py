"""Run the ``gatecal`` command as a user does, and read what it leaves, column by column."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tasks.workspace_lock import Holder, ProcessIdentity

QUICK = ("--set", "image.enabled=false", "--set", "plots.enabled=false")
"""Without what takes longest, where it is not what a test is about."""
REPOSITORY = Path(__file__).parents[2]
PATIENCE_S = 600.0
POLL_S = 0.005


HISTORY = ("history.sqlite", "history.sqlite-wal", "history.sqlite-shm")
"""What the history keeps beside the workspaces; SQLite removes the last two when nobody has it open."""


@dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    code: int
    output: str
    seconds: float


@dataclass(frozen=True)
class Gatecal:
    """The command, with an environment of its own: an empty home, a Prefect server on loopback."""

    environment: dict[str, str]
    cwd: Path
    extra: dict[str, str] = field(default_factory=dict)

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start it as the leader of a process group."""
        return subprocess.Popen(
            [sys.executable, "-c", "from flows.command import main; main()", *map(str, arguments)],
            cwd=self.cwd,
            env=self.environment | self.extra,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def __call__(self, *arguments: str | Path) -> Finished:
        """Run it to its end."""
        began = time.monotonic()
        process = self.start(*arguments)
        output = finish(process)
        return Finished(process.returncode, output, time.monotonic() - began)


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for the end of a command and return what it printed; end it and its CASA where it does not end."""
    try:
        output, _ = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        raise AssertionError(f"gatecal did not end within {PATIENCE_S:g} s:\n{output}") from None
    except BaseException:  # the tests are being ended
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return output


def observation_file(vis: Path) -> Path:
    """Write the observation file of a simulated e-MERLIN observation beside it."""
    path = vis.with_suffix(".yaml")
    path.write_text(
        f"name: {vis.stem}\n"
        f"data: {vis.name}\n"
        "profile: emerlin\n"
        f"overrides: {{flag.bad_times: {vis}.flagcmd.txt}}\n"
        "roles:\n"
        "  flux: 1331+305\n"
        "  bandpass: [1407+284, 0319+415]\n"
        "  phase_reference: {1252+5634: 1302+5748}\n"
    )
    return path


def outcome(root: Path) -> dict:
    return json.loads((root / "outcome.json").read_text())


def gate(root: Path, name: str) -> dict:
    """Return one gate's report from the outcome."""
    return next(report for report in outcome(root)["gates"] if report["gate"] == name)


def checks(report: dict, verdict: str) -> list[dict]:
    return [check for check in report["checks"] if check["verdict"] == verdict]


def reused(root: Path) -> dict[str, bool]:
    return {step["step"]: step["reused"] for step in outcome(root)["steps"]}


def checksum(path: Path) -> str:
    """Return the checksum of a file, or of every file of a folder with its name."""
    digest = hashlib.sha256()
    files = [path] if path.is_file() else sorted(part for part in path.rglob("*") if part.is_file())
    for file in files:
        digest.update(str(file.relative_to(path)).encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def copy_workspace(root: Path, folder: Path) -> Path:
    """Copy a finished workspace, under its name, into `folder`."""
    return Path(shutil.copytree(root, folder / root.name, symlinks=True))


# --- CASA's own figures ---


def logged_statistics(logs: Path) -> dict[tuple[str, int], tuple[int, int, int]]:
    """Return expected, attempted and succeeded per table and spw from CASA's log lines, summed over calls.

    gaincal logs ``Spw 0: 84/60/60``; bandpass logs its table of counts per spw only, a pair by hand.
    """
    found: dict[tuple[str, int], Counter] = defaultdict(Counter)
    for log in sorted([*logs.glob("*-gaincal.log"), *logs.glob("*-bandpass.log")]):
        text = log.read_text()
        table = Path(re.search(r"caltable='([^']+)'", text)[1]).name.removeprefix(".").removesuffix(".partial")
        for spw, counts in spw_lines(text).items():
            for name, count in zip(("expected", "attempted", "succeeded"), counts, strict=True):
                found[table, spw][name] += count
    return {key: (c["expected"], c["attempted"], c["succeeded"]) for key, c in found.items()}


def spw_lines(text: str) -> dict[int, tuple[int, int, int]]:
    slashed = re.findall(r"Spw (\d+): (\d+)/(\d+)/(\d+)", text)
    if slashed:
        return {int(spw): (int(a), int(b), int(c)) for spw, a, b, c in slashed}
    section = text.partition("PER SPW INFO")[2].partition("GLOBAL INFO")[0]
    found = {}
    for spw, pairs in re.findall(r"SPW: (\d+) (.+)", section):
        expected, unflagged, _, snr = (max(map(int, pair)) for pair in re.findall(r"\[(\d+), (\d+)\]", pairs))
        found[int(spw)] = (expected, unflagged, snr)
    return found


def reported_statistics(root: Path) -> dict[tuple[str, int], tuple[int, int, int]]:
    return {
        (entry["table"], entry["spw"]): (entry["expected"], entry["attempted"], entry["succeeded"])
        for entry in outcome(root)["solve_statistics"]
    }


# --- whole columns ---


def different_columns(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> list[str]:
    """Return the names of the columns that differ in any value, shape or presence; NaN equals NaN."""
    names = sorted({*ours, *theirs})
    return [name for name in names if name not in ours or name not in theirs or not _same(ours[name], theirs[name])]


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    numbers = one.dtype.kind in "fc" and other.dtype.kind in "fc"
    return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=numbers)


def different_tables(casa, ours: Path, theirs: Path) -> list[str]:
    """Return what differs between two tables, column by column, value by value."""
    read = [casa("tests.e2e.tables:all_columns", table=path) for path in (ours, theirs)]
    assert len(next(iter(read[0].values()))) > 0, f"{ours} is empty"
    return different_columns(*read)


def differences(casa, ours: Path, theirs: Path) -> list[str]:
    """Return every column in which two workspaces differ: caltables, working MeasurementSet, split targets."""
    tables = sorted({path.name for root in (ours, theirs) for path in caltables(root)})
    assert tables
    places = [Path("caltables") / name for name in tables if (ours / "caltables" / name / "table.dat").exists()]
    missing = [name for name in tables if not all((root / "caltables" / name).exists() for root in (ours, theirs))]
    places += [Path("ms") / f"{ours.name}.ms"]
    places += sorted({path.relative_to(theirs) for path in (theirs / "products").glob("*.ms")})
    return [
        *(f"{name}: missing" for name in missing),
        *(f"{place}: {name}" for place in places for name in different_tables(casa, ours / place, theirs / place)),
    ]


def caltables(root: Path) -> list[Path]:
    """Return a workspace's solution tables; anything else in their folder is a model image or a leftover."""
    return [path for path in (root / "caltables").iterdir() if path.suffix != ".im"]


# --- processes ---


def holder(root: Path) -> Holder | None:
    try:
        return Holder.model_validate_json((root / ".lock").read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def wait_for(condition, process: subprocess.Popen[str] | None = None):
    """Poll until `condition` returns something true, and return it."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        if process is not None and process.poll() is not None:
            raise AssertionError(f"gatecal ended first ({process.returncode}):\n{process.communicate()[0]}")
        time.sleep(POLL_S)
    raise AssertionError("waited in vain")


def alive(processes: list[ProcessIdentity]) -> list[ProcessIdentity]:
    return [process for process in processes if process.alive()]


INTO_THE_CALL_S = 0.03
"""How far into a call CASA is stopped: the shortest take 0.15 s."""


def caught_in(task: str, root: Path, process: subprocess.Popen[str] | None = None) -> Holder:
    """Wait until a run in workspace `root` calls `task`, stop CASA in mid-call, and return who holds the workspace.

    What happens next is then certain to happen in mid-call, however busy the machine is. A call may take less than
    half a second, so nothing else is asked between two looks. Calls whose logs are there already do not count.
    """
    logs, end = root / "logs", root / "outcome.json"
    seen, ended_before = set(logs.glob("*.log")), end.exists()

    def caught() -> Holder | None:
        if end.exists() and not ended_before:
            raise AssertionError(f"the run in {root} ended, and no call of {task} was caught in the middle")
        for log in sorted({*logs.glob(f"*-{task}.log")} - seen):
            text = log.read_text(errors="replace")
            if "End Task" in text:
                seen.add(log)
            elif "Begin Task" in text:
                time.sleep(INTO_THE_CALL_S)
                return _stopped(root, log)
        return None

    return wait_for(caught, process)


def _stopped(root: Path, log: Path) -> Holder | None:
    """Stop the CASA child that writes `log`; return who holds the workspace, or None if the call had ended."""
    found = holder(root)
    if found is None or not found.workers:
        return None
    workers = list(found.workers)
    _signal(workers, signal.SIGSTOP)
    if "End Task" not in log.read_text(errors="replace") and alive(workers):
        return found
    _signal(workers, signal.SIGCONT)
    return None


def _signal(processes: list[ProcessIdentity], number: signal.Signals) -> None:
    """Send a signal to each that lives: one that draws a plot may end while another solves."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)
