"""Solve statistics as rows, counts as CASA logs them, and the chain of tables."""

from __future__ import annotations

import numpy as np
import pytest

from schemas.solutions import STATISTICS_COLUMNS, SolveCounts
from tasks.gaintables import casa_chain
from tasks.solving import chain_of, counts_per_spw, statistics_frame
from tests.unit.conftest import BANDPASS1, DELAYS, GAINS, NO_DELAYS
from tests.unit.tasks.summaries import guide_summary, spw

NAMES = ("expected", "data_unflagged", "above_minblperant", "above_minsnr")


def level(*pairs):
    """One level of solvestats: for each count a pair by hand, as CASA 6.7 returns it."""
    return {name: np.array(pair) for name, pair in zip(NAMES, pairs, strict=True)}


def answer(spws):
    """What gaincal returns: totals, then per spw, then per antenna in it (by ID)."""
    total = level(*([9, 9] for _ in NAMES))
    return {"solvestats": {**total, **{f"spw{number}": levels for number, levels in spws.items()}}, "apmode": "p"}


# Recorded from gaincal p on 3C286 with minsnr 60: antenna 1 fails S/N in L, which the level of the spw does not see.
TWO_SPWS = {
    0: {
        **level([26, 26], [21, 21], [21, 20], [21, 20]),
        "ant0": level([26, 26], [21, 21], [21, 21], [21, 21]),
        "ant1": level([26, 26], [21, 20], [21, 20], [21, 0]),
    },
    1: {
        **level([26, 26], [21, 21], [21, 21], [21, 21]),
        "ant0": level([26, 26], [21, 21], [21, 21], [21, 21]),
        "ant1": level([26, 26], [0, 0], [0, 0], [0, 0]),
    },
}


def rows(frame, **where):
    for name, value in where.items():
        frame = frame[frame[name] == value]
    return [tuple(int(count) for count in row) for row in frame[list(STATISTICS_COLUMNS[3:])].to_numpy()]


def test_every_spw_antenna_and_hand_has_its_row(calibration):
    frame = statistics_frame([answer(TWO_SPWS)], calibration)
    assert tuple(frame.columns) == STATISTICS_COLUMNS
    places = set(frame[["spw", "antenna", "polarisation"]].itertuples(index=False, name=None))
    assert places == {(s, antenna, hand) for s in (0, 1) for antenna in ("", "Mk2", "Kn") for hand in "RL"}
    assert len(frame) == len(places)


def test_hands_are_told_apart_and_antennas_named_by_their_id(calibration):
    frame = statistics_frame([answer(TWO_SPWS)], calibration)
    assert rows(frame, spw=0, antenna="Kn", polarisation="R") == [(26, 21, 21, 21)]
    assert rows(frame, spw=0, antenna="Kn", polarisation="L") == [(26, 20, 20, 0)]
    assert rows(frame, spw=1, antenna="Kn", polarisation="R") == [(26, 0, 0, 0)]


def test_several_calls_into_one_table_are_summed(calibration):
    frame = statistics_frame([answer(TWO_SPWS), answer({0: TWO_SPWS[0]})], calibration)
    assert rows(frame, spw=0, antenna="Mk2", polarisation="R") == [(52, 42, 42, 42)]
    assert rows(frame, spw=1, antenna="Mk2", polarisation="R") == [(26, 21, 21, 21)]
    assert rows(frame, spw=0, antenna="", polarisation="L") == [(52, 42, 40, 40)]


def test_a_delay_solve_counts_in_the_same_way(calibration):
    stats = {0: {**level(*[[4, 4]] * 4), "ant3": level([4, 4], [3, 2], [3, 2], [3, 2])}}
    frame = statistics_frame([answer(stats)], calibration)
    assert rows(frame, antenna="Pi", polarisation="L") == [(4, 2, 2, 2)]


def test_one_count_for_both_hands_stands_for_each(calibration):
    stats = {0: {**level([4], [3], [3], [2]), "ant0": level([4], [3], [3], [2])}}
    frame = statistics_frame([answer(stats)], calibration)
    assert rows(frame, antenna="Mk2") == [(4, 3, 3, 2), (4, 3, 3, 2)]


def test_linear_hands_keep_their_names(make_calibration):
    summary = guide_summary(spws=(spw(0, correlations=("XX", "XY", "YX", "YY")),))
    frame = statistics_frame([answer({0: TWO_SPWS[0]})], make_calibration(summary=summary))
    assert set(frame["polarisation"]) == {"X", "Y"}


@pytest.mark.parametrize("answers", [[], [{}], [{"solvestats": {}}]])
def test_no_statistics_are_an_empty_table_with_its_columns(calibration, answers):
    frame = statistics_frame(answers, calibration)
    assert (tuple(frame.columns), len(frame)) == (STATISTICS_COLUMNS, 0)
    assert counts_per_spw("p1", frame) == ()


def test_statistics_read_back_from_the_workspace_as_they_were(calibration):
    frame = statistics_frame([answer(TWO_SPWS)], calibration)
    read = calibration.workspace.load_frame(calibration.workspace.save_frame("p1.statistics", frame))
    assert read.to_dict("records") == frame.to_dict("records")


def test_counts_per_spw_are_the_intervals_in_which_any_hand_counts(calibration):
    assert counts_per_spw("p1", statistics_frame([answer(TWO_SPWS)], calibration)) == (
        SolveCounts(table="p1", spw=0, expected=26, attempted=21, succeeded=21),
        SolveCounts(table="p1", spw=1, expected=26, attempted=21, succeeded=21),
    )


# --- the chain --------------------------------------------------------------------------------------------------------


def test_each_table_of_the_chain_has_its_own_gainfield_and_interpolation(calibration):
    tables = chain_of(calibration, DELAYS, BANDPASS1, GAINS, gainfield="1302+5748")
    folder = calibration.workspace.caltables
    assert casa_chain(tables) == {
        "gaintable": [str(folder / name) for name in ("all.K", "bpcals.B1", "calsources.p1", "calsources.ap1")],
        "gainfield": ["1302+5748", "", "1302+5748", "1302+5748"],
        "interp": ["linear", "linear,linear", "linear", "linear"],
    }


def test_a_skipped_solve_leaves_all_three_lists(calibration):
    assert casa_chain(chain_of(calibration, NO_DELAYS, BANDPASS1))["interp"] == ["linear,linear"]
    assert casa_chain(chain_of(calibration, NO_DELAYS)) == {"gaintable": [], "gainfield": [], "interp": []}
