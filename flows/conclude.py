"""Writes down what a run came to: ``outcome.json`` and the summary artifact."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from prefect.artifacts import create_markdown_artifact

from flows.run import Run, artifact_key
from qa import outcome as numbers
from schemas.errors import GateFailed
from schemas.outcome import Outcome, Provenance
from tasks.workspace import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from schemas.solutions import SolutionTable
    from schemas.steps import Step

SOLVES: tuple[Step, ...] = ("delay", "precal", "bandpass1", "gains", "bandpass2", "finalgains")
"""Steps that return solution tables."""


def conclude(run: Run, overrides: Mapping[str, Any], flow_run: str, error: BaseException | None) -> Outcome:
    """Write the outcome of a run, however it ended.

    Parameters
    ----------
    run
        The run.
    overrides
        This run's own overrides.
    flow_run
        Prefect's id of the run.
    error
        What ended it, if it did not end by itself.
    """
    outcome = build(run, overrides, flow_run, error)
    text = outcome.model_dump_json(indent=1)
    write_whole(run.calibration.workspace.outcome, text)
    create_markdown_artifact(
        key=artifact_key(f"{outcome.observation}-summary"), markdown=markdown(outcome), description=outcome.verdict
    )
    return outcome


def build(run: Run, overrides: Mapping[str, Any], flow_run: str, error: BaseException | None) -> Outcome:
    """Return the outcome of a run from its records and tables."""
    records = run.records
    crashed = error is not None and not isinstance(error, GateFailed)
    tables = [table for step in SOLVES if step in records for table in records[step].tables]
    return Outcome(
        observation=run.calibration.observation.name,
        verdict="crashed" if crashed else numbers.verdict_of(run.reports),
        reason="" if error is None else str(error) or type(error).__name__,
        steps=tuple(run.steps),
        gates=tuple(run.reports),
        fluxes=numbers.fluxes_of(records["fluxscale"].fits) if "fluxscale" in records else {},
        solve_statistics=tuple(count for table in tables for count in table.counts),
        trial=records["trial"].phases if "trial" in records else (),
        images=records["image"].images if "image" in records else (),
        products=products(run),
        provenance=provenance(run, overrides, flow_run),
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
        found["flagged"] = numbers.flagged_of(load(counts[0]), load(counts[-1]))
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


def products(run: Run) -> dict[str, Path]:
    """Return what was made, by name, relative to the workspace."""
    made = dict(run.records["split"].targets) if "split" in run.records else {}
    if "image" in run.records:
        made |= {f"{image.field} image": image.image for image in run.records["image"].images}
    return made


def provenance(run: Run, overrides: Mapping[str, Any], flow_run: str) -> Provenance:
    """Return what reproduces the run."""
    calibration = run.calibration
    packages = ("gatecal", "casatasks", "casatools", "casadata", "prefect", "great-expectations")
    return Provenance(
        versions={name: version(name) for name in packages} | {"python": platform.python_version()},
        parameters=calibration.parameters.model_dump(mode="json"),
        overrides={**calibration.observation.overrides, **overrides},
        profile=calibration.observation.profile,
        input=calibration.source.path,
        input_fingerprint=calibration.source.fingerprint,
        notes=run.records["ingest"].notes if "ingest" in run.records else (),
        roles=calibration.roles.decisions,
        refant=calibration.refant,
        started=run.started.isoformat(timespec="seconds"),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        flow_run=flow_run,
    )


def markdown(outcome: Outcome) -> str:
    """Return the run in one page, for the Prefect UI."""
    lines = [f"# {outcome.observation}: {outcome.verdict}", "", outcome.reason, ""]
    lines += ["| stage | time [s] | gates |", "|---|---|---|"]
    for step in outcome.steps:
        gates = ", ".join(f"{gate.gate}: {gate.verdict}" for gate in outcome.gates if gate.step == step.step)
        lines.append(f"| {step.step} | {'reused' if step.reused else f'{step.seconds:.1f}'} | {gates} |")
    lines += ["", "| calibrator | flux density [Jy] | error [Jy] | spectral index |", "|---|---|---|---|"]
    for field, flux in outcome.fluxes.items():
        index = "" if flux.spectral_index is None else f"{flux.spectral_index:.3f}"
        lines.append(f"| {field} | {flux.flux_density_jy:.4f} | {flux.error_jy:.4f} | {index} |")
    return "\n".join(lines)
