"""The guide's plots of whole runs, drawn beside them on a machine without a display: all there, and nothing left."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import signal
from pathlib import Path

import pytest

from schemas.plots import PlotIndex
from tests.e2e.running import copy_workspace, finish, outcome, reused, wait_for

pytestmark = [pytest.mark.casa, pytest.mark.slow]

GUIDES_OWN = {
    "uv_coverage",
    "amplitude_time_before_quack",
    "amplitude_time_after_quack",
    "amplitude_channel_before_end_channels",
    "amplitude_channel_after_end_channels",
    "amplitude_time_baselines_before_bad_times",
    "amplitude_time_baselines_after_bad_times",
    "raw_phase_time",
    "amplitude_one_channel",
    "amplitude_band_average",
    "delays",
    "model_amplitude_uv",
    "model_amplitude_frequency",
    "bandpass_b1_phase",
    "bandpass_b1_amplitude",
    "phase_frequency_raw",
    "phase_frequency_corrected",
    "trial_phase",
    "trial_amplitude",
    "phase_gains",
    "amplitude_gains",
    "bandpass_b2_phase",
    "bandpass_b2_amplitude",
    "final_amplitude_gains",
    "final_phase_gains",
    "corrected_amplitude_uv_phase_reference",
    "corrected_amplitude_uv_target",
}
PNG = b"\x89PNG\r\n\x1a\n"


def plots_of(root):
    return PlotIndex.model_validate_json((root / "plots" / "plotms.json").read_bytes()).plots


def programs(home: Path) -> list[int]:
    """Return the plotms programs that run from the cache in `home`; each has its port open as long as it lives."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (folder / "cmdline").read_bytes()
            if str(home).encode() in command and b"casaplotms\0--nopopups" in command:
                found.append(int(folder.name))
    return found


def test_every_plot_of_the_guide_is_there(emerlin):
    plots = plots_of(emerlin.root)
    assert {plot.name: plot.failed for plot in plots} == dict.fromkeys(GUIDES_OWN, "")
    assert all((emerlin.root / plot.file).read_bytes().startswith(PNG) for plot in plots)


def test_the_pictures_leave_room_in_a_report_of_six_megabytes(emerlin, ngc5921):
    for root in (emerlin.root, ngc5921.root):
        pictures = [base64.b64encode((root / plot.file).read_bytes()) for plot in plots_of(root)]
        assert 0 < sum(map(len, pictures)) < 3e6


def test_a_real_observation_of_27_antennas_has_its_plots_too(ngc5921):
    plots = {plot.name: plot.failed for plot in plots_of(ngc5921.root)}
    # Its one spectral window is too narrow for a delay; nobody gave a list of bad times.
    assert plots == dict.fromkeys({name for name in GUIDES_OWN if "bad_times" not in name and name != "delays"}, "")


def test_after_a_run_no_plotms_is_left_and_no_copy_of_the_data(emerlin, ngc5921, home):
    assert programs(home) == []
    for root in (emerlin.root, ngc5921.root):
        names = {path.name for path in (root / "plots").iterdir() if path.name in {f"{n}.png" for n in GUIDES_OWN}}
        assert not (root / "plots" / ".copies").exists()
        assert names == {f"{plot.name}.png" for plot in plots_of(root)}


def test_a_rerun_that_reuses_everything_draws_nothing_again(stopped, ngc5921):
    before, after = ((root / "plots" / "phase_gains.png").stat().st_mtime_ns for root in (ngc5921.root, stopped.root))
    assert before == after
    assert plots_of(stopped.root) == plots_of(ngc5921.root)


def test_after_kill_9_while_plotting_nothing_is_left_and_the_next_run_draws(ngc5921, gatecal, home, tmp_path):
    root = copy_workspace(ngc5921.root, tmp_path)
    shutil.rmtree(root / "plots")
    process = gatecal.start("demo", "--workspace", tmp_path)
    wait_for(lambda: programs(home), process)
    os.kill(process.pid, signal.SIGKILL)
    finish(process)
    wait_for(lambda: not programs(home))

    ran = gatecal("demo", "--workspace", tmp_path)

    assert ran.code == 0, ran.output
    assert all(reused(root).values())
    assert outcome(root)["verdict"] == "passed"
    drawn = {plot.name: plot.failed for plot in plots_of(root)}
    assert {name for name, failed in drawn.items() if not failed} >= {"uv_coverage", "phase_gains"}
    assert programs(home) == []


def test_plots_that_cannot_be_drawn_are_a_note_and_no_failure(ngc5921, gatecal, tmp_path):
    root = copy_workspace(ngc5921.root, tmp_path)
    shutil.rmtree(root / "plots")
    nowhere = tmp_path / "file"
    nowhere.write_text("no folder")
    unable = type(gatecal)(gatecal.environment, gatecal.cwd, {"XDG_CACHE_HOME": str(nowhere)})

    ran = unable("demo", "--workspace", tmp_path)

    assert ran.code == 0, ran.output
    failed = {plot.failed for plot in plots_of(root)}
    assert all(failed)
    assert any("cannot be unpacked" in reason for reason in failed)
