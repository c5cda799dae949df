"""A workspace for the tests of the plots, drawn once and copied for each."""

from __future__ import annotations

import copy
import shutil

import pytest

from qa.plots.draw import draw_plots
from qa.plots.style import house_style
from tests.unit.qa.plots.night import Night


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A finished run with all its plots; to be looked at only."""
    night = Night(tmp_path_factory.mktemp("plots") / "night").write()
    draw_plots(night.root)
    return night


@pytest.fixture
def night(finished, tmp_path):
    """A copy of the finished run, to be changed."""
    changed = copy.deepcopy(finished)
    changed.root = tmp_path / "night"
    shutil.copytree(finished.root, changed.root)
    return changed


@pytest.fixture
def styled():
    with house_style():
        yield
