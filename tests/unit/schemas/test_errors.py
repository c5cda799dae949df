"""Errors cross processes whole, and carry what a person needs at 3 a.m."""

from __future__ import annotations

import pickle

import pytest

from schemas import errors
from schemas.errors import CalibrationError, CasaCrashed, CasaError, CasaTimeout

PARAMETERS = {"vis": "night.ms", "solint": "16s", "spw": [0, 1]}
KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, CalibrationError)]
PLAIN = [kind for kind in KINDS if not issubclass(kind, CasaError)]


def through_pickle(error):
    return pickle.loads(pickle.dumps(error))  # noqa: S301 - our own error


@pytest.mark.parametrize("kind", PLAIN)
def test_an_error_survives_pickling(kind):
    again = through_pickle(kind("field 1331+305 is flagged: unflag it."))
    assert type(again) is kind
    assert str(again) == "field 1331+305 is flagged: unflag it."


@pytest.mark.parametrize("kind", [CasaError, CasaCrashed, CasaTimeout])
def test_an_error_of_casa_survives_pickling_with_all_it_carries(kind):
    error = kind("it died.", "gaincal", PARAMETERS, "last line")
    again = through_pickle(error)
    assert type(again) is kind
    assert (
        vars(again)
        == vars(error)
        == {
            "reason": "it died.",
            "task": "gaincal",
            "parameters": PARAMETERS,
            "log_tail": "last line",
        }
    )
    assert str(again) == str(error)


def test_an_error_of_casa_names_task_parameters_and_log():
    message = str(CasaError("it died.", "gaincal", PARAMETERS, "SEVERE no data"))
    assert message == (
        "gaincal: it died.\nIt was called with vis='night.ms', solint='16s', spw=[0, 1].\n"
        "The end of its log:\nSEVERE no data"
    )


def test_an_error_of_casa_without_a_log_says_so():
    assert str(CasaError("it died.", "gaincal", {}, "")).endswith("with no parameters.\nIts log is empty.")


def test_later_changes_of_the_parameters_do_not_reach_the_error():
    parameters = {"solint": "16s"}
    error = CasaError("it died.", "gaincal", parameters, "")
    parameters["solint"] = "inf"
    assert error.parameters == {"solint": "16s"}


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("ConfigurationError", 2),
        ("WorkspaceBusy", 2),
        ("DataUnusable", 2),
        ("GateFailed", 3),
        ("SolveError", 1),
        ("CasaError", 1),
        ("CasaCrashed", 1),
        ("CasaTimeout", 1),
    ],
)
def test_each_error_has_the_exit_code_of_the_design(kind, code):
    assert getattr(errors, kind).exit_code == code
