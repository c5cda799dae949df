"""Sends what waits in the spool: with retries and back-off, for a bounded time, each mail once."""

from __future__ import annotations

import email
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from qa.mail.message import ASCII_POLICY
from qa.mail.server import Answer, Deadline, MailTrouble, connected, hand_over
from qa.mail.spool import Spool
from schemas.mail import Envelope, MailResult, MailStatus

if TYPE_CHECKING:
    import smtplib
    from collections.abc import Iterable
    from email.message import EmailMessage

    from schemas.mail import MailSettings

LONGEST_PAUSE_S = 30.0
"""Where the pause between tries stops growing [s]."""


@dataclass(frozen=True)
class Flushed:
    """What sending the spool came to.

    Attributes
    ----------
    waiting
        Mails that still wait.
    trouble
        Why, in a sentence; empty if none does.
    """

    waiting: int
    trouble: str


def post(message: EmailMessage, addresses: Iterable[str], settings: MailSettings, spool: Spool) -> MailResult:
    """Send a mail, and what waits from before; what cannot be sent now is kept.

    Parameters
    ----------
    message
        The mail, with its Message-ID: a mail of the same one is never sent twice.
    addresses
        To whom.
    settings
        By which server, and for how long to try.
    spool
        Where it waits. Where that cannot be written (a full disk), the mail is tried all the same, from elsewhere.
    """
    try:
        new = spool.put(message, addresses)
    except OSError as error:
        return _post_unkept(message, addresses, settings, f"{spool.folder} cannot be written ({error.strerror})")
    return _sent(str(message["Message-ID"]), settings, spool, new=new)


def _sent(identity: str, settings: MailSettings, spool: Spool, *, new: bool) -> MailResult:
    """Send what waits, and say what became of the mail."""
    flushed = flush(spool, settings)
    found = spool.find(identity)
    if found is None:
        note = f"The mail is not in {spool.folder} any more: somebody removed it."
        return MailResult(status="failed", note=note, message_id=identity, waiting=flushed.waiting)
    box, envelope = found
    status: MailStatus = "already sent" if box == "sent" and not new else box
    return MailResult(
        status=status,
        note=_note(status, envelope, flushed, spool),
        message_id=identity,
        delivered=envelope.delivered,
        refused=envelope.refused,
        waiting=flushed.waiting,
    )


def flush(spool: Spool, settings: MailSettings) -> Flushed:
    """Send what waits, in rounds with growing pauses, until nothing does or the time is over.

    Only one process at a time does this; another one waits for it, for as long as a mailing may take.
    """
    if not spool.folder.is_dir():
        return Flushed(0, "")
    deadline = Deadline(settings.total_s)
    with spool.lock(deadline.remaining) as held:
        if not held:
            return Flushed(
                len(spool.waiting()), "another process is sending; the mail goes with its or the next mailing"
            )
        trouble = _rounds(spool, settings, deadline)
        waiting = len(spool.waiting())
    return Flushed(waiting, trouble if waiting else "")


def _rounds(spool: Spool, settings: MailSettings, deadline: Deadline) -> str:
    pause = settings.pause_s
    while True:
        trouble = _round(spool, settings, deadline)
        waiting = spool.waiting()
        if not waiting or (trouble is not None and trouble.lasting) or deadline.remaining <= pause:
            return str(trouble) if trouble is not None else next((entry.last_trouble for entry in waiting), "")
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)


def _round(spool: Spool, settings: MailSettings, deadline: Deadline) -> MailTrouble | None:
    """Try each waiting mail once; return the last trouble with the server, if there was any."""
    spool.tidy()
    todo = spool.waiting()
    trouble: MailTrouble | None = None
    while todo and deadline.remaining:
        left = len(todo)
        try:
            with connected(settings, deadline) as client:
                while todo:
                    _try(client, spool, settings, todo.pop(0))
        except MailTrouble as error:
            trouble = error
            if len(todo) == left or error.lasting:
                break  # the server itself cannot be used: the other mails would fare no better
    for envelope in todo if trouble is not None else ():
        spool.keep(envelope.evolve(last_trouble=str(trouble)))
    return trouble


def _try(client: smtplib.SMTP, spool: Spool, settings: MailSettings, envelope: Envelope) -> None:
    tried = envelope.evolve(attempts=envelope.attempts + 1)
    try:
        answer = _hand_over(client, spool, settings, envelope)
    except FileNotFoundError:
        answer = Answer(refused=dict.fromkeys(envelope.waiting, "its text is gone from the spool"))
    except MailTrouble as error:
        spool.keep(tried.evolve(last_trouble=str(error)))
        raise
    spool.keep(
        tried.evolve(
            waiting=tuple(address for address in envelope.waiting if address in answer.deferred),
            delivered=(*envelope.delivered, *answer.delivered),
            refused={**envelope.refused, **answer.refused},
            last_trouble="; ".join(f"{address}: {said}" for address, said in answer.deferred.items()),
        )
    )


def _hand_over(client: smtplib.SMTP, spool: Spool, settings: MailSettings, envelope: Envelope) -> Answer:
    content = spool.content(envelope)
    utf8 = not content.partition(b"\r\n\r\n")[0].isascii()
    if not utf8 or client.has_extn("smtputf8"):
        return hand_over(client, settings, content, envelope.waiting, utf8=utf8)
    # RFC 6531, 3.2: to a server without SMTPUTF8 go only ASCII addresses, and headers that name no others.
    able = tuple(address for address in envelope.waiting if address.isascii())
    unable = (address for address in envelope.waiting if address not in able)
    refused = dict.fromkeys(unable, "the mail server cannot deliver to addresses beyond ASCII")
    if not able:
        return Answer(refused=refused)
    answer = hand_over(client, settings, _in_ascii(content), able, utf8=False)
    return Answer(answer.delivered, refused | answer.refused, answer.deferred)


def _in_ascii(content: bytes) -> bytes:
    """Return a mail whose headers name only ASCII addresses."""
    # From text: the parser of bytes does not know that RFC 6532 made headers UTF-8.
    message = cast("EmailMessage", email.message_from_string(content.decode("utf-8"), policy=ASCII_POLICY))
    for name in ("To", "Cc", "Reply-To"):
        if name in message:
            kept = [entry for entry in message[name].addresses if entry.addr_spec.isascii()]
            del message[name]
            if kept:
                message[name] = kept
    return message.as_bytes()


def _post_unkept(message: EmailMessage, addresses: Iterable[str], settings: MailSettings, why: str) -> MailResult:
    """Send a mail that the spool cannot hold, from a temporary one."""
    with tempfile.TemporaryDirectory(prefix="gatecal-mail-") as folder:
        spool = Spool(Path(folder))
        spool.put(message, addresses)
        result = _sent(str(message["Message-ID"]), settings, spool, new=True)
    if result.status == "waiting":
        return result.evolve(status="failed", note=f"{result.note} It could not be kept either: {why}.", waiting=0)
    return result


def _note(status: MailStatus, envelope: Envelope, flushed: Flushed, spool: Spool) -> str:
    """Say in a sentence what became of a mail."""
    refused = "".join(f" {address} is refused: {said}." for address, said in envelope.refused.items())
    others = flushed.waiting - (status == "waiting")
    more = f" {others} other mail{'s wait' if others > 1 else ' waits'} in {spool.folder}." if others else ""
    if status == "sent":
        return f"Mailed to {', '.join(envelope.delivered)}.{refused}{more}"
    if status == "already sent":
        return f"This mail had been sent already ({', '.join(envelope.delivered)}).{refused}{more}"
    if status == "refused":
        return f"The mail is refused for good.{refused} It is kept in {spool.folder / 'messages'}.{more}"
    why = flushed.trouble or envelope.last_trouble or "the time for this mailing is over"
    return f"The mail waits in {spool.folder} and goes with the next mailing: {why}.{refused}{more}"
