"""``gatecal report`` without mail: the page is made again from what the workspace holds."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from flows.reporting import rebuild
from schemas.errors import ConfigurationError
from tests.unit.qa.report import made_up


def test_the_report_is_written_and_named(tmp_path):
    root = made_up.workspace(tmp_path / "night", made_up.outcome())
    said = io.StringIO()
    assert rebuild(root, Console(file=said, width=40)) == 0
    assert (root / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert said.getvalue() == f"Report: {root / 'report.html'}\n"


def test_a_folder_that_is_no_workspace_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="holds no outcome"):
        rebuild(tmp_path, Console(file=io.StringIO()))
