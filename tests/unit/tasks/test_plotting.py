"""Which plots a step has, what plotms is asked for them, and what the copies they are drawn from must hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.results import ApplyRecord, FlagAct, FlagRecord, ModelRecord, TrialRecord
from schemas.solutions import SolveRecord
from tasks.plotms_data import baselines_to_refant, listed_fields, longest_baseline, wanted
from tasks.plotting import panels, solution_drawings, time_axis
from tasks.visibility_plots import visibility_drawings
from tests.unit.conftest import BANDPASS1, BANDPASS2, DELAYS, FINAL, FLUX, GAINS, REFERENCE, TARGET

COUNTS = Path("records/counts.csv")
ACTS = tuple(
    FlagAct(name=name, saved_as=saved, asked=name, before=COUNTS, after=COUNTS, judged=True)
    for name, saved in (
        ("late_on_source", "pre_quack"),
        ("end_channels", "pre_endchans"),
        ("bad_times", "pre_timeflagging"),
    )
)
FLAGGED = FlagRecord(acts=ACTS, flag_version="flagged")
MODEL = ModelRecord(model="m", standard="s", fluxes=(), baselines=COUNTS, uv_limit_wavelengths=None)
RECORDS = {
    "inspect": SolveRecord(),
    "flag": FLAGGED,
    "delay": DELAYS,
    "model": MODEL,
    "bandpass1": BANDPASS1,
    "trial": TrialRecord(),
    "gains": GAINS,
    "bandpass2": BANDPASS2,
    "finalgains": FINAL,
    "apply": ApplyRecord(),
}
GUIDES_OWN = {
    "inspect": ["uv_coverage"],
    "flag": [
        "amplitude_time_before_quack",
        "amplitude_time_after_quack",
        "amplitude_channel_before_end_channels",
        "amplitude_channel_after_end_channels",
        "amplitude_time_baselines_before_bad_times",
        "amplitude_time_baselines_after_bad_times",
    ],
    "delay": ["raw_phase_time", "amplitude_one_channel", "amplitude_band_average", "delays"],
    "model": ["model_amplitude_uv", "model_amplitude_frequency"],
    "bandpass1": ["bandpass_b1_phase", "bandpass_b1_amplitude"],
    "trial": ["phase_frequency_raw", "phase_frequency_corrected", "trial_phase", "trial_amplitude"],
    "gains": ["phase_gains", "amplitude_gains"],
    "bandpass2": ["bandpass_b2_phase", "bandpass_b2_amplitude"],
    "finalgains": ["final_amplitude_gains", "final_phase_gains"],
    "apply": ["corrected_amplitude_uv_phase_reference", "corrected_amplitude_uv_target"],
}


def drawings_of(calibration, step, record):
    return [*visibility_drawings(calibration, step, record), *solution_drawings(calibration, step, record)]


def names(drawings):
    return [drawing.plot.name for drawing in drawings]


@pytest.mark.parametrize("step", GUIDES_OWN)
def test_every_step_has_the_guides_plots(calibration, step):
    assert names(drawings_of(calibration, step, RECORDS[step])) == GUIDES_OWN[step]


def test_every_plot_has_a_name_of_its_own_and_says_what_it_shows(calibration):
    plots = [one.plot for step, record in RECORDS.items() for one in drawings_of(calibration, step, record)]
    assert len({plot.name for plot in plots}) == len(plots) == 27
    assert all(plot.title and plot.caption and plot.alternative and plot.made_by == "plotms" for plot in plots)


def test_four_plots_go_into_the_mail(calibration):
    plots = [one.plot for step, record in RECORDS.items() for one in drawings_of(calibration, step, record)]
    assert [plot.name for plot in plots if plot.decisive] == [
        "phase_gains",
        "bandpass_b2_amplitude",
        "corrected_amplitude_uv_phase_reference",
        "corrected_amplitude_uv_target",
    ]


@pytest.mark.parametrize(
    ("step", "record"), [("trial", TrialRecord(skipped="off")), ("apply", ApplyRecord(skipped="off"))]
)
def test_what_was_skipped_has_no_plots(calibration, step, record):
    assert drawings_of(calibration, step, record) == []


def test_raw_phases_are_shown_even_where_the_delay_solve_is_skipped(calibration):
    assert "raw_phase_time" in names(drawings_of(calibration, "delay", SolveRecord(skipped="too narrow")))


def test_each_act_of_flagging_is_shown_with_the_flags_saved_before_and_after_it(calibration):
    versions = [one.flag_version for one in drawings_of(calibration, "flag", FLAGGED)]
    assert versions == ["pre_quack", "pre_endchans", "pre_endchans", "pre_timeflagging", "pre_timeflagging", "flagged"]


def test_an_act_that_was_not_asked_for_is_not_shown(calibration):
    without = FLAGGED.evolve(acts=ACTS[::2])
    found = drawings_of(calibration, "flag", without)
    assert names(found) == [name for name in GUIDES_OWN["flag"] if "channel" not in name]
    assert [one.flag_version for one in found] == ["pre_quack", "pre_timeflagging", "pre_timeflagging", "flagged"]


def test_fields_are_selected_by_number_since_a_name_may_mean_something_else(calibration):
    target = drawings_of(calibration, "apply", ApplyRecord())[1]
    assert target.asked["field"] == str(calibration.summary.field(TARGET).id)


def test_few_antennas_stand_one_above_the_other_and_many_in_a_grid():
    assert (panels("antenna", 6)["gridrows"], panels("antenna", 6)["gridcols"]) == (6, 1)
    assert (panels("antenna", 27)["gridrows"], panels("antenna", 27)["gridcols"]) == (7, 4)
    assert (time_axis(6), time_axis(27)) == ("time", "scan")


# --- the copies -------------------------------------------------------------------------------------------------------


def test_the_longest_baseline_is_the_one_between_the_two_farthest_antennas(calibration):
    kn, cm = 1, 5
    assert longest_baseline(calibration) == (kn, cm)


def test_the_reference_antennas_baselines_leave_out_antennas_without_data(make_calibration, calibration):
    summary = calibration.summary
    silent = summary.antennas[1].evolve(has_data=False)
    changed = make_calibration(summary=summary.evolve(antennas=(summary.antennas[0], silent, *summary.antennas[2:])))
    assert baselines_to_refant(changed) == [(0, 2), (0, 3), (0, 4), (0, 5)]


def test_the_raw_copy_has_the_phase_references_few_baselines_and_all_of_the_targets(calibration):
    rows, columns = wanted(calibration, "raw")
    ids = [calibration.summary.field(name).id for name in (REFERENCE, TARGET)]
    assert [entry["field"] for entry in rows] == ids
    assert (len(rows[0]["baselines"]), rows[1]["baselines"]) == (6, None)
    assert columns == ()


def test_the_models_copy_has_the_flux_calibrator_alone(calibration):
    rows, columns = wanted(calibration, "model")
    assert [entry["field"] for entry in rows] == [calibration.summary.field(FLUX).id]
    assert columns == ("MODEL_DATA",)


def test_bad_times_are_shown_on_the_calibrator_they_name_most_often(make_calibration, tmp_path):
    listed = tmp_path / "bad.txt"
    listed.write_text(
        "mode='manual' field='1252+5634' antenna='Cm'\n"
        "# a comment\n"
        "mode='manual' field='0319+415' antenna='Cm'\n"
        "mode='manual' field='0319+415' antenna='De'\n"
    )
    calibration = make_calibration(overrides={"flag.bad_times": str(listed)})
    assert listed_fields(calibration) == ("0319+415",)
    assert calibration.summary.field("0319+415").id in [entry["field"] for entry in wanted(calibration, "raw")[0]]


def test_bad_times_that_name_no_calibrator_are_shown_on_the_phase_reference(calibration):
    assert listed_fields(calibration) == (REFERENCE,)
