"""The service's own processes: started with a mark, found again by it, ended by it, and nothing else is.

Every process of the service has ``GATECAL_SERVICE=<token>`` in its environment, and so have all its descendants: the
runs that a worker starts in sessions of their own, and their CASA. After a crash they are found by it in /proc.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.service import ProcessEntry
from tasks.workspace_lock import ProcessIdentity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MARK = "GATECAL_SERVICE"
RUN_MARK = "PREFECT__FLOW_RUN_ID"
"""Prefect gives it to the process of a flow run."""
LOG_BYTES = 50 * 2**20
"""Size above which a log is set aside at the next start [bytes]."""
POLL_S = 0.1


def start(command: Sequence[str], environment: Mapping[str, str], log: Path, cwd: Path) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, with its output appended to `log` (a long one becomes ``.1`` first)."""
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - our own interpreter
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=dict(environment),
            start_new_session=True,
        )


def entry(name: str, pid: int) -> ProcessEntry:
    """Return the record of a living process."""
    identity = ProcessIdentity.of(pid)
    return ProcessEntry(name=name, pid=pid, started=identity.started)


def identity(process: ProcessEntry) -> ProcessIdentity:
    """Return a recorded process, to ask whether it still lives."""
    return ProcessIdentity(pid=process.pid, started=process.started)


def marked(token: str, also: str = "") -> list[ProcessIdentity]:
    """Return the living processes whose environment carries the service's mark (and the name `also`), but not this one.

    Only processes of this user can be looked into; those of others are not ours.
    """
    wanted = f"{MARK}={token}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            variables = (folder / "environ").read_bytes().split(b"\0")
            if wanted in variables and (not also or any(v.startswith(f"{also}=".encode()) for v in variables)):
                found.append(ProcessIdentity.of(int(folder.name)))
    return found


def end(processes: Iterable[ProcessIdentity], patience_s: float) -> int:
    """Ask processes to end, wait, and kill what has not; return how many were alive."""
    living = [process for process in processes if process.alive()]
    for process in living:
        send(process, signal.SIGTERM)
    wait_gone(living, patience_s)
    for process in living:
        send(process, signal.SIGKILL)
    wait_gone(living, 5.0)
    return len(living)


def send(process: ProcessIdentity, number: signal.Signals) -> None:
    """Signal one process, if it still is the same."""
    if process.alive():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process.pid, number)


def wait_gone(processes: Sequence[ProcessIdentity], patience_s: float) -> bool:
    """Wait until all have ended; tell whether they have."""
    deadline = time.monotonic() + patience_s
    while any(process.alive() for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True
