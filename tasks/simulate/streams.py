"""Independent random streams, one per effect, so that no effect or fault moves another one's numbers."""

from __future__ import annotations

from typing import Literal

import numpy as np

Effect = Literal["instrument", "atmosphere", "lateness", "interference", "noise", "fault"]

_EFFECTS: tuple[Effect, ...] = ("instrument", "atmosphere", "lateness", "interference", "noise", "fault")


def stream(seed: int, effect: Effect, index: int = 0) -> np.random.Generator:
    """Return the generator of one effect: the same for the same seed, effect and index, whatever else is drawn.

    Parameters
    ----------
    seed
        The simulation's seed.
    effect
        What is drawn.
    index
        Which part of it, e.g. the scan number for noise, so that leaving out one scan does not change the next.
    """
    # spawn_key is what SeedSequence.spawn gives its children: independent by construction, and reachable by name.
    sequence = np.random.SeedSequence(seed, spawn_key=(_EFFECTS.index(effect), index))
    return np.random.default_rng(sequence)
