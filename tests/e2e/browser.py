"""A real browser for the tests that look at pages, and the folder of what they photograph.

Screenshots go to the folder that GATECAL_ARTIFACTS names (default ``observations/artifacts``).
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""A browser that talks to nobody by itself."""


@pytest.fixture(scope="module")
def chromium():
    """Debian's Chromium, driven by Playwright."""
    path = os.environ.get("GATECAL_CHROMIUM") or shutil.which("chromium")
    if path is None:
        missing = "no Chromium found: apt-get install chromium, or name its path in GATECAL_CHROMIUM"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright (the dev extra has it)")
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def artifacts() -> Path:
    folder = Path(os.environ.get("GATECAL_ARTIFACTS", "observations/artifacts")).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return folder
