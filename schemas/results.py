"""What the steps other than solves return."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from schemas.inspection import MsSummary, Roles
from schemas.record import Record


class InspectRecord(Record):
    """The working MeasurementSet in numbers, who is what, and the reference antenna."""

    summary: MsSummary
    """The MeasurementSet."""
    roles: Roles
    """The fields' roles."""
    refant: tuple[str, ...] = Field(min_length=1)
    """Reference antenna first, then its fallbacks."""
    listing: Path
    """CASA's listobs, relative to the workspace."""
    counts: Path
    """Flag counts before any flagging of ours (CSV, relative to the workspace)."""


class FlagAct(Record):
    """One act of flagging: what was asked, and where the counts before and after are."""

    name: str
    """late_on_source, end_channels or bad_times."""
    saved_as: str
    """Flag version saved just before it."""
    asked: str
    """What was flagged, in words."""
    before: Path
    """Flag counts before (CSV, relative to the workspace)."""
    after: Path
    """Flag counts after (CSV, relative to the workspace)."""
    judged: bool
    """Whether what it newly flagged is judged; the user's own list is only reported."""


class FlagRecord(Record):
    """All acts of flagging."""

    acts: tuple[FlagAct, ...]
    """In order."""
    flag_version: str
    """Flag version saved at the end."""


class ModelFlux(Record):
    """The model of a flux calibrator in one spw, as setjy reports it."""

    field: str
    """Field name."""
    spw: int
    """Spectral window."""
    frequency_hz: float
    """Frequency it stands for [Hz]: the spw's reference frequency."""
    flux_density_jy: float
    """Total flux density [Jy]."""


class ModelRecord(Record):
    """The flux calibrator's model."""

    model: str
    """What it was made from: a component table, an image, a point source."""
    standard: str
    """Flux density standard; empty for a flux density given by the user."""
    fluxes: tuple[ModelFlux, ...]
    """Per spw."""
    baselines: Path
    """MODEL_DATA by baseline (CSV, relative to the workspace)."""
    uv_limit_wavelengths: float | None
    """Where the model image's uv grid ends [wavelengths]; None for models without a grid."""


class TrialPhase(Record):
    """The phase reference before and after delay and bandpass, one spw."""

    field: str
    """Field name."""
    spw: int
    """Spectral window."""
    slope_before_deg: float | None
    """Phase slope across the spw, median of its absolute value over baselines and scans [deg]."""
    slope_after_deg: float | None
    """As above, after."""
    amplitude_spread_before: float | None
    """Spread of amplitude over the channels, of the mean: median over baselines and scans [fraction]."""
    amplitude_spread_after: float | None
    """As above, after."""


class TrialRecord(Record):
    """What delay and first bandpass do to the phase references."""

    phases: tuple[TrialPhase, ...] = ()
    """Per phase reference and spw."""
    skipped: str = ""
    """Why it was skipped; empty if it ran."""


class ApplyRecord(Record):
    """Tables applied, and what that flagged."""

    fields: tuple[str, ...] = ()
    """Fields calibrated."""
    tables: tuple[Path, ...] = ()
    """Tables applied, in order, relative to the workspace."""
    before: Path | None = None
    """Flag counts before (CSV, relative to the workspace)."""
    after: Path | None = None
    """Flag counts after (CSV, relative to the workspace)."""
    visibilities: Path | None = None
    """Corrected visibilities of the phase references and flux calibrator, averaged (CSV, relative to the workspace)."""
    gaps: tuple[str, ...] = ()
    """flagdata commands for target data too far from a good phase solution; each ends with its reason."""
    flag_version: str = ""
    """Flag version saved at the end."""
    skipped: str = ""
    """Why it was skipped; empty if it ran."""


class SplitRecord(Record):
    """The calibrated targets."""

    targets: dict[str, Path] = Field(default_factory=dict)
    """Target to its MeasurementSet, relative to the workspace."""
    skipped: str = ""
    """Why it was skipped; empty if it ran."""


class ImageSummary(Record):
    """A first image in numbers."""

    field: str
    """Field name."""
    image: Path
    """CASA image, relative to the workspace."""
    peak_jy_beam: float
    """Brightest pixel [Jy/beam]."""
    noise_jy_beam: float
    """Noise of the residual: 1.4826 x median absolute deviation [Jy/beam]."""
    dynamic_range: float
    """Peak over noise."""
    beam_major_arcsec: float
    """Restoring beam, major axis [arcsec]."""
    beam_minor_arcsec: float
    """Minor axis [arcsec]."""
    beam_angle_deg: float
    """Position angle [deg]."""
    cell_arcsec: float
    """Cell [arcsec]."""
    pixels: int
    """Pixels along each side."""
    centre: Path | None = None
    """Its central part as numbers (npz, relative to the workspace; see `tasks.imaging_casa.export_centre`), for readers
    without CASA; None in records of versions that kept none."""


class ImageRecord(Record):
    """First images of targets and phase references."""

    images: tuple[ImageSummary, ...] = ()
    """One per field."""
    skipped: str = ""
    """Why it was skipped; empty if it ran."""
