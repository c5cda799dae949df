"""The truth of a simulated observation: what was put in, for comparison with what calibration gets out."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from schemas.record import Record


class InjectedFault(Record):
    """One fault that was ordered."""

    name: str
    """Name in the simulator's list of faults."""

    parameters: dict[str, str | float | int]
    """Strength and place as used, defaults included."""

    place: str
    """The antenna, field or spectral window that a gate should name."""


class FieldTruth(Record):
    """One field as simulated."""

    field_id: int
    """FIELD_ID."""

    name: str
    """Name in the FIELD table (a fault may have put a wrong one there)."""

    common_name: str
    """Usual name of the source that was really observed."""

    role: str
    """flux, bandpass, phase_reference or target."""

    flux_density_jy: float
    """Total Stokes I at the reference frequency, before anything is resolved out [Jy]."""

    spectral_index: float
    """alpha in S ~ nu^alpha at the reference frequency; of the standard's curve for a standard source."""

    reference_frequency_hz: float
    """Frequency of the flux density [Hz]."""

    scale: float
    """What of the flux density is in the data, as a fraction: under 1 where it is resolved out or a fault cut it."""

    integrations: int = Field(ge=0)
    """How many integrations it was observed."""


class GainTruth(Record):
    """One antenna, spectral window and hand."""

    antenna: str
    """Antenna name."""

    spw: int
    """Spectral window ID."""

    polarisation: str
    """R or L."""

    amplitude: float
    """Gain amplitude: data = g_i conj(g_j) model [sqrt(correlator unit / Jy)]."""

    phase_deg: float
    """Instrumental phase at the middle of the window, without the troposphere [deg]."""

    delay_ns: float
    """Median delay over the calibrators: static part, drift, troposphere and faults [ns]."""

    relative_delay_ns: float
    """The same less the reference antenna's, of the same window and hand: what a K table should hold [ns]."""

    delay_drift_ns: float
    """Peak-to-peak of the delay over the calibrators, against the reference antenna [ns]."""

    sefd_jy: float
    """System equivalent flux density [Jy]."""

    leakage_real: float
    """Leakage into this hand, real part [fraction]."""

    leakage_imag: float
    """Leakage into this hand, imaginary part [fraction]."""

    bandpass_lowest: float
    """Lowest bandpass amplitude in the living channels, against their rms [dimensionless]."""

    bandpass_phase_rms_deg: float
    """rms phase of the bandpass in the living channels [deg]."""


class FlagCause(Record):
    """Data that are bad by construction and should end flagged."""

    cause: str
    """Why: dead channels, late on source, bad time, interference, or a fault."""

    field: str = ""
    """Field name; empty for all."""

    antenna: str = ""
    """Antenna, or baseline as ``A&B``; empty for all."""

    spw: str = ""
    """Spectral window and channels in CASA's form; empty for all."""

    polarisation: str = ""
    """R or L; empty for both."""

    timerange: str = ""
    """First and last moment in CASA's form; empty for all."""


class AtmosphereTruth(Record):
    """The troposphere as drawn."""

    rms_1km_deg: float
    """Zenith rms phase difference over 1 km at the reference frequency [deg]."""

    reference_frequency_hz: float
    """Frequency of that phase [Hz]."""

    wind_m_s: tuple[float, float]
    """Motion of the screen, east and north [m/s]."""

    layer_height_m: float
    """Where the slope of the structure function turns from 5/3 to 2/3 [m]."""

    outer_scale_m: float
    """Largest eddies [m]."""


class SimulationTruth(Record):
    """Everything that was put into one simulated observation."""

    preset: str
    """Name of the preset."""

    seed: int
    """Seed of all random streams."""

    night: date = date(2015, 5, 5)
    """UTC date of the first scan; the workshop's, where an older truth does not tell."""

    measurement_set: str
    """File name of the MeasurementSet this belongs to."""

    rows: int = Field(ge=0)
    """Rows of its main table."""

    scans: int = Field(ge=0)
    """Scans in it."""

    integration_s: float
    """Integration time [s]."""

    channels: int
    """Channels per spectral window."""

    channel_width_hz: float
    """Width of a channel [Hz]."""

    resolved_out: float
    """Fraction of 3C286's standard flux density in the data; the profile's factor takes it back."""

    reference_antenna: str
    """Against which relative delays are given."""

    fields: tuple[FieldTruth, ...]
    """By field ID."""

    gains: tuple[GainTruth, ...]
    """By antenna, spectral window and hand."""

    atmosphere: AtmosphereTruth
    """The troposphere."""

    flags: tuple[FlagCause, ...]
    """What is bad by construction."""

    faults: tuple[InjectedFault, ...]
    """What was ordered."""

    flag_commands: str
    """File name of the user's flag commands beside the MeasurementSet."""

    table: str
    """File name of the arrays (NumPy ``.npz``) beside it: bandpass, leakage, delays and scan times."""
