"""How many solutions succeeded, of those attempted: antennas against spws and hands."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from qa.metrics.places import antenna_names
from qa.plots.drawing import Drawing
from qa.plots.heat import heat
from qa.plots.inputs import SOLVES
from qa.words import step_title, table_title

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from qa.plots.inputs import Inputs
    from schemas.solutions import SolutionTable
    from schemas.steps import Step

MOST_COLUMNS = 16
"""With more pairs of spw and hand than this the hands are added up, and then spws in groups."""


def drawings(inputs: Inputs) -> Iterator[Drawing]:
    """Yield one heat table per step of solves."""
    for step in SOLVES:
        tables = inputs.tables(step)
        if not tables:
            continue
        yield Drawing(
            name=f"solved_{step}",
            step=step,
            title=f"{step_title(step)}: solutions that succeeded",
            caption=(
                "Solutions that succeeded, of those attempted [%], per antenna, spw and hand, from the solutions "
                "themselves: failed for too low an S/N counts as failed. Dark cells are where solutions are missing; a "
                "dash is a place where none was attempted."
            ),
            alternative="Percentage of solutions that succeeded: antennas in rows, spectral windows and hands across.",
            make=partial(draw_solved, inputs, step, tables),
            sources=tuple(path for table in tables for path in (table.rows, table.statistics)),
        )


def draw_solved(inputs: Inputs, step: Step, tables: Sequence[SolutionTable]) -> Figure:
    """Draw one heat table per solution table of a step."""
    title = f"{step_title(step)}: solutions that succeeded [% of those attempted]"
    return heat(title, [(table_title(table.name), *counted(inputs, table)) for table in tables], good="high")


def counted(inputs: Inputs, table: SolutionTable) -> tuple[list[str], list[str], NDArray[np.float64]]:
    """Return antennas, columns, and succeeded/attempted (n_antenna, n_column); NaN where none was attempted."""
    if table.kind in {"K", "B"}:
        counts = _from_rows(inputs.frame(table.rows), table.kind)
    else:
        found = inputs.frame(table.statistics)
        counts = found[found["antenna"] != ""].assign(antenna=lambda rows: antenna_names(rows["antenna"]))
    counts = _columns(counts)
    antennas = inputs.antennas(counts)
    sums = counts.groupby(["antenna", "column"])[["attempted", "succeeded"]].sum()
    fraction = (sums["succeeded"] / sums["attempted"].where(sums["attempted"] > 0)).unstack("column")
    columns = list(dict.fromkeys(counts["column"]))
    grid = fraction.reindex(index=list(antennas), columns=columns)
    return list(antennas), columns, grid.to_numpy(dtype=float)


def _from_rows(rows: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Count from the table's FLAG: CASA's statistics of delays and bandpasses do not see what failed (measured)."""
    tried = rows["has_data"].astype(bool) if kind == "B" else rows["spw"].notna()
    good = tried & ~rows["flagged"].astype(bool)
    return rows[["antenna", "spw", "polarisation"]].assign(
        antenna=antenna_names(rows["antenna"]), attempted=tried.astype(float), succeeded=good.astype(float)
    )


def _columns(counts: pd.DataFrame) -> pd.DataFrame:
    """Name each row's column: spw and hand, or fewer where there are too many to read."""
    ordered = counts.sort_values(["spw", "polarisation"], ascending=[True, False], kind="stable")
    spws = ordered["spw"].astype(int)
    pairs = ordered[["spw", "polarisation"]].drop_duplicates()
    if len(pairs) <= MOST_COLUMNS:
        return ordered.assign(column="spw " + spws.astype(str) + " " + ordered["polarisation"].astype(str))
    distinct = np.sort(spws.unique())
    size = -(-len(distinct) // MOST_COLUMNS)
    rank = np.searchsorted(distinct, spws) // size
    names = [
        f"{group[0]}" if len(group) == 1 else f"{group[0]}–{group[-1]}"
        for group in (distinct[i : i + size] for i in range(0, len(distinct), size))
    ]
    return ordered.assign(column=[f"spw {names[i]}" for i in rank])
