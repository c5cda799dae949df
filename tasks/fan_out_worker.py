"""One spw's solve on a Dask worker: a CASA child that ends with its flow; see `tasks.fan_out`."""

from __future__ import annotations

import fcntl
import os
import socket
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from schemas.errors import ConfigurationError, Interrupted
from tasks.casa import CasaServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tasks.workspace_lock import ProcessIdentity

WATCH_S = 0.5
"""How often a task looks whether its flow still wants it [s]."""

_SERVER = CasaServer()
"""A Dask worker's CASA server: started by its first part, ended with the worker's process."""


@dataclass(frozen=True)
class Part:
    """The solve of one spw, as it goes to a worker.

    Attributes
    ----------
    task, parameters, timeout_s
        The CASA call, its own table's path included.
    log
        For its log; host and process are added.
    hold
        File to lock while it runs.
    """

    task: str
    parameters: dict[str, Any]
    timeout_s: float
    log: Path
    hold: Path


def solve_part(part: Part) -> tuple[str, dict[str, Any]]:
    """Solve one spw on a Dask worker; return the table's path and CASA's answer.

    The step retries as a whole. A part that Dask repeats after the loss of a worker has another log and table, so that
    a worker that was only out of reach disturbs nothing.
    """
    vis, host = Path(part.parameters["vis"]), socket.gethostname()
    if not vis.exists():
        msg = f"the Dask worker on {host} does not see {vis}: all workers need the workspaces at the same path."
        raise ConfigurationError(msg)
    mark = f"-{host}-{os.getpid()}"
    own = replace(part, log=part.log.with_name(f"{part.log.stem}{mark}.log"))
    parameters = {**part.parameters, "caltable": f"{part.parameters['caltable']}{mark}"}
    with PartHold(part.hold, taken_back()) as hold:
        answer = _SERVER.call(own.task, parameters, log=own.log, timeout_s=own.timeout_s, lock=hold)
    return parameters["caltable"], answer


def taken_back() -> Callable[[], bool]:
    """Return what tells whether the scheduler has taken back the Dask task of this thread.

    It does when the flow cancels or its connection ends; the worker then drops the task, but cannot end its thread.
    """
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()

    def gone() -> bool:
        known = worker.state.tasks.get(key)
        return known is None or known.state not in {"executing", "long-running"}

    return gone


class PartHold:
    """What a CASA child of a Dask worker holds while it lives; ends the child when its flow wants it no more.

    Parameters
    ----------
    path
        File, locked together with the other parts' children.
    unwanted
        Tells that the flow is gone.
    """

    def __init__(self, path: Path, unwanted: Callable[[], bool]) -> None:
        self._path = path
        self._unwanted = unwanted
        self._child: ProcessIdentity | None = None
        self._ended = False
        self._done = threading.Event()
        self._watch = threading.Thread(target=self._end_unwanted, daemon=True)

    def __enter__(self) -> Self:
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)
        self._watch.start()
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._done.set()
        self._watch.join()
        os.close(self._descriptor)
        if self._ended:
            raise Interrupted("the flow of this solve was cancelled or is gone; its CASA process was ended.") from error

    def fileno(self) -> int:
        """Return the descriptor that carries the lock."""
        return self._descriptor

    def record_server(self, server: ProcessIdentity) -> None:
        """Take no note of the worker's CASA server, which serves other workspaces too."""

    def record(self, worker: ProcessIdentity) -> None:
        """Note the child, before it starts to work."""
        self._child = worker

    def forget(self, worker: ProcessIdentity) -> None:
        """Take no note of the end: the identity of a process is not another's."""

    def _end_unwanted(self) -> None:
        while not self._done.wait(WATCH_S):
            if self._child is not None and self._unwanted():
                self._child.kill_group()
                self._ended = True
