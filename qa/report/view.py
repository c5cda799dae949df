"""What the report shows, as records: everything is computed before the templates, which only lay it out."""

from __future__ import annotations

from typing import Literal

from qa.report.numbers import Part, Parts
from schemas.record import Record

Light = Literal["passed", "warned", "stopped", "held", "skipped", "not applicable", "crashed", "none"]
"""What a light shows; ``none`` where nothing was judged."""

StageState = Literal["ran", "reused", "crashed", "not reached"]
"""What became of a stage in this run."""


class Cell(Record):
    """One cell of a table."""

    parts: Parts
    """What it says."""
    heat: int | None = None
    """Its colour: 0 (nothing lost) to 5 (all but lost); None without."""
    strong: bool = False
    """True if it stands out."""
    note: str = ""
    """Small print under it."""


class Column(Record):
    """One column of a table."""

    heading: Parts
    """Its heading, with the unit."""
    numeric: bool = True
    """Right-aligned figures; words otherwise."""


class Table(Record):
    """One table: the first cell of each row is the row's heading."""

    caption: str
    """What it shows."""
    columns: tuple[Column, ...]
    """Columns."""
    rows: tuple[tuple[Cell, ...], ...]
    """Rows."""
    note: Parts = ()
    """How to read it."""
    legend: Literal["", "solved", "flagged"] = ""
    """What its colours mean."""
    folded: str = ""
    """If given, the table is behind this line until it is opened."""


class PlaceLine(Record):
    """One place beyond a bound."""

    where: str
    """The place."""
    observed: Part
    """The number there."""


class CheckRow(Record):
    """One metric of a gate, with both of its bounds."""

    title: str
    """The metric in words."""
    where: str
    """The worst place."""
    at: str
    """The same within a sentence."""
    observed: Part
    """The worst number."""
    warn: str
    """Bound beyond which it warns, in words; empty if there is none."""
    stop: str
    """Bound beyond which it stops."""
    light: Light
    """What it came to."""
    word: str
    """The same in a word."""
    measured: Part
    """Places measured."""
    failed: Part
    """Places beyond a bound."""
    reason: str = ""
    """Why it is not applicable, was softened or overridden."""
    left_out: str = ""
    """Places that were left out, and why."""
    meaning: str = ""
    """What a failure usually means."""
    source: str = ""
    """Where the bounds come from."""
    advice: str = ""
    """What to try."""
    places: tuple[PlaceLine, ...] = ()
    """Places beyond the bound, worst first."""
    more: bool = False
    """True if there are more than are listed."""

    @property
    def failing(self) -> bool:
        """True if it warned or stopped."""
        return self.light in {"warned", "stopped"}


class GateView(Record):
    """One gate."""

    anchor: str
    """Its place on the page."""
    title: str
    """What it looks at."""
    light: Light
    """What it came to."""
    word: str
    """The same in a word."""
    reason: str
    """Why it stopped or was skipped."""
    lost: str
    """Antennas lost without ending the run."""
    checks: tuple[CheckRow, ...]
    """Its metrics."""


class Finding(Record):
    """Something that stopped the run or warned."""

    light: Light
    """Which of both."""
    word: str
    """The same in a word."""
    gate: str
    """The gate's title."""
    anchor: str
    """Where its table stands."""
    check: CheckRow
    """The number."""
    unfolded: bool
    """True if its meaning and advice are shown without being asked for."""


class Close(Record):
    """A check that passed, but came near its bound."""

    gate: str
    """The gate's title."""
    anchor: str
    """Where its table stands."""
    title: str
    """The metric in words."""
    observed: Part
    """The worst number."""
    at: str
    """The worst place, within a sentence."""
    bound: str
    """The bound in words."""


class Command(Record):
    """Something to run."""

    anchor: str
    """Its place on the page."""
    lead: str
    """What it does."""
    text: str
    """The command."""


class Picture(Record):
    """One plot, or the reason why there is none."""

    anchor: str
    """Its place on the page."""
    title: str
    """What it shows."""
    caption: str
    """What to look for."""
    alternative: str
    """For who cannot see it."""
    data: str = ""
    """The picture (data: address)."""
    width: int = 0
    """Its width [pixels]."""
    height: int = 0
    """Its height [pixels]."""
    absent: str = ""
    """Why there is no picture."""


class ParameterRow(Record):
    """One parameter."""

    words: str
    """What it is, with its unit."""
    name: str
    """Its dotted name, for ``--set``."""
    value: Parts
    """In force."""
    profile: Parts
    """The profile's, where it differs."""
    changed: bool
    """True if it differs from the profile."""


class StageView(Record):
    """One stage of the run."""

    anchor: str
    """Its place on the page."""
    title: str
    """Its title."""
    purpose: str
    """What it is for."""
    state: StageState
    """What became of it."""
    seconds: Part
    """How long it took."""
    light: Light
    """The worst of its gates."""
    word: str
    """The same in a word."""
    gates: tuple[GateView, ...] = ()
    """Its gates."""
    parameters: tuple[ParameterRow, ...] = ()
    """Its parameters, those that differ from the profile first."""
    changed: int = 0
    """How many differ."""
    tables: tuple[Table, ...] = ()
    """What came of it."""
    pictures: tuple[Picture, ...] = ()
    """Its plots."""
    rerun: Command | None = None
    """How to run again from here."""

    @property
    def reached(self) -> bool:
        """True if it has a section of its own."""
        return self.state != "not reached"

    @property
    def drawn(self) -> tuple[Picture, ...]:
        """Its plots that are there."""
        return tuple(picture for picture in self.pictures if picture.data)

    @property
    def absent(self) -> tuple[Picture, ...]:
        """Its plots that are not."""
        return tuple(picture for picture in self.pictures if not picture.data)


class Fact(Record):
    """A line of facts: what, and how much."""

    term: str
    """What."""
    parts: Parts
    """How much."""


class TargetFacts(Record):
    """The numbers that matter most: one imaged field."""

    title: str
    """Target or phase reference, and its name."""
    facts: tuple[Fact, ...]
    """Peak, noise, dynamic range, beam."""


class CrashView(Record):
    """What ended a run that neither finished nor was stopped by a gate."""

    where: str
    """The stage."""
    anchor: str
    """Its section, if it has one."""
    message: str
    """What happened."""
    log_tail: str
    """The end of CASA's log."""


class Link(Record):
    """A link to a file beside the report, or to the run in the UI."""

    text: str
    """What is read."""
    href: str
    """Where it leads."""


class Provenance(Record):
    """What reproduces the run."""

    facts: tuple[Fact, ...]
    """Input, fingerprint, times, reference antenna."""
    versions: tuple[Fact, ...]
    """Versions."""
    notes: tuple[str, ...]
    """What ingest kept, reset, merged."""
    request: str
    """The observation file that reproduces the run."""
    logs: tuple[Link, ...]
    """CASA's logs."""
    files: tuple[Link, ...]
    """Other files of the workspace."""
    cite: tuple[str, ...]
    """How to cite."""
    earlier: tuple[Link, ...]
    """Earlier runs of the observation, latest first; without address where their server has ended."""


class Summary(Record):
    """The first screen."""

    light: Light
    """The verdict."""
    word: str
    """The same in a word or two."""
    sentence: str
    """What it means for the data."""
    reason: str
    """Why it stopped, was held or crashed."""
    facts: tuple[Fact, ...]
    """The observation in a line or two."""
    targets: tuple[TargetFacts, ...]
    """The images in numbers."""
    pictures: tuple[Picture, ...]
    """The few plots that tell most."""
    findings: tuple[Finding, ...]
    """What stopped or warned, stops first."""
    lost: str
    """Antennas lost without ending the run."""
    decisions: tuple[str, ...]
    """What persons decided, in sentences."""
    question: str
    """What a held run asks."""
    quiet: bool
    """True where nothing stopped, warned or crashed."""
    close: tuple[Close, ...]
    """The checks that came nearest to their bounds, where all passed."""
    crash: CrashView | None
    """What crashed."""
    advice: tuple[str, ...]
    """What to do now, in sentences."""
    products: tuple[Link, ...]
    """What was made."""
    commands: tuple[Command, ...]
    """What to run."""
    ui: str
    """Address of the run in the UI; empty if there is none."""


class ReportView(Record):
    """The whole report."""

    observation: str
    """The observation's name."""
    finished: str
    """When the run ended (UTC)."""
    summary: Summary
    """The first screen."""
    stages: tuple[StageView, ...]
    """All stages, in order."""
    results: tuple[Table, ...]
    """Images and corrected calibrators."""
    fluxes: tuple[Table, ...]
    """Flux densities."""
    flags: tuple[Table, ...]
    """Flags."""
    observed: tuple[Table, ...]
    """Roles, spws."""
    provenance: Provenance
    """What reproduces it."""
    notes: tuple[str, ...] = ()
    """What the report lacks, and why."""
