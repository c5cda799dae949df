"""The night: each new data set of the inbox is calibrated once; the digest is mailed, old working copies removed."""

from __future__ import annotations

import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import httpx
from prefect import flow, get_run_logger
from prefect.artifacts import create_table_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.deployments import run_deployment
from prefect.states import Completed

from flows.claims import ClaimBook, NameTaken
from flows.digest import claims_folder, is_settled, mail_settled, state_of
from flows.forms import titled
from flows.inbox import Inbox
from flows.refusals import RefusalBook
from flows.retention import clean
from flows.runs import tag_of
from schemas.errors import ConfigurationError
from schemas.service import Claim, Entry, InboxRules, NightRow, Retention, WorkingCopy

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

DEPLOYMENT = "calibrate/calibrate"
WORKSPACE = Path("observations")
DEFAULT_RULES, DEFAULT_RETENTION = InboxRules(), Retention()
AWAY = (httpx.HTTPError, ConfigurationError, OSError)
"""What a server that restarts, or a file system that is away for a moment, looks like."""
POLL_S = 10.0
"""Time between two looks at inbox and runs [s]."""


class Night:
    """One night's work on one inbox.

    Parameters
    ----------
    inbox
        Where data sets are dropped.
    workspace
        Folder of the workspaces.
    client
        The Prefect server.
    """

    def __init__(self, inbox: Inbox, workspace: Path, client: SyncPrefectClient) -> None:
        self.inbox = inbox
        self.workspace = workspace
        self.book = ClaimBook(claims_folder(workspace))
        self.begun: set[str] = set()
        self.rows: list[NightRow] = []
        self._client = client

    def look(self) -> None:
        """Look into the inbox and begin what is ready; what cannot be begun holds nothing else up."""
        entries = self.inbox.look()
        self.rows = [self._begin(entry) if entry.state == "ready" else row_of(entry) for entry in entries]

    def _begin(self, entry: Entry) -> NightRow:
        try:
            known = self.book.read(entry.key)
            if known is None and self._at_work_on(entry):
                return row_of(entry, "waiting", "a run of an earlier version of it is under way")
            if known is None and not self._fits(entry):
                return row_of(
                    entry, "no disk", f"{entry.needs_bytes / 1e9:.1f} GB are needed beside the runs under way"
                )
            claim, ours = self.book.take(entry)
        except NameTaken as error:
            return row_of(entry, "refused", str(error))
        except OSError as error:  # a full disk, of the claims this time
            return row_of(entry, "not begun", str(error))
        return self._started(entry, claim) if ours else self._known(entry, claim)

    def _started(self, entry: Entry, claim: Claim) -> NightRow:
        try:
            run = begin_run(entry, claim, self.workspace)
        except Exception as error:  # the server may be away for a moment, or refuse this one alone
            self.book.release(claim)
            return row_of(entry, "not begun", f"{type(error).__name__}: {error}")
        self.book.begun(claim, run)
        self.begun.add(claim.key)
        return row_of(entry, "started").evolve(observation=claim.name, flow_run=run)

    def _known(self, entry: Entry, claim: Claim) -> NightRow:
        row = row_of(entry, "being begun").evolve(observation=claim.name, flow_run=claim.flow_run)
        if not claim.flow_run:
            return row
        state = state_of(self._client, claim)
        name = (state.name or state.type.value) if state is not None else "done before"
        return row.evolve(
            state=name, reason=(state.message or "") if state is not None and not state.is_completed() else ""
        )

    def _at_work_on(self, entry: Entry) -> bool:
        """Tell whether a run of this inbox entry, with other content or configuration, holds its workspace."""
        earlier = [claim for claim in self.book.open() if claim.entry == entry.entry]
        return any(not is_settled(self._client, claim) for claim in earlier)

    def _fits(self, entry: Entry) -> bool:
        """Tell whether the disk holds this run beside those that have not ended."""
        under_way = sum(claim.needs_bytes for claim in self.book.open() if not is_settled(self._client, claim))
        return shutil.disk_usage(self.workspace).free > entry.needs_bytes + under_way

    def runs_under_way(self) -> bool:
        """Tell whether a run has not ended."""
        return any(not is_settled(self._client, claim) for claim in self.book.open())

    def waits(self) -> bool:
        """Tell whether runs are under way, or a transfer may still become complete."""
        return self.runs_under_way() or any(
            row.state in {"waiting", "no disk", "not begun", "being begun"} for row in self.rows
        )

    def table(self, key: str = "nightly") -> None:
        """Show what lies in the inbox as a table artifact."""
        create_table_artifact(
            key=key,
            table=[row.model_dump(exclude={"content"}) for row in self.rows] or [{"state": "the inbox is empty"}],
            description=f"Inbox {self.inbox.folder}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        )


def begin_run(entry: Entry, claim: Claim, workspace: Path) -> str:
    """Begin the calibration of an entry on the pool, and return its flow run's id; the same run for the same claim."""
    assert entry.observation is not None  # noqa: S101 - only ready entries are begun
    observation = entry.observation.evolve(name=claim.name)
    run = run_deployment(
        DEPLOYMENT,
        parameters={"observation": observation.model_dump(mode="json"), "workspace": str(workspace)},
        timeout=0,
        flow_run_name=claim.name,
        idempotency_key=claim.key,
        as_subflow=False,  # a hold can only suspend a run of its own
        tags=["nightly", tag_of(claim.name)],
    )
    return str(cast("FlowRun", run).id)


def row_of(entry: Entry, state: str = "", reason: str = "") -> NightRow:
    """Return an entry's line of the table."""
    name = entry.observation.name if entry.observation is not None else ""
    return NightRow(
        entry=entry.entry,
        observation=name,
        state=state or entry.state,
        reason=reason or entry.reason,
        content=entry.key or entry.fingerprint,
    )


@flow(name="nightly", flow_run_name="nightly {inbox.name}")
def nightly(
    inbox: Annotated[Path, titled("Inbox", "Folder into which data sets are dropped.")],
    workspace: Annotated[Path, titled("Workspaces", "Folder of the workspaces.")] = WORKSPACE,
    rules: Annotated[InboxRules, titled("Inbox rules", "How data sets become observations.")] = DEFAULT_RULES,
    retention: Annotated[
        Retention, titled("Retention", "How long working copies stay; all else always does.")
    ] = DEFAULT_RETENTION,
    hours: Annotated[
        float, titled("Length of the night [h]", "Longest wait for runs and transfers.", gt=0, le=24)
    ] = 10.0,
) -> State[Any]:
    """Calibrate each new data set of the inbox once, wait for the runs, mail the digest, remove old working copies.

    It may be started as often as one likes, and beside itself: what has been begun is not begun again, and one of them
    waits for the runs and mails the digest. Ends Completed; what became of each data set is in the table.
    """
    root = workspace.expanduser().absolute()
    root.mkdir(parents=True, exist_ok=True)
    with get_client(sync_client=True) as client:
        night = Night(Inbox(inbox, rules), root, client)
        show_retention(clean(root, retention))
        night.look()
        night.table()
        with night.book.night_keeper() as ours:
            if not ours:
                return Completed(message=f"{len(night.begun)} begun; another run of nightly waits and mails the digest")
            watch(night, hours * 3600, 60.0 * rules.quiet_minutes + 2 * POLL_S)
            RefusalBook(night.book).note(night.inbox.folder, night.rows)
            number, told = mail_settled(client, night.book, root, rules.recipients)
    night.table()
    get_run_logger().info("digest of %d observations: %s", number, told)
    return Completed(message=f"{len(night.begun)} begun, {number} ended; {told}")


def watch(night: Night, longest_s: float, quiet_s: float) -> None:
    """Look again until all runs have ended and nothing has become ready for a whole quiet period."""
    began = progressed = time.monotonic()
    seen = ""
    while time.monotonic() - began < longest_s:
        try:
            if not night.waits():
                return
            now = str([(row.entry, row.state) for row in night.rows])
            if now != seen or night.runs_under_way():
                seen, progressed = now, time.monotonic()
            if time.monotonic() - progressed > quiet_s:
                return
            time.sleep(POLL_S)
            night.look()
        except AWAY as error:
            get_run_logger().warning("looking again in a moment: %s: %s", type(error).__name__, error)
            progressed = time.monotonic()
            time.sleep(POLL_S)


def show_retention(copies: list[WorkingCopy]) -> None:
    """Log and show what became of working copies; nothing where none was due."""
    due = [copy for copy in copies if copy.reason]
    for copy in due:
        get_run_logger().info("%s: %.2f GB %s, %s", copy.observation, copy.bytes / 1e9, copy.action, copy.reason)
    if due:
        create_table_artifact(
            key="retention",
            table=[copy.model_dump() for copy in due],
            description="Working copies of finished observations; a rerun makes them again from the input.",
        )
