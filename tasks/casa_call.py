"""One call of CASA as the flow sees it: what was asked, the child that does it, and what its end means."""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.errors import CasaCrashed, CasaError, CasaTimeout
from tasks.casa_log import log_tail
from tasks.casa_server import HEADER, Job, frame

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from tasks.workspace_lock import ChildLock, ProcessIdentity

GRACE_S = 2.0
"""Time from SIGTERM to SIGKILL [s]."""
FAREWELL_S = 10.0
"""How long a process that must end may take to do so [s]."""
WAKE_S = 0.5
"""How often a waiting thread wakes [s]: Prefect cancels by an exception that a thread sees only when it runs."""


@dataclass(frozen=True)
class Call:
    """One call as it was asked, and where its traces go."""

    task: str
    parameters: dict[str, Any]
    log: Path

    @property
    def output(self) -> Path:
        """File for what the child prints."""
        return self.log.with_suffix(".out")

    @property
    def workdir(self) -> Path:
        """Folder the child works in."""
        return self.log.with_suffix(".work")

    def job(self) -> Job:
        """Return what the child is told."""
        return {
            "function": self.task,
            "parameters": self.parameters,
            "workdir": str(self.workdir),
            "log": str(self.log),
            "output": str(self.output),
        }

    def error(self, reason: str, kind: type[CasaError] = CasaError, tail: str | None = None) -> CasaError:
        """Return the error of this call, with the end of its log."""
        return kind(reason, self.task, self.parameters, log_tail(self.log) if tail is None else tail)

    def crash(self, status: int | None) -> CasaError:
        """Return the error of a child that ended with this wait status without an answer; None: its server died too."""
        tail = "\n".join(filter(None, (log_tail(self.log), log_tail(self.output))))
        if status is None:
            return self.error("its process was ended together with the CASA server.", CasaCrashed, tail)
        code = os.waitstatus_to_exitcode(status)
        if code >= 0:
            return self.error(f"its process ended with status {code} and no answer.", CasaCrashed, tail)
        name = signal.Signals(-code).name
        hint = " The kernel does that when memory runs out." if name == "SIGKILL" else ""
        return self.error(f"its process was ended by {name}.{hint}", CasaCrashed, tail)

    def value(self, answer: tuple[Any, ...]) -> Any:  # noqa: ANN401 - CASA's own types
        """Return the answer's value, or raise what it says."""
        if answer[0] == "raised":
            raise answer[1]
        if answer[0] == "error":
            raise self.error(f"{answer[1]}: {answer[2]}")
        if answer[1] is False and ":" not in self.task:  # mstransform and tclean tell some failures so
            raise self.error("it returned False, by which it says that it failed; the log says why.")
        return answer[1]

    def tidy(self) -> None:
        """Remove the working directory, and log and output where they are empty."""
        shutil.rmtree(self.workdir, ignore_errors=True)
        for trace in (self.log, self.output):
            if trace.exists() and trace.stat().st_size == 0:
                trace.unlink()


class Child:
    """The flow's handle on one child: the line to it and the pipe that will tell its wait status."""

    def __init__(self, line: socket.socket, status: int) -> None:
        self._line = line
        self._pipe = status
        self._received = bytearray()
        self.identity: ProcessIdentity | None = None

    def close(self) -> None:
        """Let go of the child; one that still waits for its job ends."""
        self._line.close()
        os.close(self._pipe)

    def ask(self, job: Job, timeout_s: float) -> tuple[Any, ...]:
        """Have `job` done and return the answer; raise TimeoutError, or EOFError when the child ended without one."""
        self._line.settimeout(timeout_s)
        try:
            self._line.sendall(frame(job))
        except ConnectionError:
            raise EOFError("the child is gone") from None
        answer: tuple[Any, ...] = self.message(timeout_s)
        return answer

    def message(self, timeout_s: float) -> Any:  # noqa: ANN401 - any picklable value
        """Return the child's next message; raise TimeoutError, or EOFError when the child ended without one."""
        deadline = time.monotonic() + timeout_s
        while not self._whole():
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._read(min(WAKE_S, left))
        body = self._received[HEADER.size :]
        self._received.clear()  # it sends one message at a time and waits for ours
        return pickle.loads(body)  # noqa: S301 - the other end is our own child

    def _whole(self) -> bool:
        if len(self._received) < HEADER.size:
            return False
        (length,) = HEADER.unpack_from(self._received)
        return len(self._received) >= HEADER.size + int(length)

    def _read(self, wait_s: float) -> None:
        """Take in what the line has within `wait_s`; raise EOFError when it can have no more."""
        poll = select.poll()
        poll.register(self._line, select.POLLIN)
        poll.register(self._pipe, select.POLLIN)
        ready = {fd for fd, _ in poll.poll(wait_s * 1000)}
        if self._line.fileno() in ready:
            chunk = self._line.recv(1 << 20)
            if not chunk:
                raise EOFError("the child closed its line")
            self._received += chunk
        elif ready:  # what it wrote before its end would be on the line by now
            raise EOFError("the child has ended")

    def ended(self, timeout_s: float) -> bool:
        """Tell whether the child has ended, or its server has, within `timeout_s`."""
        poll = select.poll()
        poll.register(self._pipe, select.POLLIN)
        return bool(poll.poll(timeout_s * 1000))

    def status(self) -> int | None:
        """Return the wait status of a child that has `ended`; None where the server died with it."""
        told = os.read(self._pipe, 4)
        return int.from_bytes(told, "big") if told else None

    def end(self) -> bool:
        """End the child's process group, kindly and then by force; return whether it is gone."""
        if self.identity is not None:
            self.identity.kill_group(signal.SIGTERM)
            if not self.ended(GRACE_S):
                self.identity.kill_group(signal.SIGKILL)
        return self.ended(FAREWELL_S)


def plain(value: Any) -> Any:  # noqa: ANN401 - any parameter of any task
    """Return a parameter as CASA takes it: paths as absolute strings, tuples as lists."""
    if isinstance(value, Path):
        return str(value.absolute())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


@contextlib.contextmanager
def recorded(identity: ProcessIdentity, child: Child, lock: ChildLock | None) -> Iterator[None]:
    """Keep the child's identity in the lock until the child is gone; whatever ends the body ends the child."""
    if lock is not None:
        lock.record(identity)
    try:
        yield
    finally:
        if child.end() and lock is not None:
            lock.forget(identity)


def answer(child: Child, call: Call, timeout_s: float) -> tuple[Any, ...]:
    """Return the child's answer once its process is gone; raise how it failed to give one."""
    try:
        given = child.ask(call.job(), timeout_s)
    except TimeoutError:
        child.end()
        reason = f"it ran longer than its limit of {timeout_s:g} s and was ended."
        raise call.error(reason, CasaTimeout) from None
    except EOFError:
        child.end()
        raise call.crash(child.status()) from None
    child.ended(FAREWELL_S)
    return given
