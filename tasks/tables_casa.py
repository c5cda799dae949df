"""Reads solution tables and visibilities as plain arrays; these functions run inside a CASA child.

Each returns columns by name, all of one length, as `schemas.solutions` describes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.inspection_casa import column, opened, read_layout

if TYPE_CHECKING:
    from collections.abc import Iterator

Columns = dict[str, NDArray[Any]]
"""Columns of one table, shapes ``(n_row,)``."""

CHUNK_ROWS = 20_000
"""Rows read at once: at 64 channels and 4 correlations, 80 MB of complex visibilities."""


def hands(vis: str) -> tuple[str, ...]:
    """Return the receptors' names in order, e.g. ``("R", "L")``."""
    parallel = [name for name in correlations(vis) if name[0] == name[1]]
    return tuple(name[0] for name in parallel)


def correlations(vis: str) -> tuple[str, ...]:
    """Return the correlations, e.g. ``("RR", "RL", "LR", "LL")``; preflight has refused spws that are not alike."""
    return read_layout(vis).correlations_of[0]


def read_gains(caltable: str, vis: str) -> Columns:
    """Read a G table: one row per time, antenna, spw and hand (`schemas.solutions.GAIN_COLUMNS`)."""
    with opened(caltable) as table:
        gains = table.getcol("CPARAM")[:, 0, :]
        return _solution_places(table, caltable, vis) | {
            "amplitude": np.abs(gains).T.ravel(),
            "phase_deg": np.degrees(np.angle(gains)).T.ravel(),
            "snr": table.getcol("SNR")[:, 0, :].T.ravel().astype(float),
            "flagged": table.getcol("FLAG")[:, 0, :].T.ravel(),
        }


def read_delays(caltable: str, vis: str) -> Columns:
    """Read a K table: one row per time, antenna, spw and hand (`schemas.solutions.DELAY_COLUMNS`)."""
    with opened(caltable) as table:
        return _solution_places(table, caltable, vis) | {
            "delay_ns": table.getcol("FPARAM")[:, 0, :].T.ravel().astype(float),
            "flagged": table.getcol("FLAG")[:, 0, :].T.ravel(),
        }


def _solution_places(table: Any, caltable: str, vis: str) -> Columns:  # noqa: ANN401 - casatools carries no types
    names = np.asarray(hands(vis))
    fields = column(f"{caltable}/FIELD", "NAME")
    antennas = column(f"{caltable}/ANTENNA", "NAME")
    repeat = len(names)
    return {
        "time_s": np.repeat(table.getcol("TIME"), repeat),
        "scan": np.repeat(table.getcol("SCAN_NUMBER"), repeat),
        "field": np.repeat(fields[table.getcol("FIELD_ID")], repeat),
        "spw": np.repeat(table.getcol("SPECTRAL_WINDOW_ID"), repeat),
        "antenna": np.repeat(antennas[table.getcol("ANTENNA1")], repeat),
        "polarisation": np.tile(names, table.nrows()),
    }


def read_bandpass(caltable: str, vis: str, solved_on: list[str]) -> Columns:
    """Read a B table: one row per antenna, spw, channel and hand (`schemas.solutions.BANDPASS_COLUMNS`).

    Parameters
    ----------
    caltable, vis
        The table, and the MeasurementSet it was solved on.
    solved_on
        Fields it was solved on; ``has_data`` says where these have unflagged visibilities.
    """
    names = np.asarray(hands(vis))
    has_data = unflagged_channels(vis, solved_on)
    frequencies = column(f"{caltable}/SPECTRAL_WINDOW", "CHAN_FREQ")
    fields = column(f"{caltable}/FIELD", "NAME")
    antennas = column(f"{caltable}/ANTENNA", "NAME")
    with opened(caltable) as table:
        gains, flags = table.getcol("CPARAM"), table.getcol("FLAG")
        antenna, spw = table.getcol("ANTENNA1"), table.getcol("SPECTRAL_WINDOW_ID")
        time, field = table.getcol("TIME"), table.getcol("FIELD_ID")
    n_hand, n_channel, n_row = gains.shape
    row, channel, hand = (index.ravel() for index in np.indices((n_row, n_channel, n_hand)))
    return {
        "time_s": time[row],
        "field": fields[field[row]],
        "spw": spw[row],
        "channel": channel,
        "frequency_hz": frequencies[channel, spw[row]],
        "antenna": antennas[antenna[row]],
        "polarisation": names[hand],
        "amplitude": np.abs(gains[hand, channel, row]),
        "phase_deg": np.degrees(np.angle(gains[hand, channel, row])),
        "flagged": flags[hand, channel, row],
        "has_data": has_data[antenna[row], spw[row], channel, hand],
    }


def unflagged_channels(vis: str, fields: list[str]) -> NDArray[np.bool_]:
    """Return where an antenna has an unflagged cross-correlation, shape ``(n_antenna, n_spw, n_channel, n_hand)``."""
    n_antenna = len(column(f"{vis}/ANTENNA", "NAME"))
    n_channel = int(column(f"{vis}/SPECTRAL_WINDOW", "NUM_CHAN")[0])
    n_spw = len(column(f"{vis}/SPECTRAL_WINDOW", "NUM_CHAN"))
    parallel = parallel_indices(vis)
    found = np.zeros((n_antenna, n_spw, n_channel, len(parallel)), dtype=bool)
    for chunk in cross_correlations(vis, fields, ("FLAG",)):
        good = ~chunk["FLAG"][parallel] & ~chunk["FLAG_ROW"]
        for end in ("ANTENNA1", "ANTENNA2"):
            for antenna in np.unique(chunk[end]):
                for spw in np.unique(chunk["SPW"]):
                    rows = (chunk[end] == antenna) & (chunk["SPW"] == spw)
                    found[antenna, spw] |= good[:, :, rows].any(axis=2).T
    return found


def parallel_indices(vis: str) -> list[int]:
    """Return the indices of the parallel hands on the correlation axis."""
    return [index for index, name in enumerate(correlations(vis)) if name[0] == name[1]]


def cross_correlations(vis: str, fields: list[str], columns: tuple[str, ...]) -> Iterator[Columns]:
    """Yield the cross-correlations of `fields` in chunks, with FIELD_ID, SCAN_NUMBER, SPW, antennas and FLAG_ROW.

    Parameters
    ----------
    vis
        MeasurementSet.
    fields
        Field names.
    columns
        Further main-table columns; visibility columns come as ``(n_correlation, n_channel, n_row)``.
    """
    names = list(column(f"{vis}/FIELD", "NAME"))
    wanted = [names.index(field) for field in fields]
    spw_of = column(f"{vis}/DATA_DESCRIPTION", "SPECTRAL_WINDOW_ID")
    with opened(vis) as table:
        keys = {name: table.getcol(name) for name in ("FIELD_ID", "ANTENNA1", "ANTENNA2")}
        rows = np.flatnonzero(np.isin(keys["FIELD_ID"], wanted) & (keys["ANTENNA1"] != keys["ANTENNA2"]))
        for start in range(0, len(rows), CHUNK_ROWS):
            part = table.selectrows(rows[start : start + CHUNK_ROWS].tolist())
            chunk = {
                name: part.getcol(name)
                for name in ("FIELD_ID", "SCAN_NUMBER", "ANTENNA1", "ANTENNA2", "FLAG_ROW", *columns)
            }
            chunk["SPW"] = spw_of[part.getcol("DATA_DESC_ID")]
            part.close()
            yield chunk


def read_model(vis: str, fields: list[str]) -> Columns:
    """Read MODEL_DATA by baseline (`schemas.solutions.MODEL_COLUMNS`).

    Only where the data are unflagged: setjy leaves zeros in rows that are flagged whole.
    """
    parallel = parallel_indices(vis)
    frequencies = column(f"{vis}/SPECTRAL_WINDOW", "CHAN_FREQ")
    amplitudes: dict[tuple[int, int, int, int], list[NDArray[Any]]] = {}
    uv_max: dict[tuple[int, int, int, int], float] = {}
    for chunk in cross_correlations(vis, fields, ("MODEL_DATA", "FLAG", "UVW")):
        good = ~chunk["FLAG"][parallel] & ~chunk["FLAG_ROW"]
        amplitude = np.abs(chunk["MODEL_DATA"][parallel])
        uv = np.hypot(chunk["UVW"][0], chunk["UVW"][1])
        for place, rows in _groups(chunk, ("FIELD_ID", "ANTENNA1", "ANTENNA2", "SPW")):
            if not good[:, :, rows].any():
                continue
            amplitudes.setdefault(place, []).append(amplitude[:, :, rows][good[:, :, rows]])
            wavelengths = float(uv[rows].max() * frequencies[:, place[3]].max() / 299_792_458.0)
            uv_max[place] = max(uv_max.get(place, 0.0), wavelengths)
    values = [np.concatenate(amplitudes[place]) for place in amplitudes]
    total = max((float(value.max(initial=0.0)) for value in values), default=0.0)
    places = np.asarray(list(amplitudes), dtype=int).reshape(-1, 4)
    return {
        **_baseline_names(vis, places[:, 0], places[:, 1], places[:, 2]),
        "spw": places[:, 3],
        "amplitude_jy": np.asarray([np.median(value) for value in values]),
        # Zero means none of the source's flux: 1e-6 of the brightest is far below what a model leaves anywhere.
        "zero_fraction": np.asarray([float(np.mean(value <= 1e-6 * total)) for value in values]),
        "uv_max_wavelengths": np.asarray([uv_max[place] for place in amplitudes]),
    }


def read_corrected(vis: str, fields: list[str]) -> Columns:
    """Average CORRECTED_DATA per field, scan, spw, baseline and hand (`schemas.solutions.VISIBILITY_COLUMNS`)."""
    names = np.asarray(hands(vis))
    parallel = parallel_indices(vis)
    frequencies = column(f"{vis}/SPECTRAL_WINDOW", "CHAN_FREQ").mean(axis=0)
    sums: dict[tuple[int, ...], NDArray[Any]] = {}
    for chunk in cross_correlations(vis, fields, ("CORRECTED_DATA", "MODEL_DATA", "FLAG", "UVW")):
        good = ~chunk["FLAG"][parallel] & ~chunk["FLAG_ROW"]
        model = np.where(good, chunk["MODEL_DATA"][parallel], 0)
        # Turned by the model's phase, a resolved source's visibilities add up as a point source's do.
        turn = np.exp(-1j * np.angle(model))
        data = np.where(good, chunk["CORRECTED_DATA"][parallel] * turn, 0)
        uv = np.hypot(chunk["UVW"][0], chunk["UVW"][1])
        for place, rows in _groups(chunk, ("FIELD_ID", "SCAN_NUMBER", "SPW", "ANTENNA1", "ANTENNA2")):
            part = np.stack(
                [
                    data[:, :, rows].sum(axis=(1, 2)),
                    np.abs(model[:, :, rows]).sum(axis=(1, 2)),
                    good[:, :, rows].sum(axis=(1, 2)),
                    np.full(len(parallel), uv[rows].sum()),
                    np.full(len(parallel), len(rows)),
                ]
            )
            sums[place] = sums.get(place, 0) + part
    places = np.asarray(list(sums), dtype=int).reshape(-1, 5)
    totals = np.asarray(list(sums.values())).reshape(len(places), 5, len(parallel))
    weight = totals[:, 2].real
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = totals[:, 0] / weight
        model_mean = totals[:, 1].real / weight
        uv_mean = totals[:, 3].real / totals[:, 4].real * frequencies[places[:, 2]][:, None] / 299_792_458.0
    repeat = len(parallel)
    return {
        **{
            key: np.repeat(value, repeat)
            for key, value in _baseline_names(vis, places[:, 0], places[:, 3], places[:, 4]).items()
        },
        "scan": np.repeat(places[:, 1], repeat),
        "spw": np.repeat(places[:, 2], repeat),
        "polarisation": np.tile(names, len(places)),
        "uv_wavelengths": uv_mean.ravel(),
        "amplitude": np.abs(mean).ravel(),
        "phase_deg": np.degrees(np.angle(mean)).ravel(),
        "model_amplitude": model_mean.ravel(),
        "weight": weight.ravel(),
    }


def band_response(vis: str, fields: list[str], visibilities: str) -> Columns:
    """Return phase slope and amplitude spread over the channels, per field, scan, spw, baseline and hand.

    The slope is the angle of the sum over time of each channel times its lower neighbour's conjugate, so that the
    atmosphere's changes in time cancel; times the number of steps it is the phase across the spw [deg]. The spread is
    the standard deviation over channels of the time-summed product with the band's mean, of its mean [fraction].
    """
    parallel = parallel_indices(vis)
    steps: dict[tuple[int, ...], Any] = {}
    levels: dict[tuple[int, ...], Any] = {}
    for chunk in cross_correlations(vis, fields, (visibilities, "FLAG")):
        good = ~chunk["FLAG"][parallel] & ~chunk["FLAG_ROW"]
        data = np.where(good, chunk[visibilities][parallel], 0)
        count = np.maximum(good.sum(axis=1), 1)
        level = data * np.conj(data.sum(axis=1) / count)[:, None, :]
        for place, rows in _groups(chunk, ("FIELD_ID", "SCAN_NUMBER", "SPW", "ANTENNA1", "ANTENNA2")):
            step = (data[:, 1:, rows] * np.conj(data[:, :-1, rows])).sum(axis=(1, 2))
            steps[place] = steps.get(place, 0) + step
            levels[place] = levels.get(place, 0) + np.stack(
                [level[:, :, rows].sum(axis=2), good[:, :, rows].sum(axis=2)]
            )
    places = np.asarray(list(steps), dtype=int).reshape(-1, 5)
    names = column(f"{vis}/FIELD", "NAME")
    slopes, spreads = [], []
    for place in steps:
        total, number = levels[place]
        n_channel = total.shape[1]
        measured = number.real > 0
        slopes.append(np.where(np.abs(steps[place]) > 0, np.degrees(np.angle(steps[place])) * (n_channel - 1), np.nan))
        spreads.append([_spread(np.abs(t[m] / n[m].real)) for t, m, n in zip(total, measured, number, strict=True)])
    repeat = len(parallel)
    return {
        "field": np.repeat(names[places[:, 0]], repeat),
        "spw": np.repeat(places[:, 2], repeat),
        "slope_deg": np.abs(np.asarray(slopes)).ravel(),
        "spread": np.asarray(spreads, dtype=float).ravel(),
    }


def _spread(values: NDArray[Any]) -> float:
    mean = values.mean() if len(values) else 0.0
    return float(values.std() / mean) if mean > 0 else float("nan")


def _groups(chunk: Columns, by: tuple[str, ...]) -> Iterator[tuple[Any, NDArray[np.int_]]]:
    keys = np.stack([chunk[name] for name in by], axis=1)
    places, which = np.unique(keys, axis=0, return_inverse=True)
    order = np.argsort(which.ravel(), kind="stable")
    for place, rows in zip(places, np.split(order, np.cumsum(np.bincount(which.ravel()))[:-1]), strict=True):
        yield tuple(int(part) for part in place), rows


def _baseline_names(vis: str, field: NDArray[Any], first: NDArray[Any], second: NDArray[Any]) -> Columns:
    antennas = column(f"{vis}/ANTENNA", "NAME")
    names = column(f"{vis}/FIELD", "NAME")
    baselines = [f"{antennas[a]}&{antennas[b]}" for a, b in zip(first, second, strict=True)]
    return {"field": names[field], "antenna": np.asarray(baselines, dtype=object)}
