"""The mails that wait to be sent: a folder in which no mail is lost and none is sent twice.

::

    .mail-spool/
      messages/<key>.eml    the mails; written once, never changed
      waiting/<key>.json    envelopes of those that somebody is still to get
      sent/<key>.json       the ledger: envelopes of those that have gone
      refused/<key>.json    envelopes of those that every server answer refused for good; their mail is kept

The key is made of the Message-ID, so the same mail cannot be put in twice. An envelope appears only after its mail,
moves from folder to folder by one rename, and is changed only by who holds the lock. Every mail goes through here,
before the first try: whatever ends the process, the mail is there.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from schemas.mail import Envelope
from schemas.whole import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from email.message import EmailMessage
    from pathlib import Path

Box = Literal["waiting", "sent", "refused"]

POLL_S = 0.1
"""How often a taken lock is tried again [s]."""


class Spool:
    """The mails that wait.

    Attributes
    ----------
    folder
        Where they are; made when the first one comes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, message: EmailMessage, addresses: Iterable[str]) -> bool:
        """Keep a mail until it is sent; False if it is already here or has been sent."""
        identity = str(message["Message-ID"])
        if self.find(identity) is not None:
            return False
        for name in ("messages", "waiting", "sent", "refused"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        envelope = Envelope(
            message_id=identity,
            subject=str(message["Subject"]),
            created=datetime.now(UTC),
            waiting=tuple(dict.fromkeys(addresses)),
        )
        write_whole(self._mail(identity), message.as_bytes())
        write_whole(self._envelope("waiting", identity), envelope.model_dump_json(indent=1))
        return True

    def find(self, message_id: str) -> tuple[Box, Envelope] | None:
        """Return where a mail stands; None if it was never here."""
        # In the order in which envelopes move: one that moves meanwhile is seen in its new place.
        for box in ("waiting", "sent", "refused"):
            envelope = _read(self._envelope(box, message_id))
            if envelope is not None:
                return box, envelope
        return None

    def waiting(self) -> list[Envelope]:
        """Return the envelopes that wait: those tried least first, so that one bad mail does not hold up the others."""
        found = (_read(path) for path in (self.folder / "waiting").glob("[!.]*.json"))
        return sorted(
            (envelope for envelope in found if envelope is not None),
            key=lambda envelope: (envelope.attempts, envelope.created),
        )

    def content(self, envelope: Envelope) -> bytes:
        """Return a mail as it is to be sent."""
        return self._mail(envelope.message_id).read_bytes()

    def keep(self, envelope: Envelope) -> None:
        """Write down what a try came to; a mail that nobody waits for any more leaves the spool. Hold the lock."""
        waiting = self._envelope("waiting", envelope.message_id)
        try:
            write_whole(waiting, envelope.model_dump_json(indent=1))
        except OSError:
            if envelope.waiting:
                raise
            # On a full disk the rename below still works, and it is what keeps a mail from being sent twice.
        if envelope.waiting:
            return
        box: Box = "sent" if envelope.delivered else "refused"
        waiting.replace(self._envelope(box, envelope.message_id))
        if box == "sent":
            self._mail(envelope.message_id).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove what has gone already: another process may have put it in once more meanwhile. Hold the lock."""
        for path in (self.folder / "waiting").glob("[!.]*.json"):
            if (self.folder / "sent" / path.name).exists():
                path.unlink(missing_ok=True)
        for path in (self.folder / "messages").glob("[!.]*.eml"):
            if (self.folder / "sent" / path.with_suffix(".json").name).exists():
                path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def lock(self, patience_s: float) -> Iterator[bool]:
        """Hold the spool against other processes; give False if another one still held it after `patience_s` [s].

        The kernel frees the lock when its holder ends, however that ends.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        until = time.monotonic() + patience_s
        with (self.folder / "lock").open("ab") as file:
            held = _taken(file.fileno())
            while not held and time.monotonic() < until:
                time.sleep(POLL_S)
                held = _taken(file.fileno())
            yield held

    def _mail(self, message_id: str) -> Path:
        return self.folder / "messages" / f"{_key(message_id)}.eml"

    def _envelope(self, box: Box, message_id: str) -> Path:
        return self.folder / box / f"{_key(message_id)}.json"


def _key(message_id: str) -> str:
    return hashlib.sha256(message_id.encode("utf-8", "replace")).hexdigest()[:32]


def _read(path: Path) -> Envelope | None:
    try:
        return Envelope.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
