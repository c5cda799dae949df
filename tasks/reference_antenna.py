"""The reference antenna and its fallbacks: as named, or the most unflagged and most central ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from schemas.errors import ConfigurationError, DataUnusable
from schemas.profiles import PROFILES

if TYPE_CHECKING:
    from schemas.inspection import AntennaSummary, MsSummary

CHOSEN = 4
"""How many antennas are chosen: the reference and three fallbacks."""


def choose_refant(requested: tuple[str, ...], summary: MsSummary) -> tuple[str, ...]:
    """Return the reference antenna, then its fallbacks in order.

    Antennas that a profile names by default may be absent on a night; those a person names may not.

    Parameters
    ----------
    requested
        The parameter ``refant``.
    summary
        What the data hold.

    Raises
    ------
    ConfigurationError
        A named antenna does not exist or has no data; lists those that have.
    DataUnusable
        No antenna has unflagged data.
    """
    present = summary.antennas_with_data
    if requested in {profile.refant for profile in PROFILES.values()}:
        requested = tuple(name for name in requested if name in present)
    for name in requested:
        if name not in present:
            known = name in {antenna.name for antenna in summary.antennas}
            what = "has no data" if known else "is not in the data"
            msg = f"refant: antenna {name!r} {what}; the antennas with data are {', '.join(present)}."
            raise ConfigurationError(msg)
    return requested or _most_unflagged_and_central(summary)


def _most_unflagged_and_central(summary: MsSummary) -> tuple[str, ...]:
    antennas = [antenna for antenna in summary.antennas if antenna.has_data]
    unflagged = np.array([1.0 - summary.antenna_flagged_fraction.get(antenna.name, 0.0) for antenna in antennas])
    if not antennas or not unflagged.any():
        msg = "every antenna is flagged completely: there is nothing to calibrate."
        raise DataUnusable(msg)
    distance = _distance_from_centre_m(antennas)
    # Both terms run from 0 to 1 and count alike, as in the CASA VLA pipeline's reference antenna heuristics.
    score = unflagged + 1.0 - distance / max(float(distance.max()), 1.0)
    order = sorted(range(len(antennas)), key=lambda index: (unflagged[index] == 0.0, -score[index], index))
    return tuple(antennas[index].name for index in order[:CHOSEN] if unflagged[index] > 0.0)


def _distance_from_centre_m(antennas: list[AntennaSummary]) -> np.ndarray:
    places = np.array([(antenna.x_m, antenna.y_m, antenna.z_m) for antenna in antennas])
    return np.asarray(np.linalg.norm(places - np.median(places, axis=0), axis=1))
