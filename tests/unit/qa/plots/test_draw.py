"""The whole set of plots: complete, incremental, and never an exception."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from qa.plots import draw
from qa.plots.__main__ import main
from qa.plots.draw import draw_plots
from qa.plots.inputs import read_inputs
from qa.plots.style import DPI, WIDTH_IN
from schemas.plots import PlotIndex
from schemas.policy import DelayBounds, GatePolicy
from schemas.results import ApplyRecord
from schemas.steps import STEPS
from tests.unit.qa.plots.night import BANDPASS, FLUX, REFERENCE, TARGET, Night, check, gate

ALL = {
    "antenna_positions": "inspect",
    "flags_antennas": "flag",
    "flags_added": "flag",
    "solved_delay": "delay",
    "delays": "delay",
    "solved_precal": "precal",
    "phase_bpcals_precal_p1": "precal",
    "snr_bpcals_precal_p1": "precal",
    "amplitude_bpcals_precal_ap1": "precal",
    "snr_bpcals_precal_ap1": "precal",
    "solved_bandpass1": "bandpass1",
    "amplitude_bpcals_b1": "bandpass1",
    "phase_bpcals_b1": "bandpass1",
    "solved_gains": "gains",
    "phase_calsources_p1": "gains",
    "snr_calsources_p1": "gains",
    "amplitude_calsources_ap1": "gains",
    "snr_calsources_ap1": "gains",
    "flux_densities": "fluxscale",
    "solved_bandpass2": "bandpass2",
    "amplitude_bpcals_b2": "bandpass2",
    "phase_bpcals_b2": "bandpass2",
    "bandpass_change": "bandpass2",
    "solved_finalgains": "finalgains",
    "amplitude_calsources_ap2": "finalgains",
    "snr_calsources_ap2": "finalgains",
    "phase_calsources_p2": "finalgains",
    "snr_calsources_p2": "finalgains",
    "residual_phase": "split",
    "amplitude_uv": "split",
    "transfer_error": "split",
    "image_1252_5634": "image",
    "image_1302_5748": "image",
}


def failures(index):
    return {plot.name: plot.failed for plot in index.plots if plot.failed}


def drawn(root):
    return {path.name: path.stat().st_mtime_ns for path in (root / "plots").glob("*.png")}


def written_index(night):
    return PlotIndex.model_validate_json((night.root / "plots" / "gatecal.json").read_bytes())


def test_a_finished_run_has_every_plot_in_the_order_of_its_steps(finished):
    index = written_index(finished)
    assert failures(index) == {}
    assert {plot.name: plot.step for plot in index.plots} == ALL
    steps = [plot.step for plot in index.plots]
    assert steps == sorted(steps, key=STEPS.index)


def test_each_plot_is_a_small_png_of_the_common_width(finished):
    for plot in written_index(finished).plots:
        path = finished.root / plot.file
        with Image.open(path) as picture:
            assert (picture.format, picture.width) == ("PNG", WIDTH_IN * DPI), plot.name
        assert path.stat().st_size < 150_000, plot.name


def test_every_plot_is_described(finished):
    for plot in written_index(finished).plots:
        assert plot.title
        assert len(plot.caption) > 40
        assert len(plot.alternative) > 20
        assert plot.made_by == "gatecal"


def test_the_index_on_disk_is_what_was_returned(night):
    assert draw_plots(night.root) == written_index(night)


def test_a_plot_whose_inputs_are_unchanged_is_not_drawn_again(night):
    before = drawn(night.root)
    draw_plots(night.root)
    assert drawn(night.root) == before


def test_only_the_plots_of_a_changed_table_are_drawn_again(night):
    before = drawn(night.root)
    night.save("all.K", night.delays())
    draw_plots(night.root)
    changed = {name for name, when in drawn(night.root).items() if when != before[name]}
    assert changed == {"delays.png", "solved_delay.png"}


def test_a_plot_is_drawn_again_when_a_bound_that_it_shows_has_changed(night):
    before = drawn(night.root)
    night.conclude((), GatePolicy(delay=DelayBounds(warn_ns=3.0)))
    draw_plots(night.root)
    assert {name for name, when in drawn(night.root).items() if when != before[name]} == {"delays.png"}


def test_a_lost_picture_is_drawn_again(night):
    (night.root / "plots" / "delays.png").unlink()
    draw_plots(night.root)
    assert (night.root / "plots" / "delays.png").is_file()


def test_plots_of_steps_that_have_not_run_are_absent_and_their_pictures_removed(night):
    (night.root / "plots" / "guide.png").write_bytes(b"another maker's")
    night.entries = {step: night.entries[step] for step in ("inspect", "flag")}
    night.save_ledger()
    index = draw_plots(night.root)
    names = {"antenna_positions", "flags_antennas", "flags_added"}
    assert {plot.name for plot in index.plots} == names
    assert set(drawn(night.root)) == {f"{name}.png" for name in names} | {"guide.png"}


@pytest.mark.parametrize("text", [None, "", "{", '{"observation": 3}'])
def test_a_workspace_without_a_readable_ledger_has_no_plots(tmp_path, text):
    if text is not None:
        (tmp_path / "ledger.json").write_text(text)
    assert draw_plots(tmp_path) == PlotIndex()


def test_a_missing_table_fails_its_own_plots_and_no_other(night):
    (night.root / "records" / "all.K.csv").unlink()
    index = draw_plots(night.root)
    assert set(failures(index)) == {"delays", "solved_delay"}
    assert "all.K.csv" in failures(index)["delays"]
    assert len(index.plots) == len(ALL)


def test_a_failed_plot_leaves_no_old_picture_behind(night):
    (night.root / "records" / "all.K.csv").write_text("not, a\ntable")
    index = draw_plots(night.root)
    assert next(plot for plot in index.plots if plot.name == "delays").file is None
    assert not (night.root / "plots" / "delays.png").exists()


def test_a_record_of_another_version_fails_its_plots_and_no_other(night):
    class Strange(ApplyRecord):
        unknown: int = 1

    night.entries["apply"] = Strange(**night.entries["apply"].model_dump())
    night.save_ledger()
    index = draw_plots(night.root)
    assert "visibilities" in failures(index)
    assert {plot.name for plot in index.plots} >= {"delays", "image_1252_5634"}


def emptied(frame):
    return frame.iloc[:0]


def all_flagged(frame):
    return frame.assign(flagged=True)


def one_row(frame):
    return frame.iloc[:1]


def one_time(frame):
    return frame[frame["time_s"] == frame["time_s"].iloc[0]]


def not_numbers(frame):
    numbers = [name for name in ("amplitude", "phase_deg", "snr", "delay_ns") if name in frame]
    return frame.assign(**dict.fromkeys(numbers, float("nan")))


def all_the_same(frame):
    numbers = [name for name in ("amplitude", "phase_deg", "snr", "delay_ns") if name in frame]
    return frame.assign(**dict.fromkeys(numbers, 0.0))


def huge(frame):
    numbers = [name for name in ("amplitude", "phase_deg", "snr", "delay_ns") if name in frame]
    return frame.assign(**dict.fromkeys(numbers, 1e30))


def change_tables(night, change):
    for path in (night.root / "records").glob("*.csv"):
        frame = pd.read_csv(path)
        if "flagged" in frame and "time_s" in frame:
            change(frame).to_csv(path, index=False)


@pytest.fixture
def solves(night, monkeypatch):
    """One table of each kind, and no plots but theirs."""
    monkeypatch.setattr(draw, "SECTIONS", [s for s in draw.SECTIONS if s.name in {"gains", "bandpasses", "solved"}])
    night.entries = {step: night.entries[step] for step in ("inspect", "delay", "bandpass1", "gains", "bandpass2")}
    night.save_ledger()
    return night


@pytest.mark.parametrize("change", [all_flagged, one_row, one_time, not_numbers, all_the_same, huge])
def test_strange_tables_are_drawn_without_a_warning(solves, change):
    change_tables(solves, change)
    assert failures(draw_plots(solves.root)) == {}


def test_empty_tables_say_so_in_place_of_a_picture(solves):
    change_tables(solves, emptied)
    failed = failures(draw_plots(solves.root))
    assert failed["delays"] == failed["phase_calsources_p1"] == "the table holds no solutions"
    assert failed["amplitude_bpcals_b1"] == failed["bandpass_change"] == "the table holds no solutions"


def test_flagged_visibilities_leave_empty_plots_not_errors(night):
    path = night.root / "records" / "apply.visibilities.csv"
    pd.read_csv(path).assign(weight=0.0).to_csv(path, index=False)
    assert failures(draw_plots(night.root)) == {}


def test_tables_of_a_long_night_are_drawn(solves):
    path = solves.root / "records" / "calsources.p1.csv"
    frame = pd.read_csv(path)
    later = [frame.assign(time_s=frame["time_s"] + 30.0 * n, scan=n) for n in range(200)]
    pd.concat(later).to_csv(path, index=False)
    assert failures(draw_plots(solves.root)) == {}


STRANGE = [
    "<script>alert(1)</script>",
    "$x_1$ \\frac{1}{0} ${",
    "../../etc/passwd",
    "日本 🛰 Ωμέγα",
    "tab\there\nand\r\x1b[31m",
    "a" * 300,
    "%s {0} {name}",
    '"; DROP TABLE fields; --',
]


@pytest.mark.parametrize("names", [STRANGE[:4], STRANGE[4:]])
def test_strange_field_names_do_no_harm(tmp_path, monkeypatch, names):
    without_fields = {"antennas", "gains", "bandpasses", "solved"}
    monkeypatch.setattr(draw, "SECTIONS", [s for s in draw.SECTIONS if s.name not in without_fields])
    fields = (TARGET, REFERENCE, FLUX, BANDPASS)
    night = Night(tmp_path / "night", dict(zip(fields, names, strict=True))).write()
    index = draw_plots(night.root)
    assert failures(index) == {}
    assert sum(plot.name.startswith("image_") for plot in index.plots) == 2
    assert {path.parent for path in night.root.rglob("*.png")} == {night.root / "plots"}


def test_antennas_named_like_missing_numbers_stay_names(night):
    path = night.root / "records" / "all.K.csv"
    path.write_text(path.read_text().replace("Kn", "NA"))
    inputs = read_inputs(night.root)
    assert sorted(set(inputs.frame(Path("records/all.K.csv"))["antenna"])) == ["De", "Mk2", "NA", "Pi"]


def test_without_an_outcome_there_is_no_overview_of_gates(finished):
    assert "gate_overview" not in {plot.name for plot in written_index(finished).plots}


def test_the_overview_stands_at_the_last_gates_step(night):
    night.conclude((gate(check(), step="delay"),))
    plots = {plot.name: plot for plot in draw_plots(night.root).plots}
    assert plots["gate_overview"].step == "delay"


def test_the_mail_gets_target_residual_phase_and_overview(night):
    night.conclude((gate(check(observed=1.0, verdict="passed"), verdict="passed"),))
    decisive = {plot.name for plot in draw_plots(night.root).plots if plot.decisive}
    assert decisive == {"image_1252_5634", "residual_phase", "gate_overview"}


def test_where_a_gate_stopped_its_first_plot_goes_into_the_mail(night):
    night.entries = {step: night.entries[step] for step in ("inspect", "flag", "delay")}
    night.save_ledger()
    night.conclude((gate(check()),))
    assert {plot.name for plot in draw_plots(night.root).plots if plot.decisive} == {"delays", "gate_overview"}


def test_an_outcome_that_cannot_be_read_is_as_good_as_none(night):
    (night.root / "outcome.json").write_text("{}")
    assert failures(draw_plots(night.root)) == {}


def test_an_image_made_before_pixels_were_kept_says_what_to_do(night):
    record = night.entries["image"]
    night.entries["image"] = record.evolve(images=tuple(image.evolve(centre=None) for image in record.images))
    night.save_ledger()
    assert "rerun from the image step" in failures(draw_plots(night.root))["image_1252_5634"]


def test_the_command_draws_a_workspace(night, capsys):
    assert main([str(night.root)]) == 0
    assert capsys.readouterr().out == f"{len(ALL)} plots in {night.root / 'plots'}, 0 failed\n"


def test_the_command_refuses_what_is_no_folder(tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path / "nothing")])
    assert "is no folder" in capsys.readouterr().err
