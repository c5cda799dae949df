"""Says why a run was ended from outside: cancelled in Prefect, told to end, interrupted at the keyboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect.client.orchestration import get_client
from prefect.exceptions import TerminationSignal

from flows.runs import current_run
from schemas.errors import Interrupted

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

GO_ON = "Finished steps are kept; run it again to go on."


def interrupted(error: BaseException) -> BaseException:
    """Return an error that says what ended the run, in place of a signal; any other error as it is."""
    if isinstance(error, KeyboardInterrupt):
        return Interrupted(f"interrupted at the keyboard. {GO_ON}")
    if not isinstance(error, TerminationSignal):
        return error
    run = current_run()
    if run is not None and is_cancelled(run):
        return Interrupted(f"cancelled in Prefect. {GO_ON}")
    return Interrupted(f"its process was told to end (signal {error.signal}). {GO_ON}")


def is_cancelled(run: FlowRun) -> bool:
    """Tell whether a person has cancelled the run in Prefect; the signal itself does not say."""
    try:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(run.id).state
    except Exception:  # the server may be what ends us
        return False
    return state is not None and (state.is_cancelling() or state.is_cancelled())
