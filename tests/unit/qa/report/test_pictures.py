"""Pictures go into the page small and whole; a missing or broken one is a sentence."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from qa.report import write_report
from qa.report.pictures import SMALL_BYTES, WIDEST, pictures, shrunk
from tests.unit.qa.report import made_up
from tests.unit.qa.report.page import parse


def png(width=40, height=30, mode="RGB", noise=False):
    shape = (height, width, len(mode))
    values = np.random.default_rng(1).integers(0, 255, shape) if noise else np.full(shape, 120)
    buffer = io.BytesIO()
    Image.fromarray(values.astype(np.uint8), mode=None).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_small_picture_is_kept_as_it_is():
    content = png()
    assert shrunk(content) == (content, 40, 30)


def test_a_large_picture_becomes_smaller_and_keeps_its_shape():
    content = png(2 * WIDEST, WIDEST, "RGBA", noise=True)
    smaller, width, height = shrunk(content)
    assert (width, height) == (WIDEST, WIDEST // 2)
    assert len(smaller) < len(content) / 4
    assert Image.open(io.BytesIO(smaller)).size == (WIDEST, WIDEST // 2)


def test_transparency_becomes_white():
    clear = np.zeros((300, 300, 4), dtype=np.uint8)
    clear[::2, :, :3] = np.random.default_rng(1).integers(0, 255, (150, 300, 3))
    buffer = io.BytesIO()
    Image.fromarray(clear).save(buffer, "PNG", compress_level=0)
    assert len(buffer.getvalue()) > SMALL_BYTES
    assert Image.open(io.BytesIO(shrunk(buffer.getvalue())[0])).convert("RGB").getpixel((5, 5)) == (255, 255, 255)


def test_a_plot_is_embedded_with_its_words(tmp_path):
    root = made_up.workspace(tmp_path / "night", made_up.outcome(), made_up.plot())
    (root / "plots" / "delays.png").write_bytes(png())
    page = parse(write_report(root).read_text())
    (source,) = [address for tag, _, address in page.addresses if tag == "img"]
    assert base64.b64decode(source.removeprefix("data:image/png;base64,")) == png()
    assert "Plot of delays" in page.text
    assert "Look for jumps." in page.text


def test_the_decisive_plots_are_on_the_first_screen(tmp_path):
    plots = (made_up.plot("map", "image", decisive=True), made_up.plot())
    root = made_up.workspace(tmp_path / "night", made_up.outcome(), *plots)
    for plot in plots:
        (root / plot.file).write_bytes(png())
    page = parse(write_report(root).read_text())
    assert [name for name in page.identifiers if name.startswith("summary-")] == ["summary-plot-map"]


@pytest.mark.parametrize(
    ("plot", "content", "reason"),
    [
        (made_up.plot(file=None, failed="plotms ended after 60 s"), None, "plotms ended after 60 s"),
        (made_up.plot(file=None), None, "it was not made"),
        (made_up.plot(), None, "is not there"),
        (made_up.plot(), b"GIF89a", "is not a picture that can be read"),
        (made_up.plot(), png(noise=True)[:200], "is not a picture that can be read"),
        (made_up.plot(file="../../secret.png"), None, "not in the workspace"),
    ],
)
def test_an_absent_picture_says_why(tmp_path, plot, content, reason):
    root = made_up.workspace(tmp_path / "night", made_up.outcome(), plot)
    if content is not None:
        (root / plot.file).write_bytes(content)
    (picture,) = pictures(root, [plot])
    assert picture.data == ""
    assert reason in picture.absent
    assert f"No plot “{plot.title}”" in parse(write_report(root).read_text()).text
