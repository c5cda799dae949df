"""``outcome.json``: what a run came to, for machines and for the report. Later versions add keys, none is renamed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from schemas.gates import GateReport
from schemas.holds import Decision, Hold
from schemas.inspection import RoleDecision
from schemas.record import Record
from schemas.results import ImageSummary, ModelFlux, TrialPhase
from schemas.runs import RunNote
from schemas.solutions import SolveCounts
from schemas.steps import Step

Verdict = Literal["passed", "warned", "stopped", "held", "crashed"]
"""What a run came to."""


class StepOutcome(Record):
    """One step of the run."""

    step: Step
    """Which."""
    seconds: float
    """Wall time in this run [s]; near zero for a reused step."""
    reused: bool
    """True if an earlier run's result still held."""


class AntennaDelay(Record):
    """Delay of one antenna, spw and hand."""

    antenna: str
    """Antenna name."""
    spw: int
    """Spectral window."""
    polarisation: str
    """Hand."""
    median_ns: float | None
    """Median over time [ns], relative to the reference antenna; None if every solution failed."""
    scatter_ns: float | None
    """1.4826 x median absolute deviation over time [ns]."""


class FieldFlux(Record):
    """Flux density of one calibrator."""

    flux_density_jy: float
    """Flux density at the reference frequency, the resolved-out factor included [Jy]."""
    error_jy: float
    """Its error [Jy]."""
    spectral_index: float | None
    """S ~ frequency^index; None with fewer than three spws."""
    error: float | None
    """Error of the spectral index."""
    reference_hz: float
    """Reference frequency [Hz]."""


class AntennaCounts(Record):
    """Solve statistics of one table, spw, antenna and hand."""

    table: str
    """Name of the caltable."""
    spw: int
    """Spectral window."""
    antenna: str
    """Antenna name."""
    polarisation: str
    """Hand."""
    expected: int
    """Solutions expected."""
    attempted: int
    """With enough unflagged data."""
    succeeded: int
    """Above the S/N limit."""


class FlaggedFraction(Record):
    """Flagged fraction of a field's cross-correlations."""

    before: float
    """As the data came [fraction]."""
    after: float
    """At the end of the run [fraction]."""


class FlagStep(Record):
    """What one act of flagging, or a step that flags, added over the whole observation."""

    name: str
    """late_on_source, end_channels, bad_times or apply."""
    asked: str
    """What was flagged and why, in words."""
    before: float
    """Flagged before it, of all cross-correlations [fraction]."""
    after: float
    """Flagged after it [fraction]."""
    judged: bool
    """Whether a gate judges what it added; the user's own list is only reported."""


class SpwFluxDensity(Record):
    """A calibrator's flux density in one spw, beside the fit."""

    field: str
    """Field name."""
    spw: int
    """Spectral window."""
    frequency_hz: float
    """Centre frequency [Hz]."""
    flux_density_jy: float | None
    """As derived from the gains, times the resolved-out factor [Jy]; None where the spw has no solutions."""
    error_jy: float | None
    """Its error [Jy]."""
    fitted_jy: float | None
    """The fitted spectrum there [Jy]; None with fewer than three spws."""
    antennas: int
    """Antennas it was derived from."""


class CatalogueRange(Record):
    """What a known calibrator has been seen at, at the fit's reference frequency."""

    field: str
    """Field name."""
    low_jy: float
    """Lowest flux density [Jy]."""
    high_jy: float
    """Highest flux density [Jy]."""
    source: str
    """Where the range comes from."""


class Crash(Record):
    """What ended a run that neither finished nor was stopped by a gate."""

    step: str
    """The step it was in; empty if none had begun."""
    error: str
    """Kind of error."""
    message: str
    """What happened, in a sentence."""
    log_tail: str = ""
    """The end of CASA's log of the call, if it was a call."""


class Corrected(Record):
    """A calibrator's corrected visibilities, spw- and scan-averaged."""

    field: str
    """Field name."""
    amplitude_over_model: float
    """Median amplitude over its model's [ratio]."""
    phase_rms_deg: float
    """Phase rms about zero [deg]; about the model's phase for a resolved source."""


class Provenance(Record):
    """What reproduces the run."""

    versions: dict[str, str]
    """gatecal, CASA, Prefect, Great Expectations, Python."""
    parameters: dict[str, Any]
    """Every parameter and bound in force."""
    overrides: dict[str, Any]
    """Those asked for by the observation and this run, by dotted name."""
    differences: dict[str, Any] = Field(default_factory=dict)
    """Every parameter and bound that differs from the profile, by dotted name."""
    profile: str
    """The profile."""
    input: Path
    """The input."""
    input_fingerprint: str
    """Its fingerprint."""
    notes: tuple[str, ...] = ()
    """What ingest kept, reset, merged."""
    roles: tuple[RoleDecision, ...] = ()
    """Who is what, and why."""
    refant: tuple[str, ...] = ()
    """Reference antenna and its fallbacks."""
    started: str
    """When the run started (UTC, ISO 8601)."""
    finished: str
    """When it ended."""
    flow_run: str = ""
    """Prefect's id of the run."""
    flow_run_url: str = ""
    """Address of the run in the Prefect UI; empty where the server ended with the run."""
    recipients: tuple[str, ...] = ()
    """Whom the report is mailed to."""


class Outcome(Record):
    """One run, whole."""

    observation: str
    """The observation's name."""
    verdict: Verdict
    """What it came to."""
    reason: str = ""
    """Why it stopped, was held or crashed; empty otherwise."""
    steps: tuple[StepOutcome, ...] = ()
    """In order."""
    gates: tuple[GateReport, ...] = ()
    """In order."""
    delays: tuple[AntennaDelay, ...] = ()
    """Per antenna, spw and hand."""
    fluxes: dict[str, FieldFlux] = Field(default_factory=dict)
    """By calibrator."""
    solve_statistics: tuple[SolveCounts, ...] = ()
    """Per table and spw, as CASA logs them."""
    solve_statistics_by_antenna: tuple[AntennaCounts, ...] = ()
    """Per table, spw, antenna and hand."""
    flagged: dict[str, FlaggedFraction] = Field(default_factory=dict)
    """By field."""
    flagged_by_antenna: dict[str, FlaggedFraction] = Field(default_factory=dict)
    """By antenna; each baseline counts for both of its antennas."""
    flagged_by_spw: dict[str, FlaggedFraction] = Field(default_factory=dict)
    """By spw (its number as text)."""
    flag_steps: tuple[FlagStep, ...] = ()
    """What each act of flagging added, in order."""
    models: tuple[ModelFlux, ...] = ()
    """The flux calibrator's model, per spw."""
    spw_fluxes: tuple[SpwFluxDensity, ...] = ()
    """Calibrators' flux densities per spw; the same numbers as ``fluxes.csv`` in the workspace."""
    catalogue: tuple[CatalogueRange, ...] = ()
    """Ranges of the calibrators that are known."""
    decisions: tuple[Decision, ...] = ()
    """What persons decided at holds, as far as it applied to this run."""
    hold: Hold | None = None
    """The question this run waits for, where it is held and can be answered in the Prefect UI."""
    go_on: tuple[str, ...] = ()
    """Commands with which a held run can go on from the command line."""
    earlier_runs: tuple[RunNote, ...] = ()
    """Earlier runs of this observation in this workspace, oldest first."""
    crash: Crash | None = None
    """What crashed, where something did."""
    trial: tuple[TrialPhase, ...] = ()
    """Phase references before and after delay and first bandpass."""
    corrected: tuple[Corrected, ...] = ()
    """Calibrators after the final tables."""
    images: tuple[ImageSummary, ...] = ()
    """First images."""
    products: dict[str, Path] = Field(default_factory=dict)
    """What was made, relative to the workspace: calibrated targets by name, images by name."""
    provenance: Provenance
    """What reproduces it."""
