"""Split: what CASA is asked, and where the calibrated targets end up."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import ConfigurationError
from schemas.results import ApplyRecord
from tasks.splitting import file_name, split_targets
from tests.unit.conftest import REFERENCE, ROLES, TARGET, shortened

APPLIED = ApplyRecord(fields=(TARGET,))


@pytest.fixture
def split(casa):
    casa.returns["split"] = lambda outputvis, **_asked: Path(outputvis).mkdir()
    return casa


def test_each_targets_corrected_data_are_split_with_their_flags(make_calibration, split):
    roles = ROLES.evolve(phase_reference={TARGET: REFERENCE, "other": REFERENCE})
    calibration = make_calibration(roles=roles)
    record = split_targets.fn(calibration, APPLIED)
    assert [shortened(call) for call in split.asked("split")] == [
        {
            "vis": "night.ms",
            "outputvis": f".{field}.ms.partial",
            "field": field,
            "datacolumn": "corrected",
            "keepflags": True,
        }
        for field in (TARGET, "other")
    ]
    assert record.targets == {TARGET: Path(f"products/{TARGET}.ms"), "other": Path("products/other.ms")}
    assert sorted(path.name for path in calibration.workspace.products.iterdir()) == [f"{TARGET}.ms", "other.ms"]


def test_what_a_killed_run_left_is_removed_first(calibration, split):
    for left in (f".{TARGET}.ms.partial", f".{TARGET}.ms.partial.flagversions"):
        (calibration.workspace.products / left).mkdir()
    split_targets.fn(calibration, APPLIED)
    assert [path.name for path in calibration.workspace.products.iterdir()] == [f"{TARGET}.ms"]


@pytest.mark.parametrize(
    ("overrides", "applied", "reason"),
    [
        ({"split.enabled": False}, APPLIED, "switched off (split.enabled)"),
        ({}, ApplyRecord(skipped="switched off (apply.enabled)"), "switched off (apply.enabled)"),
    ],
)
def test_nothing_is_split_where_nothing_was_applied(make_calibration, split, overrides, applied, reason):
    assert split_targets.fn(make_calibration(overrides=overrides), applied).skipped == reason
    assert split.asked("split") == []


@pytest.mark.parametrize(
    ("field", "name"),
    [("1252+5634", "1252+5634"), ("3C 277.1/a", "3C_277.1_a"), ("../x", "_x"), (".hidden", "hidden"), ("..", "_")],
)
def test_a_fields_name_becomes_a_file_that_cannot_leave_its_folder(field, name):
    assert file_name(field) == name


def test_two_targets_of_one_file_name_do_not_overwrite_each_other(make_calibration, split):
    roles = ROLES.evolve(phase_reference={"M 82": REFERENCE, "M_82": REFERENCE})
    with pytest.raises(ConfigurationError, match=r"M 82.*M_82"):
        split_targets.fn(make_calibration(roles=roles), APPLIED)
