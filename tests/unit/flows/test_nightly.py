"""The night: each content and configuration begun once, whatever fires twice, dies in between or goes wrong."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from prefect.states import AwaitingRetry, Completed, Crashed, Failed, Paused, Pending, Running, Scheduled

from flows import nightly
from flows.claims import ClaimBook, NameTaken
from flows.digest import is_settled
from flows.nightly import Night, begin_run, watch
from schemas.observation import Observation
from schemas.service import Entry

LONG_AGO = datetime.now(UTC) - timedelta(hours=1)


def ready(name="night1", entry="night1.ms", key="k1", named=False, needs=0, folder="/inbox"):
    observation = Observation(name=name, data=f"{folder}/{entry}")
    return Entry(entry=entry, state="ready", observation=observation, named=named, key=key, needs_bytes=needs)


class FakeInbox:
    def __init__(self, *entries):
        self.entries = list(entries)
        self.folder = "inbox"

    def look(self):
        return self.entries


@pytest.fixture
def begun(monkeypatch, server):
    """The runs that were begun, by observation; each is running."""
    runs = {}

    def begin(entry, claim, _workspace):
        if "broken" in claim.name:
            raise RuntimeError("503 Service Unavailable")
        run = str(uuid4())
        server.states[run] = Running()  # first: who looks into `runs` may end it at once
        runs.setdefault(claim.name, []).append(run)
        return run

    monkeypatch.setattr(nightly, "begin_run", begin)
    return runs


@pytest.fixture
def book(tmp_path):
    return ClaimBook(tmp_path / ".service" / "claims")


def night(tmp_path, server, *entries):
    return Night(FakeInbox(*entries), tmp_path, server)


def states(one):
    return {row.entry: row.state for row in one.rows}


# --- claims ---


def test_a_claim_is_given_once(book):
    claim, ours = book.take(ready())
    again, theirs = book.take(ready())
    assert (ours, theirs) == (True, False)
    assert again == claim


def test_of_many_at_once_one_gets_the_claim(book):
    got = []
    threads = [threading.Thread(target=lambda: got.append(book.take(ready())[1])) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [False] * 15 + [True]


def test_a_claim_left_without_a_run_can_be_taken_again(book, monkeypatch):
    first, _ = book.take(ready())
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 601)
    again, ours = book.take(ready())
    assert (ours, again.name) == (True, first.name)


def test_a_claim_with_a_run_is_never_taken_again(book, monkeypatch):
    claim, _ = book.take(ready())
    book.begun(claim, "run")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 1e6)
    assert book.take(ready())[1] is False


def test_a_claim_that_was_given_back_can_be_taken(book):
    claim, _ = book.take(ready())
    book.release(claim)
    assert book.take(ready())[1] is True


def test_two_data_sets_whose_names_became_the_same_get_names_of_their_own(book):
    first, _ = book.take(ready(entry="a.ms", key="k1"))
    second, _ = book.take(ready(entry="a.fits", key="k2"))
    assert first.name == "night1"
    assert second.name.startswith("night1-")


def test_a_name_that_a_person_gave_twice_is_refused(book):
    book.take(ready(entry="a.ms", key="k1"))
    with pytest.raises(NameTaken, match=r"'night1'.*'a\.ms'"):
        book.take(ready(entry="b.ms", key="k2", named=True))


def test_new_content_of_the_same_entry_keeps_the_name(book):
    book.take(ready(key="k1"))
    assert book.take(ready(key="k2"))[0].name == "night1"


def test_a_broken_claim_file_is_left_out(book):
    book.take(ready(key="k1"))
    (book.folder / "k2.json").write_text("{")
    assert [claim.key for claim in book.all()] == ["k1"]


def test_one_run_of_nightly_stays_up(book):
    with book.night_keeper() as first, book.night_keeper() as second:
        assert (first, second) == (True, False)


# --- looking and beginning ---


def test_each_data_set_is_begun_once_however_often_one_looks(tmp_path, server, begun):
    entries = ready(), ready("night2", "night2.ms", "k2")
    for one in (night(tmp_path, server, *entries), night(tmp_path, server, *entries)):
        one.look()
        one.look()
        assert states(one) == {"night1.ms": "Running", "night2.ms": "Running"}
    assert {name: len(runs) for name, runs in begun.items()} == {"night1": 1, "night2": 1}


def test_new_content_or_configuration_is_begun_again(tmp_path, server, begun):
    night(tmp_path, server, ready(key="k1")).look()
    server.states[begun["night1"][0]] = Completed()
    night(tmp_path, server, ready(key="k2")).look()
    assert len(begun["night1"]) == 2


def test_one_that_cannot_be_begun_holds_up_no_other_and_is_tried_again(tmp_path, server, begun):
    one = night(tmp_path, server, ready("broken", "broken.ms", "k1"), ready("night2", "night2.ms", "k2"))
    one.look()
    assert states(one) == {"broken.ms": "not begun", "night2.ms": "started"}
    assert "503" in one.rows[0].reason
    assert one.book.read("k1") is None


def test_what_is_not_ready_is_in_the_table_with_its_reason(tmp_path, server, begun):
    one = night(tmp_path, server, Entry(entry="x.ms", state="refused", reason="its name"), ready())
    one.look()
    assert next((row.entry, row.state, row.reason) for row in one.rows) == ("x.ms", "refused", "its name")
    assert "night1" in begun


def test_no_more_is_begun_than_the_disk_holds(tmp_path, server, begun, monkeypatch):
    monkeypatch.setattr(nightly.shutil, "disk_usage", lambda _path: type("Usage", (), {"free": 250})())
    entries = [ready(f"n{i}", f"n{i}.ms", f"k{i}", needs=100) for i in range(3)]
    one = night(tmp_path, server, *entries)
    one.look()
    assert list(states(one).values()) == ["started", "started", "no disk"]
    server.states[begun["n0"][0]] = Completed()
    one.look()
    assert len(begun) == 3


def test_the_run_gets_the_claims_key_and_stands_alone(tmp_path, monkeypatch, book):
    asked = {}
    run = type("Run", (), {"id": uuid4()})()
    monkeypatch.setattr(nightly, "run_deployment", lambda name, **more: asked.update(more, deployment=name) or run)
    entry = ready()
    claim, _ = book.take(entry)
    assert begin_run(entry, claim.evolve(name="other"), tmp_path) == str(run.id)
    assert (asked["idempotency_key"], asked["timeout"], asked["as_subflow"]) == ("k1", 0, False)
    assert asked["parameters"]["observation"]["name"] == "other"
    assert "observation:other" in asked["tags"]


# --- waiting ---


@pytest.mark.parametrize(
    ("state", "settled"),
    [
        (Scheduled, False),
        (AwaitingRetry, False),
        (Pending, False),
        (Running, False),
        (Completed, True),
        (Failed, True),
        (Paused, True),
        (Crashed, False),
        (lambda: Crashed(timestamp=LONG_AGO), True),
        (None, True),
    ],
)
def test_a_run_is_settled_when_it_has_ended_or_waits_for_a_person(book, server, state, settled):
    claim, _ = book.take(ready())
    run = str(uuid4())
    if state is not None:
        server.states[run] = state()  # made now: a state made at collection is old in a long session
    assert is_settled(server, claim.evolve(flow_run=run)) is settled


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(nightly, "POLL_S", 0.01)


def test_the_night_ends_when_all_runs_have(tmp_path, server, begun, quick):
    one = night(tmp_path, server, ready())
    one.look()
    threading.Timer(0.2, lambda: server.states.update({begun["night1"][0]: Completed()})).start()
    watch(one, longest_s=20, quiet_s=0.05)
    assert not one.runs_under_way()


def end_once_begun(server, begun, name):
    for _ in range(1500):
        if name in begun:
            server.states[begun[name][0]] = Completed()
            return
        time.sleep(0.01)


def test_what_becomes_ready_during_the_night_is_begun(tmp_path, server, begun, quick):
    one = night(tmp_path, server, Entry(entry="late.ms", state="waiting"))
    one.look()
    threading.Timer(0.1, lambda: setattr(one.inbox, "entries", [ready("late", "late.ms")])).start()
    threading.Thread(target=end_once_begun, args=(server, begun, "late"), daemon=True).start()
    watch(one, longest_s=20, quiet_s=5)
    one.look()  # the run may have ended since the last look
    assert states(one) == {"late.ms": "Completed"}


def test_a_transfer_that_never_ends_does_not_keep_the_night_up(tmp_path, server, quick):
    one = night(tmp_path, server, Entry(entry="half.ms", state="waiting"))
    one.look()
    longest_s, began = 60.0, time.monotonic()
    watch(one, longest_s=longest_s, quiet_s=0.1)
    assert time.monotonic() - began < longest_s, "only its end ended it"


def test_the_night_has_an_end_even_if_a_run_has_none(tmp_path, server, begun, quick):
    one = night(tmp_path, server, ready())
    one.look()
    watch(one, longest_s=0.1, quiet_s=10)
    assert one.runs_under_way()


def test_a_new_version_waits_until_the_run_of_the_earlier_one_has_ended(tmp_path, server, begun):
    night(tmp_path, server, ready(key="k1")).look()
    one = night(tmp_path, server, ready(key="k2"))
    one.look()
    assert states(one) == {"night1.ms": "waiting"}
    server.states[begun["night1"][0]] = Completed()
    one.look()
    assert len(begun["night1"]) == 2
