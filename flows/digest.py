"""The digest: one mail about all observations whose runs ended since the last one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from prefect import flow, get_run_logger
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound
from prefect.states import Completed

from flows.claims import ClaimBook
from flows.forms import titled
from flows.mailing import mail_digest
from flows.publish import publish_settled
from schemas.service import SERVICE_FOLDER

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
    """Mail the digest of the runs that have ended, and note it.

    Returns
    -------
    How many it tells of, and in a sentence what became of it. Where mail failed, the next digest tells of them again.
    """
    publish_settled(workspace)
    settled = [claim for claim in book.open() if is_settled(client, claim)]
    if not settled:
        return 0, "nothing new to tell"
    night = f"{datetime.now().astimezone():%d %B %Y}"
    result = mail_digest([workspace / claim.name for claim in settled], night, workspace, recipients)
    if result.status not in TRY_AGAIN:
        book.digested(settled, datetime.now(UTC).isoformat(timespec="seconds"))
    return len(settled), result.note


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
