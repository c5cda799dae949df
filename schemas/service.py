"""The nightly service: its settings, what lies in the inbox, what was begun, what is kept."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, JsonValue, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from schemas.errors import ConfigurationError
from schemas.observation import Observation
from schemas.profiles import ProfileName
from schemas.record import Record

SERVICE_FOLDER = ".service"
"""The service's own folder below that of the workspaces; no observation can be called so."""

LOOPBACK = ("127.0.0.1", "::1", "localhost")
"""Hosts that only this machine reaches."""


class InboxRules(Record):
    """How what lies in the inbox becomes observations."""

    quiet_minutes: float = Field(default=15.0, ge=0.0, title="Quiet period [min]")
    """A transfer counts as complete when nothing has changed for so long, or at once when its marker file is there."""
    profile: ProfileName = Field(default="emerlin", title="Profile")
    """Observatory of data that come without an observation file."""
    recipients: tuple[str, ...] = Field(default=(), title="Recipients")
    """Mail addresses for observations whose file names none; the digest goes to them too."""
    overrides: dict[str, JsonValue] = Field(default_factory=dict, title="Overrides")
    """Parameters and bounds for every observation, by dotted name; those of its own file go before them."""
    allow_outside: bool = Field(default=False, title="Allow data outside the inbox")
    """Whether an observation file or a link may name data that lie elsewhere."""


class Retention(Record):
    """How long working copies stay. Products, tables, plots, logs, records and reports always do."""

    keep_days: float = Field(default=14.0, ge=0.0, title="Keep working copies [days]")
    """Working MeasurementSets of observations that passed are removed when older; a rerun makes them again."""
    min_free_gb: float = Field(default=10.0, ge=0.0, title="Free space to keep [GB]")
    """With less free, working copies of observations that passed are removed before their time, oldest first."""
    dry_run: bool = Field(default=False, title="Only list")
    """List what would be removed, and remove nothing."""


class ServiceSettings(BaseSettings):
    """What ``gatecal up`` is told: by its options, else by the environment as ``GATECAL_<NAME>``, else these."""

    model_config = SettingsConfigDict(env_prefix="GATECAL_", frozen=True, extra="ignore")

    workspace: Path = Path("observations")
    """Folder of the workspaces."""
    inbox: Path = Path("inbox")
    """Folder into which data sets are dropped."""
    host: str = "127.0.0.1"
    """Address the server listens on: loopback unless told otherwise."""
    port: int = Field(default=4200, ge=1, le=65535)
    """Its port. Prefect's own default."""
    schedule: str = Field(default="0 20 * * *", min_length=9)
    """When `nightly` starts: cron, in `timezone`."""
    timezone: str = "UTC"
    """The observatory's time zone, e.g. Europe/London."""
    workers: int = Field(default=1, ge=1, le=64)
    """Worker processes; as many calibrations run side by side."""
    quiet_minutes: float = Field(default=15.0, ge=0.0)
    """Quiet period of a transfer [min]."""
    profile: ProfileName = "emerlin"
    """Profile of data without an observation file."""
    recipients: Annotated[tuple[str, ...], NoDecode] = ()
    """Mail addresses for observations that name none, and for the digest; in the environment with commas between."""
    allow_outside: bool = False
    """Whether an observation file or a link in the inbox may lead outside of it."""
    keep_days: float = Field(default=14.0, ge=0.0)
    """Age at which working copies are removed [days]."""
    min_free_gb: float = Field(default=10.0, ge=0.0)
    """Free space below which they are removed earlier [GB]."""
    home: Path = Path(__file__).parents[1]
    """Where gatecal itself lies: the folder with ``flows/`` and ``deployments/``."""

    @field_validator("workspace", "inbox", "home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("recipients", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        from zoneinfo import ZoneInfo

        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            msg = f"{value!r} is no time zone; write for example Europe/London"
            raise ValueError(msg) from error
        return value

    @property
    def folder(self) -> Path:
        """The service's own folder: server's database, logs, process numbers, claims."""
        return self.workspace / SERVICE_FOLDER

    @property
    def url(self) -> str:
        """Address of the API."""
        shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(self.host, self.host)  # noqa: S104
        return f"http://{shown}:{self.port}/api"

    def check_exposure(self) -> None:
        """Refuse to be reachable from other machines without a password.

        Raises
        ------
        ConfigurationError
            The host is not loopback and PREFECT_SERVER_API_AUTH_STRING is not set.
        """
        if self.host not in LOOPBACK and not os.environ.get("PREFECT_SERVER_API_AUTH_STRING"):
            msg = (
                f"--host {self.host} opens the server to other machines, and whoever reaches it can run code here. Set "
                "PREFECT_SERVER_API_AUTH_STRING=user:password first, or leave --host out: the server is then reached "
                "from this machine alone."
            )
            raise ConfigurationError(msg)

    @property
    def rules(self) -> InboxRules:
        """The inbox's rules."""
        return InboxRules(
            quiet_minutes=self.quiet_minutes,
            profile=self.profile,
            recipients=self.recipients,
            allow_outside=self.allow_outside,
        )

    @property
    def retention(self) -> Retention:
        """How long working copies stay."""
        return Retention(keep_days=self.keep_days, min_free_gb=self.min_free_gb)


EntryState = Literal["ready", "waiting", "refused", "unreadable"]
"""What can be said of an inbox entry by looking at it."""

LeftState = Literal["refused", "unreadable", "not begun", "no disk", "waiting"]
"""Why a night left a data set in the inbox."""


class Entry(Record):
    """One data set as it lies in the inbox."""

    entry: str
    """Its name in the inbox, made printable."""
    state: EntryState
    """Whether it can be calibrated now."""
    reason: str = ""
    """Why not, or what is waited for."""
    observation: Observation | None = None
    """What it becomes; None unless it is ready."""
    named: bool = False
    """Whether a person chose the observation's name."""
    fingerprint: str = ""
    """Of its content; of what is not ready, of its names, sizes and times."""
    key: str = ""
    """Of content and configuration: what is processed once."""
    needs_bytes: int = 0
    """Disk space a run needs [bytes]."""


class Claim(Record):
    """The right to process one content with one configuration, given once."""

    key: str
    """Of content and configuration."""
    entry: str
    """Name in the inbox."""
    name: str
    """The observation's name."""
    taken: float
    """When it was taken [s since 1970]."""
    by: str
    """Who took it: process and machine, for people."""
    needs_bytes: int = 0
    """Disk space its run needs [bytes]."""
    flow_run: str = ""
    """Prefect's id of its run; empty until that is begun."""
    digest: str = ""
    """When the digest with it was mailed (UTC, ISO 8601)."""
    told: str = ""
    """What that digest said its run came to: a verdict, or ``missing`` where there was no outcome."""


class NightRow(Record):
    """One line of the nightly table."""

    entry: str
    """Name in the inbox."""
    observation: str = ""
    """The observation's name."""
    state: str
    """waiting, refused, unreadable, no disk, started, already done, or the state of its run."""
    reason: str = ""
    """Why."""
    flow_run: str = ""
    """Prefect's id of its run."""
    content: str = ""
    """Of content and configuration; of what is not ready, of names, sizes and times."""


class Refusal(Record):
    """A data set that a night left in the inbox; the digest tells of it once."""

    key: str
    """Of inbox, name, content and what stands in the way: another one is told of anew."""
    inbox: str
    """Folder of the inbox."""
    entry: str
    """Name in it."""
    state: LeftState
    """Why it was left, in a word."""
    reason: str
    """The same in a sentence."""
    since: float
    """When it was first left [s since 1970]."""
    digest: str = ""
    """When the digest with it was mailed (UTC, ISO 8601)."""


class Refusals(Record):
    """All that lies in the inboxes and was left there."""

    refusals: tuple[Refusal, ...] = ()
    """In order of their names."""


class NoOutcome(Record):
    """A run that ended and left no outcome, as the digest tells of it."""

    observation: str
    """The observation's name."""
    state: str
    """Name of its state in Prefect; empty where Prefect does not know it any more."""
    reason: str
    """The state's message."""
    link: str = ""
    """The run in the Prefect UI."""


class WorkingCopy(Record):
    """A working MeasurementSet that may be removed."""

    observation: str
    """The observation's name."""
    bytes: int
    """Its size."""
    age_days: float
    """Time since the run ended [days]."""
    action: Literal["removed", "would be removed", "kept", "in use"]
    """What was done with it."""
    reason: str
    """Why."""


class ProcessEntry(Record):
    """A process of the service, told from a later one of the same number by its start time."""

    name: str
    """server, worker-1, ..."""
    pid: int = Field(gt=0)
    """Process number."""
    started: int
    """Start time after boot [clock ticks]."""


class ServiceState(Record):
    """What runs: written by the keeper, read by ``up`` and ``down``."""

    mark: str
    """Marks every process of this service in its environment; no secret."""
    state: Literal["starting", "ready", "failed", "ended"]
    """How far it has come."""
    reason: str = ""
    """Why it failed."""
    url: str
    """Address of the API."""
    host: str = ""
    """Machine it runs on."""
    processes: tuple[ProcessEntry, ...] = ()
    """The keeper, the server, the workers."""
