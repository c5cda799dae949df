"""Pre-calibration: phase with the delays, then amplitude and phase, each bandpass calibrator on its own."""

from __future__ import annotations

import pytest

from tasks.precal import solve_precal
from tests.unit.conftest import BANDPASS, DELAYS, NO_DELAYS, chain, shortened
from tests.unit.tasks.summaries import guide_summary, spw

CENTRAL = "0:16~48,1:16~48,2:16~48,3:16~48"
WORDS = {"emerlin": ("", "30s", "120s"), "vla": (CENTRAL, "int", "inf")}


def expected(profile, field, calmode, tables, first):
    channels, phase, both = WORDS[profile]
    name = "p1" if calmode == "p" else "ap1"
    return {
        "vis": "night.ms",
        "caltable": f".bpcals_precal.{name}.partial",
        "field": field,
        "spw": channels,
        "calmode": calmode,
        "solint": phase if calmode == "p" else both,
        "solnorm": calmode == "ap",
        "append": not first,
        "refant": "Mk2,Pi",
        "minblperant": 2,
        "minsnr": 2.0,
        "corrdepflags": True,
        **tables,
    }


@pytest.mark.parametrize("profile", ["emerlin", "vla"])
@pytest.mark.parametrize("delays", [DELAYS, NO_DELAYS], ids=["with K", "without K"])
def test_each_calibrator_is_solved_alone_into_one_table(make_calibration, casa, profile, delays):
    solve_precal.fn(make_calibration(profile), delays)
    k = [("all.K", "nearest")] if delays.tables else []
    phase, both = chain(*k), chain(*k, ("bpcals_precal.p1", "nearest"))
    assert [shortened(call) for call in casa.asked("gaincal")] == [
        *(expected(profile, field, "p", phase, field == BANDPASS[0]) for field in BANDPASS),
        *(expected(profile, field, "ap", both, field == BANDPASS[0]) for field in BANDPASS),
    ]


def test_a_first_calibrator_without_solutions_does_not_lose_the_second(calibration, casa):
    made = casa.returns["gaincal"]

    def gaincal(**asked):
        return {"solvestats": {}} if asked["field"] == BANDPASS[0] else made(**asked)

    casa.returns["gaincal"] = gaincal
    record = solve_precal.fn(calibration, DELAYS)
    assert len(record.tables) == 2
    assert [call["append"] for call in casa.asked("gaincal")] == [False, False, False, False]


def test_the_central_half_is_taken_of_every_spectral_window(make_calibration, casa):
    summary = guide_summary(spws=(spw(0, channels=63), spw(1, channels=16)))
    solve_precal.fn(make_calibration(summary=summary, overrides={"precal.channels": "central"}), NO_DELAYS)
    assert casa.asked("gaincal")[0]["spw"] == "0:15~47,1:4~12"


def test_it_can_be_switched_off(make_calibration, casa):
    record = solve_precal.fn(make_calibration(overrides={"precal.enabled": False}), DELAYS)
    assert record.skipped == "switched off (precal.enabled)"
    assert casa.calls == [] or not casa.asked("gaincal")
