"""A small observation with the guide's spectral windows; runs inside a CASA child."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tasks.simulate.scene import draw_scene
from tasks.simulate.schedule import load_preset
from tasks.simulate.write import write_measurement_set


def simulate(out):
    """Write a tiny observation with 64 channels of 2 MHz in each spectral window."""
    preset = replace(load_preset("tiny"), n_channels=64)
    write_measurement_set(draw_scene(preset, seed=0), Path(out))
