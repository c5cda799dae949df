"""What every step of a calibration is given: the request, the workspace, and what is known of the data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

    from schemas.ingestion import DataSource
    from schemas.inspection import MsSummary, Roles
    from schemas.observation import Observation
    from schemas.parameters import Parameters
    from schemas.results import InspectRecord
    from tasks.ledger import LedgerKeeper
    from tasks.workspace import Workspace


@dataclass(frozen=True)
class Calibration:
    """One observation being calibrated.

    Attributes
    ----------
    observation
        The request.
    parameters
        Every parameter and bound in force.
    source
        The input.
    workspace
        Where everything goes.
    keeper
        The workspace's ledger.
    summary, roles, refant
        What is known of the data: from the input's metadata at first, from the working MeasurementSet after inspect.
    staged
        The input as a MeasurementSet in a temporary folder, where looking at it meant importing it; ingest uses it up.
    """

    observation: Observation
    parameters: Parameters
    source: DataSource
    workspace: Workspace
    keeper: LedgerKeeper
    summary: MsSummary
    roles: Roles
    refant: tuple[str, ...]
    staged: Path | None = None

    @property
    def vis(self) -> str:
        """The working MeasurementSet's path, as CASA takes it."""
        return str(self.workspace.vis)

    def inspected(self, record: InspectRecord) -> Self:
        """Return this calibration with what inspect found in the working MeasurementSet."""
        return replace(self, summary=record.summary, roles=record.roles, refant=record.refant)
