"""The commands of the service: ``gatecal up``, ``gatecal down``, ``gatecal nightly``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console

from schemas.errors import ConfigurationError
from schemas.profiles import explain

if TYPE_CHECKING:
    from schemas.service import ServiceSettings

WorkspaceOption = Annotated[
    Path | None, typer.Option("--workspace", help="Folder of the workspaces (default: observations).")
]


def up(
    workspace: WorkspaceOption = None,
    inbox: Annotated[
        Path | None, typer.Option(help="Folder into which data sets are dropped (default: inbox).")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port of server and UI (default: 4200).")] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on (default: 127.0.0.1, this machine alone).")
    ] = None,
    schedule: Annotated[
        str | None, typer.Option(metavar="CRON", help="When the inbox is looked into (default: 0 20 * * *).")
    ] = None,
    timezone: Annotated[str | None, typer.Option(help="Time zone of the schedule (default: UTC).")] = None,
    workers: Annotated[int | None, typer.Option(help="Workers: calibrations side by side (default: 1).")] = None,
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay, as systemd wants it.")] = False,
) -> None:
    """Start the service: Prefect server, UI, workers, schedule. What is up already is left as it is.

    Further settings come from the environment: GATECAL_QUIET_MINUTES, GATECAL_PROFILE, GATECAL_RECIPIENTS,
    GATECAL_KEEP_DAYS, GATECAL_MIN_FREE_GB, GATECAL_ALLOW_OUTSIDE, and GATECAL_<OPTION> for each option.
    """
    from flows import service

    given = {"workspace": workspace, "inbox": inbox, "port": port, "host": host}
    settings = _settings(**given, schedule=schedule, timezone=timezone, workers=workers)
    raise typer.Exit(service.up(settings, Console(), foreground=foreground))


def down(workspace: WorkspaceOption = None) -> None:
    """End the service and every process of it; calibrations under way go on at the next `gatecal up`."""
    from flows import service

    raise typer.Exit(service.down(_settings(workspace=workspace).workspace, Console()))


def nightly(
    inbox: Annotated[Path, typer.Argument(metavar="INBOX", help="Folder into which data sets are dropped.")],
    workspace: WorkspaceOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be calibrated and removed; do neither.")
    ] = False,
) -> None:
    """Look into the inbox now: calibrate each new data set on the service's workers, mail the digest."""
    from flows import night_command

    settings = _settings(workspace=workspace, inbox=inbox)
    console = Console()
    console = console if console.is_terminal else Console(width=200)
    raise typer.Exit(night_command.look(settings, console) if dry_run else night_command.night(settings, console))


def _settings(**given: Any) -> ServiceSettings:  # noqa: ANN401 - options of several types
    from schemas.service import ServiceSettings

    try:
        return ServiceSettings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise ConfigurationError(explain(error, "setting")) from error
