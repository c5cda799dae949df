"""Draws plots with plotms; runs inside a CASA child, whose process group the program belongs to."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from tasks.plotms_copies import set_flags
from tasks.plotms_program import cache_folder, running, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NICENESS = 10
"""Plots take only what the solves leave of the machine."""
COLOURS = 64
"""Colours left in a picture: it has a dozen, and shades of black in its letters."""
POLL_S = 0.03
"""plotms() waits 0.5 s before each export and in steps of 1 s for the drawing to end; a plot takes 0.2 s."""


def draw(drawings: Sequence[dict[str, Any]], folder: str, halt: str) -> list[str]:
    """Draw plots, each on its own: one that fails does not cost the others.

    Parameters
    ----------
    drawings
        What to draw: ``name`` (the picture is ``<folder>/<name>.png``), ``asked`` (the parameters of plotms), and
        ``flags``, a saved flag version that the copy in ``asked["vis"]`` is given first (empty: it is left alone).
    folder
        Where the pictures go; each appears whole.
    halt
        As soon as this file exists, no further plot is begun. Its folder is there, beside the pictures or in theirs.

    Returns
    -------
    What went wrong with each, in the order of `drawings`; empty where nothing did.
    """
    os.nice(NICENESS)
    import casadata

    scratch = Path.cwd()
    with running(unpacked(cache_folder()), casadata.datapath, scratch / "plotms.log") as address:
        plotms = _client(address)
        return [_drawn(plotms, drawing, Path(folder), scratch, Path(halt)) for drawing in drawings]


def _client(address: str) -> Callable[..., None]:
    """Return casaplotms' own function, told to use the program at `address`."""
    # Its generated code is older than protobuf's native implementation accepts.
    os.environ["PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"] = "python"
    os.environ["DISPLAY"] = ":77"
    for name in ("http_proxy", "https_proxy", "grpc_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        os.environ.pop(name, None)  # gRPC would take even this machine's own address to the proxy
    from casaplotms.private import plotmstool, task_plotms  # type: ignore[import-untyped]

    plotmstool.stub(address)
    # Before each of the 30 settings of a plot it would open a new connection to ask whether the program still lives.
    vars(plotmstool)["__try_check_health"] = False
    task_plotms.time = SimpleNamespace(sleep=lambda _seconds: time.sleep(POLL_S))
    plotms: Callable[..., None] = task_plotms.plotms
    return plotms


def _drawn(plotms: Callable[..., None], drawing: dict[str, Any], folder: Path, scratch: Path, halt: Path) -> str:
    if halt.exists():
        return "the run ended before it was drawn"
    place = scratch / "picture"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    try:
        if drawing["flags"]:
            set_flags(drawing["asked"]["vis"], drawing["flags"])
        plotms(plotfile=str(place / "plot.png"), expformat="png", showgui=False, overwrite=True, **drawing["asked"])
        # A plot that iterates over antennas gets their names into its file's.
        picture = next(iter(place.glob("*.png")), None)
        if picture is None:
            return "plotms made no picture; are there any unflagged data?"
        _keep(picture, halt.with_name("picture.png"), folder / f"{drawing['name']}.png")
    except Exception as error:
        return _reason(error)
    return ""


def _reason(error: Exception) -> str:
    """Return in one line what went wrong; of a gRPC error, what the program said."""
    said = getattr(error, "details", None)
    text = said() if callable(said) else str(error)
    return f"plotms: {' '.join(str(text).split())[:200] or type(error).__name__}"


def _keep(picture: Path, partial: Path, final: Path) -> None:
    """Write the picture with few colours, which makes it a third as large, and whole: by way of `partial`."""
    from PIL import Image

    with Image.open(picture) as image:
        image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(partial, "PNG", optimize=True)
    partial.replace(final)
