"""Bandpasses against frequency, and the second over the first."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from qa.metrics.bandpass import phase_scatter
from qa.plots.drawing import Drawing, Laid, laid
from qa.plots.gains import slug, worst
from qa.plots.panels import MANY, Panels
from qa.plots.scales import degrees, linear
from qa.plots.style import GREY, WARN, written
from qa.words import table_title

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from qa.plots.inputs import Inputs
    from qa.plots.scales import Scale
    from schemas.solutions import SolutionTable
    from schemas.steps import Step

CHANNEL = ["antenna", "spw", "channel", "polarisation"]
"""What a bandpass solution belongs to."""

NARROW_GHZ = 0.1
"""Bands narrower than this are shown in MHz [GHz]."""


def drawings(inputs: Inputs) -> Iterator[Drawing]:
    """Yield the plots of both bandpasses, and of the second over the first."""
    first, second = inputs.table("bpcals.B1"), inputs.table("bpcals.B2")
    if first is not None:
        yield from _pair(inputs, "bandpass1", first)
    if second is not None:
        yield from _pair(inputs, "bandpass2", second)
    if first is not None and second is not None:
        yield _change(inputs, first, second)


def _pair(inputs: Inputs, step: Step, table: SolutionTable) -> Iterator[Drawing]:
    bounds, title = inputs.policy.bandpass, table_title(table.name)
    shared = "one panel per antenna, by spectral window and hand."
    yield Drawing(
        name=f"amplitude_{slug(table)}",
        step=step,
        title=f"{title}: amplitude against frequency",
        caption=(
            "Amplitude of the bandpass over its median in each spw and hand. Failed channels (crosses) are those that "
            "had unflagged data but no solution; at the right of each panel their fraction in the worst spw and hand. "
            "Look for spikes and dips that one antenna alone has: interference, or a band filter's edge left in."
        ),
        alternative=f"Bandpass amplitude against frequency, {shared}",
        make=partial(draw_amplitude, inputs, table),
        sources=(table.rows,),
        depends=f"{bounds.flagged_warn} {inputs.refant[:1]}",
        primary=True,
    )
    yield Drawing(
        name=f"phase_{slug(table)}",
        step=step,
        title=f"{title}: phase against frequency",
        caption=(
            "Phase of the bandpass. With delays applied it must be nearly flat; a slope is a delay left over. At the "
            "right of each panel the scatter from channel to channel in the worst spw and hand, of which more than "
            f"{bounds.scatter_warn_deg:g} deg gives a warning."
        ),
        alternative=f"Bandpass phase in degrees against frequency, {shared}",
        make=partial(draw_phase, inputs, step, table),
        sources=(table.rows, table.statistics),
        depends=f"{bounds.scatter_warn_deg} {inputs.refant[:1]}",
    )


def draw_amplitude(inputs: Inputs, table: SolutionTable) -> Figure:
    """Draw amplitude over its median against frequency."""
    data = laid(inputs, table.rows)
    amplitude = data.frame["amplitude"].astype(float)
    keys = [data.frame[key] for key in ("antenna", "spw", "polarisation", "time_s")]
    median = amplitude.where(data.good).groupby(keys).transform("median")
    values = (amplitude / median.where(median > 0.0)).to_numpy(dtype=float)
    y = linear(np.clip(values[data.good], 0.0, 5.0), "Amplitude / median", (0.9, 1.1))
    panels = _against_frequency(data, values, y, f"{table_title(table.name)}: amplitude", inputs.refant[:1])
    tried = data.frame[data.frame["has_data"].to_numpy(dtype=bool)]
    failed = tried["flagged"].astype(float).groupby([tried["antenna"], tried["spw"], tried["polarisation"]]).mean()
    most = failed.groupby(level="antenna").max()
    for index, name in enumerate(data.antennas):
        part = float(most.get(name, np.nan))
        text = f"failed {written(100.0 * part, 2)} %" if np.isfinite(part) else "no data"
        panels.note(index, text, WARN if part > inputs.policy.bandpass.flagged_warn else GREY)
    return panels.figure


def draw_phase(inputs: Inputs, step: Step, table: SolutionTable) -> Figure:
    """Draw phase against frequency, with the scatter from channel to channel that the gate judges."""
    data = laid(inputs, table.rows)
    values = data.frame["phase_deg"].to_numpy(dtype=float)
    y = phase_scale(values[data.good], "Phase [deg]")
    panels = _against_frequency(data, values, y, f"{table_title(table.name)}: phase", inputs.refant[:1])
    scatter = worst(phase_scatter, table, inputs, step)
    for index, name in enumerate(data.antennas):
        number = scatter.get(name, float("nan"))
        text = f"scatter {written(number, 2)}°" if np.isfinite(number) else ""
        panels.note(index, text, WARN if number > inputs.policy.bandpass.scatter_warn_deg else GREY)
    return panels.figure


def phase_scale(values: NDArray[np.float64], label: str) -> Scale:
    """Return a scale for phases: the circle, or less where they lie within 60 degrees of zero, but 10 at least."""
    largest = float(np.nanmax(np.abs(values), initial=0.0))
    return degrees(label) if largest > 60.0 else linear(values, label, (-max(largest, 5.0), max(largest, 5.0)))


def _change(inputs: Inputs, first: SolutionTable, second: SolutionTable) -> Drawing:
    return Drawing(
        name="bandpass_change",
        step="bandpass2",
        title="Final bandpass over the first",
        caption=(
            "Amplitude of the final bandpass over the first's, each over its median. The two differ by the "
            "calibrators' spectra, which the first did not know: a straight line over each spw. Curvature, steps or "
            "single channels mean that one of the two is wrong. At the right: the rms about the median [%]."
        ),
        alternative="Ratio of the two bandpasses' amplitudes against frequency, one panel per antenna.",
        make=partial(draw_change, inputs, first, second),
        sources=(first.rows, second.rows),
        depends=str(inputs.refant[:1]),
    )


def draw_change(inputs: Inputs, first: SolutionTable, second: SolutionTable) -> Figure:
    """Draw the amplitude ratio of two bandpasses against frequency."""
    data = laid(inputs, second.rows)
    values = change(inputs.frame(first.rows), data.frame)
    data = Laid(data.frame.assign(flagged=~np.isfinite(values)), data.antennas, data.styles, data.day_s)
    near = np.clip(values[np.isfinite(values)], 0.5, 2.0)
    y = linear(near, "Final / first amplitude", (0.99, 1.01))
    panels = _against_frequency(data, values, y, "Final bandpass over the first", inputs.refant[:1], crosses=False)
    ratios = pd.Series(values - 1.0).groupby(data.frame["antenna"].to_numpy(dtype=object))
    rms = (ratios.var(ddof=0) ** 0.5).to_dict()
    for index, name in enumerate(data.antennas):
        number = 100.0 * float(rms.get(name, np.nan))
        panels.note(index, f"rms {written(number, 2)} %" if np.isfinite(number) else "")
    return panels.figure


def change(first: pd.DataFrame, second: pd.DataFrame) -> NDArray[np.float64]:
    """Return the second bandpass's amplitude over the first's, each over its median, for each row of the second.

    NaN where either is flagged. Several solutions in time of the first are averaged.
    """
    good = first[~first["flagged"].to_numpy(dtype=bool)]
    before = good.groupby(CHANNEL)["amplitude"].mean().rename("before").reset_index()
    both = second[[*CHANNEL, "amplitude", "flagged"]].merge(before, on=CHANNEL, how="left")
    ratio = (both["amplitude"] / both["before"].where(both["before"] > 0.0)).mask(both["flagged"].astype(bool))
    median = ratio.groupby([both["antenna"], both["spw"], both["polarisation"]]).transform("median")
    return (ratio / median).to_numpy(dtype=float)


def _against_frequency(
    data: Laid, values: NDArray[np.float64], y: Scale, title: str, refant: tuple[str, ...], *, crosses: bool = True
) -> Panels:
    ghz = data.frame["frequency_hz"].to_numpy(dtype=float) / 1e9
    narrow = len(ghz) > 0 and float(np.ptp(ghz)) < NARROW_GHZ
    ghz = ghz * 1e3 if narrow else ghz
    x = linear(ghz, f"Frequency [{'MHz' if narrow else 'GHz'}]", ticks=3 if len(data.antennas) > MANY else 4, pad=0.02)
    panels = Panels(data.antennas, x, y, title, refant[0] if refant else "")
    panel, good = data.panel, data.good
    times = data.frame["time_s"].to_numpy(dtype=float)
    values = np.where(good, values, np.nan)
    for series, rows in data.each():
        order = np.flatnonzero(rows)
        order = order[np.lexsort((ghz[order], times[order], panel[order]))]
        panels.lines(panel[order], ghz[order], values[order], times[order], series)
    failed = ~good & data.frame["has_data"].to_numpy(dtype=bool) if crosses else np.zeros(len(good), dtype=bool)
    panels.failed(panel[failed], ghz[failed])
    panels.legend(data.legend(failed=bool(failed.any()), lines=True))
    return panels
