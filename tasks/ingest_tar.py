"""A MeasurementSet in a tar: looked at without unpacking, and unpacked without letting a member leave its folder."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from schemas.errors import ConfigurationError, DataUnusable

if TYPE_CHECKING:
    from collections.abc import Iterable

MS_PARTS = ("table.dat", "ANTENNA/table.dat", "DATA_DESCRIPTION/table.dat", "FIELD/table.dat")
"""What a MeasurementSet has; a calibration table lacks DATA_DESCRIPTION, an image all but the first."""


def list_members(path: Path) -> list[tarfile.TarInfo]:
    """List a tar's members.

    Raises
    ------
    DataUnusable
        The tar is cut short or damaged.
    """
    try:
        with tarfile.open(path) as archive:
            return archive.getmembers()
    except (tarfile.TarError, EOFError, OSError) as error:
        msg = f"{path} cannot be read as a tar to its end ({error}); fetch it again."
        raise DataUnusable(msg) from error


def find_measurement_set(path: Path, members: Iterable[tarfile.TarInfo]) -> PurePosixPath:
    """Return the folder inside the tar that is its one MeasurementSet, after checking every member.

    Raises
    ------
    ConfigurationError
        A member would leave the folder it is unpacked into; or there is no MeasurementSet, or several.
    """
    names = set()
    for member in members:
        _refuse_unsafe(path, member)
        names.add(PurePosixPath(member.name))
    roots = sorted(
        name.parent
        for name in names
        if name.name == "table.dat" and all(name.parent / part in names for part in MS_PARTS)
    )
    if not roots:
        msg = f"{path} is a tar without a MeasurementSet in it; it holds {_some(names)}."
        raise ConfigurationError(msg)
    if len(roots) > 1:
        listed = ", ".join(str(root) for root in roots)
        msg = f"{path} holds {len(roots)} MeasurementSets ({listed}); unpack it and give one of them as data."
        raise ConfigurationError(msg)
    return roots[0]


def _refuse_unsafe(path: Path, member: tarfile.TarInfo) -> None:
    name = PurePosixPath(member.name)
    reason = ""
    if name.is_absolute() or ".." in name.parts:
        reason = "has a path that leaves the folder it is unpacked into"
    elif member.issym() or member.islnk():
        reason = f"is a link (to {member.linkname})"
    elif not (member.isfile() or member.isdir()):
        reason = "is neither a file nor a folder"
    if reason:
        msg = f"{path} is refused: its member {member.name!r} {reason}. Make a tar of the MeasurementSet alone."
        raise ConfigurationError(msg)


def _some(names: set[PurePosixPath]) -> str:
    tops = sorted({name.parts[0] for name in names if name.parts})
    return ", ".join(tops[:5]) + (" ..." if len(tops) > 5 else "") if tops else "nothing"


def unpack(path: Path, vis: Path) -> None:
    """Unpack the one MeasurementSet in `path` to `vis`, through a folder beside it."""
    beside = vis.with_name(f".{vis.name}.unpacking")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    members = list_members(path)
    root = find_measurement_set(path, members)
    inside = [member for member in members if PurePosixPath(member.name).is_relative_to(root)]
    with tarfile.open(path) as archive:
        if hasattr(tarfile, "data_filter"):  # a second guard that Debian 12's Python 3.11.2 does not have yet
            archive.extraction_filter = tarfile.data_filter
        archive.extractall(beside, members=inside)  # noqa: S202 - find_measurement_set has checked every member
    for folder in (beside / root, *(entry for entry in (beside / root).rglob("*") if entry.is_dir())):
        folder.chmod(0o755)
    for file in (beside / root).rglob("*"):
        if file.is_file():
            file.chmod(0o644)
    (beside / root).rename(vis)
    shutil.rmtree(beside, ignore_errors=True)
