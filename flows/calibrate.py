"""The calibration of one observation, after the e-MERLIN 3C277.1 guide, with a gate after every solve."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows import holds, progress
from flows.conclude import conclude
from flows.decisions import read_decisions, spend, standing
from flows.forms import StartStep, titled
from flows.interruption import interrupted
from flows.prepare import prepared, workspace_of
from flows.publish import publish, send_mail
from flows.run import Run
from flows.runs import note_start, run_id, start_step, tag_run
from schemas.errors import CalibrationError, ConfigurationError, DataUnusable, GateFailed
from schemas.holds import Hold
from schemas.observation import Observation
from schemas.outcome import Outcome
from tasks.applying import apply_tables
from tasks.bandpass import solve_bandpass1, solve_bandpass2
from tasks.delay import solve_delays
from tasks.disk import watched
from tasks.flagging import flag_known_bad
from tasks.flux_model import set_flux_model
from tasks.fluxscale import scale_fluxes
from tasks.gains import solve_final_gains, solve_time_gains
from tasks.imaging import make_images
from tasks.ingest import identify
from tasks.precal import solve_precal
from tasks.splitting import split_targets
from tasks.trial import apply_trial
from tasks.working_set import ingest_data, inspect_data

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.steps import Step

WORKSPACE = Path("observations")
"""Folder of the workspaces, where none is given."""


def recipe(run: Run) -> None:
    """Calibrate: the guide's steps in order. A gate that stops raises out of its stage."""
    run.stage(ingest_data)
    inspected = run.stage(inspect_data)
    run.stage(flag_known_bad, inspected)

    delays = run.stage(solve_delays)
    run.stage(set_flux_model)
    precal = run.stage(solve_precal, delays)
    first_bandpass = run.stage(solve_bandpass1, delays, precal)
    run.stage(apply_trial, delays, first_bandpass)

    gains = run.stage(solve_time_gains, delays, first_bandpass)
    fluxes = run.stage(scale_fluxes, gains)
    improved = run.stage(solve_bandpass2, delays, gains, fluxes)
    bandpass = first_bandpass if improved.skipped else improved
    final = run.stage(solve_final_gains, delays, bandpass, gains)

    applied = run.stage(apply_tables, delays, bandpass, gains, final)
    run.stage(split_targets, applied)
    run.stage(make_images, applied)


@flow(name="calibrate", flow_run_name="{observation.name}")
def calibrate(
    observation: Annotated[Observation, titled("Observation", "Where the data are, who is what, whom to mail.")],
    workspace: Annotated[Path, titled("Workspaces", "Folder with a workspace for each observation.")] = WORKSPACE,
    from_step: StartStep = None,
    overrides: Annotated[
        dict[str, Any],
        titled(
            "Overrides for this run",
            'Parameters and bounds, by dotted name; they go before the observation\'s own: {"gains.solint": "30s"}.',
        ),
    ] = {},  # noqa: B006 - Prefect shows it in the form; it is never changed
) -> State[Any]:
    """Calibrate one observation from raw data to split targets.

    Ends Completed, Completed as ``QA Warning``, Failed as ``QA Failed`` (a gate stopped it), Failed as ``QA Held`` (a
    gate asks a person; a run of a deployment is suspended instead, until the form is answered), Failed as ``Refused``
    (the request or the data will not do; nothing was written), or Failed.
    """
    root = workspace_of(observation, workspace).root
    tag_run(observation.name, root, from_step)
    try:
        with ExitStack() as once_free:
            found = attempt(observation, workspace, from_step, overrides, once_free)
    except (ConfigurationError, DataUnusable) as error:
        return Failed(name="Refused", message=str(error))
    except CalibrationError as error:
        get_run_logger().error("%s", error)
        return Failed(name="Crashed", message=f"{type(error).__name__}: {error}")
    hold = found if isinstance(found, Hold) else found.hold
    if hold is not None:
        holds.suspend(hold)
    return ended(found) if isinstance(found, Outcome) else Failed(name="QA Held", message=found.question)


def attempt(
    observation: Observation,
    workspace: Path,
    from_step: Step | None,
    overrides: Mapping[str, Any],
    once_free: ExitStack,
) -> Outcome | Hold:
    """Run the recipe with what persons have decided, and conclude it.

    What is due when the workspace is free again, for a slow mail server takes its time, goes into `once_free`.

    Returns
    -------
    The outcome; or the question once more, where the answer to it would not do.
    """
    root, own = workspace_of(observation, workspace).root, run_id()
    again = holds.take_up(root, own, observation)
    if again is not None:
        return again
    source = identify(observation.data).fingerprint
    stands = standing(observation, overrides, read_decisions(root), own, source)
    may_take = partial(holds.refuse_held, flow_run=own)
    begin = start_step(root, own, from_step)
    with watched(root), prepared(observation, workspace, stands.overrides, begin, may_take=may_take) as calibration:
        run = Run(calibration, progress.current())
        run.decisions, run.earlier = stands.decisions, note_start(root, own, from_step)
        holds.release(root, own)
        outcome = concluded(run, stands.overrides, once_free)
        spend(root, own)
        return outcome


def concluded(run: Run, overrides: Mapping[str, Any], once_free: ExitStack) -> Outcome:
    """Run the recipe and write down what it came to, however it ends."""
    error: BaseException | None = None
    try:
        with run.plots:
            recipe(run)
    except GateFailed as stopped:
        error = holds.held_or_stopped(run, stopped)
    except BaseException as broken:
        run.solution_plots.end()
        try:
            outcome = conclude(run, overrides, interrupted(broken))
        except OSError as unwritten:  # a full disk must not hide why the run ended
            get_run_logger().error("the outcome could not be written: %s", unwritten)
            raise broken from unwritten
        if isinstance(broken, Exception):  # who cancels a run knows, and the worker grants seconds
            published(run, outcome, once_free)
        raise
    outcome = conclude(run, overrides, error)
    published(run, outcome, once_free)
    return outcome


def published(run: Run, outcome: Outcome, once_free: ExitStack) -> None:
    """Publish an outcome, and have it mailed."""
    publish(run, outcome)
    once_free.callback(send_mail, run.calibration.workspace.root)


def ended(outcome: Outcome) -> State[Any]:
    """Return the state a run ends in: its name is the badge in the Prefect UI."""
    message = outcome.reason or f"{outcome.observation}: {outcome.verdict}"
    if outcome.verdict in {"stopped", "held"}:
        return Failed(name="QA Held" if outcome.verdict == "held" else "QA Failed", message=message)
    if outcome.verdict == "warned":
        return Completed(name="QA Warning", message=message)
    return Completed(message=message)
