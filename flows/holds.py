"""Holds: a gate asks a person, the run is suspended, nobody waits, and the workspace is locked until the answer.

The question stands in ``hold.json`` in the workspace, which is the lock: it outlives worker, server and machine. On an
answer Prefect starts the flow again from the top; the ledger makes that cheap. The answer becomes a decision
(`flows.decisions`), which is kept. A hold ends with its answer, with its time, or when its run is cancelled or deleted.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import ObjectNotFound
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput, keyset_from_base_key
from prefect.input.actions import read_flow_run_input
from prefect.logging import get_logger
from prefect.settings import get_current_settings
from pydantic import ValidationError

from flows import decisions
from flows.runs import current_run, note_verdict, run_id, run_url
from flows.tables import read_outcome
from schemas.errors import CalibrationError, ConfigurationError, GateFailed, WorkspaceBusy
from schemas.holds import UNANSWERED, Answer, Hold, decision_of
from schemas.observation import rerun_command
from schemas.profiles import explain, parameters
from schemas.whole import write_whole
from tasks.workspace import Workspace
from tasks.workspace_lock import WorkspaceLock

if TYPE_CHECKING:
    from pathlib import Path

    from prefect.client.schemas.objects import State

    from flows.run import Run
    from schemas.gates import GateReport
    from schemas.observation import Observation
    from schemas.steps import Step

FILE = "hold.json"
"""In the observation's workspace."""
PATIENCE_S = 0.5
"""How long `settle_expired_holds` waits for a workspace that is in use [s]."""


class HoldForm(RunInput, Answer):
    """The form in the Prefect UI."""


# --- asking -----------------------------------------------------------------------------------------------------------


def can_suspend() -> bool:
    """Tell whether this run can be suspended: Prefect does that to top-level runs of a deployment only."""
    run = current_run()
    return run is not None and run.deployment_id is not None and run.parent_task_run_id is None


def held_report(run: Run) -> GateReport | None:
    """Return the gate that asks a person; None where none does, or another gate stops the run anyway."""
    if any(report.verdict == "stopped" for report in run.reports):
        return None
    return next((report for report in run.reports if report.verdict == "held"), None)


def held_or_stopped(run: Run, error: GateFailed) -> GateFailed:
    """Ask the person where a gate holds the run; return why it ends, with who decided to stop it where one did."""
    report = held_report(run)
    if report is None:
        stops = [decision for decision in run.decisions if decision.action == "stop"]
        return GateFailed(f"{error}. {stops[-1].sentence}") if stops else error
    if can_suspend():
        run.hold = ask(run, report)
    else:
        run.go_on = commands(run, report)
    return error


def ask(run: Run, report: GateReport) -> Hold:
    """Write the question of a held gate down, while this run still has the workspace's lock."""
    calibration = run.calibration
    asked, now = calibration.parameters, datetime.now(UTC)
    step = cast("Step", report.step)
    hold = Hold(
        observation=calibration.observation.name,
        flow_run=run_id(),
        key=new_key(),
        gate=report.gate,
        suite=report.suite,
        step=step,
        question=f"gate {report.gate} after {report.step}: {report.reason.removeprefix('held for a person: ')}",
        checks=tuple(check for check in report.checks if check.verdict == "stopped"),
        basis=decisions.basis_of(calibration.observation, asked, step, report.suite, calibration.source.fingerprint),
        since=now,
        until=now + timedelta(hours=asked.hold.timeout_hours),
        url=run_url(),
        api=get_current_settings().api.url or "",
    )
    write_hold(calibration.workspace.root, hold)
    return hold


def new_key() -> str:
    """Return a key for a question; Prefect fires each only once and keeps the answer under it."""
    return f"hold-{uuid.uuid4().hex[:12]}"


def suspend(hold: Hold) -> None:
    """Suspend this run until the question is answered; does not return: this process ends."""
    left = (hold.until - datetime.now(UTC)).total_seconds()
    form = HoldForm.with_initial_data(description=form_text(hold))
    suspend_flow_run(wait_for_input=form, timeout=max(1, round(left)), key=hold.key)


def form_text(hold: Hold) -> str:
    """Return what stands above the form, as Markdown."""
    lines = [f"**{hold.observation}** is held: {hold.question}", ""]
    if hold.refused:
        lines = [f"**The last answer was refused: {hold.refused}**", "", *lines]
    lines += [f"- {check.title}, {check.where}: {_number(check.observed, check.unit)}, bound {check.bound}. "
              f"{check.meaning} Try: {check.try_}" for check in hold.checks]  # fmt: skip
    if hold.unmeasured:
        lines.append(f"- {', '.join(hold.unmeasured)} could not be measured and cannot be let pass: retry or stop.")
    lines += ["", f"Without an answer the run is stopped at {hold.until:%Y-%m-%d %H:%M} UTC."]
    return "\n".join(lines)


def _number(observed: float | None, unit: str) -> str:
    return "no number" if observed is None else f"{observed:.4g} {unit}".removesuffix(" fraction")


def commands(run: Run, report: GateReport) -> tuple[str, ...]:
    """Return the commands by which a run that was held without a Prefect form goes on."""
    root = run.calibration.workspace.root
    given = getattr(run.calibration.parameters.gates, report.suite).model_dump(mode="json")["overrides"]
    failed = [check for check in report.checks if check.verdict == "stopped"]
    passed = {f"{report.gate}:{check.metric}": {"decided_by": "YOUR NAME", "reason": "WHY"} for check in failed}
    override = f"gates.{report.suite}.overrides={json.dumps(given | passed)}"
    retry = shlex.join(rerun_command(root, "--from", report.step, "--set", "NAME=VALUE"))
    if any(check.observed is None for check in failed):
        return (retry,)
    return (retry, shlex.join(rerun_command(root, "--set", override)))


# --- the file ---------------------------------------------------------------------------------------------------------


def write_hold(root: Path, hold: Hold) -> None:
    """Write the question into the workspace."""
    write_whole(root / FILE, hold.model_dump_json(indent=1))


def read_hold(root: Path) -> Hold | None:
    """Return a workspace's open question, or None.

    Raises
    ------
    WorkspaceBusy
        It is there but cannot be read.
    """
    path = root / FILE
    try:
        return Hold.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValidationError as error:
        msg = f"{root} is held for a person, but {path} cannot be read; if no run waits for it, remove it."
        raise WorkspaceBusy(msg) from error


def release(root: Path, flow_run: str) -> None:
    """Remove this run's own question, once it has the workspace's lock again."""
    hold = read_hold(root)
    if hold is not None and hold.flow_run == flow_run:
        (root / FILE).unlink()


# --- the answer -------------------------------------------------------------------------------------------------------


def take_up(root: Path, flow_run: str, observation: Observation) -> Hold | None:
    """Keep the answer to this run's own question as a decision.

    Returns
    -------
    None where there is nothing left to ask; else the question to ask once more, with why the answer was refused.
    """
    hold = read_hold(root)
    if hold is None or hold.flow_run != flow_run or any(d.key == hold.key for d in decisions.read_decisions(root)):
        return None
    keys = keyset_from_base_key(f"suspended-{hold.key}")
    given = read_flow_run_input(keys["response"], flow_run_id=UUID(flow_run))
    if given is None and (hold.expired() or read_flow_run_input(keys["schema"], flow_run_id=UUID(flow_run)) is None):
        return None  # never asked (killed before), or retried after its time: the gate asks again
    try:
        decision = decision_of(hold, Answer.model_validate(given or {}))
        parameters(observation.profile, {**observation.overrides, **decision.parameters})
    except (ValidationError, ConfigurationError) as error:
        why = explain(error, "field") if isinstance(error, ValidationError) else str(error)
        again = hold.evolve(key=new_key(), refused=why)
        write_hold(root, again)
        return again
    decisions.keep(root, decision)
    return None


# --- the lock ---------------------------------------------------------------------------------------------------------


def refuse_held(workspace: Workspace, flow_run: str) -> None:
    """Refuse a workspace that is held for another run; a hold that has ended is settled and no longer in the way.

    Raises
    ------
    WorkspaceBusy
        It is held; says by which run, since when, the question and where to answer it.
    """
    hold = read_hold(workspace.root)
    if hold is None or hold.flow_run == flow_run:
        return
    over = why_over(hold)
    if over:
        settle(workspace.root, hold, over)
        return
    where = f"Answer it at {hold.url}" if hold.url else "Answer it in the Prefect UI"
    raise WorkspaceBusy(
        f"{workspace.root} is held since {hold.since:%Y-%m-%d %H:%M:%S} UTC by flow run {hold.flow_run}, which waits "
        f"for a person's decision on {hold.question}. {where}, or cancel that run there to free the workspace; without "
        f"an answer it is stopped at {hold.until:%Y-%m-%d %H:%M} UTC."
    )


def why_over(hold: Hold) -> str:
    """Return why a hold no longer stands; empty while it does."""
    unanswered = f"nobody answered until {hold.until:%Y-%m-%d %H:%M} UTC"
    try:
        state = look_up(hold)
    except ObjectNotFound:
        return "its run was deleted from Prefect"
    except Exception as error:  # the server is away: only the clock can tell
        get_logger().debug("hold of %s: %s", hold.observation, error)
        return unanswered if hold.expired() else ""
    if state is None or not (state.is_final() or state.is_cancelling()):
        # A paused run whose time is over will be failed by the server; any other state means that it was answered.
        return unanswered if state is not None and state.is_paused() and hold.expired() else ""
    return (
        unanswered if hold.expired() else f"its run ended in Prefect as {state.name}: {state.message or 'no message'}"
    )


def look_up(hold: Hold) -> State[Any] | None:
    """Return the state of the run that waits, from the server that knows it."""
    same = get_current_settings().api.url == hold.api
    with get_client(sync_client=True) if same else SyncPrefectClient(hold.api) as client:
        return client.read_flow_run(UUID(hold.flow_run)).state


def settle(root: Path, hold: Hold, why: str) -> None:
    """End a hold that nobody will answer any more: the outcome says stopped and why, the workspace is free."""
    with contextlib.suppress(ConfigurationError):  # there is none, or it cannot be read
        outcome = read_outcome(root)
        if outcome.verdict == "held" and outcome.provenance.flow_run == hold.flow_run:
            stopped = outcome.evolve(verdict="stopped", reason=f"{outcome.reason}. {UNANSWERED}{why}.")
            write_whole(Workspace(root).outcome, stopped.model_dump_json(indent=1))
            note_verdict(root, hold.flow_run, "stopped")
    (root / FILE).unlink(missing_ok=True)


def settle_expired_holds(workspaces: Path) -> list[Path]:
    """End every hold below a folder of workspaces that nobody will answer any more.

    Returns
    -------
    The workspaces whose outcome has become stopped by it: their report and mail are due.
    """
    settled = []
    for path in sorted(workspaces.glob(f"*/{FILE}")):
        root = path.parent
        try:
            hold = read_hold(root)
            why = why_over(hold) if hold is not None else ""
            if hold is None or not why:
                continue
            with WorkspaceLock(root, run="gatecal holds", patience_s=PATIENCE_S):
                if read_hold(root) == hold:
                    settle(root, hold, why)
                    settled.append(root)
        except (CalibrationError, OSError) as error:  # in use again, or unreadable: not this one, not now
            get_logger().warning("hold in %s: %s", root, error)
    return settled
