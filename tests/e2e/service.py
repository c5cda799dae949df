"""A Prefect server and a process worker of a test's own, that can be restarted; and the API as the UI uses it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tests.e2e.running import REPOSITORY
from tests.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

READY_S = 600.0
POOL = "holds"


class Service:
    """Server and worker, each in a process group of its own, ended by their own handles."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/api"
        self.environment = environment | {
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_API_URL": self.url,
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "PREFECT_RUNNER_AUTO_INSTALL_DEPENDENCIES": "false",
        }
        self.folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start_server(self) -> None:
        """Start the server and wait until it answers."""
        self._start("server", "server", "start", "--host", "127.0.0.1", "--port", str(self.port), "--no-ui")
        self.wait(lambda: self._answers(), "the server answers")

    def start_worker(self) -> None:
        """Start the worker."""
        self._start("worker", "worker", "start", "--pool", POOL, "--type", "process")

    def _start(self, name: str, *command: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as output:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", "prefect", *command],
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def end(self, name: str) -> None:
        """End server or worker."""
        process = self._running.pop(name, None)
        if process is None:
            return
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def close(self) -> None:
        """End both."""
        for name in ("worker", "server"):
            self.end(name)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def _answers(self) -> bool:
        if self._running["server"].poll() is not None:
            raise AssertionError(self.log("server"))
        try:
            return bool(self.ask("health"))
        except OSError:
            return False

    def wait(self, condition, what: str, patience_s: float = READY_S):
        """Poll until `condition` returns something true, and return it."""
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            found = condition()
            if found:
                return found
            time.sleep(0.2)
        raise AssertionError(f"waited in vain until {what}\n{self.log('worker')[-6000:]}")

    # --- the API ---

    def ask(self, path: str, body: Any = None, method: str | None = None) -> Any:
        """Send a request to its API."""
        return ask(self.url, path, body, method)

    def deploy(self) -> str:
        """Make work pool and deployment of the calibration; return the deployment's id."""
        from prefect.utilities.callables import parameter_schema

        from flows.calibrate import calibrate

        self.ask("work_pools/", {"name": POOL, "type": "process", "base_job_template": {}})
        flow = self.ask("flows/", {"name": "calibrate"})
        deployment = self.ask(
            "deployments/",
            {
                "flow_id": flow["id"],
                "name": "calibrate",
                "entrypoint": "flows/calibrate.py:calibrate",
                "work_pool_name": POOL,
                "pull_steps": [
                    {"prefect.deployments.steps.set_working_directory": {"directory": str(REPOSITORY)}},
                ],
                "parameter_openapi_schema": parameter_schema(calibrate).model_dump(),
            },
        )
        return str(deployment["id"])

    def run(self, deployment: str, **parameters: Any) -> str:
        """Create a flow run; return its id."""
        return str(self.ask(f"deployments/{deployment}/create_flow_run", {"parameters": parameters})["id"])

    def state(self, run: str) -> tuple[str, str]:
        """Return type and name of a run's state."""
        found = self.ask(f"flow_runs/{run}")["state"]
        return found["type"], found["name"]

    def message(self, run: str) -> str:
        return str(self.ask(f"flow_runs/{run}")["state"]["message"])

    def wait_for_state(self, run: str, *names: str, patience_s: float = READY_S) -> str:
        """Wait until a run is in a state of one of these names; fail where it has ended in another."""

        def there():
            kind, name = self.state(run)
            if name not in names and kind in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}:
                raise AssertionError(f"{name}: {self.message(run)}\n{self.log('worker')[-6000:]}")
            return name if name in names else None

        return str(self.wait(there, f"the run is {' or '.join(names)}", patience_s))

    def answer(self, run: str, **fields: Any) -> dict[str, Any]:
        """Answer the form of a suspended run; return the API's verdict on it."""

        def answered():
            found = dict(self.ask(f"flow_runs/{run}/resume", {"run_input": fields}))
            # Prefect suspends the run first and keeps the form a moment later.
            return None if "schema not found" in str(found["details"]) else found

        return dict(self.wait(answered, "the form is there", 60.0))


def ask(url: str, path: str, body: Any = None, method: str | None = None) -> Any:
    """Send a request to a Prefect server's API as the UI does; a busy SQLite is asked again."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{url}/{path}", data=data, headers={"Content-Type": "application/json"}, method=method
    )
    for _ in range(20):
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                text = answer.read()
                return json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise AssertionError(f"{path}: {error.code} {error.read()!r}") from error
            time.sleep(0.5)
    raise AssertionError(f"{path}: busy")
