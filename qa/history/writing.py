"""Writes runs into the history: each once, from its outcome and what is known of its data."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError
from sqlalchemy import and_, delete, not_, or_, select
from sqlalchemy.exc import IntegrityError

from qa.history.models import CalibratorFlux, Delay, GateCheck, Image, Run, Solve
from schemas.history import date_of
from schemas.ingestion import IngestRecord
from schemas.ledger import Ledger
from schemas.outcome import Outcome
from schemas.results import InspectRecord

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sqlalchemy import ColumnElement

    from qa.history.database import Database
    from schemas.inspection import MsSummary

NOT_STOPPED = frozenset({"passed", "warned", "skipped"})
"""Verdicts of the flux-scale gate with which a run enters the comparisons of later nights."""

Key = tuple[str, datetime, str, str]
"""What tells the ends of runs apart: observation, start, Prefect's id, verdict."""

log = logging.getLogger("gatecal.history")


def write_run(database: Database, outcome: Outcome, summary: MsSummary | None) -> bool:
    """Write a run, unless it is there already; all of it or nothing.

    A run that was held and went on, or was killed and resumed, is one run: what it came to last takes the place of what
    it had come to before.

    Parameters
    ----------
    database
        The history.
    outcome
        The run.
    summary
        Its data in numbers: telescope, night, positions, spws. None if they are not known: then the run is listed, but
        no night compares with it.

    Returns
    -------
    True if it was written now.

    Raises
    ------
    HistoryUnavailable
        The database does not answer or is locked; nothing was written.
    """
    run = run_of(outcome, summary)
    same = and_(Run.observation == run.observation, Run.flow_run == run.flow_run)
    if not run.flow_run:  # outside of Prefect, each is a run of its own
        same = and_(same, Run.started == run.started)
    with database.writing() as session:
        if session.scalar(select(Run.id).where(same, not_(_before(run)))) is not None:
            return False
        try:
            with session.begin_nested():
                session.execute(delete(Run).where(same, _before(run)))
                session.add(run)
        except IntegrityError:
            # Another process wrote the same outcome since we looked.
            return False
    return True


def backfill(database: Database, workspaces: Path) -> int:
    """Write the outcomes of all workspaces in a folder that the history lacks.

    Parameters
    ----------
    database
        The history.
    workspaces
        Folder of the workspaces.

    Returns
    -------
    How many were written. An outcome that cannot be read is noted in the log and left out.

    Raises
    ------
    HistoryUnavailable
        The database does not answer or is locked.
    """
    with database.reading() as session:
        rows = session.execute(select(Run.observation, Run.started, Run.flow_run, Run.verdict))
        known = {(row.observation, row.started, row.flow_run, row.verdict) for row in rows}
    written = 0
    for path in sorted(workspaces.glob("*/outcome.json")):
        outcome = _missing(path, known)
        if outcome is not None:
            written += write_run(database, outcome, summary_beside(path, outcome.provenance.input_fingerprint))
    return written


def run_of(outcome: Outcome, summary: MsSummary | None) -> Run:
    """Return a run as rows of the history."""
    origin = outcome.provenance
    return Run(
        observation=outcome.observation,
        flow_run=origin.flow_run,
        started=moment(origin.started),
        finished=moment(origin.finished),
        verdict=outcome.verdict,
        reason=outcome.reason,
        profile=origin.profile,
        gatecal_version=origin.versions.get("gatecal"),
        input_fingerprint=origin.input_fingerprint,
        telescope=None if summary is None else summary.telescope,
        night=None if summary is None else date_of(summary),
        refant=next(iter(origin.refant), None),
        comparable=any(gate.gate == "fluxscale" and gate.verdict in NOT_STOPPED for gate in outcome.gates),
        checks=list(_checks(outcome)),
        fluxes=list(_fluxes(outcome, summary)),
        delays=list(_delays(outcome, summary)),
        solves=list(_solves(outcome)),
        images=list(_images(outcome)),
    )


def summary_beside(path: Path, input_fingerprint: str) -> MsSummary | None:
    """Return what the ledger beside an outcome knows of its data; None if that is nothing, or of another input."""
    try:
        ledger = Ledger.model_validate_json((path.parent / "ledger.json").read_bytes())
        entries = {entry.step: entry.record for entry in ledger.entries}
        ingested = IngestRecord.model_validate(entries["ingest"])
        if ingested.source.fingerprint != input_fingerprint:
            return None
        if "inspect" in entries:
            return InspectRecord.model_validate(entries["inspect"]).summary
    except (OSError, ValidationError, KeyError):
        return None
    return ingested.summary


def _before(run: Run) -> ColumnElement[bool]:
    """Return which rows are of an earlier end of the same run than this one."""
    began, ended = Run.started == run.started, Run.finished == run.finished
    before = or_(Run.started < run.started, and_(began, Run.finished < run.finished))
    if run.verdict == "held":
        return before
    # A hold that nobody answered is settled as stopped, with the times of the run that was held.
    return or_(before, and_(began, ended, Run.verdict == "held"))


def _missing(path: Path, known: set[Key]) -> Outcome | None:
    """Read an outcome that the history lacks; None for one it has, or that cannot be read."""
    try:
        text = path.read_bytes()
        head = json.loads(text)
        origin = head["provenance"]
        if (head["observation"], moment(origin["started"]), origin.get("flow_run", ""), head["verdict"]) in known:
            return None
        return Outcome.model_validate(head)
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("%s cannot be read and is not in the history (%s)", path, type(error).__name__)
        return None


def moment(text: str) -> datetime:
    """Return an outcome's time; one without a zone is UTC."""
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _checks(outcome: Outcome) -> Iterable[GateCheck]:
    for gate in outcome.gates:
        for check in gate.checks:
            yield GateCheck(
                gate=gate.gate,
                step=gate.step,
                metric=check.metric,
                severity=check.severity,
                worst_place=check.where,
                observed=check.observed,
                unit=check.unit,
                bound=check.bound,
                verdict=check.verdict,
                reason=check.reason,
            )


def _fluxes(outcome: Outcome, summary: MsSummary | None) -> Iterable[CalibratorFlux]:
    fields = {} if summary is None else {field.name: field for field in summary.fields}
    references = _having(outcome, "phase reference")
    for name, flux in outcome.fluxes.items():
        field = fields.get(name)
        yield CalibratorFlux(
            field=name,
            phase_reference=name in references,
            ra_deg=None if field is None else float(np.degrees(field.ra_rad)) % 360.0,
            dec_deg=None if field is None else float(np.degrees(field.dec_rad)),
            flux_density_jy=flux.flux_density_jy,
            error_jy=flux.error_jy,
            spectral_index=flux.spectral_index,
            spectral_index_error=flux.error,
            reference_hz=flux.reference_hz,
        )


def _delays(outcome: Outcome, summary: MsSummary | None) -> Iterable[Delay]:
    spws = {} if summary is None else {spw.id: spw for spw in summary.spws}
    for delay in outcome.delays:
        spw = spws.get(delay.spw)
        yield Delay(
            antenna=delay.antenna,
            spw=delay.spw,
            centre_hz=None if spw is None else spw.centre_hz,
            bandwidth_hz=None if spw is None else spw.bandwidth_hz,
            polarisation=delay.polarisation,
            median_ns=delay.median_ns,
            scatter_ns=delay.scatter_ns,
        )


def _solves(outcome: Outcome) -> Iterable[Solve]:
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for count in outcome.solve_statistics_by_antenna:
        # For K, solvestats' succeeded is a copy of attempted (measured): a ratio of one that says nothing.
        if not count.table.endswith(".K"):
            total = sums[count.table, count.antenna]
            for index, number in enumerate((count.expected, count.attempted, count.succeeded)):
                total[index] += number
    for (caltable, antenna), (expected, attempted, succeeded) in sums.items():
        yield Solve(caltable=caltable, antenna=antenna, expected=expected, attempted=attempted, succeeded=succeeded)


def _images(outcome: Outcome) -> Iterable[Image]:
    targets = _having(outcome, "target")
    for image in outcome.images:
        yield Image(
            field=image.field,
            target=image.field in targets,
            peak_jy_beam=image.peak_jy_beam,
            noise_jy_beam=image.noise_jy_beam,
            beam_major_arcsec=image.beam_major_arcsec,
            beam_minor_arcsec=image.beam_minor_arcsec,
        )


def _having(outcome: Outcome, role: str) -> frozenset[Any]:
    return frozenset(decision.field for decision in outcome.provenance.roles if decision.role == role)
