"""What a night leaves in the inbox, so that the digest tells of it: once, as long as it lies there unchanged."""

from __future__ import annotations

import hashlib
import json
import time
from typing import TYPE_CHECKING, get_args

from pydantic import ValidationError

from schemas.service import LeftState, Refusal, Refusals
from schemas.whole import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from flows.claims import ClaimBook
    from schemas.service import NightRow

LASTING = ("refused", "unreadable")
"""States whose reason tells one obstacle from another; that of the others holds numbers that change."""
LONG_S = 12 * 3600.0
"""How long a transfer may wait before the digest tells of it [s]: over one night, and until the next one."""


class RefusalBook:
    """What was left in the inboxes: a file beside the claims, written under their lock.

    Parameters
    ----------
    book
        The claims.
    """

    def __init__(self, book: ClaimBook) -> None:
        self._book = book
        self._file = book.folder.parent / "refusals.json"

    def note(self, inbox: Path, rows: Iterable[NightRow]) -> None:
        """Note what a night leaves in an inbox; what no longer lies there, or was begun, is forgotten."""
        with self._book.held():
            known = {refusal.key: refusal for refusal in self.all()}
            others = [refusal for refusal in known.values() if refusal.inbox != str(inbox)]
            here = [refusal_of(str(inbox), row) for row in rows if row.state in get_args(LeftState)]
            kept = [refusal.evolve(**_history(known.get(refusal.key, refusal))) for refusal in here]
            self._write([*others, *kept])

    def all(self) -> tuple[Refusal, ...]:
        """Return what was left; nothing where the file cannot be read: it is then told of once more."""
        try:
            return Refusals.model_validate_json(self._file.read_bytes()).refusals
        except (OSError, ValidationError):
            return ()

    def untold(self) -> list[Refusal]:
        """Return what no digest has told of yet; a transfer only when it has waited for long."""
        now = time.time()
        return [
            refusal
            for refusal in self.all()
            if not refusal.digest and (refusal.state != "waiting" or now - refusal.since > LONG_S)
        ]

    def told(self, refusals: Iterable[Refusal], when: str) -> None:
        """Note that a digest with these was mailed."""
        keys = {refusal.key for refusal in refusals}
        with self._book.held():
            self._write([entry.evolve(digest=when) if entry.key in keys else entry for entry in self.all()])

    def _write(self, refusals: Iterable[Refusal]) -> None:
        write_whole(self._file, Refusals(refusals=tuple(refusals)).model_dump_json(indent=1))


def refusal_of(inbox: str, row: NightRow) -> Refusal:
    """Return what is noted of a line of the nightly table."""
    same = [inbox, row.entry, row.content, row.state, row.reason if row.state in LASTING else ""]
    key = hashlib.sha256(json.dumps(same).encode()).hexdigest()[:32]
    fields = {"key": key, "inbox": inbox, "entry": row.entry, "state": row.state, "reason": row.reason}
    return Refusal.model_validate({**fields, "since": time.time()})


def _history(known: Refusal) -> dict[str, float | str]:
    return {"since": known.since, "digest": known.digest}
