"""The plotms program without a screen: unpacked once into a cache, started for a lot of plots, ended with it.

``casaplotms`` brings plotms as an AppImage, which mounts itself by FUSE and wants an X display. Unpacked
(``--appimage-extract``) and with Qt's offscreen platform it needs neither, nor root. Its gRPC server listens on every
interface of the machine and asks nobody who they are, so it lives only while plots are drawn: it belongs to the process
group of the CASA child that started it, which the CASA server kills whole, and asks the kernel to be killed with that
child.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.errors import CalibrationError

if TYPE_CHECKING:
    from collections.abc import Iterator

START_S = 60.0
"""How long the program may take to say where it listens [s]; it takes 0.3 s warm and seconds on a cold disk."""
UNPACK_S = 300.0
"""How long unpacking may take [s]; 556 MB take 5 s."""
POLL_S = 0.02
ABANDONED_S = 3600.0
"""A half-unpacked folder of this age belongs to nobody any more [s]."""
UNPACKED = Path("squashfs-root/AppRun")
"""The program in its unpacked folder, which must keep this name: under another it does not find CASA's data and fails
at the first MeasurementSet."""
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
LIBC = ctypes.CDLL(None, use_errno=True)


class PlotmsFailed(CalibrationError):
    """The plotms program cannot be had; its plots are noted as missing, and nothing else follows from it."""


def cache_folder() -> Path:
    """Return the user's folder for what can be made again: ``$XDG_CACHE_HOME/gatecal``, by default in ``~/.cache``."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG base directory specification has relative paths ignored.
    base = Path(given) if given.startswith("/") else Path.home() / ".cache"
    return base / "gatecal"


def packed() -> Path:
    """Return the AppImage that ``casaplotms`` brings, without importing it."""
    found = find_spec("casaplotms")
    if found is None or not found.submodule_search_locations:
        msg = "the casaplotms package is not installed"
        raise PlotmsFailed(msg)
    return Path(found.submodule_search_locations[0]) / "__bin__" / "casaplotms-x86_64.AppImage"


def unpacked(cache: Path) -> Path:
    """Return the unpacked program in `cache`, unpacked now where it is not there yet.

    Two runs may do so at once: each unpacks beside, and the first to rename its own wins.

    Raises
    ------
    PlotmsFailed
        It cannot be unpacked.
    """
    final = cache / f"plotms-{version('casaplotms')}"
    program = final / UNPACKED
    if program.exists():
        return program
    try:
        cache.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(cache)
        with tempfile.TemporaryDirectory(prefix=".plotms-", dir=cache) as partial:
            whole = Path(partial) / "whole"
            whole.mkdir()
            _unpack(packed(), whole)
            if not program.exists():  # a folder that somebody has emptied would stand in the way for ever
                shutil.rmtree(final, ignore_errors=True)
            with contextlib.suppress(OSError):  # another run was first; what else went wrong shows below
                whole.rename(final)
    except OSError as error:
        msg = f"plotms cannot be unpacked into {cache}: {error.strerror or error}"
        raise PlotmsFailed(msg) from error
    if not program.exists():
        msg = f"plotms could not be unpacked into {final}"
        raise PlotmsFailed(msg)
    return program


def _unpack(image: Path, folder: Path) -> None:
    try:
        subprocess.run(  # noqa: S603 - the file of an installed package
            [image, "--appimage-extract"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=UNPACK_S,
            check=True,
            preexec_fn=_die_with_parent,
        )
    except subprocess.CalledProcessError as error:
        msg = f"plotms cannot be unpacked into {folder}: {error.stderr.strip()[-200:]}"
        raise PlotmsFailed(msg) from error
    except subprocess.TimeoutExpired as error:
        msg = f"plotms could not be unpacked into {folder} within {UNPACK_S:g} s"
        raise PlotmsFailed(msg) from error


def _remove_abandoned(cache: Path) -> None:
    """Remove what a killed run left half unpacked."""
    for left in cache.glob(".plotms-*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > ABANDONED_S:
                shutil.rmtree(left, ignore_errors=True)


def _die_with_parent() -> None:
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@contextlib.contextmanager
def running(program: Path, datapath: str, log: Path) -> Iterator[str]:
    """Run the program for the body and give its gRPC address; it is gone when the body has ended.

    Parameters
    ----------
    program
        The unpacked program, as `unpacked` returns it.
    datapath
        CASA's data.
    log
        Its log; the folder serves as its home too, which must exist: without one it cannot read a MeasurementSet.

    Raises
    ------
    PlotmsFailed
        It does not start.
    """
    fifo = log.with_suffix(".fifo")
    fifo.unlink(missing_ok=True)
    os.mkfifo(fifo, 0o600)
    command = [
        str(program),
        "--nopopups",
        f"--logfilename={log}",
        f"--server={fifo}",
        f"--datapath={datapath}",
    ]
    process = subprocess.Popen(  # noqa: S603 - our own cache
        command, stdin=subprocess.DEVNULL, env=_environment(log.parent), preexec_fn=_die_with_parent
    )
    try:
        yield _address(fifo, process)
    finally:
        process.kill()
        process.wait()
        fifo.unlink(missing_ok=True)


def _environment(home: Path) -> dict[str, str]:
    """Return its environment: any DISPLAY will do, since Qt's offscreen platform never looks for it."""
    return os.environ | {"QT_QPA_PLATFORM": "offscreen", "DISPLAY": ":77", "OMP_NUM_THREADS": "1", "HOME": str(home)}


def _address(fifo: Path, process: subprocess.Popen[bytes]) -> str:
    """Read the address it writes; a program that dies first must not be waited for."""
    deadline = time.monotonic() + START_S
    said = b""
    descriptor = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        while True:
            chunk = b""
            with contextlib.suppress(BlockingIOError):  # it has opened the fifo and written nothing yet
                chunk = os.read(descriptor, 256)
            said += chunk
            if said and not chunk:
                return said.decode().strip()
            if process.poll() is not None or time.monotonic() > deadline:
                code = process.poll()
                how = "did not say where it listens" if code is None else f"ended with status {code} at its start"
                msg = f"plotms {how}"
                raise PlotmsFailed(msg)
            time.sleep(POLL_S)
    finally:
        os.close(descriptor)
