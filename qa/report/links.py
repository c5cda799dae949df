"""Links to files beside the report: relative, so that they hold wherever the workspace is moved to."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from qa.report.view import Link

if TYPE_CHECKING:
    from pathlib import Path


def link(text: str, path: Path) -> Link:
    """Return a link to a path relative to the workspace."""
    # "./" keeps a name with a colon from being read as a scheme.
    return Link(text=text, href="./" + quote(path.as_posix()))


def existing(root: Path, *names: str) -> tuple[Link, ...]:
    """Return links to the files of these names that are in the workspace."""
    return tuple(link(name, (root / name).relative_to(root)) for name in names if (root / name).exists())


def logs(root: Path) -> tuple[Link, ...]:
    """Return links to CASA's logs, one per call, in order."""
    files = sorted(file for file in (root / "logs").glob("*") if file.suffix in {".log", ".txt"})
    return tuple(link(file.name, file.relative_to(root)) for file in files)


def web(address: str) -> str:
    """Return an address if it is one of the web; anything else is not made a link."""
    return address if urlsplit(address).scheme in {"http", "https"} else ""
