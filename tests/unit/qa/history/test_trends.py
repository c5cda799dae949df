"""Trends for the report: tables night by night, and pictures of them."""

import struct
from datetime import timedelta

import pytest

from qa.history import nights
from qa.history.drawing import jumps
from qa.history.nights import trends_of
from qa.history.trends import draw_trends, jumps_in_words, trends_to_show
from qa.history.writing import moment, write_run
from schemas.plots import PlotIndex
from tests.unit.qa.history.nights import FIRST, REFERENCE, TARGET, delays, flux, outcome_on, summary_on, write_nights

NAMES = ["trend_delay", "trend_flux", "trend_solutions", "trend_verdict", "trend_noise"]


def season(database, count=12, jump=8):
    """Nights in which Cm's delay jumps; return the last outcome."""
    for number in range(count):
        night = FIRST + timedelta(days=number)
        outcome = outcome_on(
            night,
            delays=delays({"Cm": 9.0 if number >= jump else 0.0}),
            fluxes={REFERENCE: flux(0.4 + 0.01 * number)},
            verdict="stopped" if number == 5 else "passed",
        )
        write_run(database, outcome, summary_on(night))
    return outcome


def trends(database, outcome):
    origin = outcome.provenance
    return trends_of(database, outcome.observation, moment(origin.started), origin.flow_run)


def workspace(tmp_path, outcome):
    root = tmp_path / outcome.observation
    root.mkdir()
    (root / "outcome.json").write_text(outcome.model_dump_json())
    return root


def test_delays_are_there_night_by_night(database):
    found = trends(database, season(database)).delays
    mine = found[found["antenna"].eq("Cm") & found["spw"].eq(0) & found["polarisation"].eq("R")]
    assert list(mine["delay_ns"]) == [6.0] * 8 + [15.0] * 4


def test_flux_densities_solutions_verdicts_and_noise_are_there_night_by_night(database):
    found = trends(database, season(database))
    assert list(found.fluxes["flux_density_jy"]) == pytest.approx([0.4 + 0.01 * number for number in range(12)])
    assert found.fluxes["phase_reference"].all()
    assert set(found.solutions["ratio"]) == {0.9}
    assert found.verdicts["verdict"].tolist() == ["passed"] * 5 + ["stopped"] + ["passed"] * 6
    assert set(found.noise["field"]) == {TARGET}
    assert len(found.noise) == 12


def test_data_processed_again_are_one_night_of_a_trend(database):
    outcome = season(database)
    write_run(database, outcome_on(FIRST, again=5, delays=delays({"Cm": 1.0})), summary_on(FIRST))
    found = trends(database, outcome)
    assert len(found.verdicts) == 12
    assert set(found.delays[found.delays["night"].eq("2026-10-01") & found.delays["antenna"].eq("Cm")]["delay_ns"]) == {
        7.0
    }


@pytest.mark.parametrize(("own", "shown"), [(11, range(6, 12)), (6, range(6, 12)), (5, range(2, 8)), (0, range(6))])
def test_a_trend_has_a_season_with_the_runs_own_night_in_it(database, monkeypatch, own, shown):
    monkeypatch.setattr(nights, "NIGHTS_SHOWN", 6)
    season(database)
    found = trends(database, outcome_on(FIRST + timedelta(days=own)))
    assert found.verdicts["night"].tolist() == [str(FIRST + timedelta(days=number)) for number in shown]


def test_a_run_that_was_held_and_finished_is_one_verdict_of_a_trend(database):
    season(database, count=2)
    night = FIRST + timedelta(days=2)
    for again, verdict in enumerate(("held", "warned")):
        found = outcome_on(night, again=again, verdict=verdict)
        last = found.evolve(provenance=found.provenance.evolve(flow_run="one"))
        write_run(database, last, summary_on(night))
    assert trends(database, last).verdicts["verdict"].tolist() == ["passed", "passed", "warned"]
    assert len(trends(database, last).noise) == 3


def test_a_jump_is_dated_and_quiet_antennas_are_not_named(database):
    found = jumps(trends(database, season(database)).delays)
    assert set(found["antenna"]) == {"Cm"}
    assert found["night"].min() == "2026-10-09"
    assert jumps_in_words(trends(database, season(database)).delays) == "Not as before: Cm from 2026-10-09."


def test_pictures_and_their_index_are_written(database, tmp_path):
    root = workspace(tmp_path, season(database))
    index = draw_trends(database, root)
    assert [plot.name for plot in index.plots] == NAMES
    assert PlotIndex.model_validate_json((root / "plots" / "history.json").read_text()) == index
    for plot in index.plots:
        picture = (root / plot.file).read_bytes()
        width, height = struct.unpack(">II", picture[16:24])
        assert picture.startswith(b"\x89PNG")
        assert 900 <= width <= 1100
        assert 150 <= height <= 1200
        assert len(picture) < 300_000


def test_a_delay_trend_tells_those_who_cannot_see_it_what_jumped(database, tmp_path):
    index = draw_trends(database, workspace(tmp_path, season(database)))
    assert "12 nights from 2026-10-01 to 2026-10-12. Not as before: Cm from 2026-10-09." in index.plots[0].alternative


def test_one_night_is_no_trend(database, tmp_path):
    write_nights(database, 1)
    root = workspace(tmp_path, outcome_on(FIRST))
    assert draw_trends(database, root) == PlotIndex()
    assert (root / "plots" / "history.json").exists()


def test_a_run_that_is_not_in_the_history_has_no_trends(database, tmp_path):
    assert draw_trends(database, workspace(tmp_path, outcome_on(FIRST))) == PlotIndex()


def test_a_run_that_crashed_early_still_shows_what_others_came_to(database):
    season(database)
    night = FIRST + timedelta(days=20)
    crashed = outcome_on(
        night, verdict="crashed", gates=(), delays=(), fluxes={}, images=(), solve_statistics_by_antenna=()
    )
    write_run(database, crashed, summary_on(night))
    shown = [trend.name for trend in trends_to_show(trends(database, crashed))]
    assert shown == ["trend_solutions", "trend_verdict", "trend_noise"]
