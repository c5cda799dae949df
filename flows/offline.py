"""Prefect's settings that hold wherever gatecal runs it: nothing leaves the machine, and nobody is asked anything."""

from __future__ import annotations

OFFLINE = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_CLI_PROMPT": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
}
"""Environment of the command and of the service's processes; what the user has set goes before."""
