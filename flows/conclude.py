"""Writes down what a run came to: ``outcome.json``, ``fluxes.csv`` and the summary artifact."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pandas as pd
from prefect.artifacts import create_markdown_artifact

from flows.run import Run, artifact_key
from flows.runs import note_verdict, run_id, run_url, runs_url
from qa import outcome as numbers
from schemas.errors import CasaError, GateFailed
from schemas.outcome import Crash, FlagStep, Outcome, Provenance, SpwFluxDensity
from schemas.profiles import differences
from schemas.whole import write_whole
from tasks.workspace import remove

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from schemas.runs import RunNote
    from schemas.solutions import SolutionTable
    from schemas.steps import Step

SOLVES: tuple[Step, ...] = ("delay", "precal", "bandpass1", "gains", "bandpass2", "finalgains")
"""Steps that return solution tables."""


def conclude(run: Run, overrides: Mapping[str, Any], error: BaseException | None) -> Outcome:
    """Write the outcome of a run, however it ended.

    Parameters
    ----------
    run
        The run.
    overrides
        This run's own overrides.
    error
        What ended it, if it did not end by itself.
    """
    outcome = build(run, overrides, error)
    workspace = run.calibration.workspace
    remove(workspace.report)  # an earlier run's: a mail must not carry it beside this outcome
    write_whole(workspace.outcome, outcome.model_dump_json(indent=1))
    note_verdict(workspace.root, outcome.provenance.flow_run, outcome.verdict)
    if outcome.spw_fluxes:
        write_whole(workspace.fluxes, flux_table(outcome).to_csv(index=False))
    create_markdown_artifact(
        key=artifact_key(f"{outcome.observation}-summary"), markdown=markdown(outcome), description=outcome.verdict
    )
    return outcome


def build(run: Run, overrides: Mapping[str, Any], error: BaseException | None) -> Outcome:
    """Return the outcome of a run from its records and tables."""
    records = run.records
    crashed = error is not None and not isinstance(error, GateFailed)
    tables = [table for step in SOLVES if step in records for table in records[step].tables]
    fits = records["fluxscale"].fits if "fluxscale" in records else ()
    return Outcome(
        observation=run.calibration.observation.name,
        verdict="crashed" if crashed else numbers.verdict_of(run.reports),
        reason="" if error is None else str(error) or type(error).__name__,
        steps=tuple(run.steps),
        gates=tuple(run.reports),
        fluxes=numbers.fluxes_of(fits),
        spw_fluxes=numbers.spw_fluxes_of(fits),
        catalogue=numbers.catalogue_of(fits, run.calibration.summary),
        models=records["model"].fluxes if "model" in records else (),
        solve_statistics=tuple(count for table in tables for count in table.counts),
        trial=records["trial"].phases if "trial" in records else (),
        images=records["image"].images if "image" in records else (),
        products=products(run),
        decisions=run.decisions,
        hold=run.hold,
        go_on=run.go_on,
        earlier_runs=run.earlier,
        crash=crash_of(run, error) if error is not None and crashed else None,
        provenance=provenance(run, overrides),
        **from_tables(run, tables),
    )


def from_tables(run: Run, tables: list[SolutionTable]) -> dict[str, Any]:
    """Return what the outcome takes from tables of numbers."""
    records, load = run.records, run.calibration.workspace.load_frame
    found: dict[str, Any] = {
        "solve_statistics_by_antenna": tuple(
            count for table in tables for count in numbers.antenna_counts_of(table.name, load(table.statistics))
        )
    }
    delays = next((table for table in tables if table.kind == "K"), None)
    if delays is not None:
        found["delays"] = numbers.delays_of(load(delays.rows))
    counts = flag_counts(run)
    if counts:
        first, last = load(counts[0]), load(counts[-1])
        found["flagged"] = numbers.flagged_of(first, last)
        found["flagged_by_antenna"] = numbers.flagged_of(first, last, by="antenna")
        found["flagged_by_spw"] = numbers.flagged_of(first, last, by="spw")
        found["flag_steps"] = flag_steps(run)
    if "apply" in records and records["apply"].visibilities is not None:
        found["corrected"] = numbers.corrected_of(load(records["apply"].visibilities))
    return found


def flag_counts(run: Run) -> list[Path]:
    """Return the tables of flag counts, in order of time."""
    found = [run.records["inspect"].counts] if "inspect" in run.records else []
    if "flag" in run.records:
        found += [act.after for act in run.records["flag"].acts]
    if "apply" in run.records and run.records["apply"].after is not None:
        found.append(run.records["apply"].after)
    return found


def flag_steps(run: Run) -> tuple[FlagStep, ...]:
    """Return what each act of flagging added, and why."""
    acts = [(act.name, act.asked, act.before, act.after, act.judged) for act in _acts(run)]
    applied = run.records.get("apply")
    if applied is not None and applied.before is not None and applied.after is not None:
        asked = "data without a good solution, or too far from one"
        acts.append(("apply", asked, applied.before, applied.after, True))

    def fraction(counts: Path) -> float:
        return numbers.flagged_fraction(run.calibration.workspace.load_frame(counts))

    return tuple(
        FlagStep(name=name, asked=asked, before=fraction(before), after=fraction(after), judged=judged)
        for name, asked, before, after, judged in acts
    )


def _acts(run: Run) -> tuple[Any, ...]:
    return run.records["flag"].acts if "flag" in run.records else ()


def crash_of(run: Run, error: BaseException) -> Crash:
    """Return what crashed, with the end of CASA's log where it was a CASA call."""
    kind = type(error).__name__
    if isinstance(error, CasaError):
        return Crash(step=run.at, error=kind, message=f"{error.task}: {error.reason}", log_tail=error.log_tail)
    return Crash(step=run.at, error=kind, message=str(error))


def products(run: Run) -> dict[str, Path]:
    """Return what was made, by name, relative to the workspace."""
    made = dict(run.records["split"].targets) if "split" in run.records else {}
    if "image" in run.records:
        made |= {f"{image.field} image": image.image for image in run.records["image"].images}
    return made


def provenance(run: Run, overrides: Mapping[str, Any]) -> Provenance:
    """Return what reproduces the run."""
    calibration = run.calibration
    observation = calibration.observation
    packages = ("gatecal", "casatasks", "casatools", "casadata", "casaplotms", "prefect", "great-expectations")
    return Provenance(
        versions={name: version(name) for name in packages} | {"python": platform.python_version()},
        parameters=calibration.parameters.model_dump(mode="json"),
        overrides={**observation.overrides, **overrides},
        differences=differences(observation.profile, calibration.parameters),
        profile=observation.profile,
        input=calibration.source.path,
        input_fingerprint=calibration.source.fingerprint,
        notes=run.records["ingest"].notes if "ingest" in run.records else (),
        roles=calibration.roles.decisions,
        refant=calibration.refant,
        started=run.started.isoformat(timespec="seconds"),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        flow_run=run_id(),
        flow_run_url=run_url(),
        recipients=observation.recipients,
    )


def flux_table(outcome: Outcome) -> pd.DataFrame:
    """Return the flux densities per spw, beside each calibrator's fit, for ``fluxes.csv``."""
    fits = {name: flux.model_dump() for name, flux in outcome.fluxes.items()}
    columns = [name for name in SpwFluxDensity.model_fields if name != "field"]
    return pd.DataFrame(
        {"field": entry.field, **{name: getattr(entry, name) for name in columns}}
        | {f"fit_{name}": value for name, value in fits[entry.field].items()}
        for entry in outcome.spw_fluxes
    )


def markdown(outcome: Outcome) -> str:
    """Return the run in one page, for the Prefect UI."""
    lines = [f"# {outcome.observation}: {outcome.verdict}", "", outcome.reason, ""]
    lines += ["| stage | time [s] | gates |", "|---|---|---|"]
    for step in outcome.steps:
        gates = ", ".join(f"{gate.gate}: {gate.verdict}" for gate in outcome.gates if gate.step == step.step)
        lines.append(f"| {step.step} | {'reused' if step.reused else f'{step.seconds:.1f}'} | {gates} |")
    lines += ["", *(f"- {decision.sentence}" for decision in outcome.decisions)]
    if outcome.earlier_runs:
        lines += ["", "Earlier runs of this observation:", "", *map(earlier_run, reversed(outcome.earlier_runs[-10:]))]
    every = runs_url(outcome.observation)
    lines += ["", f"[All runs of this observation]({every})"] if every else []
    lines += ["", "| calibrator | flux density [Jy] | error [Jy] | spectral index |", "|---|---|---|---|"]
    for field, flux in outcome.fluxes.items():
        index = "" if flux.spectral_index is None else f"{flux.spectral_index:.3f}"
        lines.append(f"| {field} | {flux.flux_density_jy:.4f} | {flux.error_jy:.4f} | {index} |")
    return "\n".join(lines)


def earlier_run(note: RunNote) -> str:
    """Return one line on an earlier run, with a link to it."""
    name = f"{note.started:%Y-%m-%d %H:%M} UTC"
    link = f"[{name}]({note.url})" if note.url else name
    return f"- {link}: {note.verdict or 'did not end'}{f', from {note.from_step}' if note.from_step else ''}"
