"""The runs of one observation, visible as such: links to the earlier ones, tags in Prefect, one start step per run."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.settings import get_current_settings
from prefect.utilities.urls import url_for
from pydantic import ValidationError

from flows.resume import TAG as RESUMED
from schemas.runs import RunNote, RunNotes
from schemas.whole import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from prefect.client.schemas.objects import FlowRun

    from schemas.steps import Step

FILE = "runs.json"
"""In the observation's workspace."""
OBSERVATION, START = "observation:", "from:"
"""What tags begin with."""
MOST = 200
"""Runs that are remembered."""


def current_run() -> FlowRun | None:
    """Return Prefect's record of this run; None outside of one."""
    context = FlowRunContext.get()
    return None if context is None else context.flow_run


def run_id() -> str:
    """Return Prefect's id of this run; empty outside of one."""
    run = current_run()
    return "" if run is None else str(run.id)


def run_url() -> str:
    """Return this run's address in the Prefect UI; empty outside of a run and for a server that ends with it."""
    if not run_id() or get_current_settings().api.url is None:
        return ""
    return url_for("flow-run", obj_id=run_id()) or ""


def runs_url(name: str) -> str:
    """Return the address of the list of all runs of an observation; empty for a server that ends with the run."""
    base = get_current_settings().ui_url
    # The one Prefect UI asks for tag, the other for tags.
    return f"{base}/runs?{urlencode({'tag': tag_of(name), 'tags': tag_of(name)})}" if base else ""


def read_runs(root: Path) -> tuple[RunNote, ...]:
    """Return the runs of a workspace, oldest first; none where they cannot be read: they are for people only."""
    with contextlib.suppress(OSError, ValidationError):
        return RunNotes.model_validate_json((root / FILE).read_bytes()).runs
    return ()


def start_step(root: Path, flow_run: str, from_step: Step | None) -> Step | None:
    """Return the step to start from: once a run has begun there, a retry or resumption of it goes on instead."""
    begun = any(note.flow_run == flow_run for note in read_runs(root))
    return None if begun and flow_run else from_step


def note_start(root: Path, flow_run: str, from_step: Step | None) -> tuple[RunNote, ...]:
    """Note that a run has taken the workspace; return the runs before it."""
    runs = read_runs(root)
    earlier = tuple(note for note in runs if not flow_run or note.flow_run != flow_run)
    if earlier == runs:
        note = RunNote(flow_run=flow_run, url=run_url(), started=datetime.now(UTC), from_step=from_step)
        _write(root, (*runs, note))
    return earlier


def note_verdict(root: Path, flow_run: str, verdict: str) -> None:
    """Note what a run came to."""
    runs = tuple(note.evolve(verdict=verdict) if note.flow_run == flow_run else note for note in read_runs(root))
    _write(root, runs)


def _write(root: Path, runs: tuple[RunNote, ...]) -> None:
    write_whole(root / FILE, RunNotes(runs=runs[-MOST:]).model_dump_json(indent=1))


def tag_run(name: str, root: Path, from_step: Step | None) -> None:
    """Tag this run in Prefect with what it is of the observation's runs.

    ``observation:<name>``; ``rerun`` where the observation has earlier runs; ``from:<step>`` where it was told one.
    "Copy to new run" copies the tags too: what they say of the other run is taken off.
    """
    run = current_run()
    if run is None:
        return
    again = any(note.flow_run != str(run.id) for note in read_runs(root))
    tags = tags_of(run, name, from_step, again=again)
    if tags != {*run.tags}:
        with contextlib.suppress(Exception), get_client(sync_client=True) as client:  # tags are no reason to fail
            client.update_flow_run(run.id, tags=sorted(tags))


def tags_of(run: FlowRun, name: str, from_step: Step | None, *, again: bool) -> set[str]:
    """Return the tags of a run: those it came with, as far as they are its own, and what it is."""
    copied = run.run_count <= 1  # later it has been here before
    kept = (tag for tag in run.tags if not (copied and _of_a_run(tag)))
    return {*kept, tag_of(name), *(["rerun"] if again else []), *([f"{START}{from_step}"] if from_step else [])}


def tag_of(name: str) -> str:
    """Return the tag of an observation's runs."""
    return f"{OBSERVATION}{name}"


def _of_a_run(tag: str) -> bool:
    return tag == "rerun" or tag.startswith((OBSERVATION, START, f"{RESUMED}-"))
