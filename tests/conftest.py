"""What all tests share: nothing outside of the test's own folders is read or written, and Prefect stays quiet."""

from __future__ import annotations

import os

import pytest

# Set before anything imports Prefect, which reads its settings once.
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("PREFECT_CLI_PROMPT", "false")


@pytest.fixture(scope="session")
def prefect_server():
    """A Prefect server with a database of its own, for the tests of states and retries; most need none (``.fn``)."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield
