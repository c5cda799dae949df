"""Write a scene as a MeasurementSet: the skeleton by CASA's simulator tool, the visibilities in chunks.

Runs inside a CASA child only; casatools is imported where it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.simulate.observatory import ANTENNAS, BASELINES, FIELDS, SPW_LOW_EDGE_HZ
from tasks.simulate.schedule import ROWS_PER_INTEGRATION, utc_text
from tasks.simulate.visibilities import Chunk, chunks

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tasks.simulate.scene import Scene

TELESCOPE = "e-MERLIN"
"""Name in OBSERVATION; CASA's Observatories table knows it."""

_SCRATCH_COLUMNS = ("MODEL_DATA", "CORRECTED_DATA")


def write_measurement_set(scene: Scene, path: Path) -> None:
    """Write the whole observation: DATA, FLAG (all False), WEIGHT and SIGMA; no scratch columns.

    Parameters
    ----------
    scene
        What is simulated.
    path
        A MeasurementSet that does not exist yet.
    """
    import casatools

    _write_skeleton(casatools, scene, path)
    _complete_subtables(casatools.table(), scene, path)
    table = casatools.table()
    table.open(str(path), nomodify=False)
    try:
        _write_rows(table, scene)
    finally:
        table.close()


def _write_skeleton(casatools: Any, scene: Scene, path: Path) -> None:  # noqa: ANN401 - CASA has no types
    """Let CASA's simulator make the tables and one integration per spectral window."""
    simulator, measures = casatools.simulator(), casatools.measures()
    simulator.open(str(path))
    x, y, z = np.array([antenna.itrf_m for antenna in ANTENNAS]).T
    simulator.setconfig(
        telescopename=TELESCOPE,
        x=x.tolist(),
        y=y.tolist(),
        z=z.tolist(),
        dishdiameter=[antenna.diameter_m for antenna in ANTENNAS],
        mount=["alt-az"],
        antname=[antenna.name for antenna in ANTENNAS],
        coordsystem="global",
        referencelocation=measures.observatory(TELESCOPE),
    )
    _set_spectral_windows(simulator, scene)
    simulator.setfeed(mode="perfect R L", pol=[""])
    for name, field in zip(scene.field_names, FIELDS, strict=True):
        simulator.setfield(sourcename=name, sourcedirection=["J2000", f"{field.ra_rad!r}rad", f"{field.dec_rad!r}rad"])
    # Nothing of the skeleton's own data is kept, so no limit may suppress it.
    simulator.setlimits(shadowlimit=1.0, elevationlimit="-90deg")
    simulator.setauto(autocorrwt=0.0)
    first = scene.scans[0]
    day = scene.preset.night.strftime("%Y/%m/%d")
    simulator.settimes(integrationtime="1s", usehourangle=False, referencetime=measures.epoch("UTC", day))
    for spw in range(len(SPW_LOW_EDGE_HZ)):
        simulator.observe(scene.field_names[first.field], f"spw{spw}", starttime="67000s", stoptime="67001s")
    simulator.close()


def _set_spectral_windows(simulator: Any, scene: Scene) -> None:  # noqa: ANN401
    width = scene.channel_width_hz
    for spw, edge in enumerate(SPW_LOW_EDGE_HZ):
        simulator.setspwindow(
            spwname=f"spw{spw}",
            freq=f"{edge + width / 2.0}Hz",
            deltafreq=f"{width}Hz",
            freqresolution=f"{width}Hz",
            nchannels=scene.preset.n_channels,
            refcode="TOPO",
            stokes="RR RL LR LL",
        )


def _complete_subtables(table: Any, scene: Scene, path: Path) -> None:  # noqa: ANN401
    """One OBSERVATION row per source, one POLARIZATION row in all, no POINTING and no STATE (e-MERLIN has none)."""
    for name in ("POINTING", "STATE"):
        table.open(str(path / name), nomodify=False)
        table.removerows(list(range(table.nrows())))
        table.close()
    table.open(str(path / "DATA_DESCRIPTION"), nomodify=False)
    table.putcol("POLARIZATION_ID", np.zeros(table.nrows(), dtype=np.int32))
    table.close()
    table.open(str(path / "POLARIZATION"), nomodify=False)
    table.removerows(list(range(1, table.nrows())))
    table.close()
    _write_observations(table, scene, path)


def _write_observations(table: Any, scene: Scene, path: Path) -> None:  # noqa: ANN401
    count = 1 + max(scan.observation_id for scan in scene.preset.scans)
    ranges = np.zeros((2, count))
    for index in range(count):
        own = [scan for scan in scene.preset.scans if scan.observation_id == index]
        ranges[:, index] = min(scan.start_s for scan in own), max(scan.stop_s for scan in own)
    table.open(str(path / "OBSERVATION"), nomodify=False)
    table.addrows(count - table.nrows())
    table.putcol("TIME_RANGE", ranges)
    table.putcol("TELESCOPE_NAME", np.array([TELESCOPE] * count))
    table.putcol("OBSERVER", np.array(["gatecal simulate"] * count))
    project = f"{scene.preset.name} seed {scene.seed}"
    table.putcol("PROJECT", np.array([project] * count))
    table.putcol("RELEASE_DATE", np.full(count, scene.start_s))
    table.close()


def _write_rows(table: Any, scene: Scene) -> None:  # noqa: ANN401
    scratch = [column for column in _SCRATCH_COLUMNS if column in table.colnames()]
    if scratch:
        table.removecols(scratch)
    total = ROWS_PER_INTEGRATION * sum(scan.n_integrations for scan in scene.scans)
    table.addrows(total - table.nrows())
    first = 0
    for scan in scene.scans:
        for chunk in chunks(scene, scan):
            rows = chunk.time_s.size * ROWS_PER_INTEGRATION
            for column, values in _columns(chunk).items():
                table.putcol(column, values, first, rows)
            first += rows
    table.putinfo(
        {"type": "Measurement Set", "subType": "simulator", "readme": f"gatecal, from {utc_text(scene.start_s)}"}
    )


def _columns(chunk: Chunk) -> dict[str, NDArray[Any]]:
    """Every column of a chunk's rows, in CASA's axis order (the row last); rows run by time, spw and baseline."""
    n_time, n_spw, n_baseline, n_channel, n_correlation = chunk.data.shape
    rows = n_time * n_spw * n_baseline
    sigma = chunk.sigma.reshape(rows, n_correlation).T
    first, second = np.array(BASELINES).T
    uvw = np.broadcast_to(chunk.uvw[:, None], (n_time, n_spw, n_baseline, 3)).reshape(rows, 3).T
    time = np.repeat(chunk.time_s, n_spw * n_baseline)
    width = np.repeat(chunk.width_s, n_spw * n_baseline)
    columns: dict[str, NDArray[Any]] = {
        "TIME": time,
        "TIME_CENTROID": time,
        "INTERVAL": width,
        "EXPOSURE": width,
        "UVW": uvw,
        "ANTENNA1": np.tile(first, n_time * n_spw),
        "ANTENNA2": np.tile(second, n_time * n_spw),
        "DATA_DESC_ID": np.tile(np.repeat(np.arange(n_spw), n_baseline), n_time),
        "DATA": chunk.data.reshape(rows, n_channel, n_correlation).T,
        "FLAG": np.zeros((n_correlation, n_channel, rows), dtype=bool, order="F"),
        "FLAG_ROW": np.zeros(rows, dtype=bool),
        "SIGMA": sigma,
        "WEIGHT": 1.0 / sigma**2,
    }
    for name, value in _constants(chunk).items():
        columns[name] = np.full(rows, value, dtype=np.int32)
    return columns


def _constants(chunk: Chunk) -> dict[str, int]:
    return {
        "ARRAY_ID": 0,
        "FEED1": 0,
        "FEED2": 0,
        "FIELD_ID": chunk.scan.field,
        "OBSERVATION_ID": chunk.scan.observation_id,
        "PROCESSOR_ID": -1,
        "SCAN_NUMBER": chunk.scan.number,
        "STATE_ID": -1,
    }
