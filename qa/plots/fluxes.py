"""Flux densities of the calibrators per spw, with the fit and the range they are known for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from qa.catalogue import known_ranges
from qa.plots.drawing import Drawing
from qa.plots.style import GOOD, GREY, INK, KNOWN, LIGHT, NORMAL, SMALL, STOP, WIDTH_IN, figure, heading, shown, written
from schemas.results import ModelRecord
from schemas.solutions import FluxscaleRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from qa.plots.inputs import Inputs
    from schemas.solutions import FluxscaleFit

ROW_IN = 2.7
"""Height of a row of panels [inch]."""


@dataclass(frozen=True)
class Spectrum:
    """One calibrator's flux densities.

    Attributes
    ----------
    name
        Field name.
    ghz, jy, error_jy
        Per spw: frequency [GHz], flux density [Jy], its error [Jy].
    fit
        What was fitted; None for the flux calibrator, which has a model.
    known_jy
        The catalogue's range at the reference frequency [Jy], or None.
    """

    name: str
    ghz: tuple[float, ...]
    jy: tuple[float, ...]
    error_jy: tuple[float, ...]
    fit: FluxscaleFit | None
    known_jy: tuple[float, float] | None

    def fitted(self, ghz: float) -> float:
        """Return the fitted flux density at a frequency [Jy]; flat where no spectral index was fitted."""
        if self.fit is None:
            return math.nan
        return float(self.fit.flux_density_jy * (ghz * 1e9 / self.fit.reference_hz) ** (self.fit.spectral_index or 0.0))


def drawings(inputs: Inputs) -> Iterator[Drawing]:
    """Yield the plot of flux densities."""
    scaled = inputs.record("fluxscale", FluxscaleRecord)
    if scaled is None or not scaled.fits:
        return
    found = spectra(inputs, scaled)
    yield Drawing(
        name="flux_densities",
        step="fluxscale",
        title="Flux densities of the calibrators",
        caption=(
            "Flux density of each calibrator in each spw with its error, the fitted spectrum (line) and the range the "
            "calibrator is known for (shaded). Points off the line point to a spw whose gains are wrong; a line "
            "outside the range, to a wrong model, a wrong band or swapped fields."
        ),
        alternative="Flux density in jansky against frequency in gigahertz, one panel per calibrator, with the fit.",
        make=partial(draw_fluxes, found),
        sources=(),
        depends=repr(found),
        primary=True,
    )


def spectra(inputs: Inputs, scaled: FluxscaleRecord) -> list[Spectrum]:
    """Return the calibrators' flux densities, the resolved-out factor included; the flux calibrator's model first."""
    found = [_scaled(inputs, fit) for fit in scaled.fits]
    model = inputs.record("model", ModelRecord)
    if model is None or not model.fluxes:
        return found
    ghz, jy = (
        [*column] for column in zip(*((f.frequency_hz / 1e9, f.flux_density_jy) for f in model.fluxes), strict=True)
    )
    return [Spectrum(model.fluxes[0].field, tuple(ghz), tuple(jy), (0.0,) * len(jy), None, None), *found]


def _scaled(inputs: Inputs, fit: FluxscaleFit) -> Spectrum:
    factor = fit.resolved_out_factor
    points = [
        (spw.frequency_hz / 1e9, spw.flux_density_jy * factor, (spw.error_jy or 0.0) * factor)
        for spw in fit.spws
        if spw.flux_density_jy is not None
    ]
    ghz, jy, error = zip(*points, strict=True) if points else ((), (), ())
    return Spectrum(fit.field, ghz, jy, error, fit, _known(inputs, fit))


def _known(inputs: Inputs, fit: FluxscaleFit) -> tuple[float, float] | None:
    if inputs.summary is None:
        return None
    place = next((f for f in inputs.summary.fields if f.name == fit.field), None)
    ranges = known_ranges(fit.field, place.ra_rad, place.dec_rad, fit.reference_hz) if place is not None else ()
    return (ranges[0].low_jy, ranges[0].high_jy) if ranges else None


def draw_fluxes(found: Sequence[Spectrum]) -> Figure:
    """Draw one panel per calibrator."""
    columns = 2 if len(found) > 1 else 1
    rows = math.ceil(len(found) / columns)
    tall = 0.4 + ROW_IN * rows
    made = figure(tall)
    heading(made, "Flux densities of the calibrators")
    for index, spectrum in enumerate(found):
        left = 0.75 + (index % columns) * (WIDTH_IN / columns)
        low = tall - 0.4 - ROW_IN * (index // columns + 1) + 0.55
        width, height = WIDTH_IN / columns - 0.95, ROW_IN - 1.05
        axes = made.add_axes((left / WIDTH_IN, low / tall, width / WIDTH_IN, height / tall))
        _panel(axes, spectrum)
    return made


def _panel(axes: Axes, spectrum: Spectrum) -> None:
    axes.grid(color=LIGHT, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.text(0.0, 1.15, shown(spectrum.name), transform=axes.transAxes, weight="bold", size=NORMAL)
    axes.text(0.0, 1.03, _numbers(spectrum), transform=axes.transAxes, color=GREY)
    axes.set(xlabel="Frequency [GHz]", ylabel="Flux density [Jy]")
    if not spectrum.jy:
        axes.text(0.5, 0.5, "no spw has a flux density", transform=axes.transAxes, ha="center", color=STOP)
        return
    axes.errorbar(
        spectrum.ghz, spectrum.jy, spectrum.error_jy, fmt="o", ms=5.5, color=GOOD, ecolor=INK, elinewidth=1.2, capsize=3
    )
    span = max(float(np.ptp(spectrum.ghz)), 0.01 * spectrum.ghz[0])
    line = np.linspace(min(spectrum.ghz) - 0.1 * span, max(spectrum.ghz) + 0.1 * span, 40)
    if spectrum.fit is not None:
        axes.plot(line, [spectrum.fitted(float(ghz)) for ghz in line], color=INK, linewidth=1.0)
    axes.set_xlim(float(line[0]), float(line[-1]))
    _limits(axes, spectrum)


def _limits(axes: Axes, spectrum: Spectrum) -> None:
    """Set the axis to the points with their errors, the range of catalogues shaded where it reaches in."""
    middle, spread = float(np.mean(spectrum.jy)), float(np.ptp(spectrum.jy)) + 2.0 * max(spectrum.error_jy)
    half = max(0.75 * spread, 0.02 * middle)
    low, high = middle - half, middle + half
    if spectrum.known_jy is None:
        axes.set_ylim(low, high)
        return
    known_low, known_high = spectrum.known_jy
    low, high = (min(low, 0.9 * known_low), high) if known_low > low else (low, high)
    low, high = (low, max(high, 1.1 * known_high)) if known_high < high else (low, high)
    axes.set_ylim(low, high)
    axes.axhspan(known_low, known_high, color=KNOWN, alpha=0.12, linewidth=0.0, zorder=0)
    text = f"known for {known_low:g} to {known_high:g} Jy (shaded)"
    axes.text(0.03, 0.05, text, transform=axes.transAxes, color="#00664B", size=SMALL)


def _numbers(spectrum: Spectrum) -> str:
    fit = spectrum.fit
    if fit is None:
        return "model of the flux calibrator"
    error = fit.error_jy * fit.resolved_out_factor
    text = f"{fit.flux_density_jy:.4g} ± {written(error, 2)} Jy at {fit.reference_hz / 1e9:.4g} GHz"
    index = "" if fit.spectral_index is None else f", index {fit.spectral_index:.2f}".replace("-", "−")
    return text + index
