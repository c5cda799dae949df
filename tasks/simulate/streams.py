"""Independent random streams, one per effect, so that no effect or fault moves another one's numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from tasks.simulate.schedule import FIRST_NIGHT

if TYPE_CHECKING:
    from datetime import date

Effect = Literal["instrument", "atmosphere", "lateness", "interference", "noise", "fault"]

_EFFECTS: tuple[Effect, ...] = ("instrument", "atmosphere", "lateness", "interference", "noise", "fault")


def stream(seed: int, effect: Effect, index: int = 0, night: date | None = None) -> np.random.Generator:
    """Return the generator of one effect: the same for the same four arguments, whatever else is drawn.

    Parameters
    ----------
    seed
        The simulation's seed.
    effect
        What is drawn.
    index
        Which part of it, e.g. the scan number for noise, so that leaving out one scan does not change the next.
    night
        For what differs from night to night; None for what stays, which is the workshop's night too.
    """
    # spawn_key is what SeedSequence.spawn gives its children: independent by construction, and reachable by name.
    key: tuple[int, ...] = (_EFFECTS.index(effect), index)
    if night is not None and night != FIRST_NIGHT:
        key = (*key, night.toordinal())
    sequence = np.random.SeedSequence(seed, spawn_key=key)
    return np.random.default_rng(sequence)
