"""The calibration of one observation, after the e-MERLIN 3C277.1 guide, with a gate after every solve."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.states import Completed, Failed
from pydantic import Field

from flows import progress
from flows.conclude import conclude
from flows.prepare import prepared
from flows.run import Run
from schemas.errors import CalibrationError, ConfigurationError, DataUnusable, GateFailed
from schemas.observation import Observation
from schemas.steps import Step
from tasks.applying import apply_tables
from tasks.bandpass import solve_bandpass1, solve_bandpass2
from tasks.delay import solve_delays
from tasks.flagging import flag_known_bad
from tasks.flux_model import set_flux_model
from tasks.fluxscale import scale_fluxes
from tasks.gains import solve_final_gains, solve_time_gains
from tasks.imaging import make_images
from tasks.precal import solve_precal
from tasks.splitting import split_targets
from tasks.trial import apply_trial
from tasks.working_set import ingest_data, inspect_data

if TYPE_CHECKING:
    from uuid import UUID

    from schemas.outcome import Outcome

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
    observation: Observation,
    workspace: Annotated[Path, Field(title="Workspaces", description="Folder of the workspaces.")] = WORKSPACE,
    from_step: Annotated[
        Step | None, Field(title="From step", description="Run this step and all after it again.")
    ] = None,
    overrides: Annotated[
        dict[str, Any], Field(title="Overrides", description="Parameters and bounds by dotted name, for this run.")
    ] = {},  # noqa: B006 - Prefect shows it in the form; it is never changed
) -> State[Any]:
    """Calibrate one observation from raw data to split targets.

    Ends Completed, Completed as ``QA Warning``, Failed as ``QA Failed`` (a gate stopped it), Failed as ``Refused`` (the
    request or the data will not do; nothing was written), or Failed.
    """
    try:
        with prepared(observation, workspace, overrides, from_step) as calibration:
            run = Run(calibration, progress.current())
            try:
                recipe(run)
            except GateFailed as error:
                return ended(conclude(run, overrides, flow_run(), error))
            except BaseException as error:
                conclude(run, overrides, flow_run(), error)
                raise
            return ended(conclude(run, overrides, flow_run(), None))
    except (ConfigurationError, DataUnusable) as error:
        return Failed(name="Refused", message=str(error))
    except CalibrationError as error:
        get_run_logger().error("%s", error)
        return Failed(name="Crashed", message=f"{type(error).__name__}: {error}")


def ended(outcome: Outcome) -> State[Any]:
    """Return the state a run ends in: its name is the badge in the Prefect UI."""
    message = outcome.reason or f"{outcome.observation}: {outcome.verdict}"
    if outcome.verdict in {"stopped", "held"}:
        return Failed(name="QA Failed", message=message)
    if outcome.verdict == "warned":
        return Completed(name="QA Warning", message=message)
    return Completed(message=message)


def flow_run() -> UUID | None:
    """Return Prefect's id of this run; None outside of one."""
    context = FlowRunContext.get()
    return context.flow_run.id if context is not None and context.flow_run is not None else None
