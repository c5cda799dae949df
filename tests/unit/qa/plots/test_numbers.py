"""The numbers that the plots show, from known tables."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qa.plots.antennas import local
from qa.plots.bandpasses import change
from qa.plots.flags import added, fractions
from qa.plots.fluxes import spectra
from qa.plots.gains import phase_steps, relative
from qa.plots.gates import fraction, nearness
from qa.plots.inputs import read_inputs
from qa.plots.solved import counted
from qa.plots.visibilities import weighted_line
from tests.unit.qa.plots.night import ANTENNAS, BANDPASS, CALIBRATORS, FLUX, TARGET, check, gate
from tests.unit.tasks.summaries import GUIDE_ANTENNAS


def gains(**columns):
    frame = {"time_s": 0.0, "field": "f", "antenna": "Mk2", "spw": 0, "polarisation": "R", "amplitude": 1.0}
    return pd.DataFrame(frame | columns)


def test_antennas_stand_east_and_north_of_their_centre():
    # On the equator at longitude 0, y is east and z is north.
    where = np.asarray([[6.4e6, -100.0, 0.0], [6.4e6, 100.0, 0.0], [6.4e6, 0.0, 50.0], [6.4e6, 0.0, -50.0]])
    assert local(where) == pytest.approx(np.asarray([[-100, 0], [100, 0], [0, 50], [0, -50]]), abs=1e-6)


def test_separations_on_the_map_of_emerlin_are_those_in_space():
    where = np.asarray(list(GUIDE_ANTENNAS.values()))
    flat = local(where)
    away = np.linalg.norm(where[0] - where[5])
    assert np.linalg.norm(flat[0] - flat[5]) == pytest.approx(away, rel=1e-3)
    # Cambridge is south-east of Jodrell Bank.
    assert flat[5][0] > flat[0][0]
    assert flat[5][1] < flat[0][1]


def test_amplitudes_are_relative_to_the_median_of_good_ones():
    frame = gains(amplitude=[1.0, 2.0, 3.0, 50.0], time_s=[0, 1, 2, 3])
    good = np.asarray([True, True, True, False])
    assert relative(frame, good, by_field=True).tolist() == [0.5, 1.0, 1.5, 25.0]


def test_sources_have_medians_of_their_own_only_where_asked():
    frame = gains(amplitude=[1.0, 1.0, 4.0, 4.0], field=["a", "a", "b", "b"])
    good = np.ones(4, dtype=bool)
    assert relative(frame, good, by_field=True).tolist() == [1.0] * 4
    assert relative(frame, good, by_field=False).tolist() == [0.4, 0.4, 1.6, 1.6]


def test_phase_steps_go_the_short_way_round():
    frame = gains(phase_deg=[170.0, -170.0, 170.0], time_s=[0, 1, 2])
    assert phase_steps(frame, ["field"]) == {"Mk2": pytest.approx(20.0)}


def bandpass(amplitudes, flagged=False):
    channels = range(len(amplitudes))
    return gains(amplitude=amplitudes, channel=list(channels), flagged=flagged)


def test_two_bandpasses_that_differ_by_a_factor_do_not_differ():
    assert change(bandpass([1.0, 2.0, 4.0]), bandpass([3.0, 6.0, 12.0])).tolist() == [1.0, 1.0, 1.0]


def test_a_channel_flagged_in_either_bandpass_has_no_ratio():
    first, second = bandpass([1.0, 1.0, 1.0], [True, False, False]), bandpass([1.0, 1.0, 1.0], [False, False, True])
    found = change(first, second)
    assert np.isnan(found).tolist() == [True, False, True]


def test_flagged_fractions_are_of_all_that_was_counted():
    counts = pd.DataFrame({"field": ["a", "a", "b"], "flagged": [10, 0, 5], "total": [100, 100, 0]})
    assert fractions(counts, ["field"]).to_dict() == {"a": 0.05}


def test_each_act_of_flagging_is_shown_with_what_it_added(finished):
    inputs = read_inputs(finished.root)
    acts = [("late_on_source", Path("records/flags.ingested.csv"), Path("records/flags.late_on_source.csv"))]
    fields, names, parts = added(inputs, acts, Path("records/flags.ingested.csv"))
    assert set(fields) == {*CALIBRATORS, TARGET}
    assert names == ["As the data came", "Starts of scans (antennas still slewing)"]
    assert parts.tolist() == [[0.0] * 4, [0.2] * 4]


def test_gain_solutions_are_counted_from_the_statistics(finished):
    inputs = read_inputs(finished.root)
    antennas, columns, numbers = counted(inputs, inputs.table("calsources.p1"))
    assert antennas == list(ANTENNAS)
    assert columns == ["spw 0 R", "spw 0 L", "spw 1 R", "spw 1 L"]
    assert numbers == pytest.approx(np.full((4, 4), 8 / 9))


def test_bandpass_solutions_are_counted_from_the_flags_of_channels_with_data(finished):
    inputs = read_inputs(finished.root)
    _, _, numbers = counted(inputs, inputs.table("bpcals.B1"))
    # Channel 15 has no data and does not count; channel 0 failed.
    assert numbers == pytest.approx(np.full((4, 4), 14 / 15))


def test_the_hands_of_many_spws_are_added_up(night):
    rows = [(w, a, h, 10, 10, 10, 5 if h == "R" else 10) for w in range(40) for a in ANTENNAS for h in "RL"]
    path = night.root / "records" / "calsources.p1.statistics.csv"
    names = ["spw", "antenna", "polarisation", "expected", "attempted", "above_minblperant", "succeeded"]
    pd.DataFrame(rows, columns=names).to_csv(path, index=False)
    inputs = read_inputs(night.root)
    _, columns, numbers = counted(inputs, inputs.table("calsources.p1"))
    assert columns[0] == "spw 0–2"
    assert len(columns) == 14
    assert numbers == pytest.approx(np.full((4, 14), 0.75))


def test_flux_densities_carry_the_resolved_out_factor(finished):
    inputs = read_inputs(finished.root)
    from schemas.solutions import FluxscaleRecord

    model, scaled = spectra(inputs, inputs.record("fluxscale", FluxscaleRecord))
    assert (model.name, scaled.name) == (FLUX, BANDPASS)
    assert scaled.jy == pytest.approx((2.1 * 0.9,))
    assert scaled.fitted(5.0) == pytest.approx(1.8)
    assert scaled.fitted(2.5) == pytest.approx(3.6)
    assert scaled.known_jy == (1.0, 3.0)
    assert math.isnan(model.fitted(5.0))


def test_the_line_through_amplitudes_is_weighted():
    x, y = np.asarray([0.0, 1.0, 2.0, 9.0]), np.asarray([1.0, 2.0, 3.0, 100.0])
    assert weighted_line(x, y, np.asarray([1.0, 1.0, 1.0, 0.0])) == pytest.approx((1.0, 1.0))


@pytest.mark.parametrize("x", [[], [1.0], [2.0, 2.0]])
def test_no_line_goes_through_one_uv_distance(x):
    assert weighted_line(np.asarray(x), np.ones(len(x)), np.ones(len(x))) is None


@pytest.mark.parametrize(
    ("observed", "bound", "unit", "part"),
    [
        (25.0, "<= 50", "ns", 0.5),
        (60.0, "<= 50", "ns", 1.2),
        (0.9, ">= 0.8", "fraction", 0.5),
        (1.0, ">= 0.8", "fraction", 0.0),
        (8.0, ">= 4", "antennas", 0.5),
        (0.0, ">= 4", "antennas", math.inf),
        (-2.5, "-5 to 5", "dimensionless", 0.5),
        (-3.0, "-3 to 2", "dimensionless", 1.0),
        (1.0, "<= 3", "factor", 0.0),
        (2.0, "<= 3", "factor", 0.5),
        (0.0, "<= 0", "baselines", 0.0),
        (1.0, "<= 0", "baselines", math.inf),
        (None, "<= 50", "ns", math.inf),
        (None, "not judged", "deg", None),
        (0.5, "reported, not judged", "fraction", None),
    ],
)
def test_nearness_to_a_bound_is_one_at_it(observed, bound, unit, part):
    found = fraction(observed, bound, unit)
    assert found is None if part is None else found == pytest.approx(part)


def test_of_a_metrics_bounds_the_stop_is_what_counts_and_its_worst_verdict_is_shown():
    checks = (
        check("m", 20.0, "<= 15", "warn", "warned"),
        check("m", 20.0, "<= 50", "stop", "passed"),
        check("n", 0.9, ">= 0.8", "stop", "passed", "fraction"),
        check("o", None, "not judged", "stop", "not applicable"),
    )
    found = nearness(gate(*checks, verdict="warned"))
    assert [(entry.check.metric, entry.part, entry.verdict) for entry in found] == [
        ("n", pytest.approx(0.5), "passed"),
        ("m", pytest.approx(0.4), "warned"),
    ]
