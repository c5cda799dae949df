"""A run's numbers in words: images, flux densities, and what says how far they can be trusted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from qa.words import number, role_title
from schemas.mail import one_line

if TYPE_CHECKING:
    from schemas.outcome import Corrected, FieldFlux, Outcome
    from schemas.results import ImageSummary

Rows = tuple[tuple[str, str], ...]
"""Labels and what stands beside them."""


def target_lines(outcome: Outcome) -> Rows:
    """Return each target with its peak and noise."""
    return tuple(
        (f"target {one_line(image.field)}", f"peak {flux_density(image.peak_jy_beam)}/beam, noise {noise(image)}")
        for image in _targets_first(outcome)
        if image.field in targets_of(outcome)
    )


def noise(image: ImageSummary) -> str:
    """Return an image's noise with its unit."""
    return f"{flux_density(image.noise_jy_beam)}/beam"


def flux_density(value: float) -> str:
    """Return a flux density in the unit that suits it [Jy, mJy or µJy]."""
    for factor, unit in ((1.0, "Jy"), (1e3, "mJy")):
        if abs(value) * factor >= 1:
            return f"{number(value * factor)} {unit}"
    return f"{number(value * 1e3)} mJy" if abs(value) >= 1e-4 else f"{number(value * 1e6)} µJy"


def flux_words(flux: FieldFlux) -> str:
    """Return a calibrator's flux density with its error, frequency and spectral index."""
    value = with_error(flux.flux_density_jy, flux.error_jy)
    if flux.spectral_index is None:
        index = ""
    else:
        written = number(flux.spectral_index) if not flux.error else with_error(flux.spectral_index, flux.error)
        index = f", spectral index {written}"
    return f"{value} Jy at {flux.reference_hz / 1e9:.3f} GHz{index}"


def with_error(value: float, error: float) -> str:
    """Return ``value ± error`` to two significant digits of the error."""
    if not error > 0:
        return f"{number(value)} (error not known)"
    digits = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def targets_of(outcome: Outcome) -> tuple[str, ...]:
    """Return the targets' field names."""
    return tuple(decision.field for decision in outcome.provenance.roles if decision.role == "target")


def _targets_first(outcome: Outcome) -> tuple[ImageSummary, ...]:
    return tuple(sorted(outcome.images, key=lambda image: image.field not in targets_of(outcome)))


def _role(outcome: Outcome, field: str) -> str:
    return next((role_title(entry.role) for entry in outcome.provenance.roles if entry.field == field), "Field")


def image_rows(outcome: Outcome) -> Rows:
    """Return the first images, targets first."""
    return tuple(_image(outcome, image) for image in _targets_first(outcome))


def flux_rows(outcome: Outcome) -> Rows:
    """Return the calibrators' flux densities, the flux calibrator's model first."""
    return (*model_rows(outcome), *((one_line(name), flux_words(flux)) for name, flux in outcome.fluxes.items()))


def _image(outcome: Outcome, image: ImageSummary) -> tuple[str, str]:
    beam = f"{image.beam_major_arcsec * 1e3:.0f} × {image.beam_minor_arcsec * 1e3:.0f} mas"
    if image.beam_major_arcsec >= 1:
        beam = f"{image.beam_major_arcsec:.1f} × {image.beam_minor_arcsec:.1f} arcsec"
    peak = f"peak {flux_density(image.peak_jy_beam)}/beam, noise {noise(image)}"
    return (
        f"{_role(outcome, image.field)} {one_line(image.field)}",
        f"{peak} (peak over noise {image.dynamic_range:.0f}), beam {beam}",
    )


def model_rows(outcome: Outcome) -> Rows:
    """Return the flux calibrators' models: the range over the band."""
    rows = []
    for field in dict.fromkeys(model.field for model in outcome.models):
        values = [model.flux_density_jy for model in outcome.models if model.field == field]
        ends = f"{number(min(values))}" if len(values) == 1 else f"{number(min(values))} to {number(max(values))}"
        rows.append((one_line(field), f"{ends} Jy over the band (its model, given)"))
    return tuple(rows)


def trust_rows(outcome: Outcome) -> Rows:
    """Return what says how far the data can be trusted: checks, losses, flags, the calibrated phase reference."""
    verdicts: list[str] = [check.verdict for report in outcome.gates for check in report.checks]
    counts = [f"{verdicts.count('passed')} passed"]
    counts += [f"{verdicts.count(name)} {words}" for name, words in (("warned", "warned"), ("stopped", "stopped"))]
    lost = dict.fromkeys(name for report in outcome.gates for name in report.lost_antennas)
    rows = [("Checks", ", ".join(counts))] if verdicts else []
    rows.append(("Antennas lost", one_line(", ".join(lost)) or "none"))
    flagged = [(name, outcome.flagged[name].after) for name in targets_of(outcome) if name in outcome.flagged]
    rows += [(f"Target {one_line(name)}, flagged", f"{fraction:.1%}") for name, fraction in flagged]
    rows += [
        (f"{_role(outcome, entry.field)} {one_line(entry.field)}, calibrated", _corrected(entry))
        for entry in outcome.corrected
        if _role(outcome, entry.field) == role_title("phase reference")
    ]
    return tuple(rows)


def _corrected(entry: Corrected) -> str:
    return f"phase rms {number(entry.phase_rms_deg)}°, amplitude {entry.amplitude_over_model:.3f} of its model's"
