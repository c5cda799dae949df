"""What the tests of the gates share: an array of six antennas, and Great Expectations imported once."""

from __future__ import annotations

import pytest

from schemas.gates import GateContext

ANTENNAS = ("Mk2", "Kn", "De", "Pi", "Da", "Cm")


@pytest.fixture
def context() -> GateContext:
    return GateContext(gate="tested", step="tested", antennas=ANTENNAS, refant=("Mk2", "Pi"))
