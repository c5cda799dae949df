"""What calibration gives back of a clean, simulated ``workshop``, beside what was put in.

Run by hand; it takes 10 min and more on two quiet cores::

    bash deployments/run gatecal simulate workshop w.ms --seed 2
    bash deployments/run gatecal calibrate w.yaml
    bash deployments/run python -m tests.study.workshop w.ms observations/workshop > qa/CLOSED_LOOP.md

Data and workspace, as many pairs as there are runs. Tolerances are half of the demo's
(`tests/e2e/test_closed_loop.py`).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from schemas.simulation import SimulationTruth
from tests.e2e import test_closed_loop as closed
from tests.e2e.running import outcome
from tests.e2e.truth_image import convolved_centre_jy_beam

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTLED_S = 40.0
"""What is flagged at the start of each scan, late on source [s]."""

P1_S = 16.0
"""The guide's interval of p1 [s]."""

FREQUENCY_HZ = 5.07e9
"""Middle of the band [Hz]."""

GUIDE = {"calsources.p1": "1400/935/930"}
"""Expected, attempted and succeeded solutions per spw, as the guide prints them."""


def main(pairs: list[tuple[Path, Path]]) -> None:
    """Print the page: one section per run."""
    print("# Clean `workshop` observations given back\n")
    print("Made by `python -m tests.study.workshop`; tolerances are half of the demo's.")
    for vis, root in pairs:
        section(vis, root)


def section(vis: Path, root: Path) -> None:
    """Print what one run gave back."""
    truth = SimulationTruth.model_validate_json(vis.with_name(f"{vis.name}.truth.json").read_text())
    with np.load(vis.with_name(truth.table)) as arrays:
        loop = closed.Loop(root, outcome(root), truth, dict(arrays))
    weather = f"{truth.atmosphere.rms_1km_deg:.1f} deg rms over 1 km"
    print(f"\n## Seed {truth.seed}, {weather}: {loop.outcome['verdict']}\n")
    print("| quantity | found | tolerance |\n|---|---|---|")
    for quantity, found, tolerance in (*fluxes(loop), *delays(loop), *phases(loop), *peaks(loop)):
        print(f"| {quantity} | {found} | {tolerance} |")
    print("\n| table | expected/attempted/succeeded per window | the guide's |\n|---|---|---|")
    for table, counts in statistics(loop).items():
        print(f"| {table} | {counts} | {GUIDE.get(table, '')} |")


def fluxes(loop: closed.Loop) -> Iterator[tuple[str, str, str]]:
    """Yield how far flux densities and spectral indices are off."""
    for name in closed.CALIBRATORS:
        flux, truth = loop.outcome["fluxes"][name], closed.field_truth(loop, name)
        there = truth.flux_density_jy * (flux["reference_hz"] / truth.reference_frequency_hz) ** truth.spectral_index
        apart = flux["spectral_index"] - truth.spectral_index
        yield f"{name} flux density", f"{100 * (flux['flux_density_jy'] / there - 1):+.2f} %", "0.5 %"
        yield f"{name} spectral index", f"{apart:+.3f} (error {flux['error']:.3f})", "0.025"


def delays(loop: closed.Loop) -> Iterator[tuple[str, str, str]]:
    """Yield the largest difference of a median delay."""
    truth = {(gain.antenna, gain.spw, gain.polarisation): gain.relative_delay_ns for gain in loop.truth.gains}
    found = {(entry["antenna"], entry["spw"], entry["polarisation"]): entry for entry in loop.outcome["delays"]}
    largest = max(abs(found[place]["median_ns"] - truth[place]) for place in truth)
    yield "delays, largest difference", f"{largest:.3f} ns", "0.025 ns"


def phases(loop: closed.Loop) -> Iterator[tuple[str, str, str]]:
    """Yield the phase reference's residual phases beside the limit of the noise, and its amplitudes' slope."""
    rows = closed.visibilities(loop, closed.PHASE_REFERENCE)
    limit = np.array([closed.phase_noise_deg(loop, row) for row in rows.itertuples()])
    expected, measured = (closed.weighted_rms(values, rows["weight"]) for values in (limit, rows["phase_deg"]))
    yield "phase reference, rms phase", f"{measured:.2f} deg (noise alone {expected:.2f})", "1.5 deg more"
    checks = closed.gate(loop.root, "result")["checks"]
    slope = next(check["observed"] for check in checks if check["metric"] == "amplitude_slope")
    yield "phase reference, slope of amplitude with uv distance", f"{100 * slope:.2f} %", "1 %"


def peaks(loop: closed.Loop) -> Iterator[tuple[str, str, str]]:
    """Yield the target's image peak beside the truth convolved with the beam, without and with its lost coherence."""
    image = next(entry for entry in loop.outcome["images"] if entry["field"] == closed.TARGET)
    beam = (image[f"beam_{name}"] for name in ("major_arcsec", "minor_arcsec", "angle_deg"))
    truth = convolved_centre_jy_beam(closed.field_truth(loop, closed.TARGET).field_id, *beam)
    left = coherence(loop)
    ratio = image["peak_jy_beam"] / truth
    yield "target, image peak over the convolved truth", f"{100 * (ratio - 1):+.2f} %", "1.5 %"
    yield "target, coherence that phase referencing leaves (from the truth)", f"{left:.4f}", ""
    nearest = coherence(loop, P1_S)
    yield f"the same, were the target's phases those of the nearest {P1_S:.0f} s solutions", f"{nearest:.4f}", ""
    yield (
        "target, image peak over the convolved truth times the coherence",
        f"{100 * (ratio / left - 1):+.2f} %",
        "1.5 %",
    )


def coherence(loop: closed.Loop, interval_s: float = np.inf) -> float:
    """Return what phases interpolated from the phase reference's scans leave of the target's amplitude, from the truth.

    The mean over baselines and integrations of the cosine of the phase error, where the error is the true phase of an
    antenna on the target less the line between its true mean phases in the phase reference's scans before and after:
    the atmosphere between the scans, which no solution of the phase reference can know (Thompson, Moran & Swenson 2017,
    Interferometry and Synthesis in Radio Astronomy, section 13.4). With an interval [s], the mean phases are those of
    its length instead of a scan's.
    """
    arrays = loop.arrays
    time, field, scan = arrays["time"], arrays["field"], arrays["scan"]
    phase = 2 * np.pi * FREQUENCY_HZ * arrays["sky_delay"]
    phase = phase - phase[:, :1]
    reference, target = (closed.field_truth(loop, name).field_id for name in (closed.PHASE_REFERENCE, closed.TARGET))
    began = {number: time[scan == number].min() for number in np.unique(scan)}
    settled = time >= np.array([began[number] for number in scan]) + SETTLED_S
    seen_then = {number: time[settled & (scan == number)].min() for number in np.unique(scan[field == reference])}
    part = np.array([(at - seen_then.get(number, at)) // interval_s for at, number in zip(time, scan, strict=True)])
    own = settled & (field == reference)
    places = sorted(set(zip(scan[own].tolist(), part[own].tolist(), strict=True)))
    scans = sorted((own & (scan == number) & (part == n) for number, n in places), key=lambda rows: time[rows].mean())
    middle = np.array([time[rows].mean() for rows in scans])
    mean = np.unwrap([np.angle(np.exp(1j * phase[rows]).mean(axis=0)) for rows in scans], axis=0)
    seen = settled & (field == target) & (time > middle[0]) & (time < middle[-1])
    known = np.apply_along_axis(lambda line: np.interp(time[seen], middle, line), 0, mean)
    error = phase[seen] - known
    first, second = np.triu_indices(error.shape[1], 1)
    return float(np.cos(error[:, first] - error[:, second]).mean())


def statistics(loop: closed.Loop) -> dict[str, str]:
    """Return the solve statistics of each table, spw by spw."""
    found: dict[str, list[str]] = {}
    for entry in loop.outcome["solve_statistics"]:
        counts = f"{entry['expected']}/{entry['attempted']}/{entry['succeeded']}"
        found.setdefault(entry["table"], []).append(counts)
    return {table: ", ".join(dict.fromkeys(counts)) for table, counts in found.items()}


if __name__ == "__main__":
    paths = [Path(argument) for argument in sys.argv[1:]]
    main(list(zip(paths[::2], paths[1::2], strict=True)))
