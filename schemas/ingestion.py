"""What ingest found and made."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from schemas.inspection import MsSummary
from schemas.observation import Selection
from schemas.record import Record

DataKind = Literal["measurement set", "tar", "uvfits", "fits-idi"]
"""Input formats."""


class DataSource(Record):
    """The input as it lies there, opened read-only."""

    path: Path
    """Absolute path."""
    kind: DataKind
    """What it is."""
    files: tuple[Path, ...]
    """The files it is read from, in order (one, but for a folder of FITS-IDI)."""
    size_bytes: int
    """Size of all [bytes], unpacked where it is a tar."""
    fingerprint: str
    """Changes when the content does: hash over names, sizes, times of change, and of samples of the bytes."""


class IngestRecord(Record):
    """The working MeasurementSet and how it came to be."""

    vis: Path
    """The working MeasurementSet, relative to the workspace."""
    source: DataSource
    """What it was made from."""
    flag_version: str
    """Flag version saved at the end of ingest."""
    summary: MsSummary | None = None
    """The selected part of the input in numbers, as it was before any work."""
    selection: Selection = Selection()
    """The part of the input that was used."""
    notes: tuple[str, ...] = ()
    """What was kept, reset, merged, averaged, in sentences."""
