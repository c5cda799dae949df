"""What a copy of visibilities for plots must hold, and how plots select from it, by numbers that no name can spoil."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations
from typing import TYPE_CHECKING, Any

from tasks.flag_file import parse_command
from tasks.plotting import field_ids

if TYPE_CHECKING:
    from tasks.calibration import Calibration
    from tasks.plotting import CopyName

MANY, FEW = 8_000_000, 1_000_000
"""Most visibilities of one field in a copy: 64 MB where every integration counts, 8 MB where a sample tells as much.
Above them every n-th integration is left."""
FOREVER_S = "1e9"
"""An averaging time longer than any observation [s]."""
PARALLEL = {"RR", "LL", "XX", "YY"}
"""Correlations of like hands."""


def wanted(calibration: Calibration, name: CopyName) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Return which rows of which fields a copy takes, and which columns besides DATA (see `copy_rows`)."""
    roles = calibration.roles
    few = [*baselines_to_refant(calibration), longest_baseline(calibration)]
    references = [(field, few, MANY) for field in roles.phase_references]
    listed = [(field, few, MANY) for field in listed_fields(calibration) if field not in roles.phase_references]
    asked: dict[CopyName, tuple[list[tuple[str, Any, int]], tuple[str, ...]]] = {
        "raw": ([*references, *listed, *((field, None, FEW) for field in roles.targets)], ()),
        "model": ([(roles.flux, None, FEW)], ("MODEL_DATA",)),
        "trial": (references, ("CORRECTED_DATA",)),
        "corrected": (
            [(field, None, 2 * FEW) for field in (*roles.phase_references, *roles.targets)],
            ("CORRECTED_DATA",),
        ),
    }
    rows, columns = asked[name]
    ids = [(calibration.summary.field(field).id, baselines, limit) for field, baselines, limit in rows]
    return [{"field": field, "baselines": pairs, "limit": limit} for field, pairs, limit in ids], columns


def baselines_to_refant(calibration: Calibration) -> list[tuple[int, int]]:
    """Return the baselines of the reference antenna, as pairs of antenna ids."""
    present = {antenna.name: antenna.id for antenna in calibration.summary.antennas if antenna.has_data}
    refant = next((present[name] for name in calibration.refant if name in present), min(present.values()))
    return [(refant, other) for other in present.values() if other != refant]


def longest_baseline(calibration: Calibration) -> tuple[int, int]:
    """Return the ids of the two antennas that are farthest apart."""
    present = [antenna for antenna in calibration.summary.antennas if antenna.has_data]
    one, other = max(
        combinations(present, 2),
        key=lambda pair: math.dist((pair[0].x_m, pair[0].y_m, pair[0].z_m), (pair[1].x_m, pair[1].y_m, pair[1].z_m)),
    )
    return one.id, other.id


def antenna(calibration: Calibration, number: int) -> str:
    """Return an antenna's name."""
    return next(entry.name for entry in calibration.summary.antennas if entry.id == number)


def to_refant(calibration: Calibration) -> str:
    """Return the selection of the baselines to the reference antenna, which no antenna's name can spoil."""
    refant = baselines_to_refant(calibration)[0][0]
    return f"ANTENNA1=={refant} || ANTENNA2=={refant}"


def refant_name(calibration: Calibration) -> str:
    """Return the reference antenna's name, as the plots have it."""
    return antenna(calibration, baselines_to_refant(calibration)[0][0])


def like_hands(calibration: Calibration) -> str:
    """Return the correlations of like hands, as a selection."""
    found = [name for name in calibration.summary.spws[0].correlations if name in PARALLEL]
    return ",".join(found)


def whole_band(calibration: Calibration) -> str:
    """Return the number of channels that averages any spw into one."""
    return str(max(spw.channels for spw in calibration.summary.spws))


def reference(calibration: Calibration) -> dict[str, Any]:
    """Return the selection of the phase references."""
    fields = field_ids(calibration, calibration.roles.phase_references)
    return {"field": fields, "correlation": like_hands(calibration)}


def reference_names(calibration: Calibration) -> str:
    """Return the phase references' names, for titles."""
    return ", ".join(calibration.roles.phase_references)


def listed_fields(calibration: Calibration) -> tuple[str, ...]:
    """Return the calibrator that the list of bad times names most often; the phase references where it names none."""
    path = calibration.parameters.flag.bad_times
    lines = path.read_text(encoding="utf-8").splitlines() if path is not None and path.exists() else []
    named = Counter(parse_command(line.strip())[0].get("field", "") for line in lines)
    found = [field for field, _ in named.most_common() if field in calibration.roles.calibrators]
    return tuple(found[:1]) or calibration.roles.phase_references
