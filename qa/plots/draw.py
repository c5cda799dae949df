"""Draws all plots of a workspace that have changed, and writes their index."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from qa.plots import antennas, bandpasses, flags, fluxes, gains, gates, images, solved, visibilities
from qa.plots.inputs import Inputs, read_inputs
from qa.plots.style import house_style, png
from qa.words import step_title
from schemas.plots import Plot, PlotIndex
from schemas.steps import STEPS, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qa.plots.drawing import Drawing

FOLDER, INDEX, KEYS = Path("plots"), "gatecal.json", ".gatecal.keys.json"
"""Where the plots are, their index, and what each was drawn from."""


@dataclass(frozen=True)
class Section:
    """One kind of plots.

    Attributes
    ----------
    name
        Of the plot that stands for them all where they cannot even be listed.
    step
        Its step.
    drawings
        Yields them.
    """

    name: str
    step: Step
    drawings: Callable[[Inputs], Iterator[Drawing]]


SECTIONS = (
    Section("antennas", "inspect", antennas.drawings),
    Section("flags", "flag", flags.drawings),
    Section("solved", "delay", solved.drawings),
    Section("gains", "gains", gains.drawings),
    Section("bandpasses", "bandpass1", bandpasses.drawings),
    Section("flux_densities", "fluxscale", fluxes.drawings),
    Section("visibilities", "apply", visibilities.drawings),
    Section("images", "image", images.drawings),
    Section("gates", "split", gates.drawings),
)
"""All plots."""


def draw_plots(root: Path) -> PlotIndex:
    """Draw a workspace's plots: ``plots/<name>.png`` and their index, ``plots/gatecal.json``.

    A plot whose inputs have not changed since it was drawn is left as it is. One that fails stands in the index with
    the reason; nothing is raised for it. Plots of steps that have not run are not in the index, and pictures of earlier
    runs that are no longer in it are removed. May run while a calibration goes on, and again after it.

    Parameters
    ----------
    root
        The workspace.

    Raises
    ------
    OSError
        The folder of plots cannot be written.
    """
    folder = root / FOLDER
    folder.mkdir(exist_ok=True)
    known = _keys(folder)
    inputs = read_inputs(root)
    found: list[tuple[Plot, str]] = [] if inputs is None else _all(inputs, known)
    index = PlotIndex(plots=tuple(plot for plot, _ in sorted(found, key=lambda pair: STEPS.index(pair[0].step))))
    _write(folder / INDEX, index.model_dump_json(indent=1).encode())
    _write(folder / KEYS, json.dumps({plot.name: key for plot, key in found if not plot.failed}, indent=1).encode())
    for name in known.keys() - {plot.name for plot, _ in found}:
        (folder / f"{name}.png").unlink(missing_ok=True)
    return index


def _all(inputs: Inputs, known: dict[str, str]) -> list[tuple[Plot, str]]:
    stopped = _stopped(inputs)
    found: dict[str, tuple[Plot, str]] = {}
    with house_style():
        for section in SECTIONS:
            try:
                for drawing in section.drawings(inputs):
                    found[drawing.name] = _drawn(inputs.root, drawing, known, stopped)
            except Exception as error:
                found[section.name] = (_unlisted(section, error), "")
    return list(found.values())


def _drawn(root: Path, drawing: Drawing, known: dict[str, str], stopped: frozenset[str]) -> tuple[Plot, str]:
    file = FOLDER / f"{drawing.name}.png"
    plot = Plot(
        name=drawing.name,
        step=drawing.step,
        title=drawing.title,
        caption=drawing.caption,
        alternative=drawing.alternative,
        made_by="gatecal",
        file=file,
        decisive=drawing.decisive or (drawing.primary and drawing.step in stopped),
    )
    try:
        key = fingerprint(root, drawing)
        if known.get(drawing.name) != key or not (root / file).is_file():
            _write(root / file, png(drawing.make()))
    except Exception as error:
        (root / file).unlink(missing_ok=True)
        return plot.evolve(file=None, failed=_reason(error)), ""
    return plot, key


def fingerprint(root: Path, drawing: Drawing) -> str:
    """Return a hash of all that a plot shows: its files, what else it depends on, its text, and our code."""
    digest = hashlib.sha256(repr((_code(), drawing.title, drawing.depends)).encode())
    for source in drawing.sources:
        digest.update((root / source).read_bytes())
    return digest.hexdigest()[:32]


@cache
def _code() -> str:
    """Hash this package: plots drawn by another version are drawn again."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _stopped(inputs: Inputs) -> frozenset[str]:
    """Return the steps whose gates ended the last run: their first plot goes into the mail."""
    reports = () if inputs.outcome is None else inputs.outcome.gates
    return frozenset(report.step for report in reports if report.stops)


def _unlisted(section: Section, error: Exception) -> Plot:
    return Plot(
        name=section.name,
        step=section.step,
        title=step_title(section.step),
        caption="The numbers these plots are made from could not be read.",
        alternative="No picture.",
        made_by="gatecal",
        failed=_reason(error),
    )


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text[:300] if isinstance(error, ValueError) and text else f"{type(error).__name__}: {text[:300]}"


def _keys(folder: Path) -> dict[str, str]:
    """Return what each plot there was drawn from, by name."""
    try:
        found = json.loads((folder / KEYS).read_text(encoding="utf-8"))
        index = PlotIndex.model_validate_json((folder / INDEX).read_bytes())
    except (OSError, ValueError, ValidationError):
        return {}
    return {plot.name: str(found[plot.name]) for plot in index.plots if plot.name in found}


def _write(path: Path, content: bytes) -> None:
    """Write a file so that a reader or a crash sees the old content or the new, never half of it."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
