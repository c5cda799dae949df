"""The digest: one mail about all observations whose runs ended since the last one, and what lies in the inbox still."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from prefect import flow, get_run_logger
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound
from prefect.states import Completed
from prefect.utilities.urls import url_for

from flows.claims import ClaimBook
from flows.forms import titled
from flows.mailing import mail_digest
from flows.publish import publish_settled
from flows.refusals import RefusalBook
from flows.tables import read_outcome
from schemas.errors import ConfigurationError
from schemas.outcome import Outcome
from schemas.service import SERVICE_FOLDER, NoOutcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.mail import MailStatus
    from schemas.service import Claim

WORKSPACE = Path("observations")
GRACE_S = 300.0
"""How long a crashed run may take to be resumed before it counts as ended [s]: resuming takes a minute or two."""
TRY_AGAIN: frozenset[MailStatus] = frozenset({"failed", "not set up"})
"""What became of a digest that the next one is to make good; one that waits in the spool is sent from there."""


def mail_settled(
    client: SyncPrefectClient, book: ClaimBook, workspace: Path, recipients: Sequence[str] = ()
) -> tuple[int, str]:
    """Mail the digest of the runs that have ended and of what was left in the inbox, and note it.

    Returns
    -------
    How many runs it tells of, and in a sentence what became of it. Where mail failed, the next digest tells of all of
    them again.
    """
    publish_settled(workspace)
    refusals = RefusalBook(book)
    left, ended = refusals.untold(), {}
    for claim in book.open():
        if is_settled(client, claim):
            found = end_of(client, claim, workspace)
            if verdict_of(found) != claim.told:
                ended[claim.key] = found
    if not ended and not left:
        return 0, "nothing new to tell"
    night = f"{datetime.now().astimezone():%d %B %Y}".lstrip("0")
    result = mail_digest(tuple(ended.values()), night, workspace, recipients, left=left)
    if result.status not in TRY_AGAIN:
        when = datetime.now(UTC).isoformat(timespec="seconds")
        book.digested({key: verdict_of(found) for key, found in ended.items()}, when)
        refusals.told(left, when)
    return len(ended), f"{len(left)} left in the inbox; {result.note}" if left else result.note


def end_of(client: SyncPrefectClient, claim: Claim, workspace: Path) -> Outcome | NoOutcome:
    """Return what a claim's run came to: its outcome, or that of a later run, never one of before it."""
    state = state_of(client, claim)
    with contextlib.suppress(ConfigurationError, OSError):
        outcome = read_outcome(workspace / claim.name)
        if is_of(outcome, claim, state):
            return outcome
    return NoOutcome(
        observation=claim.name,
        state=(state.name or state.type.value) if state is not None else "",
        reason=(state.message or "") if state is not None else "Prefect does not know its run any more.",
        link=url_for("flow-run", obj_id=claim.flow_run) or "",
    )


def is_of(outcome: Outcome, claim: Claim, state: State[Any] | None) -> bool:
    """Tell whether an outcome says what a claim's run came to; not the one of a run that was held and then killed."""
    went_on = outcome.verdict == "held" and state is not None and state.is_crashed()
    runs = {outcome.provenance.flow_run, *(note.flow_run for note in outcome.earlier_runs)}
    return claim.flow_run in runs and not went_on


def verdict_of(found: Outcome | NoOutcome) -> str:
    """Return what a digest says that a run came to, in a word."""
    return found.verdict if isinstance(found, Outcome) else "missing"


def is_settled(client: SyncPrefectClient, claim: Claim) -> bool:
    """Tell whether a claim's run has ended, or waits for a person; one that crashed may be about to go on."""
    state = state_of(client, claim)
    if state is None:
        return True
    if state.is_crashed():
        return (datetime.now(UTC) - state.timestamp).total_seconds() > GRACE_S
    return state.is_final() or state.is_paused()


def state_of(client: SyncPrefectClient, claim: Claim) -> State[Any] | None:
    """Return the state of a claim's run; None where the server does not know it (any more)."""
    try:
        return client.read_flow_run(UUID(claim.flow_run)).state
    except ObjectNotFound:
        return None


def claims_folder(workspace: Path) -> Path:
    """Return where the claims of a folder of workspaces lie."""
    return workspace / SERVICE_FOLDER / "claims"


@flow(name="digest")
def digest(
    workspace: Annotated[Path, titled("Workspaces", "Folder of the workspaces.")] = WORKSPACE,
    recipients: Annotated[tuple[str, ...], titled("Recipients", "Mail addresses beside the operators'.")] = (),
) -> State[Any]:
    """Mail the digest of the observations whose runs ended since the last one."""
    root = workspace.expanduser().absolute()
    with get_client(sync_client=True) as client:
        number, told = mail_settled(client, ClaimBook(claims_folder(root)), root, recipients)
    get_run_logger().info("digest of %d observations: %s", number, told)
    return Completed(message=f"{number} observations: {told}")
