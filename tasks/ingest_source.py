"""What the input is: told from its content alone, without CASA and without writing anything."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path

from schemas.errors import ConfigurationError, DataUnusable
from schemas.ingestion import DataKind, DataSource
from tasks.ingest_fits import fits_kind
from tasks.ingest_tar import MS_PARTS, find_measurement_set, list_members

SAMPLE_BYTES = 65536
"""Length of each sample of a file's bytes in the fingerprint."""

SAMPLES = 8
"""Samples of each file, spread evenly from its first byte to its last."""

LOCK_FILE = "table.lock"
"""casacore's lock of a table: any reader may touch it, so it says nothing about the content."""


def identify(path: Path) -> DataSource:
    """Find out what the input is.

    Parameters
    ----------
    path
        A MeasurementSet, a tar of one (compressed or not), a UVFITS file, a FITS-IDI file, or a folder of those.

    Returns
    -------
    The source: kind, files, size and fingerprint.

    Raises
    ------
    ConfigurationError
        Nothing is there, it may not be read, or it is none of these; says what it is instead.
    DataUnusable
        A file is cut short or damaged.
    """
    path = path.expanduser().absolute()
    if not path.exists():
        msg = f"data: there is nothing at {path}.{_nearest(path)}"
        raise ConfigurationError(msg)
    try:
        return _identify_folder(path) if path.is_dir() else _identify_file(path)
    except PermissionError as error:
        msg = f"data: {error.filename or path} may not be read by this user; change its permissions."
        raise ConfigurationError(msg) from error


def _nearest(path: Path) -> str:
    parent = path.parent
    while not parent.exists():
        parent = parent.parent
    return f" The nearest folder that exists is {parent}." if parent != path.parent else ""


def _identify_folder(path: Path) -> DataSource:
    if (path / "table.dat").is_file():
        missing = [part.split("/")[0] for part in MS_PARTS[1:] if not (path / part).is_file()]
        if missing:
            msg = f"{path} is a CASA table but not a MeasurementSet: it has no {', '.join(missing)} table."
            raise ConfigurationError(msg)
        return _source(path, "measurement set", (path,))
    files = sorted(entry for entry in path.iterdir() if entry.is_file() and _is_fits(entry))
    if not files:
        nested = sorted(entry.name for entry in path.iterdir() if (entry / "table.dat").is_file())
        hint = f" Inside it are {', '.join(nested[:5])}; give one of them." if nested else ""
        msg = f"{path} is not a MeasurementSet (no table.dat) and holds no FITS-IDI files.{hint}"
        raise ConfigurationError(msg)
    for file in files:
        if fits_kind(file) != "fits-idi":
            msg = f"{path} is a folder with {file.name}, which is UVFITS; give that file itself as data."
            raise ConfigurationError(msg)
    return _source(path, "fits-idi", tuple(files))


def _identify_file(path: Path) -> DataSource:
    if path.stat().st_size == 0:
        msg = f"{path} is empty; fetch it again."
        raise DataUnusable(msg)
    if _is_fits(path):
        return _source(path, fits_kind(path), (path,))
    if _is_tar(path):
        members = list_members(path)
        root = find_measurement_set(path, members)
        inside = (member for member in members if Path(member.name).is_relative_to(root))
        return _source(path, "tar", (path,), size_bytes=sum(member.size for member in inside))
    msg = f"{path} is not a MeasurementSet, a tar of one, UVFITS or FITS-IDI; it begins with {_beginning(path)!r}."
    raise ConfigurationError(msg)


def _beginning(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(16)


def _is_fits(path: Path) -> bool:
    return _beginning(path).startswith(b"SIMPLE  =")


def _is_tar(path: Path) -> bool:
    try:
        return tarfile.is_tarfile(path)
    except (EOFError, OSError) as error:
        if isinstance(error, PermissionError):
            raise
        msg = f"{path} is compressed but cannot be unpacked ({error}); fetch it again."
        raise DataUnusable(msg) from error


def _source(path: Path, kind: DataKind, files: tuple[Path, ...], size_bytes: int | None = None) -> DataSource:
    parts = sorted(part for file in files for part in (file.rglob("*") if file.is_dir() else (file,)) if part.is_file())
    digest = hashlib.sha256()
    total = 0
    for part in parts:
        status = part.stat()
        total += status.st_size
        if part.name == LOCK_FILE:
            continue
        name = part.relative_to(path) if part != path else Path(part.name)
        digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
        _add_samples(digest, part, status.st_size)
    return DataSource(
        path=path,
        kind=kind,
        files=files,
        size_bytes=total if size_bytes is None else size_bytes,
        fingerprint=digest.hexdigest(),
    )


def _add_samples(digest: hashlib._Hash, path: Path, size: int) -> None:
    with path.open("rb") as stream:
        if size <= SAMPLES * SAMPLE_BYTES:
            digest.update(stream.read())
            return
        for index in range(SAMPLES):
            stream.seek((size - SAMPLE_BYTES) * index // (SAMPLES - 1))
            digest.update(stream.read(SAMPLE_BYTES))
