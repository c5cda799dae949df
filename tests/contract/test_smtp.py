"""Mail through real servers on loopback: what a client reads, and what servers that misbehave do not do to it."""

from __future__ import annotations

import contextlib
import email
import email.policy
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trustme

from flows.mailing import flush_spool, mail_outcome
from qa.mail import delivery
from schemas.mail import MailSettings
from tests.contract.mail_servers import (
    HANGS_S,
    PASSWORD,
    USER,
    Mailbox,
    drips,
    drops_in_mid_message,
    hangs_in_mid_message,
    mail_server,
    says_nothing,
    talking,
)
from tests.ports import free_port
from tests.unit.qa.mail.workspaces import ZOE, make_workspace

# That is what one of these tests does.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")

WRONG = "not-this-one"


@pytest.fixture(scope="session")
def authority():
    return trustme.CA()


@pytest.fixture(scope="session")
def certificate(authority):
    return authority.issue_cert("localhost", "127.0.0.1")


@pytest.fixture
def ca_file(authority, tmp_path):
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture
def mailbox():
    return Mailbox()


def settings(port, **changes):
    fields = {
        "host": "127.0.0.1",
        "port": port,
        "security": "plain",
        "sender": "gatecal <gatecal@example.org>",
        "timeout_s": 0.4,
        "total_s": 1.2,
        "pause_s": 0.1,
    }
    return MailSettings(**(fields | changes))


def patient(port, **changes):
    return settings(port, timeout_s=10, total_s=20, **changes)


def read(mail):
    return email.message_from_bytes(mail, policy=email.policy.default)


@pytest.mark.parametrize("login", [False, True], ids=["open", "login"])
@pytest.mark.parametrize("security", ["plain", "starttls", "ssl"])
def test_a_mail_arrives_over_every_kind_of_connection(tmp_path, mailbox, certificate, ca_file, security, login):
    root = make_workspace(tmp_path)
    who = {"username": USER, "password": PASSWORD} if login else {}
    with mail_server(mailbox, security=security, login=login, certificate=certificate) as port:
        result = mail_outcome(root, settings=patient(port, security=security, ca_file=ca_file, **who))
    assert result.status == "sent", result.note
    (mail,) = map(read, mailbox.mails)
    assert mail["Message-ID"] == result.message_id
    assert mailbox.recipients == [("zoe@example.org", "second@example.org")]


def test_a_client_finds_text_pictures_and_report_in_it(tmp_path, mailbox):
    root = make_workspace(tmp_path)
    with mail_server(mailbox) as port:
        mail_outcome(root, settings=patient(port))
    mail = read(mailbox.mails[0])
    assert mail["To"].addresses[0].display_name == "Zoë Müller"
    html = mail.get_body(("html",)).get_content()
    pictures = {part["Content-ID"][1:-1] for part in mail.walk() if part.get_content_type() == "image/png"}
    assert pictures
    assert all(f"cid:{name}" in html for name in pictures)
    assert html.count("cid:") == len(pictures)
    (report,) = mail.iter_attachments()
    assert report.get_content() == (root / "report.html").read_text()


def test_a_certificate_that_nobody_vouches_for_is_refused_and_the_mail_waits(
    tmp_path, mailbox, certificate, monkeypatch
):
    pauses = []
    monkeypatch.setattr(delivery.time, "sleep", pauses.append)
    root = make_workspace(tmp_path)
    with mail_server(mailbox, security="ssl", certificate=certificate) as port:
        result = mail_outcome(root, settings=patient(port, security="ssl"))
    assert result.status == "waiting"
    assert "certificate" in result.note
    assert pauses == []  # it is not tried again and again: it will not get better by itself
    assert mailbox.mails == []


def test_without_starttls_nothing_is_sent_in_the_clear(tmp_path, mailbox):
    root = make_workspace(tmp_path)
    with mail_server(mailbox) as port:
        result = mail_outcome(root, settings=patient(port, security="starttls", username=USER, password=PASSWORD))
    assert result.status == "waiting"
    assert mailbox.mails == []


def test_a_wrong_password_is_told_without_the_password(tmp_path, mailbox):
    root = make_workspace(tmp_path)
    with mail_server(mailbox, login=True) as port:
        result = mail_outcome(root, settings=patient(port, username=USER, password=WRONG))
    assert result.status == "waiting"
    assert "log in" in result.note
    kept = "".join(path.read_text() for path in (tmp_path / ".mail-spool").rglob("*.json"))
    assert WRONG not in result.note + kept


@contextlib.contextmanager
def refusing():
    yield free_port(), []


@contextlib.contextmanager
def saying_later():
    with mail_server(Mailbox(to_data=["451 later"] * 100)) as port:
        yield port, []


@pytest.mark.parametrize(
    "bad",
    [
        refusing,
        saying_later,
        lambda: talking(says_nothing),
        lambda: talking(drips),
        lambda: talking(drops_in_mid_message),
        lambda: talking(hangs_in_mid_message),
    ],
    ids=["refuses", "defers", "hangs", "drips", "drops in mid-message", "hangs in mid-message"],
)
def test_what_a_bad_server_does_not_take_is_delivered_once_by_a_good_one(tmp_path, mailbox, bad):
    root = make_workspace(tmp_path)
    with bad() as (port, _):
        began = time.monotonic()
        first = mail_outcome(root, settings=settings(port))
        took = time.monotonic() - began
    assert first.status == "waiting", first.note
    assert took < HANGS_S, "the server ended it, not settings.total_s"
    with mail_server(mailbox) as port:
        assert flush_spool(tmp_path, settings=patient(port)).waiting == 0
        flush_spool(tmp_path, settings=patient(port))
        assert mail_outcome(root, settings=patient(port)).status == "already sent"
    assert [read(mail)["Message-ID"] for mail in mailbox.mails] == [first.message_id]


def test_a_server_that_fails_at_first_is_tried_again_at_once(tmp_path, mailbox):
    mailbox.to_data = ["451 not yet", "drop"]
    with mail_server(mailbox) as port:
        result = mail_outcome(make_workspace(tmp_path), settings=patient(port, pause_s=0.05))
    assert result.status == "sent", result.note
    assert len(mailbox.mails) == 1


def test_a_lost_answer_gives_two_mails_of_one_identity_at_worst(tmp_path, mailbox):
    mailbox.to_data = ["taken, but the answer is lost"]
    with mail_server(mailbox) as port:
        mail_outcome(make_workspace(tmp_path), settings=patient(port, pause_s=0.05))
    assert len(mailbox.mails) == 2
    assert len({read(mail)["Message-ID"] for mail in mailbox.mails}) == 1


def test_a_refused_recipient_does_not_keep_the_others_from_theirs(tmp_path, mailbox):
    mailbox.answers = {"second@example.org": ["550 nobody of this name"]}
    with mail_server(mailbox) as port:
        result = mail_outcome(make_workspace(tmp_path), settings=patient(port))
        flush_spool(tmp_path, settings=patient(port))
    assert result.status == "sent", result.note
    assert result.refused == {"second@example.org": "550 nobody of this name"}
    assert "nobody of this name" in result.note
    assert mailbox.recipients == [("zoe@example.org",)]


def test_a_recipient_who_is_deferred_gets_it_later_and_the_others_do_not_get_it_again(tmp_path, mailbox):
    mailbox.answers = {"second@example.org": ["450 busy", "250 OK"]}
    with mail_server(mailbox) as port:
        result = mail_outcome(make_workspace(tmp_path), settings=patient(port, pause_s=0.05))
    assert result.status == "sent", result.note
    assert mailbox.recipients == [("zoe@example.org",), ("second@example.org",)]


def test_a_mail_refused_for_good_is_kept_and_not_sent_again(tmp_path, mailbox):
    mailbox.to_data = ["554 not this"]
    with mail_server(mailbox) as port:
        result = mail_outcome(make_workspace(tmp_path), settings=patient(port))
        flush_spool(tmp_path, settings=patient(port))
    assert result.status == "refused"
    assert mailbox.mails == []
    assert len(list((tmp_path / ".mail-spool" / "messages").glob("*.eml"))) == 1


def test_a_refused_sender_is_a_matter_of_the_settings_and_the_mail_waits(tmp_path, mailbox):
    mailbox.senders = {"gatecal@example.org": "550 not from you"}
    with mail_server(mailbox) as port:
        result = mail_outcome(make_workspace(tmp_path), settings=patient(port))
        assert result.status == "waiting"
        assert "refuses the sender: 550 not from you" in result.note
        mailbox.senders = {}
        assert flush_spool(tmp_path, settings=patient(port)).waiting == 0
    assert len(mailbox.mails) == 1


def test_a_mail_that_always_fails_does_not_hold_up_the_others(tmp_path, mailbox):
    for name in ("first", "second"):
        mail_outcome(make_workspace(tmp_path, name), settings=settings(free_port(), total_s=0.1))
    mailbox.to_data = ["drop"]
    with mail_server(mailbox) as port:
        # One round only: the pause is longer than the time for the mailing.
        flushed = flush_spool(tmp_path, settings=patient(port, pause_s=30))
    assert flushed.waiting == 1
    assert len(mailbox.mails) == 1


def test_mails_that_waited_go_with_the_next_one(tmp_path, mailbox):
    waited = mail_outcome(make_workspace(tmp_path, "first"), settings=settings(free_port(), total_s=0.1))
    with mail_server(mailbox) as port:
        new = mail_outcome(make_workspace(tmp_path, "second"), settings=patient(port))
    assert new.waiting == 0
    assert {read(mail)["Message-ID"] for mail in mailbox.mails} == {waited.message_id, new.message_id}


def test_an_address_beyond_ascii_goes_by_smtputf8(tmp_path, mailbox):
    root = make_workspace(tmp_path, recipients=("Zoë <zoë@example.org>", ZOE))
    with mail_server(mailbox, enable_SMTPUTF8=True) as port:
        result = mail_outcome(root, settings=patient(port))
    assert result.status == "sent", result.note
    assert mailbox.recipients == [("zoë@example.org", "zoe@example.org")]
    head = mailbox.mails[0].partition(b"\r\n\r\n")[0].decode("utf-8")
    assert "To: Zoë <zoë@example.org>,\r\n Zoë Müller <zoe@example.org>" in head


def test_without_smtputf8_an_address_beyond_ascii_is_refused_and_the_others_are_served(tmp_path, mailbox):
    root = make_workspace(tmp_path, recipients=("Zoë <zoë@example.org>", ZOE))
    with mail_server(mailbox, enable_SMTPUTF8=False) as port:
        result = mail_outcome(root, settings=patient(port))
    assert result.status == "sent", result.note
    assert set(result.refused) == {"zoë@example.org"}
    (mail,) = mailbox.mails
    assert mail.partition(b"\r\n\r\n")[0].isascii()
    assert str(read(mail)["To"]) == ZOE
    assert read(mail).get_body(("html",)) is not None


FLUSH = """
import json
import sys
from pathlib import Path
from qa.mail.delivery import flush
from qa.mail.spool import Spool
from qa.mail import delivery
from schemas.mail import MailSettings
spool, settings = Spool(Path(sys.argv[1])), MailSettings(**json.loads(sys.argv[2]))
print("ready", flush=True)
sys.stdin.readline()
print(flush(spool, settings).waiting)
"""


def test_two_processes_that_flush_at_once_send_each_mail_once(tmp_path, mailbox):
    for number in range(4):
        mail_outcome(make_workspace(tmp_path, f"night{number}"), settings=settings(free_port(), total_s=0.1))
    with mail_server(mailbox) as port:
        asked = patient(port).model_dump_json(exclude={"password"})
        command = [sys.executable, "-c", FLUSH, str(tmp_path / ".mail-spool"), asked]
        root = Path(__file__).parents[2]
        both = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root) for _ in range(2)]
        for process in both:
            assert process.stdout.readline() == b"ready\n"
        for process in both:
            process.stdin.write(b"go\n")
            process.stdin.flush()
        said = [process.communicate(timeout=60)[0] for process in both]
    assert said == [b"0\n", b"0\n"]
    assert len(mailbox.mails) == 4
    assert len({read(mail)["Message-ID"] for mail in mailbox.mails}) == 4
