"""``gatecal nightly``: look into an inbox now, by hand."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from flows.claims import ClaimBook
from flows.digest import claims_folder
from flows.inbox import Inbox
from flows.retention import clean
from flows.service import running
from schemas.errors import ConfigurationError

if TYPE_CHECKING:
    from rich.console import Console

    from schemas.service import ServiceSettings


def look(settings: ServiceSettings, console: Console) -> int:
    """Show what lies in the inbox and what retention would remove; begin and remove nothing."""
    book = ClaimBook(claims_folder(settings.workspace)) if claims_folder(settings.workspace).is_dir() else None
    table = Table("in the inbox", "observation", "state", "reason", box=None, title=escape(str(settings.inbox)))
    for entry in Inbox(settings.inbox, settings.rules).look():
        known = book.read(entry.key) if book is not None and entry.key else None
        name = known.name if known else (entry.observation.name if entry.observation else "")
        row = (entry.entry, name, "begun before" if known else entry.state, entry.reason)
        table.add_row(*map(escape, row))  # a name may look like markup
    console.print(table)
    kept = Table("working copy", "GB", "days old", "what", "why", box=None, title=escape(str(settings.workspace)))
    for copy in clean(settings.workspace, settings.retention.evolve(dry_run=True)):
        size, age = f"{copy.bytes / 1e9:.2f}", f"{copy.age_days:.1f}"
        kept.add_row(copy.observation, size, age, copy.action, copy.reason)
    console.print(kept)
    return 0


def night(settings: ServiceSettings, console: Console) -> int:
    """Run `nightly` here, with the runs on the service's pool; return the exit code.

    Raises
    ------
    ConfigurationError
        No service is up in this folder of workspaces, and PREFECT_API_URL names none.
    """
    state = running(settings.folder)
    if state is not None:
        os.environ["PREFECT_API_URL"] = state.url
    if not os.environ.get("PREFECT_API_URL"):
        msg = f"no service is up for {settings.workspace}: `gatecal up --workspace {settings.workspace}` starts it."
        raise ConfigurationError(msg)
    from flows.nightly import nightly

    ended = nightly(settings.inbox, settings.workspace, settings.rules, settings.retention, return_state=True)
    console.print(f"{ended.name}: {ended.message}", markup=False, highlight=False, soft_wrap=True)
    return 0 if ended.is_completed() else 1
