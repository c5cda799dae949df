"""Simulated e-MERLIN observations with known truth.

`simulate_observation` is the one entry; it runs inside a CASA child (``tasks.simulate:simulate_observation``). The
physics is in `observatory`, `geometry`, `sky`, `instrument`, `atmosphere` and `conditions`, each pure NumPy; `scene`
draws it, `faults` change it, `visibilities` compute it, `write` and `truth` put it on disk.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from schemas.errors import ConfigurationError
from tasks.simulate.faults import apply_faults
from tasks.simulate.scene import draw_scene, with_spectral_indices
from tasks.simulate.schedule import load_preset
from tasks.simulate.truth import build_truth, flag_command_lines, truth_arrays
from tasks.simulate.write import write_measurement_set

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from schemas.simulation import SimulationTruth

__all__ = ["simulate_observation"]


def simulate_observation(
    preset: str,
    out: Path | str,
    seed: int = 0,
    faults: Sequence[str] = (),
    spectral_indices: Mapping[str, float] | None = None,
    night: date | None = None,
) -> SimulationTruth:
    """Write a simulated e-MERLIN observation and its truth.

    Writes the MeasurementSet `out` (DATA only) and beside it ``<out>.truth.json`` (the returned record),
    ``<out>.truth.npz`` (the arrays) and ``<out>.flagcmd.txt`` (bad times as ``flagdata`` reads them).
    The same preset, seed, faults and night give the same bits; a fault leaves the random numbers of everything else
    alone, another night those of the instrument.

    Parameters
    ----------
    preset
        ``workshop``, ``demo`` or ``tiny``.
    out
        Path of the MeasurementSet; must not exist.
    seed
        Of every random stream, 0 or more.
    faults
        ``NAME`` or ``NAME:key=value,...`` each; see `tasks.simulate.faults`.
    spectral_indices
        By field name, in place of the sources' own.
    night
        UTC date of the first scan; the workshop's, 5 May 2015, if None. Sources are seen at the same hour angles, so
        the scans begin 3 min 56 s earlier each day; see `tasks.simulate.schedule.on_night`.

    Raises
    ------
    ConfigurationError
        Unknown preset, fault or field, bad value, night before 2000 or after 2099, or `out` exists or has no folder to
        lie in.
    """
    path = Path(out)
    _check(path, seed)
    clean = with_spectral_indices(draw_scene(load_preset(preset, night), seed), spectral_indices or {})
    scene, injected = apply_faults(clean, tuple(faults))
    unfinished = path.with_name(path.name + ".partial")
    shutil.rmtree(unfinished, ignore_errors=True)
    write_measurement_set(scene, unfinished)
    arrays = truth_arrays(scene)
    truth = build_truth(scene, arrays, path, injected)
    path.with_name(truth.flag_commands).write_text("\n".join(flag_command_lines(scene)) + "\n", encoding="utf-8")
    np.savez_compressed(path.with_name(truth.table), **arrays)  # type: ignore[arg-type]
    path.with_name(f"{path.name}.truth.json").write_text(truth.model_dump_json(indent=1) + "\n", encoding="utf-8")
    # The rename comes last: where the MeasurementSet stands under its name, all of it and its truth are there.
    unfinished.rename(path)
    return truth


def _check(path: Path, seed: int) -> None:
    if path.exists():
        msg = f"{path} exists already. Choose another name, or remove it first."
        raise ConfigurationError(msg)
    if not path.absolute().parent.is_dir():
        msg = f"There is no folder {path.absolute().parent} to write {path.name} into. Make it first."
        raise ConfigurationError(msg)
    if seed < 0:
        msg = f"The seed must be 0 or more; {seed} was given."
        raise ConfigurationError(msg)
