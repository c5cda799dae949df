"""Flux densities of the calibrators, beside what is known of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qa.report.layout import cell, figures, words
from qa.report.numbers import GIGAHERTZ, JANSKY, NOT_MEASURED, PLAIN, Form, Numbers, Part
from qa.report.tables import bare, model_table, pair
from qa.report.view import Cell, Table

if TYPE_CHECKING:
    from schemas.outcome import FieldFlux, Outcome

HISTORY = "flux_history"
"""The check of a calibrator against its earlier nights."""


def flux_tables(outcome: Outcome, numbers: Numbers) -> tuple[Table, ...]:
    """Return the flux densities: fitted, per spw, and the model they rest on."""
    found = []
    if outcome.fluxes:
        found.append(_fitted(outcome, numbers))
    if outcome.spw_fluxes:
        found.append(_per_spw(outcome, numbers))
    if outcome.models:
        found.append(model_table(outcome, numbers))
    return tuple(found)


def _fitted(outcome: Outcome, numbers: Numbers) -> Table:
    return Table(
        caption="Flux densities of the calibrators",
        columns=(
            words("Calibrator"),
            figures("flux density [Jy]"),
            figures("at [GHz]"),
            figures("spectral index"),
            figures("known range [Jy]"),
            words("against earlier nights"),
        ),
        rows=tuple(_fitted_row(outcome, name, flux, numbers) for name, flux in outcome.fluxes.items()),
        note=(
            "Flux density at the reference frequency of the fitted spectrum, with the part of the flux calibrator that "
            "the array resolves out taken into account; errors are those of the fit.",
        ),
    )


def _fitted_row(outcome: Outcome, name: str, flux: FieldFlux, numbers: Numbers) -> tuple[Cell, ...]:
    where = ("fluxes", name)
    index: tuple[Part, ...] = (NOT_MEASURED,)
    if flux.spectral_index is not None:
        index = pair(numbers, where, "spectral_index", "error", PLAIN)
    density = tuple(map(bare, pair(numbers, where, "flux_density_jy", "error_jy", JANSKY)))
    return (
        cell(name),
        cell(*density, strong=True),
        cell(bare(numbers.at(*where, "reference_hz", form=GIGAHERTZ))),
        cell(*index, note="" if flux.spectral_index is not None else "too few spws for a fit"),
        _known(outcome, name, numbers),
        _history(outcome, name, numbers),
    )


def _known(outcome: Outcome, name: str, numbers: Numbers) -> Cell:
    for place, known in enumerate(outcome.catalogue):
        if known.field == name:
            low, high = (numbers.at("catalogue", place, key, form=Form(digits=3)) for key in ("low_jy", "high_jy"))
            return cell(low, " to ", high, note=known.source)
    return cell("not a known calibrator")


def _history(outcome: Outcome, name: str, numbers: Numbers) -> Cell:
    """Return how far a calibrator is off its earlier nights: judged are all, and the farthest off is named."""
    for index, gate in enumerate(outcome.gates):
        checks = [(place, check) for place, check in enumerate(gate.checks) if check.metric == HISTORY]
        # The calibrator's own line first; then the farthest off of all; then why none was compared.
        checks.sort(key=lambda entry: (entry[1].where != name, entry[1].verdict == "not applicable"))
        for place, check in checks:
            if check.verdict == "not applicable":
                return cell(check.reason)
            if check.where != name:
                return cell(f"less off than {check.where}")
            observed = numbers.at("gates", index, "checks", place, "observed")
            return cell("off their median by ", observed, " of it", note=check.reason)
    return cell("not compared")


def _per_spw(outcome: Outcome, numbers: Numbers) -> Table:
    rows = []
    for place, entry in enumerate(outcome.spw_fluxes):
        where = ("spw_fluxes", place)
        density = map(bare, pair(numbers, where, "flux_density_jy", "error_jy", JANSKY))
        rows.append(
            (
                cell(entry.field),
                cell(numbers.at(*where, "spw")),
                cell(bare(numbers.at(*where, "frequency_hz", form=GIGAHERTZ))),
                cell(*density),
                cell(bare(numbers.at(*where, "fitted_jy", form=JANSKY))),
                cell(numbers.at(*where, "antennas")),
            )
        )
    return Table(
        caption="Flux densities per spw, beside the fitted spectrum",
        columns=(
            words("Calibrator"),
            figures("spw"),
            figures("frequency [GHz]"),
            figures("flux density [Jy]"),
            figures("fit [Jy]"),
            figures("antennas"),
        ),
        rows=tuple(rows),
    )
