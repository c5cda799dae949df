"""The first two steps: the working MeasurementSet, and what it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.ingestion import IngestRecord
from schemas.results import InspectRecord
from tasks.casa import run
from tasks.flagging import count_flags
from tasks.ingest import ingest
from tasks.inspection import list_observation, summarise
from tasks.reference_antenna import choose_refant
from tasks.roles import resolve_roles
from tasks.step import step

if TYPE_CHECKING:
    from tasks.calibration import Calibration


def _opens(calibration: Calibration) -> bool:
    """Return whether the working MeasurementSet can still be read; one that a killed run broke is made again."""
    if not calibration.workspace.vis.is_dir():
        return False
    return bool(run("tasks.working_set_casa:readable", vis=calibration.vis))


@step("ingest", IngestRecord, still_there=_opens)
def ingest_data(calibration: Calibration) -> IngestRecord:
    """Make the working MeasurementSet from the input, which is only read.

    Writes ``ms/<name>.ms`` whole or not at all, with MODEL_DATA and CORRECTED_DATA, and the flag version ``ingested``.
    """
    made = ingest(
        calibration.source,
        calibration.workspace.root,
        calibration.observation.name,
        calibration.parameters.ingest,
        calibration.observation.selection,
        staged=calibration.staged,
    )
    return made.evolve(summary=calibration.summary, selection=calibration.observation.selection)


@step("inspect", InspectRecord)
def inspect_data(calibration: Calibration) -> InspectRecord:
    """List the working MeasurementSet, settle roles and reference antenna, count its flags (guide, step 1)."""
    workspace = calibration.workspace
    summary = summarise(workspace.vis)
    roles = resolve_roles(calibration.observation.roles, summary)
    listing = list_observation(workspace.vis, workspace.logs / "listobs.txt")
    return InspectRecord(
        summary=summary,
        roles=roles,
        refant=choose_refant(calibration.parameters.refant, summary),
        listing=workspace.relative(listing),
        counts=count_flags(calibration, "flags.ingested"),
    )
