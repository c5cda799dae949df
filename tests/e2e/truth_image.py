"""The sky that was put in, without noise or calibration, in the place of calibrated data; runs inside a CASA child."""

from __future__ import annotations

import shutil

import numpy as np

from tasks.simulate.sky import SOURCES, visibility_jy


def write_truth(vis: str, copy: str, field: int) -> None:
    """Copy a calibrated, split MeasurementSet, and put the noiseless visibilities of a simulated field into its DATA.

    The cross hands become zero. Rows, flags and weights stay, so that imaging both alike gives both the same beam.
    """
    from casatools import table  # noqa: TID251

    shutil.copytree(vis, copy)
    tool = table()
    tool.open(f"{copy}/SPECTRAL_WINDOW")
    frequency_hz = tool.getcol("CHAN_FREQ").T
    tool.close()
    tool.open(copy, nomodify=False)
    for window in range(len(frequency_hz)):
        rows = tool.query(f"DATA_DESC_ID=={window}")
        data = np.zeros_like(rows.getcol("DATA"))
        # Axes there: time, spectral window, baseline, channel; each row is taken for one time with one baseline.
        seen = visibility_jy(SOURCES[field], rows.getcol("UVW").T[:, None], frequency_hz[window : window + 1])
        data[[0, -1]] = seen[:, 0, 0].T
        rows.putcol("DATA", data)
        rows.close()
    tool.close()


def convolved_centre_jy_beam(field: int, major_arcsec: float, minor_arcsec: float, angle_deg: float) -> float:
    """Return a simulated field's brightness at the phase centre, convolved with a restoring beam [Jy/beam].

    Gaussians convolve by adding their covariances; a component of flux density S gives S sqrt(|B| / |B + C|) times
    exp(-d (B + C)^-1 d / 2) at distance d, for covariances B of the beam and C of the component.
    """
    turn = np.radians(angle_deg)
    along, across = np.array([np.sin(turn), np.cos(turn)]), np.array([np.cos(turn), -np.sin(turn)])
    to_variance = 1.0 / (8.0 * np.log(2.0))
    beam = to_variance * (major_arcsec**2 * np.outer(along, along) + minor_arcsec**2 * np.outer(across, across))
    total = 0.0
    for part in SOURCES[field].components:
        spread = beam + to_variance * part.fwhm_arcsec**2 * np.eye(2)
        offset = np.array([part.east_arcsec, part.north_arcsec])
        fall = np.exp(-0.5 * offset @ np.linalg.inv(spread) @ offset)
        total += part.fraction * float(fall * np.sqrt(np.linalg.det(beam) / np.linalg.det(spread)))
    return SOURCES[field].flux_density_jy * total
