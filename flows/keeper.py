"""Keeps the service up: starts server and workers, starts again what dies, ends all of them when it is told to.

Run as ``python -m flows.keeper FOLDER`` by ``gatecal up``, or inside ``gatecal up --foreground`` for systemd.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from flows import processes
from flows.offline import OFFLINE
from schemas.service import ServiceSettings, ServiceState
from schemas.whole import write_whole

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

POOL = "gatecal"
"""Name of the work pool."""
SERVER_S = 180.0
"""How long the server may take to answer [s]: a fresh database takes 19 s to migrate on two idle cores."""
SETUP_S = 300.0
"""How long deployments and automations may take [s]."""
RUNS_S = 20.0
"""How long running calibrations may take to end when the service goes down [s]."""
FAREWELL_S = 15.0
"""How long worker and server may take [s]."""
POLL_S = 0.5
LONGEST_PAUSE_S = 60.0
"""Longest pause before something that dies again and again is started again [s]."""
SECRETS = (
    "PREFECT_SERVER_API_AUTH_STRING",
    "PREFECT_API_DATABASE_CONNECTION_URL",
    "PREFECT_SERVER_DATABASE_CONNECTION_URL",
    "PREFECT_API_DATABASE_PASSWORD",
    "PREFECT_SERVER_DATABASE_PASSWORD",
)
"""What the server alone needs to know: workers, and the runs they start, do not get it."""


def environment(settings: ServiceSettings, token: str, *, server: bool = False) -> dict[str, str]:
    """Return the environment of a process of the service.

    What the operator has set goes before, but for what ties the service to its own folder and server.
    """
    given = {name: value for name, value in os.environ.items() if server or name not in SECRETS}
    defaults = OFFLINE | {
        "PREFECT_WORKER_QUERY_SECONDS": "2",
        # The zombie automation lives on it (30 s is the shortest Prefect takes).
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        # With pauses of 2, 4, 8, ... s: a server that is restarted is away for a minute or two.
        "PREFECT_CLIENT_MAX_RETRIES": "6",
        # The environment is the lock's; Prefect must not make one of its own from pyproject.toml.
        "PREFECT_RUNNER_AUTO_INSTALL_DEPENDENCIES": "false",
    }
    # A client knows the server's password by another name.
    password = os.environ.get("PREFECT_API_AUTH_STRING") or os.environ.get("PREFECT_SERVER_API_AUTH_STRING")
    own = {
        processes.MARK: token,
        "PREFECT_HOME": str(settings.folder / "prefect"),
        "PREFECT_API_URL": settings.url,
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO",
        "PYTHONPATH": os.pathsep.join(filter(None, (str(settings.home), given.get("PYTHONPATH", "")))),
        "PYTHONUNBUFFERED": "1",
        # The command of this environment is the one that prefect's own calls find.
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), given.get("PATH", ""))),
    }
    return defaults | given | own | ({"PREFECT_API_AUTH_STRING": password} if password else {})


@dataclass
class Child:
    """A process the keeper keeps up."""

    name: str
    command: list[str]
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    began: float = 0.0
    pause: float = 1.0
    due: float = 0.0
    deaths: int = field(default=0)


class Keeper:
    """Starts and watches the service's processes.

    Parameters
    ----------
    settings
        The service.
    token
        Marks its processes.
    """

    def __init__(self, settings: ServiceSettings, token: str) -> None:
        self.settings = settings
        self.token = token
        self.children: list[Child] = []
        self._state = first_state(settings, token)
        self._stopping = False

    def run(self) -> int:
        """Bring the service up, keep it up until SIGTERM or SIGINT, end it; return the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        try:
            self._bring_up()
            while not self._stopping:
                self._watch()
                time.sleep(POLL_S)
        except ServiceFailed as error:
            self.say(str(error))
            self._end()
            self._note("failed", str(error))
            return 1
        self._end()
        self._note("ended")
        return 0

    def say(self, text: str) -> None:
        """Write a line to the keeper's log."""
        print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {text}", flush=True)

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _bring_up(self) -> None:
        settings, python = self.settings, sys.executable
        server = [python, "-m", "prefect", "server", "start", "--host", settings.host, "--port", str(settings.port)]
        self._begin(Child("server", server, environment(settings, self.token, server=True)))
        self._wait_for_server()
        self._set_up()
        for number in range(1, settings.workers + 1):
            name = f"{POOL}-{number}"
            command = [python, "-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process", "--name", name]
            if not self._stopping:
                self._begin(Child(f"worker-{number}", command, environment(settings, self.token)))
        if not self._stopping:
            self._note("ready")
            self.say(f"ready: {settings.url}")

    def _wait_for_server(self) -> None:
        deadline = time.monotonic() + SERVER_S
        while not self._stopping and not answers(self.settings.url):
            process = self.children[0].process
            if (process is not None and process.poll() is not None) or time.monotonic() > deadline:
                raise ServiceFailed(f"the Prefect server did not come up; see {self._log('server')}:\n{self._tail()}")
            time.sleep(POLL_S)

    def _set_up(self) -> None:
        if self._stopping:
            return
        log = self._log("setup")
        command = [sys.executable, "-m", "flows.deploy", str(self.settings.folder)]
        process = processes.start(command, environment(self.settings, self.token), log, self.settings.home)
        deadline = time.monotonic() + SETUP_S
        while process.poll() is None and not self._stopping:
            if time.monotonic() > deadline:
                process.kill()
            time.sleep(POLL_S)
        if self._stopping:
            process.kill()
        if process.wait() != 0 and not self._stopping:
            raise ServiceFailed(f"the deployments could not be made; see {log}:\n{self._tail('setup')}")

    def _begin(self, child: Child) -> None:
        child.process = processes.start(child.command, child.environment, self._log(child.name), self.settings.folder)
        child.began = time.monotonic()
        if child not in self.children:
            self.children.append(child)
        self.say(f"{child.name}: process {child.process.pid}")
        self._note(self._state.state)

    def _watch(self) -> None:
        """Start again what has died, after a pause that doubles while it keeps dying."""
        now = time.monotonic()
        for child in self.children:
            if child.process is not None and (code := child.process.poll()) is not None:
                child.pause = 1.0 if now - child.began > LONGEST_PAUSE_S else min(2 * child.pause, LONGEST_PAUSE_S)
                child.process, child.due, child.deaths = None, now + child.pause, child.deaths + 1
                self.say(f"{child.name} ended with status {code}; it is started again in {child.pause:g} s")
            if child.process is None and now >= child.due:
                self._begin(child)

    def _end(self) -> None:
        """End workers, their runs, the server: in this order, so that the runs can still report."""
        self.say("going down")
        workers = [child for child in self.children if child.name != "server"]
        for child in workers:
            if child.process is not None and child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
        processes.end(processes.marked(self.token, processes.RUN_MARK), RUNS_S)
        for child in (*workers, *self.children[:1]):
            self._end_child(child)
        processes.end(processes.marked(self.token), FAREWELL_S)

    def _end_child(self, child: Child) -> None:
        if child.process is None or child.process.poll() is not None:
            return
        if child.name == "server":
            child.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + FAREWELL_S
        while child.process.poll() is None and time.monotonic() < deadline:
            time.sleep(POLL_S)
        if child.process.poll() is None:
            child.process.kill()
        child.process.wait()
        self.say(f"{child.name} has ended")

    def _note(self, state: str, reason: str = "") -> None:
        living = [processes.entry("keeper", os.getpid())]
        for child in self.children:
            if child.process is not None:
                with suppress(ProcessLookupError):
                    living.append(processes.entry(child.name, child.process.pid))
        self._state = ServiceState.model_validate(
            self._state.model_dump() | {"state": state, "reason": reason, "processes": tuple(living)}
        )
        write_whole(state_file(self.settings.folder), self._state.model_dump_json(indent=1))

    def _log(self, name: str) -> Path:
        return self.settings.folder / "logs" / f"{name}.log"

    def _tail(self, name: str = "server") -> str:
        lines = self._log(name).read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-15:])


class ServiceFailed(Exception):
    """Raise when the service cannot come up; the message says why."""


def answers(url: str) -> bool:
    """Tell whether a server answers at this API address."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:  # noqa: S310 - our own server
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        return error.code == 401
    except OSError:
        return False


def first_state(settings: ServiceSettings, token: str) -> ServiceState:
    """Return the state of a service that is about to start on this machine."""
    return ServiceState(mark=token, state="starting", url=settings.url, host=socket.gethostname())


def state_file(folder: Path) -> Path:
    """Return where the service's state stands."""
    return folder / "state.json"


def settings_file(folder: Path) -> Path:
    """Return where the service's settings stand."""
    return folder / "settings.json"


def read_state(folder: Path) -> ServiceState | None:
    """Return what was last written about the service, or None."""
    try:
        return ServiceState.model_validate_json(state_file(folder).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def read_settings(folder: Path) -> ServiceSettings:
    """Return the settings the service was started with."""
    return ServiceSettings.model_validate_json(settings_file(folder).read_bytes())


@contextmanager
def alone(folder: Path) -> Iterator[bool]:
    """Hold the keeper's lock for the body; tell whether it was free."""
    with (folder / "keeper.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def keep(folder: Path, token: str) -> int:
    """Keep the service in `folder` up until told to end; return the exit code."""
    with alone(folder) as free:
        if not free:
            return 1
        return Keeper(read_settings(folder), token).run()


if __name__ == "__main__":
    sys.exit(keep(Path(sys.argv[1]), os.environ[processes.MARK]))
