"""How often the delay gate's comparison with earlier nights is wrong, and what nights of one instrument scatter by.

Run by hand::

    bash deployments/run python -m tests.study.history nights 2015-05-05 30
    bash deployments/run python -m tests.study.history table >> qa/ERROR_RATES.md

The first simulates and solves the delays of so many nights from a date on, each of the same instrument under its own
weather and noise, and appends them to ``observations/study/nights.jsonl``; a night that is there is not made again. The
second prints what they scatter by, and what the gate says to made-up nights with that scatter and with more of it.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from datetime import date, timedelta
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from qa.history.drawing import usual
from qa.metrics.delay import delay_history
from qa.metrics.history import NIGHTS_LOOKED_BACK
from qa.metrics.places import PLACE
from qa.solution_gates import delay_gate
from schemas.gates import GateContext
from schemas.policy import DelayBounds
from schemas.solutions import STATISTICS_COLUMNS
from tasks.simulate.observatory import ANTENNA_NAMES, DELAY_NS, POLARISATIONS, REFERENCE_ANTENNA, SPW_LOW_EDGE_HZ
from tests.study.error_rates import OFF, ROOT, Silent, warm_server
from tests.study.table import interval

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SEED = 500
"""Of the instrument."""

NIGHTS = ROOT / "nights.jsonl"

MADE_UP_SCATTER_NS = (0.02, 0.3, 1.0)
"""Night to night, of a whole antenna [ns]: what the simulated nights have; the most that a fibre's length changes with
the weather would explain; and more than instrumental delays are known to do."""

PLACE_NOISE_NS = 0.02
"""Noise of one window and hand beside that [ns]: what the simulated nights have."""

JUMPS_NS = (1.0, 2.0, 3.0, 4.0, 6.0)
DRIFTS_NS = (0.02, 0.1, 0.3, 0.5, 0.7)
"""Per night [ns]."""
DRAWS = 200
JUDGED = 2
"""Of them so many are put to the whole gate."""
BOUNDS = DelayBounds()
OTHERS = tuple(name for name in ANTENNA_NAMES if name != REFERENCE_ANTENNA)
N_SPW = len(SPW_LOW_EDGE_HZ)
NIGHT_NAMES = [str(date(2015, 5, 5) + timedelta(days=number)) for number in range(NIGHTS_LOOKED_BACK + 1)]
"""Of the made-up nights; the last is judged."""
NO_STATISTICS = pd.DataFrame(columns=list(STATISTICS_COLUMNS))
CONTEXT = GateContext(gate="delay", step="delay", antennas=ANTENNA_NAMES, refant=(REFERENCE_ANTENNA,))


# --- real nights ---


def solve_nights(first: date, count: int) -> None:
    """Simulate nights, solve their delays, and write them down."""
    ROOT.mkdir(parents=True, exist_ok=True)
    done = {row["night"] for row in solved()}
    for night in (first + timedelta(days=number) for number in range(count)):
        if str(night) not in done:
            row = {"night": str(night), "delays": delays_on(night)}
            with NIGHTS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            print(night, flush=True)


def solved() -> list[dict[str, Any]]:
    """Return the nights that were solved."""
    return [json.loads(line) for line in NIGHTS.read_text(encoding="utf-8").splitlines()] if NIGHTS.exists() else []


def delays_on(night: date) -> list[dict[str, Any]]:
    """Return the delays that the recipe finds on one simulated night, up to and with its delay gate."""
    from prefect import flow

    from flows.calibrate import flag_known_bad, ingest_data, inspect_data, solve_delays
    from flows.demo import make_observation
    from flows.prepare import prepared
    from flows.run import Run
    from qa.outcome import delays_of
    from schemas.observation import Observation, RequestedRoles

    folder = Path(tempfile.mkdtemp(dir=ROOT))
    vis = folder / "tiny.ms"
    truth = make_observation("tiny", vis, SEED, (), warm_server(), night)
    roles = RequestedRoles(
        flux="1331+305", bandpass=("1407+284", "0319+415"), phase_reference={"1252+5634": "1302+5748"}
    )
    observation = Observation(name="tiny", data=vis, profile="emerlin", roles=roles)
    overrides = {"flag.bad_times": str(folder / truth.flag_commands), **OFF}

    @flow(name="delays of a night")
    def found() -> list[dict[str, Any]]:
        with prepared(observation, folder / "work", overrides, None, warm_server()) as calibration:
            run = Run(calibration, Silent())
            run.stage(ingest_data)
            run.stage(flag_known_bad, run.stage(inspect_data))
            (table,) = run.stage(solve_delays).tables
            return [entry.model_dump() for entry in delays_of(calibration.workspace.load_frame(table.rows))]

    try:
        return found()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def scatter_part(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the table of what the solved nights scatter by."""
    nights = pd.DataFrame([{"night": row["night"], **entry} for row in rows for entry in row["delays"]])
    nights["offset"] = nights["median_ns"] - nights.groupby(PLACE)["median_ns"].transform("median")
    before = nights.groupby(PLACE)["median_ns"].transform(usual)
    nights["beyond"] = (nights["median_ns"] - before).abs()
    yield "| antenna | nights | rms of a window and hand | of the antenna's median | largest | off the nights before |"
    yield "|---|---|---|---|---|---|"
    for antenna, own in nights[nights["antenna"].ne(REFERENCE_ANTENNA)].groupby("antenna"):
        together = own.groupby("night")["offset"].median()
        rms, largest, beyond = own["offset"].std(), own["offset"].abs().max(), own["beyond"].max()
        yield f"| {antenna} | {len(together)} | {rms:.4f} | {together.std():.4f} | {largest:.3f} | {beyond:.3f} |"


# --- made-up nights ---


def gate_part() -> Iterator[str]:
    """Yield the tables of what the gate says to made-up nights."""
    yield "| scatter [ns] | jump [ns] | draws | named | rate, 95 % | quiet antenna-nights | named | rate, 95 % |"
    yield "|---|---|---|---|---|---|---|---|"
    for scatter, jump in product(MADE_UP_SCATTER_NS, (0.0, *JUMPS_NS)):
        random = np.random.default_rng([SEED, int(1000 * scatter), int(1000 * jump)])
        moved = [{str(random.choice(OTHERS))} if jump else set() for _ in range(DRAWS)]
        named = [
            named_on_last(random, scatter, dict.fromkeys(own, jump), judged=n < JUDGED) for n, own in enumerate(moved)
        ]
        right = sum(bool(found & own) for own, found in zip(moved, named, strict=True))
        wrong = sum(len(found - own) for own, found in zip(moved, named, strict=True))
        quiet = sum(len(OTHERS) - len(own) for own in moved)
        caught = f"{right} | {interval(right, DRAWS)}" if jump else "- | -"
        yield f"| {scatter:g} | {jump:g} | {DRAWS} | {caught} | {quiet} | {wrong} | {interval(wrong, quiet, 3)} |"


def drift_part() -> Iterator[str]:
    """Yield the table of what the gate says to one antenna that drifts."""
    yield "| drift [ns a night] | draws | named | rate, 95 % |\n|---|---|---|---|"
    for drift in DRIFTS_NS:
        random = np.random.default_rng([SEED, int(1000 * drift)])
        named = [
            named_on_last(random, MADE_UP_SCATTER_NS[0], {"Kn": 0.0}, drift, judged=n < JUDGED) for n in range(DRAWS)
        ]
        count = sum("Kn" in found for found in named)
        yield f"| {drift:g} | {DRAWS} | {count} | {interval(count, DRAWS)} |"


def all_named_with_the_reference() -> int:
    """Return in how many draws all antennas are named when the reference antenna's delay jumps by 4 ns."""
    random, jump = np.random.default_rng(SEED), {REFERENCE_ANTENNA: 4.0}
    named = [named_on_last(random, MADE_UP_SCATTER_NS[0], jump, judged=n < JUDGED) for n in range(DRAWS)]
    return sum(found == {*OTHERS} for found in named)


def named_on_last(
    random: np.random.Generator,
    scatter_ns: float,
    jumped: dict[str, float],
    drift_ns: float = 0.0,
    *,
    judged: bool = True,
) -> set[str]:
    """Return the antennas that the delay gate names on the last of eleven made-up nights.

    Parameters
    ----------
    random
        Draws scatter and noise.
    scatter_ns
        Night to night, of a whole antenna [ns].
    jumped
        By antenna: off on the last night [ns].
    drift_ns
        Of the same antennas, per night [ns].
    judged
        Ask the whole gate too, which takes a second, and check that it says what its metric and bound say.
    """
    moved = {antenna: drift_ns * np.arange(NIGHTS_LOOKED_BACK + 1) for antenna in jumped}
    for antenna, jump in jumped.items():
        moved[antenna][-1] += jump
    every = nights(random, scatter_ns, moved)
    history, last = every[every["night"].ne(NIGHT_NAMES[-1])], every[every["night"].eq(NIGHT_NAMES[-1])]
    rows = last.drop(columns="night").assign(time_s=600.0, scan=1, field="1302+5748", flagged=False)
    rows = pd.concat([rows, rows.assign(time_s=1200.0, scan=2)])
    measured = delay_history(rows, NO_STATISTICS, history, CONTEXT).frame
    beyond = measured[measured["observed"].gt(BOUNDS.history_warn_ns)]
    if judged:
        report = delay_gate(rows, NO_STATISTICS, history, BOUNDS, CONTEXT)
        (check,) = [check for check in report.checks if check.metric == "delay_history"]
        assert (check.verdict, check.failed) == ("warned" if len(beyond) else "passed", len(beyond)), check
    return {*beyond["antenna"]}


def nights(random: np.random.Generator, scatter_ns: float, moved: dict[str, NDArray[np.float64]]) -> pd.DataFrame:
    """Return made-up nights' delays relative to the reference antenna, columns `PLACE`, night and delay_ns.

    Parameters
    ----------
    random, scatter_ns
        As in `named_on_last`.
    moved
        By antenna: off on each night, shape (n_night,) [ns].
    """
    count = len(NIGHT_NAMES)
    shape = (count, len(ANTENNA_NAMES), N_SPW, len(POLARISATIONS))
    still = np.zeros(count)
    off = np.stack([random.normal(0.0, scatter_ns, count) + moved.get(name, still) for name in ANTENNA_NAMES], axis=1)
    reference = ANTENNA_NAMES.index(REFERENCE_ANTENNA)
    off -= moved.get(REFERENCE_ANTENNA, still)[:, None]
    static = np.array([DELAY_NS[name] for name in ANTENNA_NAMES])[None, :, None, :]
    delay = static + off[:, :, None, None] + random.normal(0.0, PLACE_NOISE_NS, shape)
    delay[:, reference] = 0.0
    names = product(NIGHT_NAMES, ANTENNA_NAMES, range(N_SPW), POLARISATIONS)
    return pd.DataFrame(names, columns=["night", *PLACE]).assign(delay_ns=delay.ravel())


def table() -> None:
    """Print the section."""
    rows = solved()
    first, last = rows[0]["night"], rows[-1]["night"]
    print(f"""
## Delay history

Made by `python -m tests.study.history`. {len(rows)} simulated nights ({first} to {last}) of `tiny`, one instrument
(seed {SEED}), each night with its own weather and noise: delays off their median over the nights [ns], and at most
off what the gate compares with, the ten nights before.
""")
    for line in scatter_part(rows):
        print(line, flush=True)
    print(f"""
What the gate says (bound {BOUNDS.history_warn_ns:g} ns) on the night after {NIGHTS_LOOKED_BACK} made-up ones.
Each antenna scatters from night to night by the first column, its windows and hands by {PLACE_NOISE_NS:g} ns beside
that, and one antenna jumps:
""")
    for line in gate_part():
        print(line, flush=True)
    print(f"\nOne antenna drifts, scatter {MADE_UP_SCATTER_NS[0]:g} ns:\n")
    for line in drift_part():
        print(line, flush=True)
    count = all_named_with_the_reference()
    print(f"\nWhen the reference antenna's delay jumps by 4 ns all others are named: {count} of {DRAWS} draws.")


if __name__ == "__main__":
    if sys.argv[1] == "nights":
        solve_nights(date.fromisoformat(sys.argv[2]), int(sys.argv[3]))
    else:
        table()
