"""Who processes what: each content with each configuration once, however often the schedule fires or overlaps.

A claim is a file ``<key>.json``; every change is made under one ``flock``, which the kernel frees when its holder dies.
A claim without a run that is older than `STALE_S` was left by a process that died between the two: it may be taken
again, and Prefect's idempotency key (the same key) keeps that from ever making a second run.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from typing import TYPE_CHECKING

from pydantic import ValidationError

from flows.inbox import marked_name
from schemas.errors import ConfigurationError
from schemas.service import Claim
from schemas.whole import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from schemas.service import Entry

STALE_S = 600.0
"""Age at which a claim without a run counts as left behind [s]; making a run takes seconds."""
NOT_LAST = frozenset({"held", "crashed", "missing"})
"""What a digest may have said of a run that can still go on: answered, retried or resumed, it is told of again."""
LATE_S = 30 * 86400.0
"""Age of a claim after which a run is not waited for to go on [s]; holds are answered within days."""


class NameTaken(ConfigurationError):
    """Raise when a person gave an observation the name of another inbox entry's. A retry cannot help."""


class ClaimBook:
    """The claims of one inbox.

    Parameters
    ----------
    folder
        Where the claims lie; made where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the book against other processes for the body."""
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def night_keeper(self) -> Iterator[bool]:
        """Tell whether this process is the one that stays up, waits for the runs and mails the digest."""
        with (self.folder / ".night").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    def take(self, entry: Entry, stale_s: float = STALE_S) -> tuple[Claim, bool]:
        """Claim a data set.

        Returns
        -------
        The claim, and whether it is the caller's to begin: False where it has been taken before.

        Raises
        ------
        NameTaken
            Another inbox entry has the name that the observation file gives.
        """
        with self.held():
            known = self.read(entry.key)
            if known is not None and (known.flow_run or time.time() - known.taken < stale_s):
                return known, False
            claim = Claim(
                key=entry.key,
                entry=entry.entry,
                name=known.name if known is not None else self._name(entry),
                taken=time.time(),
                by=f"process {os.getpid()} on {socket.gethostname()}",
                needs_bytes=entry.needs_bytes,
            )
            self._write(claim)
            return claim, True

    def _name(self, entry: Entry) -> str:
        """Return a name that no other inbox entry has."""
        assert entry.observation is not None  # noqa: S101 - only ready entries are claimed
        name = entry.observation.name
        others = {claim.name.casefold(): claim.entry for claim in self.all() if claim.entry != entry.entry}
        owner = others.get(name.casefold())
        if owner is None:
            return name
        if entry.named:
            msg = f"the name {name!r} is that of the inbox entry {owner!r} already; give it another in its YAML file"
            raise NameTaken(msg)
        return marked_name(name, entry.entry)

    def release(self, claim: Claim) -> None:
        """Give back a claim whose run could not be begun."""
        with self.held():
            self._path(claim.key).unlink(missing_ok=True)

    def begun(self, claim: Claim, flow_run: str) -> None:
        """Note the run of a claim."""
        with self.held():
            self._write(claim.evolve(flow_run=flow_run))

    def digested(self, told: dict[str, str], when: str) -> None:
        """Note that a digest was mailed, and what it said of each claim, by the claims' keys."""
        with self.held():
            for key, words in told.items():
                claim = self.read(key)
                if claim is not None:
                    self._write(claim.evolve(digest=when, told=words))

    def all(self) -> list[Claim]:
        """Return every claim, oldest first; one that cannot be read is left out."""
        keys = [path.stem for path in self.folder.glob("*.json")]
        return sorted((claim for key in keys if (claim := self.read(key)) is not None), key=lambda claim: claim.taken)

    def open(self) -> list[Claim]:
        """Return the claims that have a run whose end no digest has told yet."""
        now = time.time()
        return [
            claim
            for claim in self.all()
            if claim.flow_run and (not claim.digest or (claim.told in NOT_LAST and now - claim.taken < LATE_S))
        ]

    def read(self, key: str) -> Claim | None:
        """Return one claim, or None."""
        try:
            return Claim.model_validate_json(self._path(key).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def _write(self, claim: Claim) -> None:
        write_whole(self._path(claim.key), claim.model_dump_json(indent=1))

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.json"
