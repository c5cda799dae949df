"""Gains in time: p1 and ap1 on the first bandpass, ap2 and p2 on the second."""

from __future__ import annotations

import pytest

from tasks.gains import solve_final_gains, solve_time_gains
from tests.unit.conftest import BANDPASS1, BANDPASS2, DELAYS, GAINS, NO_DELAYS, chain, shortened

CALIBRATORS = "1302+5748,1331+305,0319+415,1407+284"


def expected(name, calmode, solint, tables):
    return {
        "vis": "night.ms",
        "caltable": f".{name}.partial",
        "field": CALIBRATORS,
        "calmode": calmode,
        "solint": solint,
        "solnorm": False,
        "refant": "Mk2,Pi",
        "minblperant": 2,
        "minsnr": 2.0,
        "corrdepflags": True,
        **tables,
    }


@pytest.mark.parametrize(("profile", "phase", "both"), [("emerlin", "16s", "120s"), ("vla", "int", "inf")])
@pytest.mark.parametrize("delays", [DELAYS, NO_DELAYS], ids=["with K", "without K"])
def test_phase_then_amplitude_of_all_calibrators(make_calibration, casa, profile, phase, both, delays):
    record = solve_time_gains.fn(make_calibration(profile), delays, BANDPASS1)
    k = [("all.K", "nearest")] if delays.tables else []
    before = (*k, ("bpcals.B1", ""))
    assert [shortened(call) for call in casa.asked("gaincal")] == [
        expected("calsources.p1", "p", phase, chain(*before)),
        expected("calsources.ap1", "ap", both, chain(*before, ("calsources.p1", "nearest"))),
    ]
    assert [(table.name, table.kind) for table in record.tables] == [("calsources.p1", "p"), ("calsources.ap1", "ap")]


@pytest.mark.parametrize("profile", ["emerlin", "vla"])
@pytest.mark.parametrize("delays", [DELAYS, NO_DELAYS], ids=["with K", "without K"])
def test_final_amplitudes_use_p1_and_final_phases_are_one_a_scan(make_calibration, casa, profile, delays):
    record = solve_final_gains.fn(make_calibration(profile), delays, BANDPASS2, GAINS)
    k = [("all.K", "nearest")] if delays.tables else []
    before = (*k, ("bpcals.B2", ""))
    assert [shortened(call) for call in casa.asked("gaincal")] == [
        expected("calsources.ap2", "ap", "inf", chain(*before, ("calsources.p1", "nearest"))),
        expected("calsources.p2", "p", "inf", chain(*before)),
    ]
    assert [(table.name, table.kind) for table in record.tables] == [("calsources.ap2", "ap"), ("calsources.p2", "p")]


def test_interpolation_is_a_parameter_of_the_solves_too(make_calibration, casa):
    changes = {
        "apply.interp_bandpass": "nearest,linear",
        "apply.interp_gain": "nearest",
        "apply.interp_delay": "nearest",
    }
    solve_time_gains.fn(make_calibration(overrides=changes), DELAYS, BANDPASS1)
    assert casa.asked("gaincal")[1]["interp"] == ["nearest", "nearest,linear", "nearest"]


@pytest.mark.parametrize("step", ["gains", "finalgains"])
def test_either_can_be_switched_off(make_calibration, casa, step):
    calibration = make_calibration(overrides={f"{step}.enabled": False})
    if step == "gains":
        record = solve_time_gains.fn(calibration, DELAYS, BANDPASS1)
    else:
        record = solve_final_gains.fn(calibration, DELAYS, BANDPASS2, GAINS)
    assert record.skipped == f"switched off ({step}.enabled)"
    assert casa.asked("gaincal") == []


def test_without_one_good_phase_no_amplitude_is_solved_for(calibration, casa):
    casa.returns["tasks.tables_casa:read_gains"] |= {"flagged": [True]}
    record = solve_time_gains.fn(calibration, DELAYS, BANDPASS1)
    assert [table.name for table in record.tables] == ["calsources.p1"]
