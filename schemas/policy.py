"""The bounds of the gates: one record per suite, one field per bound, design defaults.

A bound is named ``<metric>_warn`` or ``<metric>_stop`` (with ``_low``/``_high`` for ranges); the suites in
``qa/suites`` refer to these names as ``$PARAMETER``. Change one with ``--set gates.delay.stop_ns=20``.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field

from schemas.gates import Override
from schemas.quantities import Fraction, NonNegative, Positive
from schemas.record import Record

Action = Literal["stop", "hold", "warn"]


class SuiteBounds(Record):
    """What every suite's bounds share: what a failed stop check does."""

    action: Action = "stop"
    """On a failed stop check: ``stop`` the run, ``hold`` it for a person, or ``warn`` only."""
    overrides: dict[str, Override] = Field(default_factory=dict)
    """Metrics a person decided to let pass, by name, with the reason; ``<gate>:<metric>`` for one gate of the suite."""

    def for_gate(self, gate: str) -> Self:
        """Return the bounds for one gate of the suite: overrides of other gates are left out."""
        own = {name.removeprefix(f"{gate}:"): decision for name, decision in self.overrides.items()}
        return self.evolve(overrides={name: decision for name, decision in own.items() if ":" not in name})


class ObservationBounds(SuiteBounds):
    """After inspect: is there an observation to calibrate."""

    antennas_stop: int = Field(default=4, ge=3)
    """Fewest antennas with data; amplitude self-consistency needs four (closure amplitudes)."""
    roles_stop: int = 0
    """Most unresolved roles (calibrators without a field, targets without a phase reference)."""
    gap_warn: Fraction = 0.05
    """Target time farther than 15 min from a phase-reference scan."""
    gap_stop: Fraction = 0.5
    """As above."""


class FlaggingBounds(SuiteBounds):
    """After each flag step. The guide's phase reference stood at 0.65 flagged before applycal."""

    field_warn: Fraction = 0.8
    """Flagged cross-correlations of a calibrator or target."""
    field_stop: Fraction = 0.95
    """As above."""
    antenna_warn: Fraction = 0.7
    """Flagged cross-correlations of an antenna."""
    reference_stop: Fraction = 0.7
    """Flagged cross-correlations of the reference antenna."""
    new_warn: Fraction = 0.3
    """Newly flagged by this step, of what was unflagged before; the user's own list is reported, not judged."""
    new_stop: Fraction = 0.6
    """As above."""


class FluxModelBounds(SuiteBounds):
    """After setjy."""

    standard_warn: NonNegative = 0.02
    """Model flux density off the standard at that position and frequency."""
    standard_stop: NonNegative = 0.1
    """As above."""
    coverage_stop: int = 0
    """Most baselines on which the model is zero or its uv grid has ended."""


class DelayBounds(SuiteBounds):
    """After the delay solve (K)."""

    warn_ns: Positive = 15.0
    """Magnitude of a delay [ns]."""
    stop_ns: Positive = 50.0
    """As above."""
    scatter_warn_ns: Positive = 1.0
    """Scatter in time per antenna, spw and polarisation [ns]."""
    scatter_stop_ns: Positive = 5.0
    """As above."""
    flagged_warn: Fraction = 0.2
    """Flagged solutions per antenna, spw and polarisation, from the table."""
    flagged_stop: Fraction = 0.6
    """As above."""
    history_warn_ns: Positive = 3.0
    """Median delay off that of the antenna's earlier nights, per antenna, spw and polarisation [ns]; five nights or
    more. Simulated nights are at most 0.07 ns off (qa/ERROR_RATES.md), cables and clocks jump by some ns at
    maintenance. No stop: a steady delay is solved for, whatever its size, and when the reference antenna's moves all
    others' do."""


class GainBounds(SuiteBounds):
    """After each gaincal p or ap."""

    succeeded_warn: Fraction = 0.95
    """Succeeded/attempted per antenna, spw and polarisation, at least."""
    succeeded_stop: Fraction = 0.8
    """As above."""
    attempted_warn: Fraction = 0.5
    """Attempted/expected per antenna, spw and polarisation, at least (the guide: 0.67 over all)."""
    attempted_stop: Fraction = 0.2
    """As above."""
    tracking_warn_deg: Positive = 45.0
    """rms of consecutive phase differences inside one scan of one field [deg]; pure noise gives 104."""
    tracking_stop_deg: Positive = 80.0
    """As above."""
    scan_phase_warn_deg: Positive = 10.0
    """p2 against the circular mean of p1 in the same scan [deg]."""
    scan_phase_stop_deg: Positive = 30.0
    """As above."""
    outlier_warn: Fraction = 0.05
    """Solutions off their antenna's and field's median amplitude by a factor 1.5."""
    outlier_stop: Fraction = 0.2
    """As above."""
    late_warn: Fraction = 0.1
    """Scans whose first solution is low against the rest (late on source)."""


class BandpassBounds(SuiteBounds):
    """After each bandpass solve."""

    flagged_warn: Fraction = 0.05
    """Flagged channels among those with unflagged data, per antenna, spw and polarisation."""
    flagged_stop: Fraction = 0.6
    """As above."""
    amplitude_warn: Fraction = 0.02
    """Channels whose amplitude is outside a factor 5 of the median."""
    amplitude_stop: Fraction = 0.2
    """As above."""
    scatter_warn_deg: Positive = 10.0
    """Channel-to-channel phase scatter [deg]."""
    scatter_stop_deg: Positive = 40.0
    """As above."""
    change_warn: NonNegative = 0.05
    """Second bandpass against the first: rms of the ratio after a straight line per spw."""
    change_stop: NonNegative = 0.2
    """As above."""


class FluxscaleBounds(SuiteBounds):
    """After fluxscale."""

    residual_warn: NonNegative = 0.05
    """Residual of each spw from the fitted spectrum, of the fit."""
    residual_stop: NonNegative = 0.2
    """As above."""
    snr_warn: Positive = 20.0
    """S/N of the fit (three spws or more), else of the best spw, at least."""
    snr_stop: Positive = 5.0
    """As above."""
    index_warn_low: float = -3.0
    """Spectral index, lowest."""
    index_warn_high: float = 2.0
    """Spectral index, highest."""
    index_stop_low: float = -5.0
    """As above."""
    index_stop_high: float = 5.0
    """As above."""
    antennas_warn: int = Field(default=4, ge=1)
    """Antennas used per spw, at least."""
    antennas_stop: int = Field(default=3, ge=1)
    """As above."""
    catalogue_warn: Positive = 1.0
    """Factor outside the catalogue range of a known calibrator (1: inside)."""
    catalogue_stop: Positive = 3.0
    """As above."""
    history_warn: NonNegative = 0.1
    """Off the calibrator's own history: the median of its ten latest nights (five or more)."""
    history_stop: NonNegative = 0.3
    """As above."""


class GainScaleBounds(SuiteBounds):
    """After ap2."""

    scale_warn: NonNegative = 0.1
    """Amplitude gain of one antenna between calibrators, relative difference."""
    scale_stop: NonNegative = 0.3
    """As above."""


class ApplyBounds(SuiteBounds):
    """After applycal."""

    added_warn: Fraction = 0.1
    """Flags added by failed solutions, of what was unflagged, per field and antenna. The design's 0.05 warned on every
    clean simulated night: in a 4 min scan one solution interval that the bad-times list cuts in two costs 0.075."""
    added_stop: Fraction = 0.3
    """As above."""


class ResultBounds(SuiteBounds):
    """After split."""

    phase_warn_deg: Positive = 20.0
    """Phase reference, spw- and scan-averaged: phase rms about zero [deg]."""
    phase_stop_deg: Positive = 60.0
    """As above."""
    slope_warn: NonNegative = 0.05
    """Phase reference: slope of amplitude over the range of uv distance, of its mean."""
    slope_stop: NonNegative = 0.2
    """As above."""
    transfer_phase_warn_deg: Positive = 40.0
    """Each phase-reference scan's p2 predicted from its neighbours against its own [deg]."""
    transfer_amplitude_warn: NonNegative = 0.1
    """The same for ap2's amplitude, relative."""


class GatePolicy(Record):
    """Every bound of every gate, by suite."""

    observation: ObservationBounds = ObservationBounds()
    """After inspect."""
    flagging: FlaggingBounds = FlaggingBounds()
    """After each flag step."""
    flux_model: FluxModelBounds = FluxModelBounds()
    """After setjy."""
    delay: DelayBounds = DelayBounds()
    """After the delay solve."""
    gains: GainBounds = GainBounds()
    """After each gaincal."""
    bandpass: BandpassBounds = BandpassBounds()
    """After each bandpass."""
    fluxscale: FluxscaleBounds = FluxscaleBounds()
    """After fluxscale."""
    gain_scale: GainScaleBounds = GainScaleBounds()
    """After ap2."""
    apply: ApplyBounds = ApplyBounds()
    """After applycal."""
    result: ResultBounds = ResultBounds()
    """After split."""

    def for_gate(self, gate: str) -> Self:
        """Return the policy for one gate; see `SuiteBounds.for_gate`."""
        suites = {name: getattr(self, name) for name in type(self).model_fields}
        narrowed = {name: bounds.for_gate(gate) for name, bounds in suites.items() if bounds.overrides}
        return self.evolve(**narrowed) if narrowed else self
