"""Ties an observation's mails together: a rerun's mail answers the first one (RFC 5322, 3.6.4)."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from pydantic import ValidationError

from schemas.mail import MailThread
from schemas.whole import write_whole

if TYPE_CHECKING:
    from pathlib import Path

NAME = "mail.json"
"""The thread's file in the workspace."""


def read_thread(root: Path) -> MailThread | None:
    """Return the observation's thread; None where it has none, or a file that cannot be read."""
    try:
        return MailThread.model_validate_json((root / NAME).read_bytes())
    except (OSError, ValidationError):
        return None  # a new thread costs an astronomer little, no mail at all costs a night


def begin_thread(root: Path, message_id: str, subject: str) -> None:
    """Keep the first mail's identity; a thread that has begun stays as it is.

    Where it cannot be written (a full disk) the mail goes all the same: later ones then begin a thread of their own.
    """
    if read_thread(root) is not None:
        return
    with contextlib.suppress(OSError):
        write_whole(root / NAME, MailThread(first=message_id, subject=subject).model_dump_json(indent=1))
