"""What a solve gave: counts and tables, with the columns every reader can rely on.

The tables themselves are pandas frames kept as CSV beside the run's records; the column tuples here are the contract
between the tasks that write them and the metrics that read them. All are long: one row per number.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from schemas.record import Record

GAIN_COLUMNS = (
    "time_s",  # middle of the solution interval [MJD seconds, UTC]
    "scan",
    "field",  # field name
    "spw",
    "antenna",  # antenna name
    "polarisation",  # R, L, X or Y
    "amplitude",  # of the complex gain [dimensionless or sqrt(unit/Jy)]
    "phase_deg",  # of the complex gain [deg], -180 to 180
    "snr",  # as CASA estimates it
    "flagged",  # the solution failed
)
"""A gaincal G table: one row per time, antenna, spw and polarisation."""

DELAY_COLUMNS = ("time_s", "scan", "field", "spw", "antenna", "polarisation", "delay_ns", "flagged")
"""A gaincal K table: one row per time, antenna, spw and polarisation."""

BANDPASS_COLUMNS = (
    "time_s",
    "field",
    "spw",
    "channel",
    "frequency_hz",
    "antenna",
    "polarisation",
    "amplitude",
    "phase_deg",
    "flagged",
    "has_data",  # the antenna has unflagged data in this channel and hand in the fields solved on
)
"""A bandpass B table: one row per antenna, spw, channel and polarisation."""

STATISTICS_COLUMNS = (
    "spw",
    "antenna",  # antenna name; empty on the rows of the spw as a whole
    "polarisation",
    "expected",
    "attempted",  # CASA's data_unflagged
    "above_minblperant",
    "succeeded",  # CASA's above_minsnr (for K a copy of attempted: judge K from its table)
)
"""``solvestats`` of one or more gaincal or bandpass calls into one table, as CASA returned them, summed over calls."""

FLAG_COLUMNS = ("field", "antenna", "spw", "correlation", "flagged", "total")
"""Flag counts of cross-correlations: one row per field, antenna (each baseline counts for both), spw, correlation."""

MODEL_COLUMNS = (
    "field",
    "antenna",  # baseline, two names joined by &
    "spw",
    "amplitude_jy",  # median model amplitude of the parallel hands [Jy]
    "zero_fraction",  # of the rows and channels, where the model is zero [fraction]
    "uv_max_wavelengths",  # longest uv distance [wavelengths]
)
"""MODEL_DATA of the flux calibrators by baseline."""

VISIBILITY_COLUMNS = (
    "field",
    "scan",
    "spw",
    "antenna",  # baseline, two names joined by &
    "polarisation",
    "uv_wavelengths",  # mean uv distance [wavelengths]
    "amplitude",  # of the vector average over the scan and the spw [Jy]
    "phase_deg",  # of that average, relative to the model's [deg]
    "model_amplitude",  # of the model's average over the same visibilities [Jy]
    "weight",  # number of unflagged visibilities averaged
)
"""Corrected visibilities, averaged per scan and spw, parallel hands, cross-correlations only."""


class SolveCounts(Record):
    """Solution intervals of one table in one spw, as CASA logs them."""

    table: str
    """Name of the caltable."""
    spw: int
    """Spectral window."""
    expected: int
    """Solution intervals expected."""
    attempted: int
    """Of these, with enough unflagged data to try."""
    succeeded: int
    """Of these, solved; does not fall when S/N rejects solutions (see the antenna level)."""


class SolutionTable(Record):
    """One caltable on disk, with what is known about it."""

    name: str
    """Name as in the guide's roles, e.g. ``calsources.p1``."""
    kind: str
    """CASA's type: K, G (``p``, ``ap``) or B."""
    caltable: Path
    """The table, relative to the workspace."""
    rows: Path
    """Its solutions as CSV, relative to the workspace (columns: see this module)."""
    statistics: Path
    """Its solve statistics as CSV, relative to the workspace."""
    counts: tuple[SolveCounts, ...] = ()
    """Per spw."""


class SolveRecord(Record):
    """What a step of one or more solves returns."""

    tables: tuple[SolutionTable, ...] = ()
    """In the order solved; empty if the step was skipped."""
    skipped: str = ""
    """Why the step was skipped; empty if it ran."""


class SpwFlux(Record):
    """Flux density of one calibrator in one spw, as fluxscale derived it (before the resolved-out factor)."""

    spw: int
    """Spectral window."""
    frequency_hz: float = Field(gt=0)
    """Centre frequency [Hz]."""
    flux_density_jy: float | None
    """Flux density [Jy]; None where the spw has no solutions."""
    error_jy: float | None
    """Its error [Jy]."""
    antennas: int
    """Antennas it was derived from (CASA's numSol counts antenna and hand pairs; halved and rounded up here)."""


class FluxscaleFit(Record):
    """Flux scale of one calibrator: what fluxscale fitted and what is used."""

    field: str
    """Field name."""
    fitted_jy: float
    """CASA's fitted flux density at the reference frequency [Jy]; with under three spws, the mean of the spws."""
    error_jy: float
    """Its error [Jy]; with under three spws, the largest per-spw error."""
    resolved_out_factor: float
    """What it is multiplied by for the part of the flux calibrator that the array resolves out."""
    flux_density_jy: float
    """The flux density used from here on: the fit times the factor [Jy]."""
    spectral_index: float | None
    """S ~ frequency^index, fluxscale's ``spidx[1]``; None with fewer than three spws."""
    spectral_index_error: float | None
    """Its error."""
    reference_hz: float = Field(gt=0)
    """Reference frequency [Hz]."""
    spws: tuple[SpwFlux, ...]
    """Per spw."""


class FluxscaleRecord(Record):
    """What the flux-scale step returns."""

    caltable: Path | None = None
    """The scaled amplitude table, relative to the workspace; None where nothing was scaled."""
    fits: tuple[FluxscaleFit, ...] = ()
    """One per calibrator other than the flux calibrator."""
    listing: Path | None = None
    """fluxscale's own listing, relative to the workspace."""
    skipped: str = ""
    """Why it was skipped; empty if it ran."""
