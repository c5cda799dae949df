"""The flow's handle on the CASA server: start it, have a child forked for each call, end it.

`tasks.casa` is what the rest of gatecal uses; `tasks.casa_server` is what runs in the server's process.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from schemas.errors import CasaCrashed, CasaError
from tasks.casa_call import FAREWELL_S, Call, Child, answer, plain, recorded
from tasks.casa_log import log_tail
from tasks.workspace_lock import ProcessIdentity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from tasks.workspace_lock import ChildLock

TIMEOUT_S = 4 * 3600.0
"""Time limit of one call [s] where the caller names none: a night has 10 h, the guide's longest call takes minutes."""
BIRTH_S = 180.0
"""How long a child may take to appear [s]; the first waits for CASA's import, 5 s warm and a minute on a cold disk."""


class CasaServer:
    """The warm process from which CASA's children are forked. Several threads may call at once.

    Parameters
    ----------
    preload
        Modules the server imports before it takes calls.
    """

    def __init__(self, preload: Sequence[str] = ("casatasks", "casatools")) -> None:
        self._preload = tuple(preload)
        self._guard = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._output: IO[bytes] | None = None
        self._scratch: str | None = None
        self._closed = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start the server and return at once: CASA's import (5 s) goes on while the caller does other work."""
        with self._guard:
            self._ensure()

    def close(self) -> None:
        """End the server and every child of it."""
        with self._guard:
            self._closed = True
            self._stop()

    def identity(self) -> ProcessIdentity | None:
        """Return which process the server is, or None where it does not run."""
        process = self._process
        with contextlib.suppress(ProcessLookupError):
            return ProcessIdentity.of(process.pid) if process is not None else None
        return None

    def call(
        self,
        task: str,
        parameters: Mapping[str, Any],
        *,
        log: Path,
        timeout_s: float = TIMEOUT_S,
        lock: ChildLock | None = None,
    ) -> Any:  # noqa: ANN401 - CASA's own types
        """Run one task in a fresh child and return what it returns; `tasks.casa.run` says how errors go.

        Parameters
        ----------
        task, parameters, timeout_s
            As for `tasks.casa.run`.
        log
            File for CASA's log, in an existing folder; what is printed goes beside it with the suffix ``.out``. The
            child works in a folder beside it, which is removed afterwards. Empty files are removed too.
        lock
            Lock that the child is to hold while it lives.
        """
        call = Call(task, {name: plain(value) for name, value in parameters.items()}, log.absolute())
        call.workdir.mkdir(parents=True)
        try:
            with contextlib.closing(self._fork(lock)) as child:
                identity = self._birth(child, call)
                with recorded(identity, child, lock):
                    return call.value(answer(child, call, timeout_s))
        finally:
            call.tidy()

    def _birth(self, child: Child, call: Call) -> ProcessIdentity:
        """Wait until the child is there; it does nothing before it is asked."""
        try:
            child.identity = ProcessIdentity.of(child.message(BIRTH_S))
        except TimeoutError:
            raise call.error(f"the CASA server gave no process within {BIRTH_S:g} s.", tail=self._printed()) from None
        except (EOFError, ProcessLookupError):
            raise self._death(call) from None
        return child.identity

    def _death(self, call: Call) -> CasaError:
        """Return the error of a call whose server ended before the call could start."""
        if self._closed:
            return call.error("the CASA server is closed.")
        process = self._process
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = process.wait(FAREWELL_S) if process is not None else 0
            kind = CasaCrashed if code < 0 else CasaError  # with a status of its own it could not import CASA
            return call.error(f"the CASA server ended with status {code} before the call.", kind, self._printed())
        return call.error("its process was ended before the call.", CasaCrashed)

    def _printed(self) -> str:
        output = self._output
        return log_tail(Path(f"/proc/self/fd/{output.fileno()}")) if output is not None else ""

    def _fork(self, lock: ChildLock | None) -> Child:
        """Ask the server for a child."""
        line, theirs = socket.socketpair()
        status, told = os.pipe()
        child = Child(line, status)
        passed = [theirs.fileno(), told, *([lock.fileno()] if lock is not None else [])]
        try:
            with self._guard:
                try:
                    self._send(passed)
                except ConnectionError:  # it died since the last call
                    self._send(passed)
            if lock is not None and (server := self.identity()) is not None:
                lock.record_server(server)
        except BaseException:
            child.close()
            raise
        finally:
            theirs.close()
            os.close(told)
        return child

    def _send(self, descriptors: list[int]) -> None:
        socket.send_fds(self._ensure(), [b"c"], descriptors)

    def _ensure(self) -> socket.socket:
        """Return the socket to a running server, started where there is none."""
        if self._closed:
            raise RuntimeError("this CasaServer is closed")
        if self._control is not None and self._process is not None and self._process.poll() is None:
            return self._control
        self._stop()
        # Packets, so that the descriptors of two calls cannot run together.
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the server
        self._scratch = tempfile.mkdtemp(prefix="gatecal-casa-")
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-P", "-m", "tasks.casa_server", str(theirs.fileno()), self._scratch, *self._preload],
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                cwd=self._scratch,
                # One thread each: with two, 40 % of a gaincal's CPU time was OpenMP spinning, for no gain (measured).
                env=os.environ
                | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(_search_path())},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        return self._control

    def _stop(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            try:
                self._process.wait(FAREWELL_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._output is not None:
            self._output.close()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)  # its own way to do so may have been cut off
        self._control = self._process = self._output = self._scratch = None


def _search_path() -> list[str]:
    """Return where the server is to find modules: where this process does, with the rooms' own folder first."""
    root = str(Path(__file__).resolve().parents[1])
    return [root, *(entry for entry in sys.path if entry and entry != root)]
