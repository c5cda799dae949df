"""A workspace's outcome as tables on the console."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError
from rich.table import Table
from rich.text import Text

from flows.progress import COLOURS
from schemas.errors import ConfigurationError
from schemas.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from qa.truth import Recovered
    from schemas.gates import Check, GateReport

WORST_LAST = ("not applicable", "passed", "warned", "stopped")
"""Verdicts of checks, by what matters more."""

WITHOUT_DATA = "antenna without any data"
"""The reason of checks that are shown once below the table, not on every line."""

CHECK_COLOURS = {"passed": "green", "warned": "yellow", "stopped": "bold red", "not applicable": "dim"}
"""Colour of each check's verdict."""


def read_outcome(workspace: Path) -> Outcome:
    """Read the outcome of a workspace's last run.

    Raises
    ------
    ConfigurationError
        There is none, or it cannot be read.
    """
    path = workspace / "outcome.json"
    try:
        return Outcome.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        msg = (
            f"{workspace} holds no outcome.json: it is not the workspace of an observation that has run. "
            "Give the folder below --workspace that has the observation's name."
        )
        raise ConfigurationError(msg) from error
    except ValidationError as error:
        msg = f"{path} cannot be read ({error.error_count()} errors); run the calibration again to write it anew."
        raise ConfigurationError(msg) from error


def print_gates(console: Console, outcome: Outcome) -> None:
    """Print every gate's every check: metric, where, number, bound, verdict."""
    table = Table(title=Text(f"Gates of {outcome.observation}"), title_justify="left", box=None, pad_edge=False)
    for heading in ("gate", "metric", "where (worst)", "observed", "warn", "stop", "verdict"):
        table.add_column(heading, justify="right" if heading == "observed" else "left", overflow="fold")
    for gate in outcome.gates:
        table.add_row(
            Text(gate.gate, "bold"), Text(gate.reason), "", "", "", "", Text(gate.verdict, COLOURS[gate.verdict])
        )
        if gate.verdict != "skipped":
            for checks in _by_metric(gate):
                table.add_row("", *_cells(checks))
    console.print(table)
    _print_remarks(console, outcome)


def _print_remarks(console: Console, outcome: Outcome) -> None:
    checks = [(gate.gate, check) for gate in outcome.gates for check in gate.checks]
    left_out = {check.where for _, check in checks if check.reason == WITHOUT_DATA}
    if left_out:
        words = f"Left out: {', '.join(sorted(left_out))} (antenna without any data)."
        console.print(Text(words, "dim"))
    for gate, check in checks:
        if check.verdict in {"warned", "stopped"}:
            print_advice(console, gate, check)


def print_advice(console: Console, gate: str, check: Check) -> None:
    """Print what a failed check means and what to try."""
    console.print(Text(f"{gate}, {check.title}: {check.verdict} at {check.where}. {check.reason}", "yellow"))
    places = "; ".join(str(failure.place) for failure in check.failures[:5])
    more = f" and {check.failed - 5} more" if check.failed > 5 else ""
    for label, text in (("places", places + more), ("means", check.meaning), ("try", check.try_)):
        if text:
            console.print(Text(f"  {label}: {text}"), soft_wrap=True)


def _by_metric(gate: GateReport) -> list[list[Check]]:
    """Return a gate's checks, those of one metric together, without antennas that have no data."""
    kept = [check for check in gate.checks if check.reason != WITHOUT_DATA]
    return [[check for check in kept if check.metric == metric] for metric in dict.fromkeys(c.metric for c in kept)]


def _cells(checks: list[Check]) -> tuple[Text, ...]:
    worst = max(checks, key=lambda check: WORST_LAST.index(check.verdict))
    observed = "" if worst.observed is None else f"{worst.observed:.4g} {worst.unit}".replace(" fraction", "")
    bounds = {check.severity: check.bound for check in checks if check.verdict != "not applicable"}
    verdict = f"{worst.verdict} ({worst.reason})" if worst.reason else worst.verdict
    colour = CHECK_COLOURS[worst.verdict]
    title = worst.title[:1].upper() + worst.title[1:]
    # As Text: rich takes a plain string's [deg] for markup and drops it.
    words = (title, worst.where, observed, bounds.get("warn", ""), bounds.get("stop", ""))
    return *(Text(word) for word in words), Text(verdict, colour)


def print_outcome(console: Console, outcome: Outcome, workspace: Path) -> None:
    """Print what the run came to: flux densities, corrected calibrators, images, products, verdict."""
    for note in outcome.provenance.notes:
        console.print(Text(note, "dim"), soft_wrap=True)
    for table in (_roles(outcome), _fluxes(outcome), _corrected(outcome), _images(outcome)):
        if table.row_count:
            console.print(table)
    for name, path in outcome.products.items():
        console.print(Text(f"{name}: {workspace / path}"), soft_wrap=True)
    seconds = sum(step.seconds for step in outcome.steps)
    words = f"{outcome.observation}: {outcome.verdict} ({seconds:.0f} s). {outcome.reason}"
    console.print(Text(words, COLOURS[outcome.verdict]), soft_wrap=True)


def print_recovered(console: Console, recovered: Sequence[Recovered]) -> None:
    """Print what was recovered beside what the simulator put in."""
    table = _table("Recovered against injected", "quantity", "injected", "recovered", "difference")
    for entry in recovered:
        table.add_row(entry.quantity, f"{entry.injected:.4f}", f"{entry.recovered:.4f}", f"{entry.difference:+.4f}")
    console.print(table)


def _table(title: str, *headings: str, justify: Literal["left", "right"] = "right") -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for index, heading in enumerate(headings):
        table.add_column(Text(heading), justify=justify if index else "left")
    return table


def _roles(outcome: Outcome) -> Table:
    table = _table("Roles", "role", "field", "why", justify="left")
    for decision in outcome.provenance.roles:
        table.add_row(decision.role, decision.field, decision.reason)
    if outcome.provenance.refant:
        first, *fallbacks = outcome.provenance.refant
        table.add_row("reference antenna", first, f"then {', '.join(fallbacks)}" if fallbacks else "no fallback")
    return table


def _fluxes(outcome: Outcome) -> Table:
    table = _table("Flux densities", "calibrator", "flux density [Jy]", "error [Jy]", "spectral index", "at [GHz]")
    for field, flux in outcome.fluxes.items():
        index = "-" if flux.spectral_index is None else f"{flux.spectral_index:.3f} ± {flux.error:.3f}"
        frequency = f"{flux.reference_hz / 1e9:.4f}"
        table.add_row(Text(field), f"{flux.flux_density_jy:.4f}", f"{flux.error_jy:.4f}", index, frequency)
    return table


def _corrected(outcome: Outcome) -> Table:
    table = _table("Corrected calibrators", "calibrator", "amplitude / model", "phase rms [deg]")
    for entry in outcome.corrected:
        table.add_row(Text(entry.field), f"{entry.amplitude_over_model:.4f}", f"{entry.phase_rms_deg:.2f}")
    return table


def _images(outcome: Outcome) -> Table:
    table = _table("First images", "field", "peak [Jy/beam]", "noise [Jy/beam]", "dynamic range", "beam [arcsec]")
    for image in outcome.images:
        beam = f"{image.beam_major_arcsec:.3g} x {image.beam_minor_arcsec:.3g}"
        numbers = (f"{image.peak_jy_beam:.4g}", f"{image.noise_jy_beam:.3g}", f"{image.dynamic_range:.0f}")
        table.add_row(Text(image.field), *numbers, beam)
    return table
