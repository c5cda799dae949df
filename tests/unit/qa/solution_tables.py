"""Seeded synthetic solution tables of a healthy small array; tests put one defect into them."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from qa import solution_gates
from qa.judge import judge
from schemas.gates import Check, GateContext, GateReport
from schemas.solutions import FluxscaleFit, FluxscaleRecord, SpwFlux

if TYPE_CHECKING:
    import pytest

ANTENNAS = ("Mk2", "Kn", "De", "Pi", "Da", "Cm")
SPWS = (0, 1)
HANDS = ("R", "L")
FIELDS = ("1331+305", "1407+284")
SCANS = {1: "1331+305", 2: "1407+284", 3: "1331+305", 4: "1407+284"}
INTERVALS = 8
CHANNELS = 32
PLACES = len(ANTENNAS) * len(SPWS) * len(HANDS)


def context(gate: str = "gains.p1", refant: tuple[str, ...] = ("Mk2", "Pi")) -> GateContext:
    return GateContext(gate=gate, step="gains", antennas=ANTENNAS, refant=refant)


def _grid(intervals: int, antennas: tuple[str, ...]) -> pd.DataFrame:
    rows = [
        (4.9e9 + 600.0 * scan + 16.0 * interval, scan, field, spw, antenna, hand)
        for (scan, field), interval, antenna, spw, hand in product(
            SCANS.items(), range(intervals), antennas, SPWS, HANDS
        )
    ]
    return pd.DataFrame(rows, columns=["time_s", "scan", "field", "spw", "antenna", "polarisation"])


def gain_rows(intervals: int = INTERVALS, antennas: tuple[str, ...] = ANTENNAS) -> pd.DataFrame:
    """Amplitudes of 0.03 within 1 %, phases that drift by 20 deg a scan with 2 deg of noise."""
    random = np.random.default_rng(5)
    rows = _grid(intervals, antennas)
    rows["amplitude"] = 0.03 * random.normal(1.0, 0.01, len(rows))
    drift = 20.0 * np.sin((rows["time_s"] - 4.9e9) / 900.0)
    rows["phase_deg"] = (drift + random.normal(0.0, 2.0, len(rows))).where(rows["antenna"].ne("Mk2"), 0.0)
    rows["snr"] = 50.0
    rows["flagged"] = False
    return rows


def delay_rows() -> pd.DataFrame:
    """Delays of 2 ns with 0.05 ns of noise."""
    random = np.random.default_rng(6)
    rows = _grid(1, ANTENNAS)
    delay = 2.0 + random.normal(0.0, 0.05, len(rows))
    rows["delay_ns"] = pd.Series(delay).where(rows["antenna"].ne("Mk2"), 0.0)
    rows["flagged"] = False
    return rows


def statistics(rows: pd.DataFrame, attempted: float = 1.0) -> pd.DataFrame:
    """What CASA would return for a table: at antenna level the unflagged solutions, at spw level all of them."""
    keys = ["spw", "antenna", "polarisation"]
    counts = rows.groupby(keys)["flagged"].agg(expected="size", failed="sum").reset_index()
    counts["attempted"] = (counts["expected"] * attempted).astype(int)
    counts["above_minblperant"] = counts["attempted"]
    counts["succeeded"] = (counts["expected"] - counts.pop("failed")).clip(upper=counts["attempted"])
    whole = counts.groupby(["spw", "polarisation"])[["expected"]].max().reset_index()
    whole = whole.assign(antenna="", attempted=whole["expected"], above_minblperant=whole["expected"])
    return pd.concat([counts, whole.assign(succeeded=whole["expected"])], ignore_index=True)


def bandpass_rows(seed: int = 7) -> pd.DataFrame:
    """A smooth band of rounded shape, 1 % of noise in each channel; end channels without data and flagged."""
    random = np.random.default_rng(seed)
    keys = list(product(ANTENNAS, SPWS, HANDS, range(CHANNELS)))
    rows = pd.DataFrame(keys, columns=["antenna", "spw", "polarisation", "channel"])
    x = rows["channel"] / CHANNELS - 0.5
    rows["time_s"], rows["field"] = 4.9e9, "1407+284"
    rows["frequency_hz"] = 5e9 + 2e6 * rows["channel"]
    rows["amplitude"] = (1.0 - x**2) * random.normal(1.0, 0.01, len(rows))
    rows["phase_deg"] = (40.0 * x**2 + random.normal(0.0, 0.6, len(rows))).where(rows["antenna"].ne("Mk2"), 0.0)
    rows["has_data"] = rows["channel"].between(2, CHANNELS - 3)
    rows["flagged"] = ~rows["has_data"]
    return rows


def bandpass_statistics() -> pd.DataFrame:
    """CASA's own counts of one solve: 1 of 1 everywhere."""
    keys = list(product(SPWS, ("", *ANTENNAS), HANDS))
    counts = pd.DataFrame(keys, columns=["spw", "antenna", "polarisation"])
    return counts.assign(expected=1, attempted=1, above_minblperant=1, succeeded=1)


POSITIONS = {
    "1302+5748": (np.radians(195.71860532), np.radians(57.81044703)),
    "1407+284": (np.radians(211.75164338), np.radians(28.45408053)),
    "0319+415": (np.radians(49.95066713), np.radians(41.51169536)),
}


def fit(field: str, flux: float, index: float = -0.5, spws: int = 4) -> FluxscaleFit:
    """A calibrator on a straight spectrum, 1 % of error in each spw."""
    reference = 5.07e9
    per_spw = tuple(
        SpwFlux(
            spw=spw,
            frequency_hz=4.88e9 + 128e6 * spw,
            flux_density_jy=flux * ((4.88e9 + 128e6 * spw) / reference) ** index,
            error_jy=0.01 * flux,
            antennas=5,
        )
        for spw in range(spws)
    )
    known = spws >= 3
    return FluxscaleFit(
        field=field,
        fitted_jy=flux,
        error_jy=0.005 * flux,
        resolved_out_factor=0.938,
        flux_density_jy=0.938 * flux,
        spectral_index=index if known else None,
        spectral_index_error=0.1 if known else None,
        reference_hz=reference,
        spws=per_spw,
    )


def flux_record(*fits: FluxscaleFit) -> FluxscaleRecord:
    chosen = fits or (fit("1302+5748", 0.43), fit("1407+284", 2.03), fit("0319+415", 24.4, 0.4))
    return FluxscaleRecord(caltable="caltables/calsources.ap1_scaled", fits=chosen)


def history(field: str, flux: float, nights: int = 6) -> pd.DataFrame:
    """A calibrator's earlier nights, all alike."""
    dates = [f"2026-11-{night + 1:02d}" for night in range(nights)]
    return pd.DataFrame({"field": field, "night": dates, "flux_density_jy": flux})


def delay_history(nights: int = 6, delay_ns: float = 2.0) -> pd.DataFrame:
    """Every antenna's earlier nights, all alike, relative to Mk2."""
    dates = [f"2026-11-{night + 1:02d}" for night in range(nights)]
    keys = list(product(ANTENNAS, SPWS, HANDS, dates))
    found = pd.DataFrame(keys, columns=["antenna", "spw", "polarisation", "night"])
    return found.assign(delay_ns=found["antenna"].ne("Mk2") * delay_ns)


def of(rows: pd.DataFrame, antenna: str) -> pd.Series:
    return rows["antenna"].eq(antenna)


def nothing_in(rows: pd.DataFrame) -> pd.DataFrame:
    """The same columns without a row."""
    return rows.iloc[:0]


def all_nan(rows: pd.DataFrame) -> pd.DataFrame:
    """The same rows, every number NaN; where each row stands is kept."""
    keep = {"antenna", "spw", "polarisation", "field", "scan", "channel", "has_data", "flagged", "time_s", "night"}
    numbers = [column for column in rows.columns if column not in keep]
    return rows.assign(**dict.fromkeys(numbers, np.nan))


def checks(report: GateReport, metric: str) -> dict[str, Check]:
    return {check.severity: check for check in report.checks if check.metric == metric and check.bound != "not judged"}


def restrict_to(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let gates judge one metric only, which is several times faster."""

    def judge_one(suite, measurements, bounds, known):
        return judge(suite, [one for one in measurements if one.metric == metric], bounds, known)

    monkeypatch.setattr(solution_gates, "judge", judge_one)
