"""The plots of a run, as the report shows them: what each shows, and where its picture is or why there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from schemas.record import Record
from schemas.steps import Step


class Plot(Record):
    """One plot."""

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    """Unique within the run; also its file's name."""
    step: Step
    """The step in whose section it is shown."""
    title: str
    """What it shows, in the field's words."""
    caption: str
    """What to look for in it."""
    alternative: str
    """The same for who cannot see it: what is plotted against what, of which source."""
    made_by: Literal["plotms", "gatecal"]
    """By whom it was drawn."""
    file: Path | None = None
    """The picture (PNG), relative to the workspace; None where there is none."""
    failed: str = ""
    """Why there is no picture."""
    decisive: bool = False
    """True for the few that go into the mail."""


class PlotIndex(Record):
    """All plots of one maker: ``plots/<maker>.json`` in the workspace."""

    plots: tuple[Plot, ...] = ()
    """In the order of the report."""
