"""``report.html``: one self-contained page from what a run left in its workspace, without CASA."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qa.report.build import build_view
from qa.report.reading import read
from qa.report.render import render
from schemas.whole import write_whole

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["write_report"]


def write_report(root: Path) -> Path:
    """Write ``report.html`` of the workspace `root` anew, and return its path.

    Works for every outcome, half-empty ones included; what is missing is noted in the report.

    Raises
    ------
    ConfigurationError
        There is no outcome, or it cannot be read.
    """
    path = root / "report.html"
    write_whole(path, render(build_view(read(root))))
    return path
