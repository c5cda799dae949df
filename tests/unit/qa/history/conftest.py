"""A fresh history in a folder of its own."""

import pytest

from qa.history.database import Database
from tests.unit.qa.history.nights import open_in


@pytest.fixture
def database(tmp_path) -> Database:
    return open_in(tmp_path)
