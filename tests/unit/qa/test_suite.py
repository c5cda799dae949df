"""Suites: whole as shipped, refused when anything is missing."""

from __future__ import annotations

import re

import pytest

from qa.suite import REQUIRED, SUITES, load_suite, parse_suite
from schemas.errors import ConfigurationError
from schemas.policy import GatePolicy

FILES = sorted(SUITES.glob("*.yaml"))


def text_of(name: str) -> str:
    return (SUITES / f"{name}.yaml").read_text(encoding="utf-8")


def refusal(text: str, name: str = "apply") -> str:
    with pytest.raises(ConfigurationError) as caught:
        parse_suite(text, name)
    return str(caught.value)


@pytest.mark.parametrize("name", sorted(REQUIRED))
def test_each_shipped_suite_loads(name):
    assert {entry.key for entry in load_suite(name).expectations} == REQUIRED[name]


def test_every_suite_of_the_policy_has_requirements_and_a_file():
    assert set(REQUIRED) == set(GatePolicy.model_fields) == {path.stem for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_removing_any_one_line_is_refused(path):
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    meaningful = [number for number, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")]
    accepted = []
    for number in meaningful:
        try:
            parse_suite("".join(lines[:number] + lines[number + 1 :]), path.stem)
        except ConfigurationError:
            continue
        accepted.append(lines[number])
    assert meaningful
    assert accepted == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_removing_any_whole_expectation_is_refused(path):
    head, *entries = re.split(r"(?m)^(?=\s*- metric:)", path.read_text(encoding="utf-8"))
    for number in range(len(entries)):
        message = refusal("".join([head, *entries[:number], *entries[number + 1 :]]), path.stem)
        assert "refused" in message


def test_an_unknown_expectation_type_is_refused():
    text = text_of("apply").replace("expect_column_values_to_be_between", "expect_column_values_to_be_great", 1)
    assert "type" in refusal(text)


def test_an_unknown_severity_is_refused():
    assert "severity" in refusal(text_of("apply").replace("severity: warn", "severity: critical"))


def test_an_unknown_bound_is_refused():
    assert "the policy has no bound added_most" in refusal(text_of("apply").replace("added_stop", "added_most"))


def test_a_bare_number_as_bound_is_refused():
    assert "max_value" in refusal(text_of("apply").replace("{$PARAMETER: added_stop}", "0.9"))


def test_an_argument_that_weakens_an_expectation_is_refused():
    assert "mostly" in refusal(text_of("apply").replace("column: observed", "column: observed, mostly: 0.5", 1))


def test_a_doubled_key_is_refused():
    assert "given twice: unit" in refusal(text_of("apply").replace("    unit:", "    unit: deg\n    unit:", 1))


def test_an_expectation_given_twice_is_refused():
    text = text_of("apply")
    first = re.split(r"(?m)^(?=\s*- metric:)", text)[1]
    assert "given twice" in refusal(text + first)


def test_a_warn_bound_at_a_stop_expectation_is_refused():
    swapped = text_of("apply").replace("added_warn", "X").replace("added_stop", "added_warn").replace("X", "added_stop")
    assert "does not belong" in refusal(swapped)


@pytest.mark.parametrize("text", ["", "[]", "suite: apply\nexpectations: []\n", "suite: [", "just words"])
def test_what_is_no_suite_is_refused(text):
    assert "refused" in refusal(text)


def test_a_suite_under_another_name_is_refused():
    assert "names itself 'delay'" in refusal(text_of("apply").replace("suite: apply", "suite: delay"))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_suite("apply", tmp_path)
