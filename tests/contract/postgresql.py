"""A PostgreSQL server of a test's own, on loopback, with a password."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "hush-7f3"  # noqa: S105 - of a server that ends with the test


def programs() -> Path:
    """Return the folder of PostgreSQL's server programs; Debian keeps them off the PATH."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not folders:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL's server programs are not installed; CI must have them (Debian: postgresql)")
        pytest.skip("PostgreSQL's server programs are not installed (Debian: apt install postgresql)")
    return folders[-1]


def somebody() -> list[str]:
    """Return what to put before a command so that it does not run as root, which PostgreSQL refuses."""
    return [] if os.getuid() else ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"]


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """Run a server for the body and yield its address, without a database's name."""
    folder = programs()
    home = Path(tempfile.mkdtemp(prefix="gatecal-pg-", dir="/tmp"))
    (home / "password").write_text(PASSWORD)
    if os.getuid() == 0:
        for path in (home, home / "password"):
            shutil.chown(path, "nobody", "nogroup")
    data, port = home / "data", free_port()
    made = [*somebody(), folder / "initdb", "-D", data, "-U", "observer", f"--pwfile={home}/password", "--no-sync"]
    subprocess.run([*made, "--auth=scram-sha-256", "-E", "UTF8", "--locale=C"], check=True, capture_output=True)
    run = [*somebody(), folder / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", home, "-F"]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(run, stdout=log, stderr=log, cwd="/")
    url = f"postgresql://observer:{PASSWORD}@127.0.0.1:{port}"
    try:
        wait_for(process, url, home / "log")
        yield url
    finally:
        process.terminate()  # smart shutdown would wait for clients; all of ours are gone by now
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(home, ignore_errors=True)


def engine_of(url: str) -> Engine:
    """Return an engine that keeps no connection."""
    return create_engine(make_url(url).set(drivername="postgresql+psycopg"), poolclass=NullPool)


def wait_for(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Wait until the server answers."""
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline and process.poll() is None:
        try:
            engine_of(f"{url}/postgres").connect().close()
        except Exception:
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"PostgreSQL did not start: {log.read_text()[-2000:]}")


def make_database(url: str, name: str) -> str:
    """Make a fresh database and return its address."""
    with engine_of(f"{url}/postgres").connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    return f"{url}/{name}"
