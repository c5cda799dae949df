"""The tables on the console: every number is there, and units in brackets are not taken for markup."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from flows.tables import print_gates, print_outcome, read_outcome
from schemas.errors import ConfigurationError
from tests.unit.flows.outcomes import check, outcome, report, stopped_check


def printed(function, *arguments):
    console = Console(file=io.StringIO(), width=200)
    function(console, *arguments)
    return console.file.getvalue()


def test_every_gate_shows_metric_place_number_bound_and_verdict():
    text = printed(print_gates, outcome())
    for word in ("delay", "ize of the delay [ns]", "antenna Cm, spw 3, L", "4 ns", "<= 50", "passed"):
        assert word in text


def test_a_check_that_could_not_be_measured_shows_why_and_no_number():
    text = printed(print_gates, outcome(gates=(report("stopped", check("stopped", None, reason="no rows")),)))
    assert "stopped (no rows)" in text
    assert "nan" not in text


def test_a_failed_check_says_where_what_it_means_and_what_to_try():
    text = printed(print_gates, outcome("stopped", gates=(report("stopped", stopped_check()),)))
    assert "antenna Cm, spw 3, L" in text
    assert "and 3 more" in text
    assert "means: a cable was changed" in text
    assert "try: look at the station's log" in text


def test_a_skipped_gate_shows_its_reason_whole():
    text = printed(print_gates, outcome(gates=(report("skipped", reason="each spw is under 8 MHz [wide]"),)))
    assert "each spw is under 8 MHz [wide]" in text


def test_the_run_is_summed_up_with_flux_densities_calibrators_products_and_verdict(tmp_path):
    text = printed(print_outcome, outcome(), tmp_path)
    for words in ("1.9026", "0.270 ± 0.050", "5.0700", "0.4052", "1.0010", "1.25", "night: passed (2 s)."):
        assert words in text
    assert f"1252+5634: {tmp_path}/products/1252+5634.ms" in text


def test_units_in_headings_are_printed(tmp_path):
    text = printed(print_outcome, outcome(), tmp_path)
    for heading in ("flux density [Jy]", "at [GHz]", "phase rms [deg]"):
        assert heading in text


def test_the_reason_of_a_stop_is_the_last_line(tmp_path):
    stopped = outcome("stopped", reason="gate delay: antenna Cm at 80 ns")
    assert printed(print_outcome, stopped, tmp_path).splitlines()[-1].endswith("gate delay: antenna Cm at 80 ns")


def test_an_outcome_is_read_back_as_it_was_written(tmp_path):
    (tmp_path / "outcome.json").write_text(outcome().model_dump_json())
    assert read_outcome(tmp_path) == outcome()


def test_a_folder_without_an_outcome_is_told_what_to_give(tmp_path):
    with pytest.raises(ConfigurationError, match=r"holds no outcome\.json.*the observation's name"):
        read_outcome(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe"])
def test_a_broken_outcome_is_refused(tmp_path, content):
    (tmp_path / "outcome.json").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"cannot be read .* run the calibration again"):
        read_outcome(tmp_path)
