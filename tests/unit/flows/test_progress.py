"""What a person sees while a run goes on: plain lines, or a live table."""

from __future__ import annotations

import io

from rich.console import Console

from flows import progress
from schemas.outcome import StepOutcome
from tests.unit.flows.outcomes import check, report, stopped_check


def lines(*events, terminal=False):
    console = Console(file=io.StringIO(), width=200, force_terminal=terminal, color_system=None)
    with progress.shown(console):
        shown = progress.current()
        for name, argument in events:
            getattr(shown, name)(argument)
    return console.file.getvalue()


def test_plain_lines_tell_time_reuse_and_verdict():
    text = lines(
        ("began", "ingest"),
        ("done", StepOutcome(step="ingest", seconds=1.52, reused=False)),
        ("done", StepOutcome(step="delay", seconds=0.01, reused=True)),
        ("judged", report()),
    )
    assert [line.split() for line in text.splitlines()] == [
        ["ingest", "1.5", "s"],
        ["delay", "reused"],
        ["gate", "delay", "passed"],
    ]


def test_plain_lines_tell_what_is_out_of_bounds_with_its_unit():
    text = lines(("judged", report("stopped", stopped_check())))
    assert "delay: size of the delay [ns], antenna Cm, spw 3, L: 80 ns (bound <= 50): stopped." in text


def test_passed_checks_are_no_complaints():
    assert progress.complaints(report("warned", check(), check("warned", 20.0))) == [
        "delay: size of the delay [ns], antenna Cm, spw 3, L: 20 ns (bound <= 50): warned."
    ]


def test_what_could_not_be_measured_says_so():
    (line,) = progress.complaints(report("stopped", check("stopped", None, reason="the table is empty")))
    assert line.endswith("not measured: stopped. the table is empty")


def test_a_gate_that_stops_without_a_failed_check_gives_its_reason():
    assert progress.complaints(report("stopped", check(), reason="no metric")) == ["delay: no metric"]


def test_a_terminal_shows_all_stages_with_time_and_light():
    text = lines(
        ("began", "delay"),
        ("done", StepOutcome(step="delay", seconds=2.0, reused=False)),
        ("judged", report("warned", check("warned", 20.0))),
        ("began", "model"),
        terminal=True,
    )
    for words in ("✓", "2.0 s", "● delay warned", "image", "bound <= 50"):
        assert words in text


def test_outside_of_a_display_there_are_plain_lines():
    assert isinstance(progress.current(), progress.Lines)
