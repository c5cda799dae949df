"""The trial apply: flags left alone, and numbers before and after."""

from __future__ import annotations

import math

import pytest

from schemas.solutions import SolveRecord
from tasks.trial import apply_trial
from tests.unit.conftest import BANDPASS1, DELAYS, NO_DELAYS, REFERENCE, chain, shortened


def response(slopes, spreads):
    """Band response of one field and spw over three baselines."""
    count = len(slopes)
    return {"field": [REFERENCE] * count, "spw": [0] * count, "slope_deg": slopes, "spread": spreads}


@pytest.fixture
def bands(casa):
    answers = {
        "DATA": response([80.0, 100.0, 300.0], [0.5, 0.6, 0.9]),
        "CORRECTED_DATA": response([1.0, 2.0, 30.0], [math.nan, math.nan, math.nan]),
    }
    casa.returns["tasks.tables_casa:band_response"] = lambda visibilities, **_asked: answers[visibilities]
    return casa


@pytest.mark.parametrize("profile", ["emerlin", "vla"])
@pytest.mark.parametrize("delays", [DELAYS, NO_DELAYS], ids=["with K", "without K"])
def test_delays_and_bandpass_go_to_each_calibrator_with_flags_left_alone(make_calibration, bands, profile, delays):
    apply_trial.fn(make_calibration(profile), delays, BANDPASS1)
    k = [("all.K", "nearest")] if delays.tables else []
    common = {"vis": "night.ms", "applymode": "calonly", "calwt": False, "flagbackup": False}
    common |= chain(*k, ("bpcals.B1", ""))
    expected = [{**common, "field": field} for field in (REFERENCE, "1331+305", "0319+415", "1407+284")]
    assert [shortened(call) for call in bands.asked("applycal")] == expected


def test_the_phase_reference_is_compared_by_medians(calibration, bands):
    (phase,) = apply_trial.fn(calibration, DELAYS, BANDPASS1).phases
    assert (phase.field, phase.spw) == (REFERENCE, 0)
    assert (phase.slope_before_deg, phase.slope_after_deg) == (100.0, 2.0)
    assert (phase.amplitude_spread_before, phase.amplitude_spread_after) == (0.6, None)


def test_only_phase_references_are_read(calibration, bands):
    apply_trial.fn(calibration, DELAYS, BANDPASS1)
    assert {tuple(call["fields"]) for call in bands.asked("tasks.tables_casa:band_response")} == {(REFERENCE,)}


def test_it_can_be_switched_off(make_calibration, casa):
    record = apply_trial.fn(make_calibration(overrides={"trial.enabled": False}), DELAYS, BANDPASS1)
    assert record.skipped == "switched off (trial.enabled)"


def test_without_any_table_there_is_nothing_to_try(calibration, casa):
    assert apply_trial.fn(calibration, NO_DELAYS, SolveRecord(skipped="off")).skipped == "no table to apply"
    assert casa.asked("applycal") == []
