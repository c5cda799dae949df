"""What a MeasurementSet holds, as numbers."""

from __future__ import annotations

from typing import Literal

from schemas.record import Record


class AntennaSummary(Record):
    """One antenna."""

    id: int
    """Row in the ANTENNA table."""
    name: str
    """Antenna name."""
    station: str = ""
    """Station (pad) name."""
    x_m: float
    """ITRF x [m]."""
    y_m: float
    """ITRF y [m]."""
    z_m: float
    """ITRF z [m]."""
    has_data: bool = True
    """False for a row without any visibility (UVFITS import leaves such)."""


class SpwSummary(Record):
    """One spectral window."""

    id: int
    """Spectral window, from 0."""
    channels: int
    """Number of channels."""
    first_hz: float
    """Frequency of channel 0 [Hz]."""
    channel_width_hz: float
    """Channel width [Hz], positive."""
    bandwidth_hz: float
    """Total bandwidth [Hz]."""
    centre_hz: float
    """Centre frequency [Hz]."""
    correlations: tuple[str, ...]
    """e.g. RR, RL, LR, LL."""


class FieldSummary(Record):
    """One field."""

    id: int
    """Field id."""
    name: str
    """Field name."""
    ra_rad: float
    """Right ascension J2000 [rad]."""
    dec_rad: float
    """Declination J2000 [rad]."""
    rows: int
    """Main-table rows."""
    intents: tuple[str, ...] = ()
    """Scan intents, if the data carry them."""


class ScanSummary(Record):
    """One scan of one field."""

    number: int
    """Scan number."""
    field: str
    """Field name."""
    observation_id: int = 0
    """Observation id."""
    start_s: float
    """Start [MJD seconds, UTC]."""
    stop_s: float
    """End [MJD seconds, UTC]."""
    rows: int
    """Main-table rows."""
    integration_s: float
    """Integration time [s]."""
    flagged_fraction: float = 0.0
    """Flagged fraction of its cross-correlations, as found."""


class MsSummary(Record):
    """A MeasurementSet in numbers: what roles, parameters and gates are decided from."""

    telescope: str
    """Telescope name as in the data."""
    rows: int
    """Main-table rows."""
    autocorrelation_rows: int
    """Of these, autocorrelations."""
    antennas: tuple[AntennaSummary, ...]
    """Antennas."""
    spws: tuple[SpwSummary, ...]
    """Spectral windows."""
    fields: tuple[FieldSummary, ...]
    """Fields."""
    scans: tuple[ScanSummary, ...]
    """Scans in time order."""
    longest_baseline_m: float
    """Longest antenna separation [m]."""
    columns: tuple[str, ...]
    """Main-table columns that hold visibilities (DATA, MODEL_DATA, CORRECTED_DATA)."""
    flagged_fraction: dict[str, float]
    """Flagged fraction of cross-correlations by field name, as found."""
    antenna_flagged_fraction: dict[str, float]
    """Flagged fraction of cross-correlations by antenna name, as found."""

    @property
    def antennas_with_data(self) -> tuple[str, ...]:
        """Names of the antennas that have visibilities."""
        return tuple(antenna.name for antenna in self.antennas if antenna.has_data)

    def field(self, name: str) -> FieldSummary:
        """Return the field of that name (KeyError if there is none)."""
        for entry in self.fields:
            if entry.name == name:
                return entry
        raise KeyError(name)


class RoleDecision(Record):
    """One role, what it was given to, and why."""

    role: Literal["flux", "bandpass", "phase reference", "target"]
    """The role."""
    field: str
    """Field name."""
    reason: str
    """Why: named by the observation file, position of a known calibrator, interleaved scans ..."""


class Roles(Record):
    """Every field's role, resolved."""

    flux: str
    """The flux calibrator's field name."""
    bandpass: tuple[str, ...]
    """Bandpass calibrators' field names."""
    phase_reference: dict[str, str]
    """Target's field name to its phase reference's."""
    decisions: tuple[RoleDecision, ...] = ()
    """What was decided and why."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Target field names."""
        return tuple(self.phase_reference)

    @property
    def phase_references(self) -> tuple[str, ...]:
        """Phase references' field names, each once."""
        return tuple(dict.fromkeys(self.phase_reference.values()))

    @property
    def calibrators(self) -> tuple[str, ...]:
        """All calibrators, each once: phase references, flux, bandpass."""
        return tuple(dict.fromkeys((*self.phase_references, self.flux, *self.bandpass)))
