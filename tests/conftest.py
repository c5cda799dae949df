"""What all tests share: nothing outside of the test's own folders is read or written, and Prefect stays quiet."""

from __future__ import annotations

import os

# Set before anything imports Prefect, which reads its settings once.
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("PREFECT_CLI_PROMPT", "false")
