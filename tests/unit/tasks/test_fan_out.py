"""Solves fanned out over the spectral windows, without a cluster: what is fanned out, joined, refused and ended."""

from __future__ import annotations

import fcntl
import os
import subprocess

import numpy as np
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from schemas.errors import ConfigurationError, Interrupted
from tasks import fan_out
from tasks.fan_out import FannedOut, address, connected, fanned_out, joined_statistics
from tasks.fan_out_worker import Part, PartHold, solve_part
from tasks.workspace_lock import ProcessIdentity
from tests.unit.fakes import FakeCasa

NAMES = ("expected", "data_unflagged", "above_minblperant", "above_minsnr")
SCHEDULER = "tcp://127.0.0.1:9"
"""Nothing listens there."""


@pytest.fixture
def server():
    """Name a Prefect server."""
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        yield


def level(*pairs):
    return {name: np.array(pair) for name, pair in zip(NAMES, pairs, strict=True)}


def part(hold, **changes):
    own = {"task": "gaincal", "parameters": {"vis": str(hold)}, "timeout_s": 1.0, "log": hold, "hold": hold}
    return Part(**{**own, **changes})


# --- the setting ---


def test_without_the_setting_casa_stays_as_it_is(monkeypatch, tmp_path):
    monkeypatch.delenv("GATECAL_DASK", raising=False)
    casa = object()
    with connected() as cluster:
        assert cluster is None
        assert fanned_out(casa, cluster, tmp_path) is casa


@pytest.mark.parametrize("given", ["tcp://head:8786", "tls://10.1.2.3:8786", "tcp://[::1]:8786", " tcp://head:8786 "])
def test_a_scheduler_s_address_is_taken(monkeypatch, server, given):
    monkeypatch.setenv("GATECAL_DASK", given)
    assert address() == given.strip()


@pytest.mark.parametrize("given", ["head:8786", "http://head:8787", "tcp://head", "yes", "tcp://head:8786/x"])
def test_what_is_no_address_is_refused(monkeypatch, server, given):
    monkeypatch.setenv("GATECAL_DASK", given)
    with pytest.raises(ConfigurationError, match="tcp://host:8786"):
        address()


def test_a_cluster_without_a_prefect_server_is_refused(monkeypatch):
    monkeypatch.setenv("GATECAL_DASK", SCHEDULER)
    with temporary_settings(restore_defaults={PREFECT_API_URL}), pytest.raises(ConfigurationError, match="PREFECT_API"):
        address()


def test_a_cluster_that_does_not_answer_is_refused(monkeypatch, server):
    monkeypatch.setenv("GATECAL_DASK", SCHEDULER)
    monkeypatch.setattr(fan_out, "CONNECT_S", 0.5)
    with pytest.raises(ConfigurationError, match=SCHEDULER), connected():
        raise AssertionError("connected to nothing")


# --- what is fanned out ---


class Door(FakeCasa):
    """CASA on this machine: replays, and gives logs."""

    def next_log(self, name):
        raise AssertionError(f"{name} was fanned out")


@pytest.mark.parametrize(
    ("task", "asked", "selections"),
    [
        ("applycal", {"vis": "ms"}, {}),
        ("gaincal", {"vis": "ms", "field": "a", "combine": "scan,spw"}, {}),
        ("bandpass", {"vis": "ms", "field": "a", "combine": "scan"}, {0: "0"}),
    ],
)
def test_other_calls_combined_and_single_spws_go_to_casa_as_they_are(tmp_path, task, asked, selections):
    door = Door({task: "answer", "tasks.fan_out_casa:selections": selections})
    assert FannedOut(door, None, tmp_path)(task, **asked) == "answer"
    assert door.asked(task) == [asked]


def test_statistics_are_each_spw_s_own_and_their_sum():
    zero = level(*([0, 0] for _ in NAMES))
    first, second = level([4, 4], [3, 2], [3, 2], [3, 0]), level([5, 5], [5, 5], [5, 4], [5, 4])
    answers = {0: {**first, "spw0": first, "spw1": zero, "spw2": zero}, 2: {**second, "spw0": zero, "spw2": second}}
    joined = joined_statistics(answers)
    assert list(joined) == [*NAMES, "spw0", "spw1", "spw2"]
    assert (joined["spw0"], joined["spw1"], joined["spw2"]) == (first, zero, second)
    assert [joined[name].tolist() for name in NAMES] == [[9, 9], [8, 7], [8, 6], [8, 4]]


# --- on a worker ---


def test_a_worker_that_does_not_see_the_data_says_so(tmp_path):
    with pytest.raises(ConfigurationError, match="same path"):
        solve_part(part(tmp_path, parameters={"vis": str(tmp_path / "nowhere.ms")}))


def test_the_child_of_a_part_ends_when_its_flow_wants_it_no_more(tmp_path):
    child = subprocess.Popen(["sleep", "60"], start_new_session=True)
    hold = PartHold(tmp_path / ".parts", lambda: True)
    hold.record(ProcessIdentity.of(child.pid))
    try:
        with pytest.raises(Interrupted, match="cancelled"), hold:
            child.wait(20)
    finally:
        child.kill()
    assert child.wait(20) == -9


def test_parts_share_their_hold_and_let_nobody_else_have_it(tmp_path):
    path = tmp_path / ".parts"
    with PartHold(path, lambda: False), PartHold(path, lambda: False):
        other = os.open(path, os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(other)
