"""The steps of a calibration, in order; names are those of ``--from`` and the ledger."""

from __future__ import annotations

from typing import Literal, get_args

Step = Literal[
    "ingest",
    "inspect",
    "flag",
    "delay",
    "model",
    "precal",
    "bandpass1",
    "trial",
    "gains",
    "fluxscale",
    "bandpass2",
    "finalgains",
    "apply",
    "split",
    "image",
]
"""One step."""

STEPS: tuple[Step, ...] = get_args(Step)
"""All steps, in order."""
