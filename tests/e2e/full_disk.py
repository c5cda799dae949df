"""Fill a small file system of one's own in the middle of a solve: ``unshare -rm python -m tests.e2e.full_disk ...``."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.e2e.running import Gatecal, caught_in, finish, outcome, reused

SIZE = "160m"


def mount(folder: Path) -> None:
    """Mount a small file system in memory; it is gone with this process's name space."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "gatecal-test", str(folder)]
    subprocess.run(command, check=True)


def fill(folder: Path) -> Path:
    """Fill the file system to its last byte; return the file that does."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
    return ballast


def main(folder: Path, *arguments: str) -> None:
    """Run into the full disk, make space, run again; print what was seen as JSON."""
    mount(folder)
    command = Gatecal(dict(os.environ), Path.cwd())
    arguments = ("calibrate", *arguments, "--workspace", str(folder / "runs"))
    root = folder / "runs" / Path(arguments[1]).stem
    process = command.start(*arguments)
    held = caught_in("gaincal", root, process)
    ballast = fill(folder)
    free = shutil.disk_usage(folder).free
    for worker in held.workers:
        os.kill(worker.pid, signal.SIGCONT)
    began = time.monotonic()
    output = finish(process)
    first = {"code": process.returncode, "output": output, "free": free, "seconds": time.monotonic() - began}
    ballast.unlink()
    again = command(*arguments)
    second = {"code": again.code, "output": again.output, "reused": reused(root), "verdict": outcome(root)["verdict"]}
    print("RESULT", json.dumps({"first": first, "second": second}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
