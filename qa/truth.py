"""Compares what calibration recovered with what the simulator put in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from schemas.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from schemas.outcome import AntennaDelay, FieldFlux
    from schemas.simulation import SimulationTruth


class Recovered(Record):
    """One quantity, injected and recovered."""

    quantity: str
    """What, with its unit."""
    injected: float
    """The truth."""
    recovered: float
    """What calibration gave."""

    @property
    def difference(self) -> float:
        """Recovered less injected."""
        return self.recovered - self.injected


def compare(
    fluxes: Mapping[str, FieldFlux], delays: Sequence[AntennaDelay], truth: SimulationTruth
) -> tuple[Recovered, ...]:
    """Return flux densities, spectral indices and delays, injected and recovered.

    Flux densities are compared at the frequency of the fit. Delays are medians over the calibrators, relative to the
    reference antenna; per antenna, the spw and hand with the largest difference is shown.

    Parameters
    ----------
    fluxes, delays
        Of the outcome.
    truth
        What the simulator put in.
    """
    return (*_fluxes(fluxes, truth), *_delays(delays, truth))


def _fluxes(fluxes: Mapping[str, FieldFlux], truth: SimulationTruth) -> list[Recovered]:
    found = []
    for field in truth.fields:
        flux = fluxes.get(field.name)
        if flux is None:
            continue
        ratio = flux.reference_hz / field.reference_frequency_hz
        injected = field.flux_density_jy * ratio**field.spectral_index
        found.append(
            Recovered(quantity=f"{field.name} flux density [Jy]", injected=injected, recovered=flux.flux_density_jy)
        )
        if flux.spectral_index is not None:
            found.append(
                Recovered(
                    quantity=f"{field.name} spectral index",
                    injected=field.spectral_index,
                    recovered=flux.spectral_index,
                )
            )
    return found


def _delays(delays: Sequence[AntennaDelay], truth: SimulationTruth) -> list[Recovered]:
    injected = {(gain.antenna, gain.spw, gain.polarisation): gain.relative_delay_ns for gain in truth.gains}
    pairs: dict[str, list[tuple[float, float, str]]] = {}
    for delay in delays:
        known = injected.get((delay.antenna, delay.spw, delay.polarisation))
        if known is not None and delay.median_ns is not None:
            pairs.setdefault(delay.antenna, []).append(
                (known, delay.median_ns, f"spw {delay.spw} {delay.polarisation}")
            )
    found = []
    for antenna, entries in pairs.items():
        known, got, where = entries[int(np.argmax([abs(got - known) for known, got, _ in entries]))]
        found.append(Recovered(quantity=f"{antenna} delay, {where} (worst) [ns]", injected=known, recovered=got))
    return found
