"""The warm fork server behind `tasks.casa`: run as ``python -m tasks.casa_server FD FOLDER [MODULE ...]``.

It works in FOLDER, which it removes at its end, imports the modules once (CASA takes 5 s) and then forks one child per
call, which costs milliseconds. FD is one end of a packet socket pair. Each call arrives on it as one byte with two or
three file descriptors: the *line* (a stream socket on which the child gets its job and gives its answer), the *status*
pipe (on which the server writes the child's wait status), and, where there is one, the lock of the workspace, which the
child holds as long as it lives.

How nothing outlives its flow:

* The end of the socket FD means that the flow is gone, also by ``kill -9``: every child's process group is killed.
* A child asks the kernel for SIGKILL at the death of its parent, the server. The server cannot ask the same of the
  flow: the signal is tied to the parent's *thread*, and Prefect's worker threads come and go. It has one thread only,
  so for its own children the request is sound.

multiprocessing's own fork server was not usable: it imports the parent's ``__main__`` in each child, and gives neither
the process group nor the pipes.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import importlib
import os
import pickle
import select
import selectors
import shutil
import signal
import socket
import struct
import sys
import threading
import time
import traceback
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypedDict

from schemas.errors import CalibrationError
from tasks.casa_config import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
HEADER = struct.Struct("!Q")  # length of the pickle that follows [bytes]
UNANSWERED = 70  # EX_SOFTWARE of <sysexits.h>: the child failed outside its job
REAP_S = 5.0  # how long the server waits for killed children [s]

LIBC = ctypes.CDLL(None, use_errno=True)


class Job(TypedDict):
    """What one child is to do."""

    function: str  # a task of casatasks ("gaincal") or a function of ours ("package.module:function")
    parameters: dict[str, Any]
    workdir: str
    log: str  # CASA's log
    output: str  # what goes to stdout and stderr


def frame(message: Any) -> bytes:  # noqa: ANN401 - any picklable value
    """Return `message` as it goes over the line: its length, then its pickle."""
    body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return HEADER.pack(len(body)) + body


def receive(line: socket.socket) -> Any:  # noqa: ANN401 - any picklable value
    """Return the next message of `line`; raise EOFError when the other end is gone."""
    (length,) = HEADER.unpack(_exactly(line, HEADER.size))
    return pickle.loads(_exactly(line, length))  # noqa: S301 - the other end is this program


def _exactly(line: socket.socket, size: int) -> bytes:
    received = bytearray()
    while len(received) < size:
        chunk = line.recv(min(size - len(received), 1 << 20))
        if not chunk:
            raise EOFError("the flow closed its line")
        received += chunk
    return bytes(received)


class Children:
    """The server's living children and the status pipe of each."""

    def __init__(self) -> None:
        self._status: dict[int, int] = {}

    def fork(self, control: socket.socket, descriptors: list[int]) -> None:
        """Start a child on the descriptors of one call; the server keeps its status pipe only."""
        line, status, *lock = descriptors
        server = os.getpid()
        pid = os.fork()
        if pid == 0:
            for inherited in (control.fileno(), status, *self._status.values()):
                os.close(inherited)
            _live(line, server)
        for passed in (line, *lock):
            os.close(passed)
        self._status[pid] = status

    def reap(self) -> None:
        """Report the status of each child that has ended, and end what its process group has left."""
        while self._status:
            # WNOWAIT leaves the zombie, so that its number cannot be another process's group when we kill it.
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                return
            _kill_group(ended.si_pid)
            _, status = os.waitpid(ended.si_pid, 0)
            pipe = self._status.pop(ended.si_pid, None)
            if pipe is None:  # a leftover of an import, not one of ours
                continue
            with contextlib.suppress(BrokenPipeError):  # nobody waits for it any more
                os.write(pipe, status.to_bytes(4, "big"))
            os.close(pipe)

    def kill(self) -> None:
        """End every child and wait for them, but not for ever: a dead file server can hold one in the kernel."""
        for pid in self._status:
            os.kill(pid, signal.SIGKILL)  # it may not lead its own group yet
            _kill_group(pid)
        deadline = time.monotonic() + REAP_S
        while self._status and time.monotonic() < deadline:
            self.reap()
            time.sleep(0.01)


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def serve(control: socket.socket) -> None:
    """Fork a child for each call that arrives on `control`, until its other end is gone."""
    children = Children()
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            ready = {key.fd for key, _ in selector.select()}
            if woken in ready:
                os.read(woken, 4096)
                children.reap()
            if control.fileno() in ready and not _accept(control, children):
                children.kill()
                return


def _accept(control: socket.socket, children: Children) -> bool:
    """Start the next call's child; return whether the flow is still there."""
    try:
        message, descriptors, _, _ = socket.recv_fds(control, 1, 3, socket.MSG_CMSG_CLOEXEC)
    except ConnectionResetError:
        return False
    if not message:
        return False
    children.fork(control, descriptors)
    return True


def _live(line_fd: int, server: int) -> NoReturn:
    """Be the child: take one job from the line, do it, answer, and end without Python's own shutdown."""
    ending = UNANSWERED
    try:
        os.setsid()
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != server:  # it died before the request
            os._exit(UNANSWERED)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        with socket.socket(fileno=line_fd) as line:
            line.sendall(frame(os.getpid()))
            line.sendall(perform(receive(line)))
        ending = 0
    except EOFError:  # the flow gave the call up before it sent the job
        ending = 0
    except BaseException:  # the last frame of this process
        traceback.print_exc()
    finally:
        # CASA's C++ shutdown belongs to the server's own end; here it could crash after a good answer.
        os._exit(ending)


def perform(job: Job) -> bytes:
    """Do `job` in this process and return its answer as a frame.

    The answer is ``("result", value)``; ``("raised", error)`` for an error of our own tree; or ``("error", type,
    message, traceback)`` for any other exception.
    """
    try:
        _settle(job)
        value = resolve(job["function"])(**job["parameters"])
        answer = frame(("result", value))
    except CalibrationError as error:
        answer = frame(("raised", error))
    except BaseException as error:  # SystemExit and the like are CASA's failures too
        traceback.print_exc()
        answer = frame(("error", type(error).__name__, str(error), traceback.format_exc()))
    # Tables are written whole when CASA's objects die; os._exit would not let those that wait for the collector.
    gc.collect()
    sys.stdout.flush()
    sys.stderr.flush()
    return answer


def _settle(job: Job) -> None:
    """Move into the working directory and send log and output to this call's files."""
    output = os.open(job["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.close(output)
    faulthandler.enable(file=2)  # a crash in C++ leaves the Python line it was called from
    os.chdir(job["workdir"])
    if "casatasks" in sys.modules:
        sys.modules["casatasks"].casalog.setlogfile(job["log"])


def resolve(function: str) -> Callable[..., Any]:
    """Return the function that a job names: a casatasks task, or ``package.module:function``."""
    module, separator, name = function.rpartition(":")
    found = attrgetter(name)(importlib.import_module(module if separator else "casatasks"))
    if not callable(found):
        raise TypeError(f"{function} is not a function")
    return found  # type: ignore[no-any-return]


@contextlib.contextmanager
def watched(control: socket.socket, scratch: Path) -> Iterator[None]:
    """End this process at once if the flow goes while the body (a long import) runs.

    The watching thread has ended when the body has: a fork from a process with threads can deadlock.
    """
    done, finish = os.pipe()

    def watch() -> None:
        poll = select.poll()
        poll.register(control, select.POLLRDHUP)
        poll.register(done, select.POLLIN)
        if any(fd == control.fileno() for fd, _ in poll.poll()):
            shutil.rmtree(scratch, ignore_errors=True)
            os._exit(0)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        os.close(finish)
        thread.join()
        os.close(done)


def main(descriptor: str, folder: str, *modules: str) -> None:
    """Serve calls on the socket `descriptor` with `modules` imported; the module's docstring says how."""
    scratch = Path(folder)
    os.chdir(scratch)
    try:
        with socket.socket(fileno=int(descriptor)) as control:
            control.set_inheritable(False)
            with watched(control, scratch):
                load(modules, scratch)
            # Out of the collector's sight: a collection in a child would copy every page it shares with the server.
            gc.freeze()
            serve(control)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
    # casatools' shutdown at exit has nothing to save here.
    os._exit(0)
