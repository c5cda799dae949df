"""Get the data in: from any input format to the working MeasurementSet, without ever writing to the input."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.errors import ConfigurationError
from schemas.ingestion import DataSource, IngestRecord
from tasks.casa import run
from tasks.ingest_casa import FLAG_VERSION
from tasks.ingest_source import identify
from tasks.inspection import summarise

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.inspection import MsSummary
    from schemas.observation import Selection
    from schemas.parameters import IngestParams

__all__ = ["Staged", "check_disk", "disk_needed", "identify", "ingest", "read_metadata", "remove_abandoned"]

DISK_FACTOR = 3.3
"""Disk space a run needs, as a multiple of the input's size.

Measured on NGC 5921: a UVFITS file of 35 MB becomes a MeasurementSet of 36 MB, 79 MB with MODEL and CORRECTED columns;
flag versions, tables, the split target and images make up the rest.
"""

STAGING_PREFIX = ".gatecal-"


@dataclass(frozen=True)
class Staged:
    """The input as it can be looked at: in place, or imported into a temporary folder."""

    summary: MsSummary
    """What it holds."""
    vis: Path | None = None
    """The MeasurementSet made of it, for `ingest` to use up; None where the input is one itself."""


def disk_needed(source: DataSource) -> int:
    """Return the disk space a run on `source` needs [bytes]."""
    return int(DISK_FACTOR * source.size_bytes)


def check_disk(source: DataSource, workspace: Path) -> None:
    """Refuse to begin what the disk cannot hold.

    Raises
    ------
    ConfigurationError
        There is too little space; says how much is needed and how much there is.
    """
    place = existing_parent(workspace)
    needed, free = disk_needed(source), shutil.disk_usage(place).free
    if place == workspace.expanduser().absolute():  # what an earlier run made is replaced, not added to
        free += sum(path.lstat().st_size for path in place.rglob("*") if path.is_file())
    if free < needed:
        msg = (
            f"calibrating {source.path} needs {needed / 1e9:.2f} GB of disk ({DISK_FACTOR:g} times the input's "
            f"{source.size_bytes / 1e9:.2f} GB), {free / 1e9:.2f} GB are free at {place}. "
            "Make space, or choose another place with --workspace."
        )
        raise ConfigurationError(msg)


def existing_parent(path: Path) -> Path:
    """Return `path`, or its nearest parent that exists."""
    place = path.expanduser().absolute()
    while not place.exists():
        place = place.parent
    return place


@contextlib.contextmanager
def read_metadata(source: DataSource, selection: Selection, workspace: Path, timeout_s: float) -> Iterator[Staged]:
    """Read what the input holds before anything is written to the workspace.

    A MeasurementSet is read where it is. Anything else is imported once, into a temporary folder beside the workspace
    (same file system), from which `ingest` takes it by a rename; the folder is gone when the block ends. Folders left
    by runs that were killed are removed.

    Parameters
    ----------
    source
        The input.
    selection
        The part of it to use.
    workspace
        The observation's workspace; need not exist.
    timeout_s
        Time limit of each CASA call [s].

    Yields
    ------
    The summary and the imported MeasurementSet.
    """
    if source.kind == "measurement set":
        yield Staged(summarise(source.path, selection, timeout_s))
        return
    with _temporary_folder(workspace) as folder:
        vis = folder / "input.ms"
        run("tasks.ingest_casa:import_source", timeout_s=timeout_s, source=source.model_dump(mode="json"), vis=vis)
        yield Staged(summarise(vis, selection, timeout_s), vis)


@contextlib.contextmanager
def _temporary_folder(workspace: Path) -> Iterator[Path]:
    parent = existing_parent(workspace.absolute().parent)
    remove_abandoned(workspace)
    folder = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=parent))
    try:
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned(workspace: Path) -> None:
    """Remove the temporary folders that killed runs have left beside the workspace."""
    for left in existing_parent(workspace.absolute().parent).glob(f"{STAGING_PREFIX}*"):
        _remove_if_abandoned(left)


def _remove_if_abandoned(folder: Path) -> None:
    # The kernel drops the lock with its holder: whoever gets it knows that the folder's run is dead.
    with contextlib.suppress(OSError), (folder / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)


def ingest(
    source: DataSource,
    workspace: Path,
    name: str,
    params: IngestParams,
    selection: Selection,
    staged: Path | None = None,
) -> IngestRecord:
    """Make the working MeasurementSet ``ms/<name>.ms`` of the workspace, whole or not at all.

    Parameters
    ----------
    source
        The input, as `identify` found it.
    workspace
        The observation's workspace.
    name
        The observation's name.
    params
        What is kept, reset and averaged.
    selection
        The part of the data to use.
    staged
        The MeasurementSet that `read_metadata` has imported already; used up. Inside its block only.

    Returns
    -------
    The record; its notes say what was kept, reset, merged and averaged.
    """
    check_disk(source, workspace)
    vis = Path("ms") / f"{name}.ms"
    notes = run(
        "tasks.ingest_casa:build_working_ms",
        timeout_s=params.timeout_s,
        source=source.model_dump(mode="json"),
        destination=workspace / vis,
        params=params.model_dump(mode="json"),
        selection=selection.model_dump(mode="json"),
        staged="" if staged is None else str(staged.absolute()),
    )
    return IngestRecord(vis=vis, source=source, flag_version=FLAG_VERSION, notes=tuple(notes))
