"""Runs the calibration flow from the command line, shows it, and turns its end into an exit code."""

from __future__ import annotations

import threading
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

from prefect.client.orchestration import get_client
from prefect.settings import get_current_settings

from flows import progress
from flows.calibrate import calibrate
from flows.demo import read_truth
from flows.prepare import settle, workspace_of
from flows.tables import print_gates, print_outcome, print_recovered, read_outcome
from qa.truth import compare
from schemas.errors import ConfigurationError
from tasks import preflight
from tasks.ingest import identify

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from prefect.client.schemas.objects import State
    from rich.console import Console

    from schemas.observation import Observation
    from schemas.steps import Step

EXIT_CODES = {"Refused": 2, "QA Failed": 3, "QA Held": 4}
"""Exit code by state name; 0 where the run completed, 1 for anything else."""

HISTORY_S = 15.0
"""How long to wait for a server that ends with us to have written the task runs down [s]."""


def launch(
    observation: Observation, workspace: Path, from_step: Step | None, overrides: Mapping[str, Any], console: Console
) -> int:
    """Run the flow and return the exit code.

    Raises
    ------
    ConfigurationError
        The request is wrong in a way that can be told before Prefect starts; nothing was written.
    """
    refuse_early(observation, workspace, overrides)
    require_server()
    # Great Expectations takes 8 s to import; the first gate comes later than that.
    threading.Thread(target=import_module, args=("great_expectations",), daemon=True).start()
    with progress.shown(console):
        state = calibrate(observation, workspace, from_step, dict(overrides), return_state=True)
    wait_for_history(state)
    return report(observation, workspace, state, console)


def refuse_early(observation: Observation, workspace: Path, overrides: Mapping[str, Any]) -> None:
    """Refuse what can be refused without CASA; the flow checks again, and the data too."""
    asked = settle(observation, overrides)
    preflight.check_paths(observation, asked, workspace_of(observation, workspace).root)
    identify(observation.data)


def require_server() -> None:
    """Refuse to begin where a Prefect server is named that does not answer; without a name, one is started for the run.

    Raises
    ------
    ConfigurationError
        Nothing answers at PREFECT_API_URL.
    """
    url = get_current_settings().api.url
    if url is None:
        return
    with get_client(sync_client=True) as client:
        problem = client.api_healthcheck()
    if problem is not None:
        msg = (
            f"no Prefect server answers at {url} ({problem}). Start it, correct PREFECT_API_URL, or unset it: "
            "gatecal then runs with a server of its own."
        )
        raise ConfigurationError(msg)


def report(observation: Observation, workspace: Path, state: State[Any], console: Console) -> int:
    """Print what the run came to, and return its exit code."""
    code = 0 if state.is_completed() else EXIT_CODES.get(state.name or "", 1)
    root = workspace_of(observation, workspace).root
    if code in {0, EXIT_CODES["QA Failed"], EXIT_CODES["QA Held"]}:
        outcome = read_outcome(root)
        print_gates(console, outcome)
        truth = read_truth(observation.data)
        if truth is not None:
            print_recovered(console, compare(outcome.fluxes, outcome.delays, truth))
        print_outcome(console, outcome, root)
        if outcome.go_on:
            console.print("It waits for a decision. To go on with other parameters, or to let it pass with a reason:")
        for command in outcome.go_on:
            console.print(f"  {command}", markup=False, highlight=False, soft_wrap=True)
        console.print(f"Report: {root / 'report.html'}", markup=False, highlight=False, soft_wrap=True)
    else:
        console.print(f"{state.name}: {state.message}", style="bold red", markup=False, highlight=False, soft_wrap=True)
    return code


def wait_for_history(state: State[Any]) -> None:
    """Wait until every task run of the flow is on record, where the server is one of ours that ends with us."""
    if get_current_settings().api.url is not None or state.state_details.flow_run_id is None:
        return
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    chosen = FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id]))
    deadline = time.monotonic() + HISTORY_S
    with get_client(sync_client=True) as client:
        while time.monotonic() < deadline:
            runs = client.read_task_runs(flow_run_filter=chosen)
            if runs and all(run.state is not None and run.state.is_final() for run in runs):
                return
            time.sleep(0.5)
