"""The digest: each end of a run told once, the last one too; what is left in the inbox, once while it is unchanged."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.states import Completed, Crashed, Failed, Running

from flows import digest
from flows.claims import LATE_S, ClaimBook
from flows.digest import end_of, mail_settled
from flows.nightly import row_of
from flows.refusals import LONG_S, RefusalBook
from schemas.mail import MailResult
from schemas.observation import Observation
from schemas.runs import RunNote
from schemas.service import Entry, NoOutcome
from tests.unit.flows.outcomes import outcome, provenance

INBOX = Path("/inbox")
LONG_AGO = datetime.now(UTC) - timedelta(hours=1)


@pytest.fixture
def book(tmp_path):
    return ClaimBook(tmp_path / ".service" / "claims")


@pytest.fixture
def refusals(book):
    return RefusalBook(book)


@pytest.fixture
def mailed(monkeypatch):
    """What each digest told: its observations with what they came to, and what was left in the inbox."""
    sent = []

    def mail(entries, night, workspaces, recipients, *, left):
        sent.append([*((entry.observation, digest.verdict_of(entry)) for entry in entries), *(e.entry for e in left)])
        return MailResult(status=mail.status, note="")

    mail.status = "sent"
    monkeypatch.setattr(digest, "mail_digest", mail)
    return sent, mail


@pytest.fixture
def ran(tmp_path, server, book):
    """Begin a run and let it end; give its claim."""

    def end(name="night", state=None, verdict="", **changes):
        entry = Entry(entry=name, state="ready", observation=Observation(name=name, data=f"/inbox/{name}"), key=name)
        known = book.read(name)
        claim = known if known is not None else book.take(entry)[0].evolve(flow_run=str(uuid4()))
        if known is None:
            book.begun(claim, claim.flow_run)
        server.states[claim.flow_run] = state if state is not None else Completed()
        if verdict:
            leave(tmp_path, name, claim.flow_run, verdict, **changes)
        return claim

    return end


def leave(workspace, name, flow_run, verdict="passed", **changes):
    (workspace / name).mkdir(exist_ok=True)
    made = outcome(verdict, observation=name, provenance=provenance().evolve(flow_run=flow_run), **changes)
    (workspace / name / "outcome.json").write_text(made.model_dump_json())


def left(entry="x.ms", state="refused", reason="its name", content="as it is"):
    return row_of(Entry(entry=entry, state="refused", fingerprint=content), state, reason)


# --- runs ---


def test_the_digest_tells_of_each_ended_run_once(tmp_path, server, book, ran, mailed):
    ran("night1", Failed(), "stopped")
    ran("night2", Running())
    assert mail_settled(server, book, tmp_path)[0] == 1
    ran("night2", Completed(), "passed")
    assert mail_settled(server, book, tmp_path)[0] == 1
    assert mail_settled(server, book, tmp_path)[0] == 0
    assert mailed[0] == [[("night1", "stopped")], [("night2", "passed")]]


@pytest.mark.parametrize(("status", "again"), [("failed", 1), ("not set up", 1), ("waiting", 0), ("off", 0)])
def test_a_digest_that_failed_is_told_again_the_next_time(tmp_path, server, book, ran, mailed, refusals, status, again):
    ran("night", Completed(), "passed")
    refusals.note(INBOX, [left()])
    mailed[1].status = status
    mail_settled(server, book, tmp_path)
    assert mail_settled(server, book, tmp_path)[0] == again
    assert len(refusals.untold()) == again


def test_a_run_the_server_has_forgotten_is_told_of_all_the_same(tmp_path, server, book, ran, mailed):
    ran("night", Completed(), "passed")
    server.states.clear()
    assert mail_settled(server, book, tmp_path)[0] == 1


def test_a_crashed_run_that_went_on_is_told_of_again_with_what_it_came_to(tmp_path, server, book, ran, mailed):
    ran("night", Crashed(timestamp=LONG_AGO))
    mail_settled(server, book, tmp_path)
    ran("night", Running())
    assert mail_settled(server, book, tmp_path)[0] == 0
    ran("night", Completed(), "passed")
    mail_settled(server, book, tmp_path)
    mail_settled(server, book, tmp_path)
    assert mailed[0] == [[("night", "missing")], [("night", "passed")]]


def test_a_crashed_run_that_is_resumed_at_once_is_told_of_only_when_it_has_ended(tmp_path, server, book, ran, mailed):
    ran("night", Crashed())
    assert mail_settled(server, book, tmp_path)[0] == 0
    ran("night", Completed(), "passed")
    mail_settled(server, book, tmp_path)
    assert mailed[0] == [[("night", "passed")]]


def test_a_held_run_is_told_of_again_when_it_was_answered(tmp_path, server, book, ran, mailed):
    ran("night", Completed(), "held")
    assert [mail_settled(server, book, tmp_path)[0] for _ in range(2)] == [1, 0]
    ran("night", Completed(), "warned")
    mail_settled(server, book, tmp_path)
    assert mailed[0] == [[("night", "held")], [("night", "warned")]]


def test_a_held_run_that_went_on_and_was_killed_is_not_told_of_as_held(tmp_path, server, ran):
    claim = ran("night", Crashed(timestamp=LONG_AGO), "held")
    assert digest.verdict_of(end_of(server, claim, tmp_path)) == "missing"


def test_a_run_that_stays_crashed_is_not_asked_for_without_end(server, book, ran, mailed, tmp_path, monkeypatch):
    ran("night", Crashed(timestamp=LONG_AGO))
    mail_settled(server, book, tmp_path)
    assert len(book.open()) == 1
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + LATE_S + 1)
    assert book.open() == []


def test_the_outcome_of_a_run_before_it_is_not_taken_for_a_runs_own(tmp_path, server, ran):
    claim = ran("night", Failed(name="Refused", message="no target has a phase reference"))
    leave(tmp_path, "night", "of another run")
    found = end_of(server, claim, tmp_path)
    assert isinstance(found, NoOutcome)
    assert (found.state, found.reason) == ("Refused", "no target has a phase reference")


def test_a_later_run_of_the_observation_says_what_became_of_it(tmp_path, server, ran):
    claim = ran("night", Failed())
    earlier = RunNote(flow_run=claim.flow_run, started=LONG_AGO)
    leave(tmp_path, "night", "a rerun by hand", earlier_runs=(earlier,))
    assert digest.verdict_of(end_of(server, claim, tmp_path)) == "passed"


# --- what is left in the inbox ---


def test_a_night_with_nothing_but_refused_data_has_a_digest(tmp_path, server, book, mailed, refusals):
    refusals.note(INBOX, [left(), left("y.ms", "unreadable", "cut short")])
    number, told = mail_settled(server, book, tmp_path)
    assert (number, "2 left in the inbox" in told) == (0, True)
    assert mailed[0] == [["x.ms", "y.ms"]]


def test_what_lies_there_unchanged_is_told_once(tmp_path, server, book, mailed, refusals):
    for _night in range(3):
        refusals.note(INBOX, [left()])
        mail_settled(server, book, tmp_path)
    assert mailed[0] == [["x.ms"]]


@pytest.mark.parametrize("changed", [{"content": "other"}, {"reason": "another"}, {"state": "unreadable"}])
def test_what_has_changed_is_told_of_anew(tmp_path, server, book, mailed, refusals, changed):
    for row in (left(), left(**changed)):
        refusals.note(INBOX, [row])
        mail_settled(server, book, tmp_path)
    assert mailed[0] == [["x.ms"], ["x.ms"]]


def test_a_disk_that_is_full_to_another_degree_is_not_told_of_anew(tmp_path, server, book, mailed, refusals):
    for gigabytes in (10, 20):
        refusals.note(INBOX, [left(state="no disk", reason=f"{gigabytes} GB are needed")])
        mail_settled(server, book, tmp_path)
    assert mailed[0] == [["x.ms"]]


def test_what_was_begun_or_taken_away_before_it_was_told_is_not_told(tmp_path, server, book, mailed, refusals):
    refusals.note(INBOX, [left()])
    refusals.note(INBOX, [left(state="Running")])
    assert mail_settled(server, book, tmp_path) == (0, "nothing new to tell")


def test_the_refused_of_one_inbox_stay_when_another_is_looked_into(refusals):
    refusals.note(INBOX, [left()])
    refusals.note(Path("/other"), [left("y.ms")])
    assert [refusal.entry for refusal in refusals.untold()] == ["x.ms", "y.ms"]


def test_a_transfer_is_told_of_when_it_has_not_gone_on_for_long(refusals, monkeypatch):
    refusals.note(INBOX, [left(state="waiting")])
    assert refusals.untold() == []
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + LONG_S + 1)
    refusals.note(INBOX, [left("moves.ms", state="waiting", content="more"), left(state="waiting")])
    assert [refusal.entry for refusal in refusals.untold()] == ["x.ms"]


def test_a_record_of_the_refused_that_cannot_be_read_is_begun_anew(book, refusals):
    (book.folder.parent / "refusals.json").write_text("{")
    refusals.note(INBOX, [left()])
    assert [refusal.entry for refusal in refusals.untold()] == ["x.ms"]
