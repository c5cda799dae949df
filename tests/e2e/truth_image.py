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
