"""Whether what lies in the inbox is whole, and stays inside: looked at without opening a file."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MARKER = ".complete"
"""Suffix of the file that says a transfer is complete (``night1.ms.complete``), or that file's name inside a folder."""

PARTIAL = (".part", ".partial", ".filepart", ".tmp", ".crdownload", ".download")
"""Suffixes under which transfer programs write what is not whole yet."""


@dataclass(frozen=True)
class Tree:
    """A file or folder, as its directory entries tell.

    Attributes
    ----------
    changed
        Latest change of any part [s since 1970]: of status, not of content (a copy may bring an old time of content).
    signature
        Changes with any part's name, size or time.
    special
        Parts that are neither files, folders nor links; reading one could wait for ever.
    outside
        Links that lead out of the inbox or nowhere.
    """

    changed: float
    signature: int
    special: tuple[str, ...]
    outside: tuple[str, ...]


def walk(path: Path, inbox: Path) -> Tree:
    """Look at everything below `path`; links are checked, not followed (but for `path` itself)."""
    changed, seen, special, outside = 0.0, [], [], []
    for part in _parts(path):
        status = part.lstat()
        changed = max(changed, status.st_ctime)
        seen.append((str(part), status.st_size, status.st_mtime_ns, status.st_ctime_ns))
        if stat.S_ISLNK(status.st_mode):
            if not inside(part, inbox):
                outside.append(part.name)
        elif not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            special.append(part.name)
    return Tree(changed, hash(tuple(sorted(seen))), tuple(special), tuple(outside))


def _parts(path: Path) -> list[Path]:
    found = [path]
    target = Path(os.path.realpath(path)) if path.is_symlink() else path  # Path.resolve raises on a circle
    if target != path and target.exists():
        found.append(target)
    for folder, folders, files in os.walk(target):
        found += [Path(folder) / name for name in (*folders, *files)]
    return found


def mark_of(parts: list[Path]) -> str:
    """Return a hash of the names, sizes and times of what lies there; no link is followed."""
    seen: list[tuple[str, int, int, str]] = []
    for top in parts:
        for part in sorted([top] if top.is_symlink() else _parts(top)):
            with suppress(OSError):  # it may just be going
                status = part.lstat()
                target = str(part.readlink()) if stat.S_ISLNK(status.st_mode) else ""
                seen.append((str(part), status.st_size, status.st_mtime_ns, target))
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()[:32]


def inside(path: Path, inbox: Path) -> bool:
    """Tell whether `path`, with all links followed, exists and lies in the inbox."""
    try:
        return path.resolve(strict=True).is_relative_to(inbox.resolve())
    except (OSError, RuntimeError):  # nothing there, or links in a circle
        return False


def is_marked(path: Path) -> bool:
    """Tell whether a marker file says that the transfer is complete."""
    beside = path.with_name(path.name + MARKER)
    return beside.is_file() or (path.is_dir() and (path / MARKER).is_file())


def is_partial(name: str) -> bool:
    """Tell whether the name is one that transfer programs give to what is not whole."""
    return name.lower().endswith(PARTIAL)


class Watch:
    """Tells how long each entry has been quiet; remembers what it saw, in case the clock is not to be trusted.

    Parameters
    ----------
    quiet_s
        How long nothing may have changed [s].
    """

    def __init__(self, quiet_s: float) -> None:
        self._quiet_s = quiet_s
        self._seen: dict[Path, tuple[int, float]] = {}

    def remaining(self, path: Path, trees: list[Tree]) -> float:
        """Return how long to wait until the entry counts as whole [s]; zero where it does."""
        if is_marked(path):
            return 0.0
        by_clock = self._quiet_s - (time.time() - max(tree.changed for tree in trees))
        signature = hash(tuple(tree.signature for tree in trees))
        known, since = self._seen.get(path, (None, 0.0))
        if known != signature:
            since = time.monotonic()
            self._seen[path] = (signature, since)
        by_watching = self._quiet_s - (time.monotonic() - since)
        if by_clock > self._quiet_s:  # changed in the future: the clock was set back
            return max(0.0, by_watching)
        return max(0.0, min(by_clock, by_watching))
