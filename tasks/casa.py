"""The only door to CASA: each call runs in a fresh child of a warm server, with its own log, folder and time limit.

The recipe's tasks say ``run("gaincal", vis=vis, caltable=table, ...)``. Which CASA that reaches is set once, around the
flow's body::

    with CasaServer() as server, WorkspaceLock(workspace, run=name) as lock:
        with use_casa(WorkspaceCasa(server, workspace / "logs", lock)):
            ...

A test puts a fake in by the same `use_casa`. The choice is a context variable, which Prefect copies into the threads
of its tasks. A call whose process died or ran over its limit raises `CasaCrashed` or `CasaTimeout`; trying again is the
caller's decision, since only the caller knows what the call has changed already.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import shutil
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from tasks.casa_client import TIMEOUT_S, CasaServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tasks.workspace_lock import WorkspaceLock

__all__ = ["TIMEOUT_S", "Casa", "CasaServer", "WorkspaceCasa", "current", "run", "use_casa"]


class Casa(Protocol):
    """Whatever runs CASA's tasks: the door, or a fake that replays what CASA once returned."""

    def __call__(self, task: str, /, *, timeout_s: float = TIMEOUT_S, **parameters: Any) -> Any:  # noqa: ANN401
        """Run one task and return what it returns; see `run`."""
        ...


_CURRENT: ContextVar[Casa] = ContextVar("casa")


def run(task: str, /, *, timeout_s: float = TIMEOUT_S, **parameters: Any) -> Any:  # noqa: ANN401 - CASA's own types
    """Run one CASA task, or a function of ours that needs casatools, in a child of its own.

    Parameters
    ----------
    task
        Name of a casatasks task (``gaincal``), or ``package.module:function`` for a function of ours.
    timeout_s
        Time limit [s].
    **parameters
        The task's own parameters, by name. A `Path` goes as an absolute path, since the child has a working directory
        of its own; a relative path in a plain string would not be found. Tuples go as lists, as CASA wants them.

    Returns
    -------
    Any
        What the task returned; dictionaries and numpy arrays come through pickle.

    Raises
    ------
    schemas.errors.CasaError
        The task raised an exception, or returned False, by which some of CASA's tell that they failed.
    schemas.errors.CasaCrashed, schemas.errors.CasaTimeout
        Its process died, or ran over `timeout_s` and was ended.
    schemas.errors.CalibrationError
        As raised by a function of ours.
    """
    return current()(task, timeout_s=timeout_s, **parameters)


def current() -> Casa:
    """Return the CASA that `use_casa` has set for this context."""
    try:
        return _CURRENT.get()
    except LookupError:
        raise RuntimeError("No CASA is set here: wrap the flow's body in `with use_casa(...)`.") from None


@contextlib.contextmanager
def use_casa(casa: Casa) -> Iterator[Casa]:
    """Let `run` reach `casa` in the body, and in the Prefect tasks submitted from it."""
    token = _CURRENT.set(casa)
    try:
        yield casa
    finally:
        _CURRENT.reset(token)


class WorkspaceCasa:
    """CASA for one workspace: numbers the calls' logs, and lets each child hold the workspace's lock.

    Parameters
    ----------
    server
        The server that forks the children; not closed by this.
    logs
        Folder for one ``0007-gaincal.log`` per call (and ``0007-gaincal.out`` where it printed anything); made where it
        is missing. Numbers go on after those that are there.
    lock
        The workspace's lock; None for calls before there is a workspace.
    """

    def __init__(self, server: CasaServer, logs: Path, lock: WorkspaceLock | None = None) -> None:
        self._server = server
        self._logs = logs.absolute()
        self._lock = lock
        self._logs.mkdir(parents=True, exist_ok=True)
        for left in self._logs.glob("*.work"):  # the working directories of a killed run; the lock says it is dead
            shutil.rmtree(left, ignore_errors=True)
        numbers = (re.match(r"(\d+)-", path.name) for path in self._logs.iterdir())
        self._numbers = itertools.count(1 + max((int(found[1]) for found in numbers if found), default=0))

    def __call__(self, task: str, /, *, timeout_s: float = TIMEOUT_S, **parameters: Any) -> Any:  # noqa: ANN401
        """Run one task; see `run`."""
        log = self.next_log(task.rpartition(":")[2])
        return self._server.call(task, parameters, log=log, timeout_s=timeout_s, lock=self._lock)

    def next_log(self, name: str) -> Path:
        """Return the path of the next call's log."""
        return self._logs / f"{next(self._numbers):04d}-{name}.log"
