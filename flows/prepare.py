"""Everything that can be refused is refused here, before anything is written; then the workspace is taken."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.ingestion import IngestRecord
from schemas.profiles import parameters
from tasks import preflight
from tasks.calibration import Calibration
from tasks.casa import CasaServer, WorkspaceCasa, use_casa
from tasks.ingest import Staged, identify, read_metadata
from tasks.ledger import open_ledger, read_ledger
from tasks.reference_antenna import choose_refant
from tasks.roles import resolve_roles
from tasks.workspace import Workspace
from tasks.workspace_lock import WorkspaceLock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from schemas.inspection import MsSummary
    from schemas.observation import Observation
    from schemas.parameters import Parameters
    from schemas.steps import Step


def workspace_of(observation: Observation, root: Path) -> Workspace:
    """Return the observation's workspace below `root`."""
    return Workspace(root.expanduser().absolute() / observation.name)


def settle(observation: Observation, overrides: Mapping[str, object]) -> Parameters:
    """Return the parameters in force: profile, then the observation's overrides, then those of this run."""
    return parameters(observation.profile, {**observation.overrides, **overrides})


@contextlib.contextmanager
def prepared(
    observation: Observation, root: Path, overrides: Mapping[str, object], from_step: Step | None
) -> Iterator[Calibration]:
    """Check the request against the data, take the workspace, and hold it for the body.

    Parameters
    ----------
    observation
        The request.
    root
        Folder of the workspaces.
    overrides
        Parameters and bounds that differ, by dotted name; they go before the observation file's.
    from_step
        Run this step and all after it again, even if they still hold.

    Raises
    ------
    ConfigurationError, DataUnusable
        The request or the data will not do; nothing was written.
    WorkspaceBusy
        Another run holds the workspace.
    """
    workspace = workspace_of(observation, root)
    asked = settle(observation, overrides)
    preflight.check_paths(observation, asked, workspace.root)
    source = identify(observation.data)
    known = _known_input(workspace, source.fingerprint)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(CasaServer())
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gatecal-")))
        with use_casa(WorkspaceCasa(server, scratch)):
            looking = (
                contextlib.nullcontext(Staged(known))
                if known is not None
                else read_metadata(source, observation.selection, workspace.root, asked.ingest.timeout_s)
            )
            staged = stack.enter_context(looking)
            roles = resolve_roles(observation.roles, staged.summary)
            refant = choose_refant(asked.refant, staged.summary)
            preflight.check(observation, asked, source, staged.summary, roles, workspace.root)
        workspace.root.mkdir(parents=True, exist_ok=True)
        lock = stack.enter_context(WorkspaceLock(workspace.root, run=f"gatecal {observation.name}"))
        keeper = open_ledger(workspace, observation.name, source.path)
        workspace.create()
        if from_step is not None:
            keeper.drop(from_step)
        calibration = Calibration(
            observation=observation,
            parameters=_with_absolute_paths(asked),
            source=source,
            workspace=workspace,
            keeper=keeper,
            summary=staged.summary,
            roles=roles,
            refant=refant,
            staged=staged.vis,
        )
        stack.enter_context(use_casa(WorkspaceCasa(server, workspace.logs, lock)))
        yield calibration


def _known_input(workspace: Workspace, source_fingerprint: str) -> MsSummary | None:
    """Return what an earlier run saw in the same input, so that a rerun need not import it again to look."""
    ledger = read_ledger(workspace)
    entry = ledger.entry("ingest") if ledger else None
    if entry is None or not workspace.vis.exists():
        return None
    record = IngestRecord.model_validate(entry.record)
    return record.summary if record.source.fingerprint == source_fingerprint else None


def _with_absolute_paths(asked: Parameters) -> Parameters:
    """Return the parameters with paths that do not depend on the working directory: CASA's children have their own."""
    if asked.flag.bad_times is None:
        return asked
    return asked.evolve(flag=asked.flag.evolve(bad_times=asked.flag.bad_times.expanduser().absolute()))
