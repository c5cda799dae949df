"""Retention: which working copies go, which stay, and that nothing else is ever touched."""

from __future__ import annotations

import os
import shutil
from collections import namedtuple
from datetime import UTC, datetime, timedelta

import pytest

from flows import retention
from flows.retention import clean
from schemas.service import Retention
from tasks.workspace import Workspace
from tasks.workspace_lock import WorkspaceLock
from tests.unit.flows.outcomes import outcome, provenance

GB = int(1e9)
KEPT = ("products/t.ms/table.dat", "caltables/all.K", "plots/p.png", "logs/1.log", "records/a.csv", "report.html")
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def root(tmp_path):
    return tmp_path / "observations"


@pytest.fixture
def make(root):
    """Make a workspace whose last run came to `verdict` so many days ago."""

    def make(name, verdict="passed", days=30.0, size=1000):
        workspace = Workspace(root / name)
        workspace.create()
        for part in (*KEPT, f"ms/{name}.ms/table.dat"):
            (workspace.root / part).parent.mkdir(parents=True, exist_ok=True)
            (workspace.root / part).write_bytes(b"x" * size)
        finished = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="seconds")
        made = outcome(verdict, observation=name, provenance=provenance().evolve(finished=finished))
        workspace.outcome.write_text(made.model_dump_json())
        return workspace

    return make


@pytest.fixture
def free(monkeypatch):
    """Say how much of the disk is free; what is removed becomes free."""

    def say(gigabytes):
        monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(1000 * GB, 0, int(gigabytes * GB)))

    say(500)
    return say


def actions(root, **rules):
    return {copy.observation: copy.action for copy in clean(root, Retention(**rules))}


def test_an_old_working_copy_goes_and_all_else_stays(root, make, free):
    old = make("old")
    assert actions(root) == {"old": "removed"}
    assert not old.ms.exists()
    assert not (old.root / retention.LEFT).exists()
    assert [part for part in KEPT if not (old.root / part).exists()] == []
    assert old.outcome.exists()


def test_a_young_one_stays(root, make, free):
    young = make("young", days=1)
    assert actions(root) == {"young": "kept"}
    assert young.vis.exists()


@pytest.mark.parametrize("verdict", ["stopped", "held", "crashed"])
def test_a_run_that_did_not_pass_keeps_its_working_copy(root, make, free, verdict):
    kept = make("kept", verdict)
    assert actions(root, keep_days=0) == {}
    assert kept.vis.exists()


def test_a_warned_run_counts_as_finished(root, make, free):
    make("warned", "warned")
    assert actions(root) == {"warned": "removed"}


def test_a_dry_run_lists_with_sizes_and_removes_nothing(root, make, free):
    old = make("old", size=2000)
    (copy,) = clean(root, Retention(dry_run=True))
    assert (copy.action, copy.bytes, round(copy.age_days)) == ("would be removed", 2000, 30)
    assert old.vis.exists()


def test_under_disk_pressure_the_oldest_go_first_and_no_more_than_needed(root, make, free, monkeypatch):
    for name, days in (("a", 1), ("b", 3), ("c", 2)):
        make(name, days=days)
    free(9)
    monkeypatch.setattr(retention, "_size", lambda part: GB if part.name == "table.dat" else 0)
    assert actions(root, min_free_gb=11) == {"b": "removed", "c": "removed", "a": "kept"}


def test_a_workspace_that_a_run_holds_is_left_alone(root, make, free):
    busy = make("busy")
    with WorkspaceLock(busy.root):
        assert actions(root) == {"busy": "in use"}
    assert busy.vis.exists()


def test_a_workspace_whose_run_was_killed_is_left_alone(root, make, free):
    killed = make("killed")
    lock = WorkspaceLock(killed.root)
    lock.__enter__()
    os.close(lock.fileno())  # as the kernel does; the file still says who had it
    assert actions(root) == {"killed": "in use"}
    assert killed.vis.exists()


def test_a_link_in_the_place_of_a_working_copy_is_not_followed(root, make, free, tmp_path):
    linked = make("linked")
    shutil.move(linked.ms, tmp_path / "elsewhere")
    linked.ms.symlink_to(tmp_path / "elsewhere")
    assert actions(root) == {}
    assert (tmp_path / "elsewhere" / "linked.ms").exists()


def test_an_outcome_that_cannot_be_read_protects_its_workspace(root, make, free):
    odd = make("odd")
    odd.outcome.write_text("{")
    assert actions(root) == {}
    assert odd.vis.exists()


def test_a_folder_without_workspaces_is_nothing_to_clean(tmp_path):
    assert clean(tmp_path / "nothing", Retention()) == []
