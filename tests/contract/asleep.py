"""A solve that never ends, and a flow that waits for it on a Dask cluster: what must not outlive what."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

PID = "pid"


def sleep(vis, caltable):
    """Write down this process beside `vis` and go on for longer than any test; runs inside a CASA child."""
    (Path(vis).parent / PID).write_text(str(os.getpid()))
    time.sleep(3600)
    return caltable


def part(workspace, timeout_s=3600.0):
    """Return this solve as a part."""
    from tasks.fan_out_worker import Part

    workspace = Path(workspace)
    parameters = {"vis": str(workspace / "vis"), "caltable": str(workspace / "table")}
    log, hold = workspace / "logs" / "0001-sleep.log", workspace / ".parts"
    return Part("tests.contract.asleep:sleep", parameters, timeout_s, log, hold)


def wait_for_it(workspace):
    """Hold a workspace and wait for the solve, as a flow does."""
    from tasks import fan_out
    from tasks.workspace_lock import WorkspaceLock

    with fan_out.connected() as cluster, WorkspaceLock(Path(workspace)):
        fan_out.FannedOut(None, cluster, Path(workspace)).answers([part(workspace)])


if __name__ == "__main__":
    # A shell's job in the background, as these tests may be, ignores it, and its children do too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    wait_for_it(sys.argv[1])
