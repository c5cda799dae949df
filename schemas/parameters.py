"""What is asked of each step: one record per step, CASA's own names, the e-MERLIN 3C277.1 guide's values as defaults.

A parameter is changed by its dotted name (``--set gains.solint=30s``); `schemas.profiles` holds what differs for the
VLA. Unless a source is named, a default is the guide's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from schemas.policy import GatePolicy
from schemas.quantities import AntennaNames, Fraction, NonNegative, Positive, Solint, SpwChannels
from schemas.record import Record


class IngestParams(Record):
    """How the input becomes the working MeasurementSet."""

    columns: Literal["reset", "keep"] = "reset"
    """MODEL and CORRECTED columns that came with the input: started afresh, or kept as they are."""
    flags: Literal["keep", "reset"] = "keep"
    """Flags that came with the input: kept (the observatory's own online flags), or all cleared."""
    average_time_s: Positive | None = None
    """Average to this integration time [s]; None keeps the data's."""
    average_channels: int = Field(default=1, ge=1)
    """Average this many channels into one."""
    recompute_uvw: bool = False
    """Recompute the uvw coordinates from the antenna positions (``fixvis``)."""
    timeout_s: Positive = 7200.0
    """Time limit of each CASA call of this step [s]."""


class FlagParams(Record):
    """Flagging by known causes: no automatic flagging of signal."""

    late_on_source_s: NonNegative = 40.0
    """Flag this long from the start of each scan [s]: antennas still on the way. 0 switches it off."""
    autocorrelations: bool = True
    """Flag autocorrelations."""
    end_channels: SpwChannels | None = "0:0~6;60~63,1:0~3;61~63,2:0~3;61~63,3:0~4"
    """End channels to flag, for spws of `end_channels_of` channels; scaled to the data's number. None: none."""
    end_channels_of: int = Field(default=64, ge=2)
    """Number of channels that `end_channels` counts in."""
    end_channels_fraction: Fraction = 0.0
    """Flag this fraction of the channels at each end of every spw, besides `end_channels`."""
    bad_times: Path | None = None
    """The user's flag command file (flagdata ``mode='list'``); each line is checked before any work."""
    timeout_s: Positive = 3600.0
    """Time limit of each CASA call of this step [s]."""


class SolveParams(Record):
    """What every gaincal and bandpass solve is asked."""

    minblperant: int = Field(default=2, ge=1)
    """Fewest baselines per antenna in a solution."""
    minsnr: NonNegative = 2.0
    """Reject solutions below this S/N."""
    corrdepflags: bool = True
    """One hand's flags do not cost the other its solutions (CASA's default is False, which loses the good hand)."""
    enabled: bool = True
    """False skips the step; tables it would have made leave every later list."""
    timeout_s: Positive = 3600.0
    """Time limit of each CASA call of this step [s]."""


class DelayParams(SolveParams):
    """Delay solve, gaincal K."""

    solint: Solint = "600s"
    """Solution interval."""
    min_bandwidth_hz: Positive = 8e6
    """Skip the solve where each spw is narrower [Hz]: phase slope over less cannot be told from the filter's."""


class ModelParams(Record):
    """The flux calibrator's model, setjy."""

    standard: Literal["Perley-Butler 2013", "Perley-Butler 2017"] = "Perley-Butler 2013"
    """Flux density standard."""
    model: str = "components"
    """``components`` (the table of the resolved 3C286 that comes with gatecal), ``casa`` (CASA's own image of the band)
    or the path of a model image."""
    flux_density_jy: Positive | None = None
    """Flux density of a point source instead of standard and image [Jy], for a flux calibrator without a standard."""
    resolved_out_factor: Positive = 0.938
    """Factor on the flux scale for the part of 3C286 that e-MERLIN's baselines resolve out (Fenech et al.)."""
    timeout_s: Positive = 3600.0
    """Time limit of each CASA call of this step [s]."""

    @property
    def image(self) -> Path | None:
        """The user's model image; None for the models that come with gatecal and CASA."""
        return None if self.model in {"components", "casa"} else Path(self.model)


class PrecalParams(SolveParams):
    """Phase, then amplitude and phase, of the bandpass calibrators, so that the bandpass can average over time."""

    solint: Solint = "30s"
    """Solution interval in phase."""
    amplitude_solint: Solint = "120s"
    """Solution interval in amplitude and phase."""
    channels: SpwChannels | Literal["", "central"] = ""
    """Channels to solve on: all, a selection, or the ``central`` half of every spw."""


class BandpassParams(SolveParams):
    """Bandpass solve, B."""

    solint: Solint = "inf"
    """Solution interval."""
    combine: Literal["", "scan", "scan,field"] = "scan"
    """Solve across scans."""
    fillgaps: int = Field(default=16, ge=0)
    """Interpolate over gaps of up to this many channels."""
    solnorm: bool = True
    """Normalise each solution to an average of 1."""
    minsnr: NonNegative = 3.0
    """Reject solutions below this S/N."""


class TrialParams(Record):
    """Delay and first bandpass applied to the calibrators, to see what they do; flags are left alone."""

    enabled: bool = True
    """False skips the step."""
    timeout_s: Positive = 3600.0
    """Time limit of each CASA call of this step [s]."""


class GainsParams(SolveParams):
    """Time-dependent phase (p1), then amplitude and phase (ap1) of all calibrators."""

    solint: Solint = "16s"
    """Solution interval in phase."""
    amplitude_solint: Solint = "120s"
    """Solution interval in amplitude and phase."""


class FluxscaleParams(Record):
    """Flux densities of the calibrators from the flux calibrator's."""

    enabled: bool = True
    """False skips the step: calibrators stay at 1 Jy, and the target's scale is the phase reference's."""
    gainthreshold: Fraction = 0.3
    """Leave out gains off their median by more than this fraction."""
    antenna: str = "!De"
    """Antennas to use, in CASA's selection syntax (the guide leaves out De, the least sensitive)."""
    timeout_s: Positive = 3600.0
    """Time limit of each CASA call of this step [s]."""


class FinalGainsParams(SolveParams):
    """Gains on the final models and bandpass: amplitude and phase (ap2), and one phase per scan (p2) for the target."""

    solint: Solint = "inf"
    """Solution interval of p2."""
    amplitude_solint: Solint = "inf"
    """Solution interval of ap2."""


class ApplyParams(Record):
    """All tables applied to calibrators and targets."""

    enabled: bool = True
    """False skips the step, and split and image with it."""
    interp_delay: Literal["nearest", "linear"] = "linear"
    """Interpolation of the delays in time."""
    interp_bandpass: Literal["linear,linear", "nearest,linear", "nearest,nearest"] = "linear,linear"
    """Interpolation of the bandpass in time and frequency."""
    interp_gain: Literal["nearest", "linear"] = "linear"
    """Interpolation of the gains in time."""
    calwt: bool = False
    """Scale the weights by the gains."""
    max_gap_cycles: Positive | None = 1.0
    """Flag target data farther than this many phase-reference cycles from a good p2 solution; None: keep them."""
    timeout_s: Positive = 7200.0
    """Time limit of each CASA call of this step [s]."""


class SplitParams(Record):
    """The calibrated targets, each in a MeasurementSet of its own."""

    enabled: bool = True
    """False skips the step."""
    keepflags: bool = True
    """Keep flagged rows."""
    timeout_s: Positive = 7200.0
    """Time limit of each CASA call of this step [s]."""


class ImageParams(Record):
    """A first look at targets and phase references, tclean."""

    enabled: bool = True
    """False skips the step."""
    robust: float = Field(default=0.5, ge=-2.0, le=2.0)
    """Briggs weighting."""
    imsize: int = Field(default=512, ge=64, le=4096)
    """Largest image size [pixels]; smaller where the primary beam is."""
    cells_per_beam: Positive = 3.0
    """Cells across the synthesised beam of the longest baseline."""
    niter: int = Field(default=300, ge=0, le=20000)
    """Most clean iterations."""
    nmajor: int = Field(default=6, ge=1, le=100)
    """Most major cycles, each of which reads the field's data once: this is a first look, not the final image."""
    nsigma: Positive = 3.0
    """Stop cleaning at this many times the noise."""
    timeout_s: Positive = 1800.0
    """Time limit of each CASA call of this step [s]."""


class PlotParams(Record):
    """The plots, drawn beside the calibration; nothing of it depends on them."""

    enabled: bool = True
    """False draws none."""
    timeout_s: Positive = 600.0
    """Time limit of one lot of plots [s]; a plot takes under a second, on a large observation several."""
    finish_s: Positive = 120.0
    """How long the run waits at its end for plots still to be drawn [s]; those left then are noted as missing."""


class HoldParams(Record):
    """How long a gate with the action ``hold`` waits for a person."""

    timeout_hours: Positive = 72.0
    """Without an answer for so long the run is stopped [h]: a weekend."""


class Parameters(Record):
    """Every parameter of a run, by step, and every bound, by gate."""

    refant: AntennaNames = ()
    """Reference antenna, then its fallbacks in order; empty: chosen (most unflagged, most central)."""
    ingest: IngestParams = IngestParams()
    """Ingest."""
    flag: FlagParams = FlagParams()
    """Flagging."""
    delay: DelayParams = DelayParams()
    """Delays."""
    model: ModelParams = ModelParams()
    """Flux calibrator's model."""
    precal: PrecalParams = PrecalParams()
    """Pre-calibration of the bandpass calibrators."""
    bandpass1: BandpassParams = BandpassParams()
    """Initial bandpass."""
    trial: TrialParams = TrialParams()
    """Trial apply."""
    gains: GainsParams = GainsParams()
    """Gains."""
    fluxscale: FluxscaleParams = FluxscaleParams()
    """Flux scale."""
    bandpass2: BandpassParams = BandpassParams(solnorm=False)
    """Improved bandpass."""
    finalgains: FinalGainsParams = FinalGainsParams()
    """Final gains."""
    apply: ApplyParams = ApplyParams()
    """Apply."""
    split: SplitParams = SplitParams()
    """Split."""
    image: ImageParams = ImageParams()
    """First images."""
    gates: GatePolicy = GatePolicy()
    """Bounds of the gates and what a failure does."""
    hold: HoldParams = HoldParams()
    """Holds."""
    plots: PlotParams = PlotParams()
    """Plots."""
