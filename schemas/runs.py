"""The runs of one observation: ``runs.json`` in its workspace, so that each links to those before it."""

from __future__ import annotations

from datetime import datetime

from schemas.record import Record
from schemas.steps import Step


class RunNote(Record):
    """One run of the observation."""

    flow_run: str = ""
    """Prefect's id of the run."""
    url: str = ""
    """Address of the run in the Prefect UI; empty where the server ended with the run."""
    started: datetime
    """When it first took the workspace (UTC)."""
    from_step: Step | None = None
    """The step it was told to start from."""
    verdict: str = ""
    """What it came to; empty while it runs, and for one that was killed."""


class RunNotes(Record):
    """All runs of one observation, in order."""

    runs: tuple[RunNote, ...] = ()
    """Oldest first."""
