"""``gatecal up`` and ``gatecal down``: the service on this machine, begun and ended by one command each."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import time
from typing import TYPE_CHECKING

from flows import keeper, processes
from schemas.errors import CalibrationError, ConfigurationError
from schemas.service import ServiceSettings, ServiceState
from schemas.whole import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

UP_S = keeper.SERVER_S + keeper.SETUP_S + 60.0
"""How long to wait for the service [s]."""
DOWN_S = keeper.RUNS_S + 3 * keeper.FAREWELL_S + 15.0
"""How long the keeper may take to end everything [s]."""
POLL_S = 0.3


class ServiceDown(CalibrationError):
    """Raise when the service did not come up; the message has the end of its log. A retry may help."""


def up(settings: ServiceSettings, console: Console, *, foreground: bool = False) -> int:
    """Bring the service up, or say that it is; return the exit code.

    Parameters
    ----------
    settings
        The service.
    console
        For the addresses.
    foreground
        Stay, as systemd wants it; by default the service goes on in the background.

    Raises
    ------
    ConfigurationError
        The port is in use, or the server would be open to other machines without a password.
    ServiceDown
        It did not come up.
    """
    folder = settings.folder
    for place in (folder / "logs", folder / "prefect", settings.inbox):
        place.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    state = running(folder)
    if state is not None:
        console.print("gatecal is up already; nothing was started.")
        show(state, keeper.read_settings(folder), console)
        return 0
    settings.check_exposure()
    refuse_elsewhere(folder)
    end_leftovers(folder, console)
    check_port(settings.host, settings.port)
    write_whole(keeper.settings_file(folder), settings.model_dump_json(indent=1))
    token = secrets.token_hex(8)
    write_whole(keeper.state_file(folder), keeper.first_state(settings, token).model_dump_json(indent=1))
    if foreground:  # in this process, but with the mark in its environment
        os.chdir(folder)
        os.execve(sys.executable, keeper_command(folder), keeper_environment(settings, token))  # noqa: S606
    begin(settings, token, console)
    return 0


def begin(settings: ServiceSettings, token: str, console: Console) -> None:
    """Start the keeper in the background and wait until it has everything up."""
    folder = settings.folder
    console.print("starting server, deployments, workers ...")
    log = folder / "logs" / "keeper.log"
    process = processes.start(keeper_command(folder), keeper_environment(settings, token), log, folder)
    deadline = time.monotonic() + UP_S
    while (state := keeper.read_state(folder)) is None or state.state == "starting":
        if process.poll() is not None or time.monotonic() > deadline:
            break
        time.sleep(POLL_S)
    if state is None or state.state != "ready":
        end_all(folder, token)
        reason = state.reason if state is not None and state.reason else "it ended while starting"
        raise ServiceDown(f"the service did not come up: {reason} (logs: {folder / 'logs'})")
    show(state, settings, console)


def keeper_command(folder: Path) -> list[str]:
    """Return the command of the keeper."""
    return [sys.executable, "-m", "flows.keeper", str(folder)]


def keeper_environment(settings: ServiceSettings, token: str) -> dict[str, str]:
    """Return the keeper's environment: this one, marked."""
    path = os.pathsep.join(filter(None, (str(settings.home), os.environ.get("PYTHONPATH", ""))))
    return dict(os.environ) | {processes.MARK: token, "PYTHONPATH": path}


def down(workspace: Path, console: Console) -> int:
    """End the service of this folder of workspaces, and every process of it; return the exit code."""
    folder = ServiceSettings(workspace=workspace).folder
    state = keeper.read_state(folder)
    if state is None:
        console.print(f"no service was ever started in {folder.parent}.")
        return 0
    refuse_elsewhere(folder)
    ended = end_all(folder, state.mark)
    console.print(f"gatecal is down; {ended} processes ended." if ended else "gatecal was down already.")
    return 0


def end_all(folder: Path, token: str) -> int:
    """End the keeper in order (it ends the rest), then whatever is left; return how many processes there were."""
    state = keeper.read_state(folder)
    living = processes.marked(token)
    recorded = [processes.identity(entry) for entry in (state.processes if state else ()) if entry.name == "keeper"]
    processes.end([process for process in recorded if process in living], DOWN_S)
    processes.end(living, keeper.FAREWELL_S)
    processes.end(processes.marked(token), keeper.FAREWELL_S)
    if state is not None:
        write_whole(keeper.state_file(folder), state.evolve(state="ended", processes=()).model_dump_json(indent=1))
    return len(living)


def refuse_elsewhere(folder: Path) -> None:
    """Refuse to touch a service that runs on another machine: its processes cannot be seen from here.

    Raises
    ------
    ConfigurationError
        It was started there and has not been ended.
    """
    state = keeper.read_state(folder)
    here = socket.gethostname()
    if state is not None and state.state in {"starting", "ready"} and state.host not in {"", here}:
        msg = (
            f"the service of {folder.parent} runs on {state.host}, and this is {here}. Run `gatecal down` there; if "
            f"that machine is gone for good, remove {keeper.state_file(folder)}."
        )
        raise ConfigurationError(msg)


def end_leftovers(folder: Path, console: Console) -> None:
    """End what a keeper that was killed has left behind."""
    state = keeper.read_state(folder)
    if state is not None and (ended := end_all(folder, state.mark)):
        console.print(f"ended {ended} processes that an earlier service had left.")


def running(folder: Path) -> ServiceState | None:
    """Return the state of a service whose keeper lives, or None."""
    if not folder.is_dir():
        return None
    with keeper.alone(folder) as free:
        return None if free else keeper.read_state(folder)


def check_port(host: str, port: int) -> None:
    """Refuse a port that cannot be listened on.

    Raises
    ------
    ConfigurationError
        It is in use, or this user may not use it.
    """
    try:
        address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(address[0], address[1]) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address[4])
            trial.listen(1)
    except OSError as error:
        msg = f"port {port} on {host} cannot be used: {error.strerror or error}. Choose another with --port."
        raise ConfigurationError(msg) from error


def show(state: ServiceState, settings: ServiceSettings, console: Console) -> None:
    """Print where everything is."""
    base = state.url.removesuffix("/api")
    rows = {
        "state": state.state,
        "Prefect UI": base,
        "API": f"{state.url}   (export PREFECT_API_URL={state.url})",
        "inbox": f"{settings.inbox}   (looked into at {settings.schedule}, {settings.timezone})",
        "workspaces": str(settings.workspace),
        "logs": str(settings.folder / "logs"),
        "processes": ", ".join(f"{entry.name} {entry.pid}" for entry in state.processes),
    }
    for name, value in rows.items():
        console.print(f"{name:<11} {value}", markup=False, highlight=False, soft_wrap=True)
