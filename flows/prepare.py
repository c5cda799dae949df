"""Everything that can be refused is refused here, before anything is written; then the workspace is taken."""

from __future__ import annotations

import contextlib
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.errors import CasaError, DataUnusable
from schemas.ingestion import DataSource, IngestRecord
from schemas.observation import observation_text
from schemas.profiles import differences, parameters
from schemas.whole import write_whole
from tasks import fan_out, preflight
from tasks.calibration import Calibration
from tasks.casa import CasaServer, WorkspaceCasa, use_casa
from tasks.ingest import Staged, identify, read_metadata, remove_abandoned
from tasks.ledger import open_ledger, read_ledger
from tasks.reference_antenna import choose_refant
from tasks.roles import resolve_roles
from tasks.workspace import Workspace
from tasks.workspace_lock import WorkspaceLock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

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
    observation: Observation,
    root: Path,
    overrides: Mapping[str, object],
    from_step: Step | None,
    warm: CasaServer | None = None,
    may_take: Callable[[Workspace], None] = lambda _workspace: None,
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
    warm
        A CASA server to use and leave running; by default one is started and ended here.
    may_take
        Raises where the workspace is held for another run; asked before any work, and again with the lock taken.

    Raises
    ------
    ConfigurationError, DataUnusable
        The request or the data will not do; nothing was written.
    WorkspaceBusy
        Another run holds the workspace.
    """
    workspace = workspace_of(observation, root)
    may_take(workspace)
    asked = settle(observation, overrides)
    preflight.check_paths(observation, asked, workspace.root)
    source = identify(observation.data)
    known = _known_input(workspace, observation, source.fingerprint)
    remove_abandoned(workspace.root)
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(fan_out.connected())
        server = warm if warm is not None else stack.enter_context(CasaServer())
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gatecal-")))
        with use_casa(WorkspaceCasa(server, scratch)):
            looking = (
                contextlib.nullcontext(Staged(known))
                if known is not None
                else read_metadata(source, observation.selection, workspace.root, asked.ingest.timeout_s)
            )
            staged = _look(stack, looking, source)
            roles = resolve_roles(observation.roles, staged.summary)
            refant = choose_refant(asked.refant, staged.summary)
            preflight.check(observation, asked, source, staged.summary, roles, workspace.root)
        workspace.root.mkdir(parents=True, exist_ok=True)
        lock = stack.enter_context(WorkspaceLock(workspace.root, run=f"gatecal {observation.name}"))
        may_take(workspace)
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
        write_whole(workspace.request, observation_text(reproducing(calibration)))
        casa = WorkspaceCasa(server, workspace.logs, lock)
        stack.enter_context(use_casa(fan_out.fanned_out(casa, cluster, workspace.root)))
        yield calibration


def reproducing(calibration: Calibration) -> Observation:
    """Return the observation with every parameter that differs from the profile, and absolute paths."""
    observation = calibration.observation
    return observation.evolve(
        data=calibration.source.path, overrides=differences(observation.profile, calibration.parameters)
    )


def _look(stack: contextlib.ExitStack, looking: AbstractContextManager[Staged], source: DataSource) -> Staged:
    try:
        return stack.enter_context(looking)
    except CasaError as error:
        msg = f"{source.path} looks like {source.kind}, but CASA cannot read it: {error.reason}\n{error.log_tail}"
        raise DataUnusable(msg) from error


def _known_input(workspace: Workspace, observation: Observation, source_fingerprint: str) -> MsSummary | None:
    """Return what an earlier run saw in the same part of the same input: a rerun need not import it again to look."""
    ledger = read_ledger(workspace)
    entry = ledger.entry("ingest") if ledger else None
    if entry is None or not workspace.vis.exists():
        return None
    record = IngestRecord.model_validate(entry.record)
    same = (record.source.fingerprint, record.selection) == (source_fingerprint, observation.selection)
    return record.summary if same else None


def _with_absolute_paths(asked: Parameters) -> Parameters:
    """Return the parameters with paths that do not depend on the working directory: CASA's children have their own."""
    flag, model = asked.flag, asked.model
    if flag.bad_times is not None:
        flag = flag.evolve(bad_times=flag.bad_times.expanduser().absolute())
    if model.image is not None:
        model = model.evolve(model=str(model.image.expanduser().absolute()))
    return asked.evolve(flag=flag, model=model)
