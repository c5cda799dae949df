"""What tests of the nights share: a Prefect server that knows what it is told."""

from __future__ import annotations

import pytest
from prefect.exceptions import ObjectNotFound


class Server:
    """A Prefect server that knows runs and their states."""

    def __init__(self):
        self.states = {}

    def read_flow_run(self, run_id):
        if str(run_id) not in self.states:
            raise ObjectNotFound(Exception("no such run"))
        return type("Run", (), {"state": self.states[str(run_id)]})()


@pytest.fixture
def server():
    return Server()
