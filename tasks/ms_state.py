"""Brings the working MeasurementSet's flags and models to where a step expects them.

Every step declares which state it leaves; from that follows which state the next one finds. A step that is run again
after later ones have changed flags or models must find them as if it were the first time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.ledger import ModelState, MsState
from schemas.steps import STEPS, Step
from tasks.casa import run
from tasks.workspace import remove

if TYPE_CHECKING:
    from pathlib import Path

    from tasks.calibration import Calibration

INGESTED, FLAGGED, APPLIED = "ingested", "flagged", "applied"
"""Flag versions: as the data came, after the flag step, after applycal."""

_FLAGS_AFTER: dict[Step, str] = {"ingest": INGESTED, "flag": FLAGGED, "apply": APPLIED}
_MODELS_AFTER: dict[Step, ModelState] = {"ingest": "none", "model": "flux", "bandpass2": "all"}


def state_before(step: Step) -> MsState:
    """Return the flags and models that `step` must find."""
    return _accumulate(STEPS[: STEPS.index(step)])


def state_after(step: Step) -> MsState:
    """Return the flags and models that `step` leaves."""
    return _accumulate(STEPS[: STEPS.index(step) + 1])


def changes(step: Step) -> tuple[bool, bool]:
    """Return whether `step` writes flags, and whether it writes models."""
    return step in _FLAGS_AFTER, step in _MODELS_AFTER


def _accumulate(steps: tuple[Step, ...]) -> MsState:
    state = MsState()
    for step in steps:
        state = MsState(
            flags=_FLAGS_AFTER.get(step, state.flags),
            models=_MODELS_AFTER.get(step, state.models),
        )
    return state


def restore(calibration: Calibration, step: Step) -> None:
    """Restore the flags and models that `step` must find, if others stand in the MeasurementSet.

    Models are only ever taken away here: a step that finds all calibrators' models where it expects the flux
    calibrator's alone has the others set back to 1 Jy.
    """
    wanted, found = state_before(step), calibration.keeper.state
    if wanted.flags != found.flags:
        calibration.keeper.set_state(flags="changing")
        run("flagmanager", vis=calibration.vis, mode="restore", versionname=wanted.flags)
        calibration.keeper.set_state(flags=wanted.flags)
    if wanted.models != found.models:
        calibration.keeper.set_state(models="changing")
        keep = {calibration.roles.flux} if wanted.models == "flux" else set()
        fields = [field.name for field in calibration.summary.fields if field.name not in keep]
        run("clearcal", vis=calibration.vis, field=",".join(fields))
        calibration.keeper.set_state(models=wanted.models)


def save_flags(calibration: Calibration, name: str, comment: str) -> None:
    """Save a flag version, replacing one of that name (a rerun's, or the half of a killed one)."""
    versions = calibration.workspace.vis.with_name(calibration.workspace.vis.name + ".flagversions")
    _forget_version(versions, name)
    run("flagmanager", vis=calibration.vis, mode="save", versionname=name, comment=comment)


def _forget_version(versions: Path, name: str) -> None:
    listing = versions / "FLAG_VERSION_LIST"
    if listing.exists():
        kept = [line for line in listing.read_text().splitlines(keepends=True) if line.split(" : ")[0] != name]
        partial = listing.with_name(".partial")
        partial.write_text("".join(kept))
        partial.replace(listing)
    remove(versions / f"flags.{name}")
