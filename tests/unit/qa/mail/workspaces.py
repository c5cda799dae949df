"""Workspaces of made-up runs, with outcome, report and plots: what mails are made from."""

from __future__ import annotations

import struct
import zlib

from schemas.inspection import RoleDecision
from schemas.outcome import FlaggedFraction
from schemas.plots import Plot, PlotIndex
from schemas.results import ImageSummary
from tests.unit.flows.outcomes import outcome, provenance

ZOE = "Zoë Müller <zoe@example.org>"
TARGET, REFERENCE = "1252+5634", "1302+5748"

IMAGE = ImageSummary(
    field=TARGET,
    image="products/1252+5634.image",
    peak_jy_beam=0.1393,
    noise_jy_beam=0.0014,
    dynamic_range=99.5,
    beam_major_arcsec=0.07,
    beam_minor_arcsec=0.03,
    beam_angle_deg=18.0,
    cell_arcsec=0.018,
    pixels=512,
)


def png():
    """The smallest picture: one white pixel."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    body = zlib.compress(b"\x00\xff")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def a_plot(name, step="image", *, decisive=True, **changes):
    fields = {
        "name": name,
        "step": step,
        "title": f"Title of {name}",
        "caption": "What to look for",
        "alternative": f"{name} against time",
        "made_by": "gatecal",
        "file": f"plots/{name}.png",
        "decisive": decisive,
    }
    return Plot(**(fields | changes))


def an_outcome(name="night", recipients=(ZOE, "second@example.org"), **changes):
    made = provenance().evolve(
        recipients=recipients,
        roles=(
            RoleDecision(role="target", field=TARGET, reason="named"),
            RoleDecision(role="phase reference", field=REFERENCE, reason="named"),
        ),
        flow_run_url="http://127.0.0.1:4200/runs/flow-run/abc",
    )
    fields = {
        "observation": name,
        "images": (IMAGE,),
        "flagged": {TARGET: FlaggedFraction(before=0.1, after=0.25)},
        "provenance": made,
    }
    return outcome(**(fields | changes))


def make_workspace(parent, name="night", plots=None, **changes):
    """Make a workspace whose run came to `changes`; by default it passed, with two decisive plots."""
    root = parent / name
    (root / "plots").mkdir(parents=True)
    shown = (a_plot("target"), a_plot("delays", "delay")) if plots is None else plots
    for plot in shown:
        (root / plot.file).write_bytes(png())
    (root / "plots" / "gatecal.json").write_text(PlotIndex(plots=shown).model_dump_json())
    (root / "outcome.json").write_text(an_outcome(name, **changes).model_dump_json())
    (root / "report.html").write_text("<!DOCTYPE html>\n<title>Zoë</title>\n", newline="")
    return root
