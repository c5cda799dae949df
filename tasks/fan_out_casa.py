"""Which spectral windows a solve works on, and the join of their tables; these functions run inside a CASA child."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import numpy as np

from tasks.inspection_casa import column, opened

ORDER = ("ANTENNA1", "TIME", "SPECTRAL_WINDOW_ID")
"""What CASA sorts the rows of its tables by, least significant first; measured, appended calls included."""


def selections(vis: str, field: str, spw: str) -> dict[int, str]:
    """Return the spws of a selection that hold data of `field`, each with a selection of its own."""
    from casatools import ms

    chosen = ms().msseltoindex(vis=vis, field=field, spw=spw or "*")
    with opened(vis) as table:
        rows = np.isin(table.getcol("FIELD_ID"), chosen["field"])
        described = np.unique(table.getcol("DATA_DESC_ID")[rows])
    seen = set(column(f"{vis}/DATA_DESCRIPTION", "SPECTRAL_WINDOW_ID")[described].tolist())
    ranges: dict[int, list[str]] = {}
    for number, start, stop, step in np.reshape(chosen["channel"], (-1, 4)).tolist():
        ranges.setdefault(number, []).append(f"{start}~{stop}^{step}")
    if ":" not in spw:
        return {number: str(number) for number in sorted(seen & set(np.atleast_1d(chosen["spw"]).tolist()))}
    return {number: f"{number}:{';'.join(ranges[number])}" for number in sorted(seen & ranges.keys())}


def join(caltable: str, parts: list[str]) -> None:
    """Make one table of the tables `parts`, each of spws of its own, as CASA would have written it in one call.

    A `caltable` that is there already is appended to, as by ``append=True``; it is replaced at once.
    """
    sources = [caltable, *parts] if Path(caltable).exists() else parts
    keys = [[column(source, name) for name in ORDER] for source in sources]
    counts = [len(key[0]) for key in keys]
    source_of = np.repeat(np.arange(len(sources)), counts)
    row_of = np.concatenate([np.arange(count) for count in counts])
    order = np.lexsort([np.concatenate(values) for values in zip(*keys, strict=True)])
    joined = f"{parts[0]}.joined"
    shutil.copytree(sources[0], joined)
    with opened(joined, writable=True) as table:
        table.addrows(len(order) - counts[0])
    written = 0
    for number, group in itertools.groupby(order.tolist(), key=lambda index: int(source_of[index])):
        rows = row_of[list(group)].tolist()
        _copy(sources[number], joined, rows, written)
        written += len(rows)
    # Only the windows a call solved for are described as the table's channels are, and not flagged.
    for source in sources[1:]:
        for spw in np.flatnonzero(~column(f"{source}/SPECTRAL_WINDOW", "FLAG_ROW")).tolist():
            _copy(f"{source}/SPECTRAL_WINDOW", f"{joined}/SPECTRAL_WINDOW", [spw], spw)
    shutil.rmtree(caltable, ignore_errors=True)
    Path(joined).rename(caltable)


def _copy(source: str, target: str, rows: list[int], at: int) -> None:
    """Copy `rows` of a table over those of another from `at` on, in runs."""
    with opened(source) as table:
        for offset, run in itertools.groupby(enumerate(rows), key=lambda pair: pair[1] - pair[0]):
            first = [position for position, _ in run]
            table.copyrows(target, startrowin=offset + first[0], startrowout=at + first[0], nrow=len(first))
