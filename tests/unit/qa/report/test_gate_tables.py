"""Gates as tables: one line per metric, the worst first where it matters."""

from __future__ import annotations

import pytest

from qa.report.gate_tables import WITHOUT_DATA, findings, gate_view, nearest, nearness
from qa.report.numbers import Numbers
from tests.unit.qa.report import made_up


def view(*checks, verdict="passed"):
    gate = made_up.gate(verdict, *checks)
    return gate_view(0, gate, Numbers(made_up.outcome(gates=(gate,)).model_dump(mode="json", by_alias=True)))


def test_both_bounds_of_a_metric_stand_in_one_line():
    (row,) = view(made_up.check(severity="warn"), made_up.check()).checks
    assert (row.warn, row.stop) == ("at most 15 ns", "at most 50 ns")


def test_the_line_shows_the_worse_of_both():
    (row,) = view(made_up.check("warned", 20.0, "warn"), made_up.check(observed=4.0)).checks
    assert (row.light, row.observed.value) == ("warned", 20.0)


def test_a_softened_stop_goes_before_its_warning_for_it_names_the_loss():
    softened = made_up.check("warned", 80.0, reason="lost: Cm; 5 of 6 antennas go on")
    (row,) = view(made_up.check("warned", 80.0, "warn"), softened).checks
    assert row.reason == "lost: Cm; 5 of 6 antennas go on"


def test_an_antenna_without_data_is_named_beside_the_metric_and_has_no_line():
    absent = made_up.check("not applicable", None, where="23", reason=WITHOUT_DATA, bound="not judged", measured=0)
    (row,) = view(made_up.check(), absent).checks
    assert row.light == "passed"
    assert row.left_out == "23: antenna without any data"


def test_places_that_were_left_out_are_named_by_reason():
    left_out = [
        made_up.check("not applicable", None, where=field, reason="no standard", bound="not judged", measured=0)
        for field in ("0319+415", "1302+5748")
    ]
    (row,) = view(made_up.check(), *left_out).checks
    assert row.left_out == "0319+415, 1302+5748: no standard"


def test_a_check_that_does_not_apply_says_why_and_shows_no_number():
    (row,) = view(
        made_up.check("not applicable", None, reason="one solution per scan", bound="not judged", measured=0)
    ).checks
    assert (row.reason, row.observed, row.stop) == ("one solution per scan", "–", "")


def test_stops_come_before_warnings_and_are_told_in_full():
    warned = [made_up.check("warned", 20.0, metric=f"m{n}") for n in range(3)]
    found = findings([view(*warned, made_up.check("stopped", 80.0, metric="last"), verdict="stopped")])
    assert [entry.light for entry in found] == ["stopped", "warned", "warned", "warned"]
    assert [entry.unfolded for entry in found] == [True, False, False, False]


@pytest.mark.parametrize(
    ("changes", "near"),
    [
        ({"observed": 40.0, "bound": "<= 50"}, 0.8),
        ({"observed": 0.9, "bound": ">= 0.8", "unit": "fraction"}, 0.5),
        ({"observed": 40.0, "bound": ">= 20", "unit": "dimensionless"}, 0.5),
        ({"observed": 1.0, "bound": "<= 1", "unit": "factor"}, 0.0),
        ({"observed": None}, 0.0),
        ({"observed": 0.0, "bound": "<= 0", "unit": "fraction"}, 0.0),
        ({"observed": 1.0, "bound": "-3 to 2", "unit": "dimensionless"}, 0.0),
        ({"observed": 1.0, "bound": "reported, not judged"}, 0.0),
    ],
)
def test_nearness_to_a_bound(changes, near):
    assert nearness(made_up.check(**changes)) == pytest.approx(near)


def test_the_nearest_checks_are_named_once_per_metric():
    gate = made_up.gate("passed", made_up.check(observed=14.0, severity="warn"), made_up.check(observed=14.0))
    run = made_up.outcome(gates=(gate, gate))
    (close,) = nearest(run.gates, Numbers(run.model_dump(mode="json", by_alias=True)))
    assert (close.observed.value, close.bound) == (14.0, "at most 15 ns")
