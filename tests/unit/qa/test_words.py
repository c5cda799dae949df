"""The field's words: nothing that is known goes by its internal name."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import get_args

import pytest

from flows.gates import JUDGES
from qa import words
from schemas.gates import CheckVerdict, GateVerdict
from schemas.inspection import RoleDecision
from schemas.observation import RequestedRoles
from schemas.outcome import Verdict
from schemas.profiles import ProfileName
from schemas.steps import STEPS

TASKS = Path(__file__).parents[3] / "tasks"
TABLE_NAME = re.compile(r"(all|bpcals|bpcals_precal|calsources)\.\w+")


def tables_written():
    """Names of solution tables, from the string constants of the tasks."""
    found = set()
    for path in TASKS.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and TABLE_NAME.fullmatch(node.value):
                found.add(node.value)
    return found


def test_every_step_has_a_title_and_a_purpose():
    assert set(words.STEP_TITLES) == set(STEPS) == set(words.STEP_PURPOSES)


def test_every_gate_has_a_title():
    assert {judge.name for judges in JUDGES.values() for judge in judges} == set(words.GATE_TITLES)


def test_every_table_that_a_task_writes_has_a_title():
    found = tables_written()
    assert len(found) >= 8
    assert found <= set(words.TABLE_TITLES)


def test_every_verdict_has_its_words():
    assert set(words.VERDICTS) == set(get_args(Verdict))
    assert set(words.JUDGEMENTS) == {*get_args(CheckVerdict), *get_args(GateVerdict)}


def test_every_role_and_profile_has_a_title():
    decided = get_args(RoleDecision.model_fields["role"].annotation)
    assert set(words.ROLE_TITLES) == {*decided, *RequestedRoles.model_fields}
    assert set(words.PROFILE_TITLES) == set(get_args(ProfileName))


def test_titles_tell_things_apart():
    for titles in (words.STEP_TITLES, words.GATE_TITLES, words.TABLE_TITLES, words.ACT_TITLES):
        assert len(set(titles.values())) == len(titles)


def test_an_unknown_name_is_kept():
    assert words.step_title("polarise") == words.gate_title("polarise") == "polarise"
    assert words.verdict_words("unheard-of").word == "unheard-of"


@pytest.mark.parametrize(
    ("value", "unit", "written"),
    [
        (12.34567, "ns", "12.35 ns"),
        (45.0, "deg", "45°"),
        (0.25, "fraction", "0.25"),
        (3.0, "antennas", "3 antennas"),
        (None, "ns", "not measured"),
    ],
)
def test_a_number_carries_its_unit(value, unit, written):
    assert words.quantity(value, unit) == written


@pytest.mark.parametrize(
    ("bound", "unit", "said"),
    [
        ("<= 50", "ns", "at most 50 ns"),
        (">= 0.8", "fraction", "at least 0.8"),
        ("-3 to 2", "dimensionless", "-3 to 2"),
        ("<= 40", "deg", "at most 40°"),
        ("not judged", "deg", "not judged"),
        ("a number at every place", "ns", "a number at every place"),
    ],
)
def test_a_bound_is_said_in_words(bound, unit, said):
    assert words.bound_words(bound, unit) == said
