"""Which plots a mail carries."""

from __future__ import annotations

from qa.mail.plots import LARGEST_BYTES, inline_plots
from tests.unit.qa.mail.workspaces import a_plot, make_workspace


def names(root, step=""):
    return [plot.name for plot in inline_plots(root, step)]


def test_only_the_decisive_ones(tmp_path):
    root = make_workspace(tmp_path, plots=(a_plot("one"), a_plot("two", decisive=False), a_plot("three")))
    assert names(root) == ["one", "three"]


def test_those_of_the_step_that_went_wrong_come_first(tmp_path):
    of_delay = [a_plot(f"delay{number}", "delay", decisive=False) for number in range(3)]
    root = make_workspace(tmp_path, plots=(a_plot("image"), *of_delay))
    assert names(root, "delay") == ["delay0", "delay1", "image"]


def test_at_most_four(tmp_path):
    assert len(names(make_workspace(tmp_path, plots=tuple(a_plot(f"p{number}") for number in range(9))))) == 4


def test_what_is_not_there_too_large_or_no_picture_is_left_out(tmp_path):
    root = make_workspace(tmp_path, plots=tuple(a_plot(name) for name in ("gone", "large", "text", "good")))
    (root / "plots" / "gone.png").unlink()
    (root / "plots" / "large.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * LARGEST_BYTES)
    (root / "plots" / "text.png").write_text("no picture")
    assert names(root) == ["good"]


def test_a_damaged_index_costs_its_plots_only(tmp_path):
    root = make_workspace(tmp_path)
    (root / "plots" / "plotms.json").write_text("{")
    assert names(root) == ["target", "delays"]


def test_nothing_outside_of_the_workspace_is_mailed(tmp_path):
    root = make_workspace(tmp_path, plots=(a_plot("stolen", file="../secret.png"),))
    assert (tmp_path / "secret.png").read_bytes().startswith(b"\x89PNG")
    assert names(root) == []
