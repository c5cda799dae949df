"""The mail that a run sends at its end, through a real SMTP server: what arrives, to whom, in which thread."""

from __future__ import annotations

import email
from dataclasses import dataclass, replace
from email.policy import default
from typing import TYPE_CHECKING

import pytest

from tests.contract.mail_servers import Mailbox, mail_server
from tests.e2e.running import copy_workspace
from tests.ports import free_port

if TYPE_CHECKING:
    from email.message import EmailMessage
    from pathlib import Path

    from tests.e2e.running import Finished, Gatecal

pytestmark = [pytest.mark.casa, pytest.mark.slow]

ASTRONOMER, OPERATOR = "zoe@example.org", "operator@example.org"


@dataclass(frozen=True)
class Post:
    """An observation with a recipient, the command that mails, and what has arrived so far."""

    root: Path
    command: Gatecal
    mailbox: Mailbox
    first: Finished

    def again(self, *changes: str) -> Finished:
        """Calibrate it once more: finished steps are reused."""
        request = self.root / "observation.yaml"
        return self.command("calibrate", request, *changes, "--workspace", self.root.parent)

    def read(self, number: int) -> EmailMessage:
        """Parse a mail back as a client would."""
        return email.message_from_bytes(self.mailbox.mails[number], policy=default)


@pytest.fixture(scope="module")
def post(gatecal, ngc5921, tmp_path_factory) -> Post:
    """A rerun of NGC 5921 for somebody who wants the report, with a mail server."""
    root = copy_workspace(ngc5921.root, tmp_path_factory.mktemp("mailed"))
    request = root / "observation.yaml"
    request.write_text(request.read_text() + f"recipients: ['Zoë Müller <{ASTRONOMER}>']\n", encoding="utf-8")
    mailbox, port = Mailbox(), free_port()
    settings = {
        "GATECAL_MAIL_HOST": "127.0.0.1",
        "GATECAL_MAIL_PORT": str(port),
        "GATECAL_MAIL_SECURITY": "plain",
        "GATECAL_MAIL_SENDER": "gatecal@example.org",
        "GATECAL_MAIL_OPERATORS": OPERATOR,
    }
    command = replace(gatecal, extra=settings)
    with mail_server(mailbox, port=port):
        first = command("calibrate", request, "--workspace", root.parent)
        yield Post(root, command, mailbox, first)


def test_a_run_mails_its_report_to_its_recipients(post):
    assert post.first.code == 0, post.first.output
    mail = post.read(0)
    assert post.mailbox.recipients[0] == (ASTRONOMER,)
    assert str(mail["To"]) == f"Zoë Müller <{ASTRONOMER}>"
    assert mail["Auto-Submitted"] == "auto-generated"
    (report,) = (part for part in mail.walk() if part.get_filename("").endswith(".html"))
    assert report.get_content() in {text := (post.root / "report.html").read_text(), text.encode()}


def test_every_picture_of_the_mail_is_in_it(post):
    mail = post.read(0)
    page = mail.get_body(("html",)).get_content()
    pictures = {part["Content-ID"].strip("<>") for part in mail.walk() if part.get_content_maintype() == "image"}
    assert pictures
    assert all(f"cid:{picture}" in page for picture in pictures)
    assert page.count("cid:") == len(pictures)


def test_a_rerun_that_stops_goes_to_the_operators_too_and_answers_the_first_mail(post):
    before = len(post.mailbox.mails)
    stopped = post.again("--set", "gates.result.phase_stop_deg=0.1")
    assert stopped.code == 3, stopped.output
    given = [address for envelope in post.mailbox.recipients[before:] for address in envelope]
    assert sorted(given) == sorted([ASTRONOMER, OPERATOR])
    assert post.read(before)["In-Reply-To"] == post.read(0)["Message-ID"]
    assert "stopped" in str(post.read(before)["Subject"]).lower()


def test_asked_for_it_is_sent_again(post):
    before = len(post.mailbox.mails)
    again = post.command("report", post.root, "--mail")
    assert again.code == 0, again.output
    assert len(post.mailbox.mails) > before
