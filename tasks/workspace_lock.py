"""One run at a time in a workspace, and none beside what an earlier run has left alive.

The lock is an ``flock`` on ``<workspace>/.lock``. Every CASA child holds it too, through the descriptor it was given,
so the kernel frees it only when the last process that could write into the workspace has ended. The file's content
(who holds it, and the processes that work for it) is for messages and for ending survivors; what decides is the flock.

A child on a Dask worker cannot be given that descriptor. It holds ``<workspace>/.parts`` instead, together with its
fellows, and the workspace is free only when that is free too.

The files are never removed: a second run could lock the removed one while a third locks a new one. Nothing unlocks them
explicitly either (``LOCK_UN`` would free it for the children too): the descriptors are closed.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import os
import signal
import socket
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from pydantic import Field, ValidationError

from schemas.errors import ConfigurationError, WorkspaceBusy
from schemas.record import Record

if TYPE_CHECKING:
    from types import TracebackType

LOCK_NAME = ".lock"
PARTS_NAME = ".parts"
"""What the CASA children of Dask workers hold; there only where solves were fanned out (`tasks.fan_out`)."""
FAREWELL_S = 5.0
"""How long the children of a dead run may take to end by themselves [s]; theirs is a kill signal, so this is ample."""
POLL_S = 0.05
STARTTIME = 19
"""Index of a process's start time in what follows the name in /proc/<pid>/stat: field 22 of proc_pid_stat(5)."""


class ProcessIdentity(Record):
    """A process, told from a later one of the same number by its start time."""

    pid: int = Field(gt=0)
    """Process number."""
    started: int
    """Start time after boot [clock ticks], field 22 of /proc/<pid>/stat."""

    @classmethod
    def of(cls, pid: int) -> Self:
        """Return the identity of a living process; raise ProcessLookupError when there is none."""
        started = _start_time(pid)
        if started is None:
            raise ProcessLookupError(f"no process {pid}")
        return cls(pid=pid, started=started)

    def alive(self) -> bool:
        """Tell whether this very process still runs (a zombie does not: it holds nothing any more)."""
        return _start_time(self.pid) == self.started

    def kill_group(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Signal the process group this process leads, or the process alone where it leads none, if it still runs."""
        if not self.alive():
            return
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(self.pid) == self.pid:
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)


def _start_time(pid: int) -> int | None:
    """Return when a living process started [clock ticks after boot], or None where it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = stat.rpartition(")")[2].split()  # the name in brackets may hold blanks and brackets
    return None if state in "ZX" else int(fields[STARTTIME - 1])


class Holder(Record):
    """Who holds a workspace: the content of its lock file."""

    run: str
    """Name of the run, for the message."""
    process: ProcessIdentity
    """The flow's own process."""
    host: str
    """Its machine's name."""
    boot: str
    """Boot identifier of its kernel: containers of one machine share it, two machines never do."""
    user: str
    """Who started it."""
    since: datetime
    """When it took the lock (UTC)."""
    server: ProcessIdentity | None = None
    """Its CASA server, which does not hold the lock itself."""
    workers: tuple[ProcessIdentity, ...] = ()
    """Its CASA children, which do; each leads a process group of its own."""
    released: bool = False
    """Whether it let go of the workspace itself."""

    def here(self) -> bool:
        """Tell whether the holder runs, or ran, on this machine, so that its processes can be looked up."""
        return self.boot == _boot_id() or self.host == socket.gethostname()

    def alive(self) -> bool:
        """Tell whether the flow itself still runs on this machine, in this boot of it."""
        return self.boot == _boot_id() and self.process.alive()

    def __str__(self) -> str:
        return (
            f"run {self.run!r} of {self.user} (process {self.process.pid} on {self.host}, "
            f"since {self.since:%Y-%m-%d %H:%M:%S} UTC)"
        )


class ChildLock(Protocol):
    """What a CASA child is given to hold while it lives, and who takes note of it."""

    def fileno(self) -> int:
        """Return the descriptor that carries the lock."""
        ...

    def record_server(self, server: ProcessIdentity, /) -> None:
        """Note the CASA server."""
        ...

    def record(self, worker: ProcessIdentity, /) -> None:
        """Note a child, before it starts to work."""
        ...

    def forget(self, worker: ProcessIdentity, /) -> None:
        """Strike a child that has ended."""
        ...


class WorkspaceLock:
    """Hold a workspace for this run, as a context manager.

    Parameters
    ----------
    workspace
        Folder of the observation; it must exist.
    run
        Name of this run, for the message that a second one gets.
    patience_s
        How long to wait for the children of a dead run to end, before and again after they are killed [s].

    Raises
    ------
    schemas.errors.WorkspaceBusy
        On entry, when another run holds the workspace, or a survivor of one cannot be ended.
    """

    def __init__(self, workspace: Path, *, run: str = "gatecal", patience_s: float = FAREWELL_S) -> None:
        self.path = workspace / LOCK_NAME
        self._run = run
        self._patience_s = patience_s
        self._descriptor: int | None = None
        self._holder: Holder | None = None
        self._guard = threading.Lock()

    def __enter__(self) -> Self:
        # O_CLOEXEC (Python's default) keeps it from the programs this run starts; CASA's children get it by hand.
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            self._take(descriptor)
            self._descriptor = descriptor
            self._write(_this_process(self._run))
        except BaseException:
            self._descriptor = self._holder = None
            os.close(descriptor)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._guard:
            if self._descriptor is None or self._holder is None:
                return
            with contextlib.suppress(OSError):  # a full disk must not hide why the run ended
                self._write(self._holder.evolve(released=True, server=None))
            os.close(self._descriptor)
            self._descriptor = self._holder = None

    def fileno(self) -> int:
        """Return the descriptor that carries the lock, for a child that is to hold it too."""
        if self._descriptor is None:
            raise ValueError(f"{self.path} is not held")
        return self._descriptor

    def record_server(self, server: ProcessIdentity) -> None:
        """Note the CASA server of this run."""
        with self._guard:
            if self._holder is not None and self._holder.server != server:
                self._write(self._holder.evolve(server=server))

    def record(self, worker: ProcessIdentity) -> None:
        """Note a CASA child, before it starts to work."""
        with self._guard:
            if self._holder is not None:
                self._write(self._holder.evolve(workers=(*self._holder.workers, worker)))

    def forget(self, worker: ProcessIdentity) -> None:
        """Strike a child that has ended."""
        with self._guard:
            if self._holder is not None:
                others = tuple(other for other in self._holder.workers if other != worker)
                self._write(self._holder.evolve(workers=others))

    def _write(self, holder: Holder) -> None:
        """Replace the content; the file itself must stay, since the lock is on it."""
        content = holder.model_dump_json(indent=1).encode() + b"\n"
        descriptor = self.fileno()
        os.pwrite(descriptor, content, 0)
        os.ftruncate(descriptor, len(content))
        self._holder = holder

    def _take(self, descriptor: int) -> None:
        """Get the flock; wait for what a dead run has left alive, then end it; refuse where the run lives."""
        holder = _read(self.path)
        for end_survivors in (False, True):
            deadline = time.monotonic() + self._patience_s
            while time.monotonic() < deadline:
                locked = _locked(descriptor)
                holder = _read(self.path) or holder
                if locked and not _survivors(holder) and not self._parts_held():
                    self._refuse_unknown(holder)
                    return
                if not locked:
                    self._refuse_living(holder)
                if end_survivors:
                    for survivor in _survivors(holder):
                        survivor.kill_group()
                time.sleep(POLL_S)
        raise WorkspaceBusy(
            f"{self.path.parent} is still held by processes left over from {holder or 'an unknown run'} that could not "
            f"be ended. `fuser -v {self.path}` names them, and `fuser -v {self.path.with_name(PARTS_NAME)}` on the "
            "machines of the Dask workers those of fanned out solves; end them and start again."
        )

    def _parts_held(self) -> bool:
        """Tell whether a CASA child of a Dask worker still works for an earlier run."""
        try:
            descriptor = os.open(self.path.with_name(PARTS_NAME), os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            return not _locked(descriptor)
        finally:
            os.close(descriptor)

    def _refuse_living(self, holder: Holder | None) -> None:
        """Raise where the lock is not free because the recorded run goes on, or may go on elsewhere."""
        if holder is None or holder.released:  # the next holder has not written yet
            return
        if not holder.here():
            raise WorkspaceBusy(
                f"{self.path.parent} is in use by {holder}, on another machine than this one "
                f"({socket.gethostname()}). Wait until that run has ended, or choose another workspace."
            )
        if holder.alive():
            raise WorkspaceBusy(
                f"{self.path.parent} is in use by {holder}. Wait until it has ended, end it with "
                f"`kill {holder.process.pid}`, or choose another workspace."
            )

    def _refuse_unknown(self, holder: Holder | None) -> None:
        """Raise where the lock is free, but the recorded run may go on on a machine that does not see our locks."""
        if holder is None or holder.released or holder.here():
            return
        raise WorkspaceBusy(
            f"{self.path.parent} was last held by {holder}, which did not end in order and cannot be looked up from "
            f"{socket.gethostname()}. If that run is dead, remove {self.path} and start again."
        )


def _survivors(holder: Holder | None) -> list[ProcessIdentity]:
    """Return the living processes that a dead run of this machine left behind."""
    if holder is None or holder.released or holder.boot != _boot_id() or holder.process.alive():
        return []
    workers = holder.workers if holder.server is None else (holder.server, *holder.workers)
    return [worker for worker in workers if worker.alive()]


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise ConfigurationError(
            f"The file system of the workspace knows no file locks ({error.strerror}), and without one two runs could "
            "write into it at once. Choose a workspace on a local disk, or mount this one with locks."
        ) from error
    return True


def _read(path: Path) -> Holder | None:
    """Return the recorded holder, or None where there is none (yet): the content may be half written."""
    try:
        return Holder.model_validate_json(path.read_bytes())
    except (ValidationError, FileNotFoundError):
        return None


def _this_process(run: str) -> Holder:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user number without a name
        user = f"uid {os.getuid()}"
    return Holder(
        run=run,
        process=ProcessIdentity.of(os.getpid()),
        host=socket.gethostname(),
        boot=_boot_id(),
        user=user,
        since=datetime.now(UTC),
    )


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
