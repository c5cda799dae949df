"""The summary of a MeasurementSet, made inside a CASA child from its subtables and one pass over its rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from schemas.errors import DataUnusable
from schemas.inspection import AntennaSummary, FieldSummary, MsSummary, ScanSummary, SpwSummary
from tasks.inspection_casa import (
    VISIBILITY_COLUMNS,
    Layout,
    RowSelection,
    column,
    opened,
    read_layout,
    read_selection,
    row_chunks,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass
class _Scan:
    start_s: float
    stop_s: float
    interval_s: float
    rows: int = 0
    flagged: float = 0.0
    total: float = 0.0
    states: set[int] = field(default_factory=set)


@dataclass
class _Census:
    """What one pass over the rows adds up."""

    rows: int = 0
    autocorrelations: int = 0
    descriptions: set[int] = field(default_factory=set)
    scans: dict[tuple[int, int, int], _Scan] = field(default_factory=dict)
    """By (observation id, scan number, field id)."""
    flagged_by_field: dict[int, NDArray[np.float64]] = field(default_factory=dict)
    """(flagged, total) visibilities of cross-correlations."""
    flagged_by_antenna: dict[int, NDArray[np.float64]] = field(default_factory=dict)

    def add(self, chunk: dict[str, NDArray[Any]], layout: Layout) -> None:
        """Add one chunk of rows, shaped as `row_chunks` yields them."""
        auto = chunk["ANTENNA1"] == chunk["ANTENNA2"]
        self.rows += auto.size
        self.autocorrelations += int(auto.sum())
        self.descriptions.update(int(value) for value in np.unique(chunk["DATA_DESC_ID"]))
        channels = np.array([nchan for _, nchan in layout.shape_of])
        flagged = chunk["FLAGGED"].sum(axis=1) * ~auto
        total = channels[chunk["DATA_DESC_ID"]] * chunk["FLAGGED"].shape[1] * ~auto
        counts = np.stack([flagged, total]).astype(float)
        self._add_scans(chunk, counts)
        _add_counts(self.flagged_by_field, chunk["FIELD_ID"][~auto], counts[:, ~auto])
        for side in ("ANTENNA1", "ANTENNA2"):
            _add_counts(self.flagged_by_antenna, chunk[side][~auto], counts[:, ~auto])

    def _add_scans(self, chunk: dict[str, NDArray[Any]], counts: NDArray[np.float64]) -> None:
        keys = np.stack([chunk["OBSERVATION_ID"], chunk["SCAN_NUMBER"], chunk["FIELD_ID"]])
        unique, inverse = np.unique(keys, axis=1, return_inverse=True)
        for index in range(unique.shape[1]):
            rows = inverse.ravel() == index
            half = chunk["INTERVAL"][rows] / 2
            start, stop = float((chunk["TIME"][rows] - half).min()), float((chunk["TIME"][rows] + half).max())
            key = (int(unique[0, index]), int(unique[1, index]), int(unique[2, index]))
            scan = self.scans.setdefault(key, _Scan(start, stop, float(np.median(chunk["INTERVAL"][rows]))))
            scan.start_s, scan.stop_s = min(scan.start_s, start), max(scan.stop_s, stop)
            scan.rows += int(rows.sum())
            scan.flagged += float(counts[0, rows].sum())
            scan.total += float(counts[1, rows].sum())
            scan.states.update(int(value) for value in np.unique(chunk["STATE_ID"][rows]))


def _add_counts(sums: dict[int, NDArray[np.float64]], ids: NDArray[Any], counts: NDArray[np.float64]) -> None:
    for value in np.unique(ids):
        sums[int(value)] = sums.get(int(value), np.zeros(2)) + counts[:, ids == value].sum(axis=1)


def summarise(vis: str, spw: str = "", scan: str = "", antenna: str = "") -> dict[str, Any]:
    """Summarise a MeasurementSet, opened read-only; only the selected part if a selection is given.

    Times are those of the TIME column, in the time frame it declares: UTC as a rule, TAI where a UVFITS file says so.
    CASA's solution tables and time selections use the same numbers, so nothing is converted.

    Returns
    -------
    The fields of a `schemas.inspection.MsSummary`.

    Raises
    ------
    ConfigurationError
        The selection does not fit the data.
    DataUnusable
        There are no rows, or a table is damaged.
    """
    try:
        return _summarise(vis, spw, scan, antenna)
    except RuntimeError as error:
        msg = f"{vis} cannot be read; it is damaged or incomplete. CASA says: {error}"
        raise DataUnusable(msg) from error


def _summarise(vis: str, spw: str, scan: str, antenna: str) -> dict[str, Any]:
    layout = read_layout(vis)
    selection = read_selection(vis, spw=spw, scan=scan, antenna=antenna)
    census = _Census()
    for chunk in row_chunks(vis, layout, selection):
        if chunk["ANTENNA1"].size:
            census.add(chunk, layout)
    if not census.rows:
        chosen = ", ".join(f"{key} {value!r}" for key, value in (("spw", spw), ("scan", scan)) if value)
        msg = f"{vis} holds no visibilities{f' for the selection {chosen}' if chosen else ''}."
        raise DataUnusable(msg)
    antennas = _antennas(vis, census)
    with opened(vis) as tool:
        columns = tuple(name for name in VISIBILITY_COLUMNS if name in tool.colnames())
    summary = MsSummary(
        telescope=str(column(f"{vis}/OBSERVATION", "TELESCOPE_NAME")[0]),
        rows=census.rows,
        autocorrelation_rows=census.autocorrelations,
        antennas=antennas,
        spws=_spws(vis, layout, census, selection),
        fields=_fields(vis, layout, census),
        scans=_scans(layout, census),
        longest_baseline_m=_longest_baseline_m(antennas),
        columns=columns,
        flagged_fraction=_fractions(census.flagged_by_field, layout.field_names),
        antenna_flagged_fraction=_fractions(census.flagged_by_antenna, layout.antenna_names),
    )
    return summary.model_dump()


def _fractions(sums: dict[int, NDArray[np.float64]], names: tuple[str, ...]) -> dict[str, float]:
    by_name: dict[str, NDArray[np.float64]] = {}
    for index, counts in sums.items():
        by_name[names[index]] = by_name.get(names[index], np.zeros(2)) + counts
    return {name: float(counts[0] / counts[1]) for name, counts in sorted(by_name.items()) if counts[1]}


def _antennas(vis: str, census: _Census) -> tuple[AntennaSummary, ...]:
    names, stations = column(f"{vis}/ANTENNA", "NAME"), column(f"{vis}/ANTENNA", "STATION")
    position = column(f"{vis}/ANTENNA", "POSITION")
    return tuple(
        AntennaSummary(
            id=index,
            name=str(names[index]),
            station=str(stations[index]),
            x_m=float(position[0, index]),
            y_m=float(position[1, index]),
            z_m=float(position[2, index]),
            has_data=index in census.flagged_by_antenna,
        )
        for index in range(len(names))
    )


def _longest_baseline_m(antennas: tuple[AntennaSummary, ...]) -> float:
    places = np.array([(entry.x_m, entry.y_m, entry.z_m) for entry in antennas if entry.has_data])
    if not len(places):
        return 0.0
    return float(np.linalg.norm(places[:, np.newaxis] - places[np.newaxis], axis=2).max())


def _spws(vis: str, layout: Layout, census: _Census, selection: RowSelection) -> tuple[SpwSummary, ...]:
    found: dict[int, tuple[str, ...]] = {}
    for description in sorted(census.descriptions):
        window = int(layout.spw_of[description])
        correlations = (*found.get(window, ()), *layout.correlations_of[description])
        found[window] = tuple(dict.fromkeys(correlations))
    summaries = []
    with opened(f"{vis}/SPECTRAL_WINDOW") as tool:
        for window, correlations in sorted(found.items()):
            frequency = np.asarray(tool.getcell("CHAN_FREQ", window))
            width = np.abs(np.asarray(tool.getcell("CHAN_WIDTH", window)))
            chosen = selection.channels.get(window, np.arange(frequency.size))
            summaries.append(
                SpwSummary(
                    id=window,
                    channels=int(chosen.size),
                    first_hz=float(frequency[chosen[0]]),
                    channel_width_hz=float(np.median(width[chosen])),
                    bandwidth_hz=float(width[chosen].sum()),
                    centre_hz=float(frequency[chosen].mean()),
                    correlations=correlations,
                )
            )
    return tuple(summaries)


def _fields(vis: str, layout: Layout, census: _Census) -> tuple[FieldSummary, ...]:
    modes = [str(mode) for mode in column(f"{vis}/STATE", "OBS_MODE")] if _rows(f"{vis}/STATE") else []
    directions = _directions_j2000(vis)
    summaries = []
    for index, name in enumerate(layout.field_names):
        scans = [scan for key, scan in census.scans.items() if key[2] == index]
        states = {state for scan in scans for state in scan.states if 0 <= state < len(modes)}
        intents = {intent.strip() for state in states for intent in modes[state].split(",") if intent.strip()}
        summaries.append(
            FieldSummary(
                id=index,
                name=name,
                ra_rad=directions[index][0],
                dec_rad=directions[index][1],
                rows=sum(scan.rows for scan in scans),
                intents=tuple(sorted(intents)),
            )
        )
    return tuple(summaries)


def _rows(path: str) -> int:
    with opened(path) as tool:
        return int(tool.nrows())


def _directions_j2000(vis: str) -> list[tuple[float, float]]:
    from casatools import msmetadata

    tool = msmetadata()
    tool.open(vis)
    try:
        return [_j2000(tool.phasecenter(index)) for index in range(tool.nfields())]
    finally:
        tool.done()


def _j2000(direction: dict[str, Any]) -> tuple[float, float]:
    from casatools import measures

    if direction["refer"] not in {"J2000", "ICRS"}:  # the two agree to 0.03 arcsec
        direction = measures().measure(direction, "J2000")
    return float(direction["m0"]["value"]) % (2 * np.pi), float(direction["m1"]["value"])


def _scans(layout: Layout, census: _Census) -> tuple[ScanSummary, ...]:
    summaries = [
        ScanSummary(
            number=number,
            field=layout.field_names[field_id],
            observation_id=observation,
            start_s=scan.start_s,
            stop_s=scan.stop_s,
            rows=scan.rows,
            integration_s=scan.interval_s,
            flagged_fraction=scan.flagged / scan.total if scan.total else 0.0,
        )
        for (observation, number, field_id), scan in census.scans.items()
    ]
    return tuple(sorted(summaries, key=lambda entry: (entry.start_s, entry.number)))
