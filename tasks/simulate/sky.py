"""The five sources: spectra, structure and polarisation, and what an interferometer measures of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from schemas.standards import COMPONENTS_3C286, flux_density_jy
from tasks.simulate.observatory import SPEED_OF_LIGHT_M_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

REFERENCE_FREQUENCY_HZ = 5069980155.629359
"""Frequency of the sources' flux densities [Hz]: the one fluxscale printed in the guide."""

FLUX_STANDARD = "Perley-Butler 2013"
"""The standard 3C286 is simulated on: the guide's."""

_ARCSEC = np.pi / 180.0 / 3600.0


@dataclass(frozen=True)
class Component:
    """A circular Gaussian (or a point, of width 0) in a source.

    Attributes
    ----------
    fraction : float
        Of the source's total flux density.
    east_arcsec, north_arcsec : float
        Offset from the phase centre [arcsec].
    fwhm_arcsec : float
        Full width at half maximum [arcsec].
    """

    fraction: float
    east_arcsec: float = 0.0
    north_arcsec: float = 0.0
    fwhm_arcsec: float = 0.0


@dataclass(frozen=True)
class Source:
    """One source.

    Attributes
    ----------
    flux_density_jy : float
        Total Stokes I at `REFERENCE_FREQUENCY_HZ` [Jy]; for a standard source, of the standard.
    spectral_index : float
        alpha in S ~ nu^alpha; for a standard source the standard's curve holds instead.
    components : tuple[Component, ...]
        Fractions add up to 1.
    standard : str
        3C name when the spectrum is a flux-density standard's, else empty.
    scale : float
        What reaches the data, as a fraction [dimensionless].
    polarised_fraction, polarisation_angle_deg : float
        Linear polarisation [fraction; deg].
    swing : float
        Relative change of the flux density over its scans, from -swing/2 to +swing/2 [dimensionless].
    """

    flux_density_jy: float
    spectral_index: float
    components: tuple[Component, ...] = (Component(1.0),)
    standard: str = ""
    scale: float = 1.0
    polarised_fraction: float = 0.0
    polarisation_angle_deg: float = 0.0
    swing: float = 0.0

    def spectrum_jy(self, frequency_hz: NDArray[np.float64]) -> NDArray[np.float64]:
        """Total flux density that reaches the data, shaped like `frequency_hz` [Jy]."""
        if self.standard:
            return self.scale * flux_density_jy(self.standard, frequency_hz, FLUX_STANDARD)
        ratio = frequency_hz / REFERENCE_FREQUENCY_HZ
        return np.asarray(self.scale * self.flux_density_jy * ratio**self.spectral_index)

    def linear_polarisation(self) -> complex:
        """(Q + iU)/I."""
        return complex(self.polarised_fraction * np.exp(2j * np.radians(self.polarisation_angle_deg)))


def visibility_jy(source: Source, uvw: NDArray[np.float64], frequency_hz: NDArray[np.float64]) -> NDArray[np.complex64]:
    """Stokes I visibility by direct Fourier sum, shape (n_time, n_spw, n_baseline, n_channel) [Jy].

    V(u, v, w) = sum S exp(2 pi i [u l + v m + w (n - 1)]) in CASA's sign (its ``ft`` gives the same phases), for
    baselines ANTENNA1 - ANTENNA2 and l, m the direction cosines east and north (Thompson, Moran & Swenson 2017,
    eq. 3.7); a Gaussian of width w multiplies by exp(-(pi w b)^2 / (4 ln 2)).

    Parameters
    ----------
    source
        What is seen.
    uvw
        Baselines, shape (n_time, n_baseline, 3) [m].
    frequency_hz
        Channel centres, evenly spaced, shape (n_spw, n_channel) [Hz].
    """
    shape = (uvw.shape[0], frequency_hz.shape[0], uvw.shape[1], frequency_hz.shape[1])
    total = np.zeros(shape, dtype=np.complex64)
    spectrum = source.spectrum_jy(frequency_hz)[None, :, None, :]
    waves = frequency_hz / SPEED_OF_LIGHT_M_S
    for component in source.components:
        if component.east_arcsec == component.north_arcsec == component.fwhm_arcsec == 0.0:
            total += np.float32(component.fraction)
            continue
        total += component.fraction * _fringe(component, uvw, waves) * _taper(component, uvw, waves)
    total *= spectrum.astype(np.float32)
    return total


def _fringe(component: Component, uvw: NDArray[np.float64], waves: NDArray[np.float64]) -> NDArray[np.complex64]:
    """Phase factor of a component's offset; channels follow by multiplication, which saves the exponentials."""
    east, north = component.east_arcsec * _ARCSEC, component.north_arcsec * _ARCSEC
    toward = np.array([east, north, np.sqrt(1.0 - east**2 - north**2) - 1.0])
    path = (uvw @ toward)[:, None, :, None]
    first = np.exp(2j * np.pi * path * waves[None, :, None, :1])
    step = np.exp(2j * np.pi * path * (waves[:, 1] - waves[:, 0])[None, :, None, None])
    powers = np.concatenate([first, np.broadcast_to(step, (*first.shape[:-1], waves.shape[1] - 1))], axis=-1)
    return np.asarray(np.multiply.accumulate(powers, axis=-1), dtype=np.complex64)


def _taper(component: Component, uvw: NDArray[np.float64], waves: NDArray[np.float64]) -> NDArray[np.float32]:
    if component.fwhm_arcsec == 0.0:
        return np.ones((1, 1, 1, 1), dtype=np.float32)
    squared = (uvw[..., 0] ** 2 + uvw[..., 1] ** 2)[:, None, :, None] * (waves**2)[None, :, None, :]
    width = component.fwhm_arcsec * _ARCSEC
    return np.asarray(
        np.exp((-((np.pi * width) ** 2) / (4.0 * np.log(2.0)) * squared).astype(np.float32)), dtype=np.float32
    )


def _resolved_3c286() -> tuple[Component, ...]:
    total = sum(part.flux_density_jy for part in COMPONENTS_3C286)
    return tuple(Component(p.flux_density_jy / total, p.east_arcsec, p.north_arcsec) for p in COMPONENTS_3C286)


# 3C277.1 is a compact steep-spectrum double of some 3 arcsec; the shares are ours, made to give the guide's picture:
# a core that peaks near 0.14 Jy/beam, knotty jets, and two lobes that only the short baselines see.
_TARGET = (
    Component(0.200, 0.0, 0.0, 0.0),
    Component(0.050, 0.060, -0.050, 0.030),
    Component(0.060, 0.280, -0.250, 0.080),
    Component(0.050, -0.350, 0.300, 0.100),
    Component(0.100, 0.620, -0.520, 0.120),
    Component(0.090, -0.850, 0.720, 0.120),
    Component(0.230, 0.700, -0.600, 0.500),
    Component(0.220, -0.950, 0.850, 0.600),
)


def _standard_slope(name: str) -> float:
    """Local spectral index of a standard at the reference frequency, for the truth; the data have its whole curve."""
    around = REFERENCE_FREQUENCY_HZ * np.array([0.999, 1.001])
    low, high = np.log(flux_density_jy(name, around, FLUX_STANDARD))
    return float((high - low) / np.log(1.001 / 0.999))


SOURCES = (
    # Flux densities of the guide (after its factor of 0.938); spectral indices as the executed copy fitted them.
    Source(0.4043422839021926, -0.320294),
    Source(0.7, -0.8, _TARGET),
    # 11 % at 33 degrees: Perley & Butler 2013, ApJS 206, 16.
    Source(
        float(flux_density_jy("3C286", REFERENCE_FREQUENCY_HZ, FLUX_STANDARD)),
        _standard_slope("3C286"),
        _resolved_3c286(),
        standard="3C286",
        polarised_fraction=0.11,
        polarisation_angle_deg=33.0,
    ),
    Source(1.9012873926908314, -0.960845),
    Source(22.931908094424525, 0.40725),
)
"""The clean sources, by field ID."""


def clean_sources(resolved_out: float) -> tuple[Source, ...]:
    """Return the sources by field ID, with the fraction of 3C286 that e-MERLIN's baselines keep."""
    return tuple(replace(source, scale=resolved_out) if source.standard else source for source in SOURCES)
