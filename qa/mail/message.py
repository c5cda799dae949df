"""Builds a mail: headers, text and HTML alternatives, pictures inline, the report attached."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import TYPE_CHECKING

from qa.mail.headers import HeaderPolicy
from schemas.mail import MailAddress, MailThread, mail_address, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

    from qa.mail.plots import InlinePlot

# 7bit: bodies are quoted-printable or base64, so that no server on the way has to know 8BITMIME.
ASCII_POLICY = HeaderPolicy(linesep="\r\n", cte_type="7bit")
UTF8_POLICY = ASCII_POLICY.clone(utf8=True)


@dataclass(frozen=True)
class Draft:
    """All that a mail is built from.

    Attributes
    ----------
    identity
        What makes this mail this one: the same parts give the same Message-ID, so that it is not sent twice.
    subject, text, html
        Its subject and its body, in both forms.
    sender
        From whom.
    recipients, copies
        To whom, and to whom for information.
    reply_to
        Who reads the answers: the sender's address is a machine's.
    created
        When (with its time zone).
    plots
        Pictures; the HTML shows each as ``cid:<name>@<domain>`` (see `content_id`).
    attachment
        File to attach (HTML), if any.
    thread
        The observation's first mail, which this one answers; None for the first.
    """

    identity: tuple[str, ...]
    subject: str
    text: str
    html: str
    sender: MailAddress
    recipients: tuple[MailAddress, ...]
    created: datetime
    copies: tuple[MailAddress, ...] = ()
    reply_to: tuple[MailAddress, ...] = ()
    plots: tuple[InlinePlot, ...] = ()
    attachment: Path | None = None
    attachment_name: str = "report.html"
    thread: MailThread | None = field(default=None)


def build(draft: Draft) -> EmailMessage:
    """Return the mail.

    Its addresses decide its form: with ASCII ones it passes every server; a local part beyond ASCII needs SMTPUTF8
    (RFC 6531), and only then are headers written in UTF-8.
    """
    ascii_only = all(entry.is_ascii for entry in (draft.sender, *draft.recipients, *draft.copies, *draft.reply_to))
    message = EmailMessage(policy=ASCII_POLICY if ascii_only else UTF8_POLICY)
    _head(message, draft)
    message.set_content(draft.text)
    message.add_alternative(draft.html, subtype="html")
    _add_plots(message, draft)
    if draft.attachment is not None:
        message.add_attachment(
            draft.attachment.read_bytes(),
            maintype="text",
            subtype="html",
            filename=one_line(draft.attachment_name),
            params={"charset": "utf-8"},
        )
    return message


def message_id(identity: Iterable[str], sender: MailAddress) -> str:
    """Return the Message-ID of a mail (RFC 5322, 3.6.4): the same identity always gives the same one."""
    digest = hashlib.sha256("\n".join(identity).encode("utf-8", "replace")).hexdigest()[:32]
    return f"<gatecal.{digest}@{_domain(sender)}>"


def content_id(name: str, sender: MailAddress) -> str:
    """Return the address of an inline picture (RFC 2392), without brackets."""
    return f"{name}@{_domain(sender)}"


def readable(texts: Iterable[str]) -> tuple[tuple[MailAddress, ...], dict[str, str]]:
    """Return the addresses that can be read, each once, and why the others cannot."""
    found: dict[str, MailAddress] = {}
    wrong: dict[str, str] = {}
    for text in texts:
        try:
            entry = mail_address(text)
        except ValueError as error:
            wrong[text] = str(error)
        else:
            found.setdefault(entry.address, entry)
    return tuple(found.values()), wrong


def _domain(sender: MailAddress) -> str:
    return sender.address.rpartition("@")[2]


def _head(message: EmailMessage, draft: Draft) -> None:
    message["Subject"] = one_line(draft.subject)
    message["From"] = _shown(draft.sender)
    message["To"] = [_shown(entry) for entry in draft.recipients]
    if draft.copies:
        message["Cc"] = [_shown(entry) for entry in draft.copies]
    if draft.reply_to:
        message["Reply-To"] = [_shown(entry) for entry in draft.reply_to]
    message["Date"] = format_datetime(draft.created)
    message["Message-ID"] = message_id(draft.identity, draft.sender)
    if draft.thread is not None:
        message["In-Reply-To"] = draft.thread.first
        message["References"] = draft.thread.first
    # RFC 3834: no vacation notes and no automatic answers to this; Precedence says so to those who do not know it.
    message["Auto-Submitted"] = "auto-generated"
    message["Precedence"] = "bulk"


def _shown(entry: MailAddress) -> Address:
    local, _, domain = entry.address.rpartition("@")
    return Address(display_name=entry.name, username=local, domain=domain)


def _add_plots(message: EmailMessage, draft: Draft) -> None:
    """Add the pictures to the HTML alternative; that makes it multipart/related (RFC 2387)."""
    html = message.get_body(("html",))
    if html is None:
        return
    for plot in draft.plots:
        html.add_related(
            plot.picture,
            "image",
            "png",
            cid=f"<{content_id(plot.name, draft.sender)}>",
            disposition="inline",
            filename=f"{plot.name}.png",
        )
