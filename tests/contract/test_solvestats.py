"""What real CASA counts in a solve, in its answer, in its log and in its table, and what we make of it."""

from __future__ import annotations

import shutil

import pytest

from schemas.solutions import STATISTICS_COLUMNS
from tasks.casa import CasaServer, WorkspaceCasa
from tests.e2e.running import logged_statistics

pytestmark = pytest.mark.casa

SOLVES = ("delay", "precal", "bandpass1", "gains", "bandpass2", "finalgains")
COUNTS = {"expected", "data_unflagged", "above_minblperant", "above_minsnr"}
TABLES = (
    "all.K",
    "bpcals_precal.p1",
    "bpcals_precal.ap1",
    "bpcals.B1",
    "calsources.p1",
    "calsources.ap1",
    "bpcals.B2",
    "calsources.ap2",
    "calsources.p2",
)


@pytest.fixture(scope="module")
def tables(stepped):
    return {table.name: table for step in SOLVES for table in stepped.records[step].tables}


@pytest.fixture(scope="module")
def logged(stepped):
    return logged_statistics(stepped.root / "logs")


def test_the_recipe_solves_the_guide_s_tables(tables):
    assert tuple(tables) == TABLES


@pytest.mark.parametrize("name", TABLES)
def test_our_counts_per_spw_are_the_figures_in_casas_log(tables, logged, name):
    ours = {count.spw: (count.expected, count.attempted, count.succeeded) for count in tables[name].counts}
    theirs = {spw: counts for (table, spw), counts in logged.items() if table == name}
    assert ours == theirs
    assert set(ours) == {0, 1, 2, 3}
    assert all(expected >= attempted >= succeeded > 0 for expected, attempted, succeeded in ours.values())


@pytest.mark.parametrize("task", ["gaincal", "bandpass"])
def test_solvestats_count_in_total_per_spw_and_per_antenna_a_pair_by_hand(stepped, task):
    for answer in stepped.recorder.answers(task):
        stats = answer["solvestats"]
        assert stats.keys() == {*COUNTS, "spw0", "spw1", "spw2", "spw3"}
        for spw in range(4):
            level = stats[f"spw{spw}"]
            assert level.keys() == COUNTS | {f"ant{number}" for number in range(6)}
            assert all(level[name].shape == (2,) for name in COUNTS)
            assert all(level[f"ant{number}"].keys() - {"used_as_refant"} == COUNTS for number in range(6))


def test_for_delays_the_count_above_the_snr_limit_is_a_copy_of_that_with_data(stepped):
    (answer,) = stepped.recorder.answers("gaincal", "all.K")
    for spw in range(4):
        for number in range(6):
            level = answer["solvestats"][f"spw{spw}"][f"ant{number}"]
            assert (level["above_minsnr"] == level["data_unflagged"]).all()


def test_every_antenna_and_hand_has_a_row_of_statistics(stepped, tables):
    frame = stepped.calibration.workspace.load_frame(tables["calsources.p1"].statistics)
    assert tuple(frame.columns) == STATISTICS_COLUMNS
    assert set(frame["antenna"]) == {"", "Mk2", "Kn", "De", "Pi", "Da", "Cm"}
    assert len(frame) == 4 * 7 * 2


def test_the_antenna_level_counts_the_unflagged_solutions_of_the_table(stepped, tables):
    frame = stepped.calibration.workspace.load_frame(tables["calsources.p1"].statistics)
    rows = stepped.calibration.workspace.load_frame(tables["calsources.p1"].rows)
    keys = ["spw", "antenna", "polarisation"]
    counted = frame[frame["antenna"] != ""].set_index(keys)["succeeded"].sort_index()
    unflagged = (~rows["flagged"]).groupby([rows[key] for key in keys]).sum().sort_index()
    assert counted.to_dict() == unflagged.to_dict()


@pytest.fixture(scope="module")
def rejected(stepped, tmp_path_factory):
    """A gain and a bandpass solve whose every solution fails the S/N limit: answer, log counts and table of each."""
    folder = tmp_path_factory.mktemp("rejected")
    found = {}
    with CasaServer() as server:
        casa = WorkspaceCasa(server, folder / "logs")
        asked = {"vis": stepped.calibration.vis, "field": "1407+284", "refant": "Mk2", "minsnr": 1e7}
        for task, more in (("gaincal", {"calmode": "p", "solint": "60s"}), ("bandpass", {"solint": "inf"})):
            table = folder / f"{task}.table"
            answer = casa(task, caltable=table, **asked, **more)
            flags = casa("tasks.simulate.read:read_columns", table=table, columns=["FLAG"])["FLAG"]
            found[task] = (answer["solvestats"], flags)
        found["logged"] = logged_statistics(folder / "logs")
    yield found
    shutil.rmtree(folder)


@pytest.mark.parametrize("task", ["gaincal", "bandpass"])
def test_failures_by_snr_are_seen_at_the_antenna_level_alone(rejected, task):
    stats, flags = rejected[task]
    expected, attempted, succeeded = rejected["logged"][f"{task}.table", 0]
    assert flags.all()
    assert succeeded == attempted > 0
    assert (stats["spw0"]["above_minsnr"] == stats["spw0"]["data_unflagged"]).all()
    assert not any(stats["spw0"][f"ant{number}"]["above_minsnr"].any() for number in range(6))
    assert expected >= attempted
