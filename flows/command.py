"""The ``gatecal`` command."""

from __future__ import annotations

import os
import sys
from datetime import datetime  # noqa: TC003 - typer reads it
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from flows import service_command
from flows.offline import OFFLINE
from schemas.errors import CalibrationError
from schemas.profiles import parse_assignment
from schemas.steps import Step

if TYPE_CHECKING:
    from schemas.observation import Observation

QUIET = OFFLINE | {
    # The display is ours.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    # A fresh database takes 19 s to migrate on two cores, close to Prefect's limit of 20.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
}
"""Prefect's settings for a run from the command line; what the user has set goes before."""

DEFAULT_WORKSPACE = Path("observations")

app = typer.Typer(
    name="gatecal",
    help="Calibrate radio-interferometer observations, with a QA gate after every solve.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

WorkspaceOption = Annotated[Path, typer.Option("--workspace", help="Folder of the workspaces.")]
FromOption = Annotated[Step | None, typer.Option("--from", help="Run this step and all after it again.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A parameter or bound, e.g. gains.solint=30s.")
]


@app.command()
def calibrate(
    observation: Annotated[Path, typer.Argument(metavar="OBSERVATION", help="Observation file (YAML).")],
    from_step: FromOption = None,
    changes: SetOption = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Calibrate one observation; exit 0 passed, 2 refused, 3 stopped by a gate, 1 anything else."""
    from schemas.observation import read_observation

    _run(read_observation(observation), workspace, from_step, changes or [])


@app.command()
def demo(
    data: Annotated[Literal["ngc5921", "emerlin"], typer.Option(help="Embedded input.")] = "ngc5921",
    from_step: FromOption = None,
    changes: SetOption = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Calibrate embedded data: real VLA data of NGC 5921, or a simulated e-MERLIN observation."""
    from flows.demo import embedded

    _run(embedded(data, workspace), workspace, from_step, changes or [])


@app.command()
def gates(
    workspace: Annotated[Path, typer.Argument(metavar="WORKSPACE", help="Workspace of one observation.")],
) -> None:
    """Show every gate's numbers of a workspace's last run."""
    from flows.tables import print_gates, read_outcome

    print_gates(_console(), read_outcome(workspace))


@app.command()
def report(
    workspace: Annotated[Path, typer.Argument(metavar="WORKSPACE", help="Workspace of one observation.")],
    mail: Annotated[bool, typer.Option("--mail", help="Mail it, even if it has been mailed before.")] = False,
    preview: Annotated[
        Path | None, typer.Option(metavar="FILE.eml", help="Write the mail to a file instead of sending it.")
    ] = None,
) -> None:
    """Make report.html again from what a workspace holds, without CASA; mail it."""
    from flows.reporting import rebuild

    raise typer.Exit(rebuild(workspace, _console(), mail=mail, preview=preview))


@app.command()
def simulate(
    preset: Annotated[str, typer.Argument(metavar="PRESET", help="tiny, demo or workshop.")],
    out: Annotated[Path, typer.Argument(metavar="OUT.ms", help="MeasurementSet to write; its truth goes beside it.")],
    seed: Annotated[int, typer.Option(help="Seed: same seed, same visibilities.")] = 0,
    date: Annotated[
        datetime | None,
        typer.Option(
            metavar="YYYY-MM-DD",
            formats=["%Y-%m-%d"],
            help="Night: UTC date of the first scan; 2015-05-05 if not given. Same seed, other night: same instrument.",
        ),
    ] = None,
    fault: Annotated[
        list[str] | None, typer.Option(metavar="NAME[:KEY=VALUE,...]", help="A fault, e.g. dead_antenna:antenna=Cm.")
    ] = None,
) -> None:
    """Simulate an e-MERLIN observation with known truth."""
    from flows.demo import make_observation, truth_file

    truth = make_observation(preset, out, seed, fault or [], night=None if date is None else date.date())
    console = _console()
    size = f"{truth.rows} rows, {truth.scans} scans, {truth.channels} channels per window"
    console.print(f"{out}: {size}, seed {seed}, night of {truth.night}.")
    for injected in truth.faults:
        console.print(f"fault: {injected.name} {injected.parameters}; a gate should name {injected.place}.")
    console.print(f"truth: {truth_file(out)}; flag commands: {out.with_name(truth.flag_commands)}")


for service in (service_command.up, service_command.down, service_command.nightly):
    app.command()(service)


def _run(observation: Observation, workspace: Path, from_step: Step | None, changes: list[str]) -> None:
    overrides = dict(parse_assignment(change) for change in changes)
    from flows.launch import launch

    raise typer.Exit(launch(observation, workspace, from_step, overrides, _console()))


def _console() -> Console:
    """Return a console; where there is no terminal to ask for its width, wide enough for the tables."""
    console = Console()
    return console if console.is_terminal else Console(width=160)


def main() -> None:
    """Run the command; every error gatecal knows ends in a sentence and its exit code, not in a traceback."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        app()
    except CalibrationError as error:
        Console(stderr=True).print(f"gatecal: {error}", style="bold red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
