"""Makes a run go on whose process or worker was killed; started by the automations, for one run each."""

from __future__ import annotations

import fcntl
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from prefect import flow, get_run_logger
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound
from prefect.states import AwaitingRetry, Completed, Crashed
from pydantic import ValidationError

from flows.forms import titled
from tasks.workspace_lock import LOCK_NAME, Holder

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

RESUMED = {"calibrate", "nightly", "digest"}
"""Deployments whose runs may be started again: they go on from what is on disk."""
TAG = "resumed"
"""Tag of a run that was resumed; each time adds one with its number."""
ALIVE = "prefect.flow-run.heartbeat"
"""Event that a living run gives every 30 s."""
SILENT_S = 150.0
"""Age below which a running state is too young to be silent [s]: another `resume` has just started it again."""
LOOK_S = 20.0
PATIENCE_S = 3600.0
"""How long to go on looking at a run that is silent but whose process lives [s]."""


@flow(name="resume", flow_run_name="resume {run}")
def resume(
    run: Annotated[str, titled("Run", "Flow run, as id or as prefect.flow-run.<id>.")],
    most: Annotated[int, titled("Most resumes", "After so many it stays crashed.", ge=0)] = 2,
) -> State[Any]:
    """Schedule a run again whose process is dead; it goes on from the last finished step.

    A run that lives, has ended, is not gatecal's, or was resumed often enough is left alone.
    """
    with get_client(sync_client=True) as client:
        told = look(client, UUID(run.removeprefix("prefect.flow-run.")), most)
    get_run_logger().info("%s: %s", run, told)
    return Completed(message=told)


def look(client: SyncPrefectClient, run_id: UUID, most: int, patience_s: float = PATIENCE_S) -> str:
    """Look at a run until it is clear what to do, and do it; return what was done."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            run = client.read_flow_run(run_id)
        except ObjectNotFound:
            return "there is no such run any more"
        reason = leave_alone(client, run)
        if reason:
            return reason
        if not lives(run):
            return start_again(client, run, most)
        if time.monotonic() > deadline:
            return "its process lives: left alone"
        time.sleep(LOOK_S)


def leave_alone(client: SyncPrefectClient, run: FlowRun) -> str:
    """Return why a run is not to be resumed; empty if it is."""
    state = run.state
    if state is None or run.deployment_id is None:
        return "not a run of a deployment: left alone"
    if state.is_crashed():
        young = False
    elif state.is_running() or state.is_pending():
        young = (datetime.now(UTC) - state.timestamp).total_seconds() < SILENT_S
    else:
        return f"{state.name}: left alone"
    if young:
        return f"{state.name} for too short a time to be silent: left alone"
    if not state.is_crashed() and gives_signs_of_life(client, run):
        return "it gives signs of life: left alone"
    name = client.read_deployment(run.deployment_id).name
    return "" if name in RESUMED else f"a run of {name}: left alone"


def gives_signs_of_life(client: SyncPrefectClient, run: FlowRun) -> bool:
    """Tell whether the server has heard of the run lately, wherever it runs."""
    since = datetime.now(UTC) - timedelta(seconds=SILENT_S)
    asked = {
        "event": {"name": [ALIVE]},
        "resource": {"id": [f"prefect.flow-run.{run.id}"]},
        "occurred": {"since": since.isoformat()},
    }
    answer = client.request("POST", "/events/filter", json={"filter": asked, "limit": 1})
    return bool(answer.json()["events"])


def start_again(client: SyncPrefectClient, run: FlowRun, most: int) -> str:
    """Schedule the run again, or leave it crashed where it was resumed often enough."""
    before = sum(tag.startswith(f"{TAG}-") for tag in run.tags)
    if before >= most:
        message = f"Resumed {before} times already: look at its logs, then retry it by hand."
        if run.state is not None and not run.state.is_crashed():
            client.set_flow_run_state(run.id, Crashed(message=f"Its process is gone. {message}"), force=True)
        return message
    client.update_flow_run(run.id, tags=[*run.tags, f"{TAG}-{before + 1}"])
    message = f"Its process was gone; resumed ({before + 1} of {most}), goes on from the last finished step."
    client.set_flow_run_state(run.id, AwaitingRetry(message=message, scheduled_time=datetime.now(UTC)), force=True)
    return message


def lives(run: FlowRun) -> bool:
    """Tell whether a calibration's workspace is held by a process that lives: its run is silent, but not dead."""
    observation, workspace = run.parameters.get("observation"), run.parameters.get("workspace")
    if not isinstance(observation, dict) or not isinstance(workspace, str) or "name" not in observation:
        return False
    path = Path(workspace).expanduser() / str(observation["name"]) / LOCK_NAME
    try:
        holder = Holder.model_validate_json(path.read_bytes())
        if holder.released:
            return False
        return holder.alive() if holder.here() else is_locked(path)
    except (OSError, ValidationError):
        return False


def is_locked(path: Path) -> bool:
    """Tell whether a lock file is locked, by whatever machine."""
    with path.open("r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
