"""What the stages found, as tables: delays, trial, model, flux densities, results, fields, spws."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qa.report.layout import cell, figures, words
from qa.report.numbers import (
    DEGREES,
    GIGAHERTZ,
    JANSKY,
    MEGAHERTZ,
    NANOSECONDS,
    NOT_MEASURED,
    PERCENT,
    Form,
    Number,
    Numbers,
    Part,
    angle,
    beside_error,
    brightness,
)
from qa.report.view import Cell, Column, Table
from qa.words import role_title

if TYPE_CHECKING:
    from schemas.outcome import Outcome
    from schemas.results import ImageSummary

PLUS_MINUS = " ± "


def delay_table(outcome: Outcome, numbers: Numbers) -> Table:
    """Return each antenna's delay and its scatter in time, per spw and hand."""
    places = {(entry.antenna, entry.spw, entry.polarisation): place for place, entry in enumerate(outcome.delays)}
    columns = sorted({(spw, hand) for _, spw, hand in places})

    def one(antenna: str, column: tuple[int, str]) -> Cell:
        place = places.get((antenna, *column))
        if place is None or outcome.delays[place].median_ns is None:
            return cell(NOT_MEASURED)
        median, scatter = (numbers.at("delays", place, name, form=NANOSECONDS) for name in ("median_ns", "scatter_ns"))
        return cell(bare(median), PLUS_MINUS, bare(scatter))

    def heading(column: tuple[int, str]) -> Column:
        place = next(place for (_, *rest), place in places.items() if tuple(rest) == column)
        return figures("spw ", numbers.at("delays", place, "spw"), f" {column[1]}")

    return Table(
        caption="Delays against the reference antenna [ns]",
        columns=(words("Antenna"), *map(heading, columns)),
        rows=tuple(
            (cell(antenna), *(one(antenna, column) for column in columns))
            for antenna in dict.fromkeys(entry.antenna for entry in outcome.delays)
        ),
        note=("Median over time ± scatter in time (normalised median absolute deviation).",),
    )


def trial_table(outcome: Outcome, numbers: Numbers) -> Table:
    """Return the phase references before and after delays and first bandpass."""
    forms = {
        "slope_before_deg": DEGREES,
        "slope_after_deg": DEGREES,
        "amplitude_spread_before": PERCENT,
        "amplitude_spread_after": PERCENT,
    }
    return Table(
        caption="Phase reference before and after delays and first bandpass",
        columns=(
            words("Phase reference"),
            figures("spw"),
            figures("phase slope before"),
            figures("after"),
            figures("amplitude spread before"),
            figures("after"),
        ),
        rows=tuple(
            (
                cell(entry.field),
                cell(numbers.at("trial", place, "spw")),
                *(cell(numbers.at("trial", place, name, form=form)) for name, form in forms.items()),
            )
            for place, entry in enumerate(outcome.trial)
        ),
        note=("Phase slope across the spw, and spread of the amplitude over its channels: medians over baselines.",),
    )


def model_table(outcome: Outcome, numbers: Numbers) -> Table:
    """Return the flux calibrator's model per spw."""
    return Table(
        caption="Model of the flux calibrator",
        columns=(words("Flux calibrator"), figures("spw"), figures("frequency [GHz]"), figures("flux density [Jy]")),
        rows=tuple(
            (
                cell(entry.field),
                cell(numbers.at("models", place, "spw")),
                cell(bare(numbers.at("models", place, "frequency_hz", form=GIGAHERTZ))),
                cell(bare(numbers.at("models", place, "flux_density_jy", form=JANSKY))),
            )
            for place, entry in enumerate(outcome.models)
        ),
    )


def image_table(outcome: Outcome, numbers: Numbers) -> Table:
    """Return the first images in numbers."""
    return Table(
        caption="First images",
        columns=(
            words("Field"),
            figures("peak"),
            figures("noise"),
            figures("dynamic range"),
            figures("beam"),
            figures("position angle"),
            figures("cell"),
            figures("size [pixels]"),
        ),
        rows=tuple(_image_row(place, image, numbers) for place, image in enumerate(outcome.images)),
        note=("Noise: scatter of the residual image. A first, shallow clean without self-calibration.",),
    )


def _image_row(place: int, image: ImageSummary, numbers: Numbers) -> tuple[Cell, ...]:
    where = ("images", place)
    return (
        cell(image.field),
        cell(numbers.at(*where, "peak_jy_beam", form=brightness(image.peak_jy_beam))),
        cell(numbers.at(*where, "noise_jy_beam", form=brightness(image.noise_jy_beam)._replace(digits=3))),
        cell(numbers.at(*where, "dynamic_range", form=Form(digits=3))),
        cell(*beam(place, image, numbers)),
        cell(numbers.at(*where, "beam_angle_deg", form=DEGREES)),
        cell(numbers.at(*where, "cell_arcsec", form=angle(image.cell_arcsec))),
        cell(numbers.at(*where, "pixels")),
    )


def beam(place: int, image: ImageSummary, numbers: Numbers) -> tuple[Part, ...]:
    """Return the axes of the restoring beam."""
    form = angle(image.beam_major_arcsec)
    major = numbers.at("images", place, "beam_major_arcsec", form=form)
    return bare(major), " × ", numbers.at("images", place, "beam_minor_arcsec", form=form)


def corrected_table(outcome: Outcome, numbers: Numbers) -> Table:
    """Return the calibrators after the final calibration."""
    return Table(
        caption="Calibrators after calibration, averaged over each scan and spw",
        columns=(words("Calibrator"), figures("amplitude / model"), figures("phase rms about the model")),
        rows=tuple(
            (
                cell(entry.field),
                cell(numbers.at("corrected", place, "amplitude_over_model", form=Form(decimals=4))),
                cell(numbers.at("corrected", place, "phase_rms_deg", form=DEGREES)),
            )
            for place, entry in enumerate(outcome.corrected)
        ),
    )


def role_table(outcome: Outcome) -> Table:
    """Return who is what, and why."""
    return Table(
        caption="Roles of the fields",
        columns=(words("Field"), words("role"), words("why")),
        rows=tuple(
            (cell(decision.field), cell(role_title(decision.role)), cell(decision.reason))
            for decision in outcome.provenance.roles
        ),
    )


def spw_table(summary: tuple[str | int, ...], ledger: Numbers) -> Table:
    """Return the spectral windows, from the ledger; `summary` is where in it the data are summed up."""
    spws = ledger.value(*summary, "spws")
    return Table(
        caption="Spectral windows",
        columns=(
            words("Spw"),
            figures("centre [GHz]"),
            figures("bandwidth [MHz]"),
            figures("channels"),
            words("correlations"),
        ),
        rows=tuple(
            (
                cell("spw ", ledger.at(*summary, "spws", place, "id")),
                cell(bare(ledger.at(*summary, "spws", place, "centre_hz", form=GIGAHERTZ))),
                cell(bare(ledger.at(*summary, "spws", place, "bandwidth_hz", form=MEGAHERTZ))),
                cell(ledger.at(*summary, "spws", place, "channels")),
                cell(", ".join(spw["correlations"])),
            )
            for place, spw in enumerate(spws)
        ),
    )


def pair(numbers: Numbers, place: tuple[str | int, ...], value: str, error: str, form: Form) -> tuple[Part, ...]:
    """Return a value ± its error, to the error's second digit."""
    form = beside_error(numbers.value(*place, error), form)
    first = numbers.at(*place, value, form=form)
    return (bare(first), PLUS_MINUS, numbers.at(*place, error, form=form)) if isinstance(first, Number) else (first,)


def bare(part: Part) -> Part:
    """Return a number without its unit, which stands elsewhere."""
    return part.evolve(unit="") if isinstance(part, Number) else part
