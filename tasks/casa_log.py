"""The end of a CASA log, for error messages; nothing is decided from it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

TAIL_LINES = 15
TAIL_BYTES = 64 * 1024
LINE_CHARACTERS = 300
"""Longest line shown; CASA logs a task's whole parameter list in one, and the error names the parameters anyway."""
HARMLESS = re.compile(r"TAI_UTC|Until the table is updated|times and coordinates derived from UTC")
"""CASA says at SEVERE that the leap second table seems out of date whenever the data are half a year newer than it."""


def log_tail(log: Path, lines: int = TAIL_LINES) -> str:
    """Return the last `lines` lines of `log` without the harmless ones; empty where there is no such file."""
    try:
        with log.open("rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - TAIL_BYTES))
            text = stream.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    kept = [line for line in text.splitlines() if line.strip() and not HARMLESS.search(line)]
    return "\n".join(line[:LINE_CHARACTERS] for line in kept[-lines:])
