"""The spool: no mail is lost, none is in it twice."""

from __future__ import annotations

from email.message import EmailMessage

import pytest

from qa.mail import spool as spool_module
from qa.mail.spool import Spool


def a_mail(identity="<1@example.org>"):
    message = EmailMessage()
    message["Message-ID"] = identity
    message["Subject"] = "night"
    message.set_content("text")
    return message


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool")


def test_a_mail_waits_from_the_moment_it_is_put_in(spool):
    assert spool.put(a_mail(), ["a@example.org", "a@example.org", "b@example.org"])
    (envelope,) = spool.waiting()
    assert envelope.waiting == ("a@example.org", "b@example.org")
    assert spool.content(envelope) == a_mail().as_bytes()


def test_the_same_mail_is_not_put_in_twice_nor_again_once_it_is_sent(spool):
    spool.put(a_mail(), ["a@example.org"])
    assert not spool.put(a_mail(), ["a@example.org"])
    (envelope,) = spool.waiting()
    spool.keep(envelope.evolve(waiting=(), delivered=("a@example.org",)))
    assert not spool.put(a_mail(), ["a@example.org"])
    assert spool.waiting() == []


def test_a_sent_mail_leaves_only_its_envelope(spool):
    spool.put(a_mail(), ["a@example.org"])
    (envelope,) = spool.waiting()
    spool.keep(envelope.evolve(waiting=(), delivered=("a@example.org",)))
    assert list((spool.folder / "messages").iterdir()) == []
    assert spool.find("<1@example.org>")[0] == "sent"


def test_a_mail_that_all_refuse_is_kept(spool):
    spool.put(a_mail(), ["a@example.org"])
    (envelope,) = spool.waiting()
    spool.keep(envelope.evolve(waiting=(), refused={"a@example.org": "550"}))
    assert spool.find("<1@example.org>")[0] == "refused"
    assert len(list((spool.folder / "messages").iterdir())) == 1


def test_a_sent_mail_counts_as_sent_on_a_full_disk_too(spool, monkeypatch):
    spool.put(a_mail(), ["a@example.org"])
    (envelope,) = spool.waiting()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spool_module, "write_whole", full)
    spool.keep(envelope.evolve(waiting=(), delivered=("a@example.org",)))
    assert spool.waiting() == []
    assert spool.find("<1@example.org>")[0] == "sent"


def test_a_mail_that_another_process_put_in_once_more_is_not_sent_again(spool):
    spool.put(a_mail(), ["a@example.org"])
    (envelope,) = spool.waiting()
    waiting = next((spool.folder / "waiting").iterdir())
    copy = waiting.read_bytes()
    spool.keep(envelope.evolve(waiting=(), delivered=("a@example.org",)))
    waiting.write_bytes(copy)
    spool.tidy()
    assert spool.waiting() == []


def test_the_least_tried_goes_first(spool):
    for number in range(3):
        spool.put(a_mail(f"<{number}@example.org>"), ["a@example.org"])
    spool.keep(spool.waiting()[0].evolve(attempts=1))
    assert [envelope.message_id[1] for envelope in spool.waiting()] == ["1", "2", "0"]


def test_a_damaged_envelope_does_not_hide_the_others(spool):
    spool.put(a_mail(), ["a@example.org"])
    (spool.folder / "waiting" / "damaged.json").write_text("{")
    assert len(spool.waiting()) == 1


def test_only_one_holds_it_at_a_time(spool):
    with spool.lock(0) as first, spool.lock(0) as second:
        assert (first, second) == (True, False)
    with spool.lock(0) as again:
        assert again
