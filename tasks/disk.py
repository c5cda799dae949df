"""Tells a full disk from other failures: CASA only says that a table could not be written, or dies by a bus error."""

from __future__ import annotations

import contextlib
import errno
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.errors import CasaError, DiskFull

if TYPE_CHECKING:
    from collections.abc import Iterator

FULL = (errno.ENOSPC, errno.EDQUOT)
WORDS = ("No space left on device", "Disk quota exceeded")
"""strerror of `FULL`, as casacore passes it on."""
LEAST_BYTES = 8 * 2**20
"""With less than this free, a CASA call that failed is taken to have failed for it [bytes]: no table's tile fits."""


@contextlib.contextmanager
def watched(folder: Path, step: str = "") -> Iterator[None]:
    """Turn what a full disk makes the body raise into `DiskFull`.

    Parameters
    ----------
    folder
        Where the body writes.
    step
        The step it is, for the message.

    Raises
    ------
    schemas.errors.DiskFull
        The body failed because a file system was full.
    """
    try:
        yield
    except (OSError, CasaError) as error:
        place = full_place(folder, error)
        if place is None:
            raise
        raise DiskFull(sentence(place, step, error)) from error


def full_place(folder: Path, error: OSError | CasaError) -> Path | None:
    """Return a folder on the file system that is full, or None where the failure has another cause."""
    place = existing(folder)
    if isinstance(error, OSError):
        if error.errno not in FULL:
            return None
        return existing(Path(error.filename)) if isinstance(error.filename, str) else place
    said = any(word in f"{error.reason}\n{error.log_tail}" for word in WORDS)
    return place if said or shutil.disk_usage(place).free < LEAST_BYTES else None


def existing(path: Path) -> Path:
    """Return `path` as an absolute path, or its nearest parent that exists."""
    place = path.absolute()
    while not place.exists():
        place = place.parent
    return place


def mount_of(place: Path) -> Path:
    """Return where the file system of `place` is mounted."""
    place = place.resolve()
    while not place.is_mount():
        place = place.parent
    return place


def sentence(place: Path, step: str, error: OSError | CasaError) -> str:
    """Return what a person at 3 a.m. needs to know: which file system, how full, what to do."""
    usage = shutil.disk_usage(place)
    what = f"{error.task}: {error.reason}" if isinstance(error, CasaError) else str(error)
    return (
        f"the disk is full{f' in step {step}' if step else ''}: the file system {mount_of(place)}, on which {place} "
        f"lies, has {usage.free / 1e6:.1f} MB free of {usage.total / 1e9:.2f} GB. Nothing that was finished is lost: "
        "make space there (working copies of old observations, ms/ in their workspaces, can be made again), then run "
        f"it again; it goes on from this step. What failed: {what}"
    )
