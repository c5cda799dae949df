"""The workspace's files: whole or not at all, tables that read back as they were, fingerprints that tell changes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from schemas import whole
from schemas.whole import write_whole
from tasks import workspace as module
from tasks.workspace import Workspace, fingerprint, remove, replace_whole


@pytest.fixture
def workspace(tmp_path):
    made = Workspace(tmp_path / "night")
    made.create()
    return made


def test_the_folders_of_the_design_are_made(workspace):
    assert {path.name for path in workspace.root.iterdir()} == {
        "ms",
        "caltables",
        "products",
        "records",
        "logs",
        "plots",
    }


def test_the_working_measurement_set_has_the_observations_name(workspace):
    assert workspace.relative(workspace.vis) == Path("ms/night.ms")


def test_a_table_of_numbers_reads_back_as_it_was(workspace):
    frame = pd.DataFrame(
        {
            "field": ["0319", "1302+5748"],
            "antenna": ["NA", ""],
            "polarisation": ["R", "L"],
            "spw": [0, 1],
            "phase_deg": [1.25, float("nan")],
            "flagged": [True, False],
        }
    )
    path = workspace.save_frame("p1", frame)
    assert path == Path("records/p1.csv")
    pd.testing.assert_frame_equal(workspace.load_frame(path), frame, check_dtype=False)
    assert workspace.load_frame(path)["flagged"].dtype == bool


def test_an_empty_table_keeps_its_columns(workspace):
    path = workspace.save_frame("none", pd.DataFrame({"field": [], "spw": []}))
    assert list(workspace.load_frame(path).columns) == ["field", "spw"]


def test_old_content_survives_a_write_that_fails(workspace, monkeypatch):
    write_whole(workspace.ledger, "old")

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(whole.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(workspace.ledger, "new")
    assert workspace.ledger.read_text() == "old"


def test_a_finished_folder_replaces_the_old_one_whole(tmp_path):
    for name, inside in (("final", "old"), ("partial", "new")):
        (tmp_path / name).mkdir()
        (tmp_path / name / inside).touch()
    replace_whole(tmp_path / "partial", tmp_path / "final")
    assert [path.name for path in tmp_path.rglob("*")] == ["final", "new"]


def test_removing_what_is_not_there_is_no_error(tmp_path):
    remove(tmp_path / "nothing")
    assert list(tmp_path.iterdir()) == []


def test_removing_a_link_leaves_what_it_points_at(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    remove(tmp_path / "link")
    assert [path.name for path in tmp_path.iterdir()] == ["real"]


@pytest.fixture
def table(tmp_path):
    folder = tmp_path / "a.table"
    folder.mkdir()
    (folder / "table.dat").write_text("one")
    (folder / "table.lock").write_text("lock")
    return folder


def test_a_fingerprint_stays_while_nothing_changes(table):
    assert fingerprint(table) == fingerprint(table)


@pytest.mark.parametrize("change", ["content", "added", "removed", "renamed"])
def test_a_fingerprint_changes_with_the_content(table, change):
    before = fingerprint(table)
    file = table / "table.dat"
    if change == "content":
        file.write_text("two")
    elif change == "added":
        (table / "table.f0").touch()
    elif change == "removed":
        file.unlink()
    else:
        file.rename(table / "table.f0")
    assert fingerprint(table) != before


def test_a_lock_file_touched_by_a_reader_changes_no_fingerprint(table):
    before = fingerprint(table)
    (table / "table.lock").write_text("read by another")
    assert fingerprint(table) == before


def test_what_is_not_there_has_no_fingerprint(tmp_path):
    assert fingerprint(tmp_path / "nothing") is None


def test_large_outputs_are_told_by_names_and_sizes(table, monkeypatch):
    monkeypatch.setattr(module, "HASHED_WHOLE_BYTES", 2)
    before = fingerprint(table)
    (table / "table.dat").write_text("longer")
    assert fingerprint(table) != before
