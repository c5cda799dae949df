"""Flagged fractions per antenna and field, and what each act of flagging added."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from qa.plots.drawing import Drawing
from qa.plots.heat import heat
from qa.plots.style import GREY, LIGHT, OKABE_ITO, SMALL, WIDTH_IN, figure, heading, shown
from qa.words import act_title
from schemas.results import ApplyRecord, FlagRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pandas as pd
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from qa.plots.inputs import Inputs

    Acts = Sequence[tuple[str, Path, Path]]

HATCHES = ("", "///", "...", "xxx", "---")
"""Second cue of the acts."""


def drawings(inputs: Inputs) -> Iterator[Drawing]:
    """Yield the plots of flags, after flagging and after applying."""
    flagged, applied = inputs.record("flag", FlagRecord), inputs.record("apply", ApplyRecord)
    if flagged is None or inputs.inspected is None:
        return
    acts = [(act.name, act.before, act.after) for act in flagged.acts]
    last = acts[-1][2] if acts else inputs.inspected.counts
    yield _by_antenna(inputs, "flags_antennas", last, "Flagged after flagging")
    if applied is not None and applied.before is not None and applied.after is not None:
        acts.append(("apply", applied.before, applied.after))
    yield Drawing(
        name="flags_added",
        step="flag",
        title="What each act of flagging added",
        caption=(
            "Flagged fraction of each field's cross-correlations: as the data came, and what each act added to it. "
            "One act that takes much more from one field than from the others deserves a look at what was asked for."
        ),
        alternative="Stacked bars per field: fraction flagged as the data came, and added by each act of flagging.",
        make=partial(draw_added, inputs, acts, inputs.inspected.counts),
        sources=(inputs.inspected.counts, *(path for _, before, after in acts for path in (before, after))),
        primary=True,
    )


def _by_antenna(inputs: Inputs, name: str, counts: Path, title: str) -> Drawing:
    return Drawing(
        name=name,
        step="flag",
        title=f"{title}: antennas and fields",
        caption=(
            "Flagged fraction of cross-correlations [%]; each baseline counts for both of its antennas. Dark rows are "
            "antennas with little data left, dark columns such fields."
        ),
        alternative="Flagged percentage: antennas in rows, fields across.",
        make=partial(draw_antennas, inputs, counts, title),
        sources=(counts,),
    )


def draw_antennas(inputs: Inputs, counts: Path, title: str) -> Figure:
    """Draw the heat table of flagged fractions."""
    frame = inputs.frame(counts)
    antennas = inputs.antennas(frame)
    fields = list(dict.fromkeys(str(field) for field in frame["field"]))
    grid = fractions(frame, ["antenna", "field"]).unstack("field").reindex(index=list(antennas), columns=fields)
    return heat(f"{title} [%]", [("", antennas, fields, grid.to_numpy(dtype=float))], good="low")


def fractions(counts: pd.DataFrame, by: Sequence[str]) -> pd.Series:
    """Return the flagged fraction of each group; none where it has no data."""
    sums = counts.groupby(list(by))[["flagged", "total"]].sum()
    return (sums["flagged"] / sums["total"].where(sums["total"] > 0)).dropna()


def added(inputs: Inputs, acts: Acts, first: Path) -> tuple[list[str], list[str], NDArray[np.float64]]:
    """Return fields, acts (with the data as they came first), and what each added [fraction] (n_act, n_field)."""
    start = fractions(inputs.frame(first), ["field"])
    fields = [str(field) for field in dict.fromkeys(inputs.frame(first)["field"]) if field in start.index]
    rows = [start.reindex(fields)]
    for _, before, after in acts:
        change = fractions(inputs.frame(after), ["field"]) - fractions(inputs.frame(before), ["field"])
        rows.append(change.reindex(fields).clip(lower=0.0))
    names = ["As the data came", *(act_title(name) for name, _, _ in acts)]
    return fields, names, np.nan_to_num(np.asarray(rows, dtype=float))


def draw_added(inputs: Inputs, acts: Acts, first: Path) -> Figure:
    """Draw one bar per field, with what each act added."""
    fields, names, parts = added(inputs, acts, first)
    tall = 1.5 + 0.36 * len(fields) + 0.2 * ((len(names) + 1) // 2)
    made = figure(tall)
    heading(made, "What each act of flagging added")
    low = (0.6 + 0.2 * ((len(names) + 1) // 2)) / tall
    axes = made.add_axes((2.3 / WIDTH_IN, low, 1 - 2.8 / WIDTH_IN, 1 - low - 0.45 / tall))
    place = np.arange(float(len(fields)))
    start = np.zeros(len(fields))
    for i, (name, part) in enumerate(zip(names, parts, strict=True)):
        colour = GREY if i == 0 else OKABE_ITO[(i - 1) % len(OKABE_ITO)]
        axes.barh(
            place, 100.0 * part, 0.62, 100.0 * start, color=colour, hatch=HATCHES[i % 5], edgecolor="white", label=name
        )
        start += part
    for y, total in zip(place, start, strict=True):
        axes.text(100.0 * total + 1.0, float(y), f"{100.0 * total:.1f} %", va="center", size=SMALL)
    axes.set(xlim=(0.0, 112.0), xticks=range(0, 101, 20), xlabel="Flagged [% of the field's cross-correlations]")
    axes.set_yticks(place, [shown(field) for field in fields])
    axes.invert_yaxis()
    axes.grid(axis="x", color=LIGHT, linewidth=0.5)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0)
    made.legend(loc="lower center", ncols=2, bbox_to_anchor=(0.55, 0.0))
    return made
