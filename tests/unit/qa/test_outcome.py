"""The outcome's numbers from tables of numbers."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from qa.outcome import (
    antenna_counts_of,
    corrected_of,
    delays_of,
    flagged_fraction,
    flagged_of,
    fluxes_of,
    spw_fluxes_of,
    verdict_of,
)
from schemas.gates import GateReport
from schemas.outcome import AntennaCounts, FlaggedFraction
from schemas.solutions import DELAY_COLUMNS, FLAG_COLUMNS, STATISTICS_COLUMNS, FluxscaleFit, SpwFlux


def reports(*verdicts):
    return [GateReport(gate="g", suite="s", step="delay", verdict=verdict) for verdict in verdicts]


@pytest.mark.parametrize(
    ("verdicts", "worst"),
    [
        ((), "passed"),
        (("passed", "skipped"), "passed"),
        (("passed", "warned", "passed"), "warned"),
        (("warned", "held"), "held"),
        (("held", "stopped", "passed"), "stopped"),
    ],
)
def test_the_verdict_is_the_worst_of_the_gates(verdicts, worst):
    assert verdict_of(reports(*verdicts)) == worst


def delays(values, flagged, antenna="Cm", hand="R"):
    count = len(values)
    columns = ([0.0] * count, [1] * count, ["f"] * count, [3] * count, [antenna] * count, [hand] * count)
    frame = dict(zip(DELAY_COLUMNS, (*columns, values, flagged), strict=True))
    return pd.DataFrame(frame)


def test_delays_are_medians_over_time_with_a_robust_scatter():
    rows = pd.concat([delays([1.0, 2.0, 3.0, 4.0, 99.0], [False] * 5), delays([5.0], [False], hand="L")])
    right, left = sorted(delays_of(rows), key=lambda delay: delay.polarisation, reverse=True)
    assert (right.antenna, right.spw, right.polarisation, right.median_ns) == ("Cm", 3, "R", 3.0)
    assert right.scatter_ns == pytest.approx(1.4826)
    assert (left.median_ns, left.scatter_ns) == (5.0, 0.0)


def test_failed_delays_do_not_count_and_an_antenna_without_any_has_none():
    good, dead = delays_of(pd.concat([delays([1.0, 90.0], [False, True]), delays([0.0], [True], antenna="De")]))
    assert (good.antenna, good.median_ns, good.scatter_ns) == ("Cm", 1.0, 0.0)
    assert (dead.antenna, dead.median_ns, dead.scatter_ns) == ("De", None, None)


def test_the_error_of_a_flux_density_scales_with_the_resolved_out_factor():
    fit = FluxscaleFit(
        field="a",
        fitted_jy=2.0,
        error_jy=0.1,
        resolved_out_factor=0.938,
        flux_density_jy=1.876,
        spectral_index=-0.3,
        spectral_index_error=0.05,
        reference_hz=5e9,
        spws=(),
    )
    flux = fluxes_of([fit])["a"]
    assert (flux.flux_density_jy, flux.error_jy) == (1.876, pytest.approx(0.0938))
    assert (flux.spectral_index, flux.error, flux.reference_hz) == (-0.3, 0.05, 5e9)


def test_counts_by_antenna_leave_out_the_rows_of_whole_spws():
    rows = pd.DataFrame([(0, "", "R", 9, 8, 8, 8), (0, "De", "L", 9, 7, 6, 5)], columns=list(STATISTICS_COLUMNS))
    counts = antenna_counts_of("p1", rows)
    only = AntennaCounts(table="p1", spw=0, antenna="De", polarisation="L", expected=9, attempted=7, succeeded=5)
    assert counts == (only,)


def counted(*rows):
    return pd.DataFrame(
        [(field, "Mk2", 0, "RR", flagged, total) for field, flagged, total in rows], columns=FLAG_COLUMNS
    )


def test_flagged_fractions_are_of_all_visibilities_of_a_field():
    found = flagged_of(
        counted(("a", 1, 10), ("a", 0, 30), ("b", 0, 5)), counted(("a", 10, 10), ("a", 10, 30), ("b", 5, 5))
    )
    assert found == {"a": FlaggedFraction(before=0.025, after=0.5), "b": FlaggedFraction(before=0.0, after=1.0)}


def test_a_field_without_visibilities_has_no_fraction():
    assert flagged_of(counted(("a", 0, 0)), counted(("a", 0, 0))) == {}


def test_flagged_fractions_are_given_by_spectral_window_and_for_the_whole_too():
    counts = counted(("a", 1, 10), ("a", 3, 30)).assign(spw=[0, 1])
    assert flagged_of(counts, counts, by="spw")["1"] == FlaggedFraction(before=0.1, after=0.1)
    assert flagged_fraction(counts) == pytest.approx(0.1)
    assert flagged_fraction(counts[:0]) == 0.0


def fitted(index):
    spws = (
        SpwFlux(spw=0, frequency_hz=4e9, flux_density_jy=2.0, error_jy=0.2, antennas=6),
        SpwFlux(spw=1, frequency_hz=8e9, flux_density_jy=None, error_jy=None, antennas=0),
    )
    return FluxscaleFit(
        field="a",
        fitted_jy=2.0,
        error_jy=0.1,
        resolved_out_factor=0.5,
        flux_density_jy=1.0,
        spectral_index=index,
        spectral_index_error=None,
        reference_hz=4e9,
        spws=spws,
    )


def test_flux_densities_per_spw_carry_the_resolved_out_factor_and_stand_beside_the_fit():
    first, second = spw_fluxes_of([fitted(-1.0)])
    assert (first.flux_density_jy, first.error_jy, first.fitted_jy) == (1.0, 0.1, 1.0)
    assert (second.flux_density_jy, second.error_jy) == (None, None)
    assert second.fitted_jy == pytest.approx(0.5)


def test_without_a_spectral_index_there_is_no_fitted_spectrum():
    assert [entry.fitted_jy for entry in spw_fluxes_of([fitted(None)])] == [None, None]


def test_corrected_calibrators_weigh_phases_by_their_visibilities():
    rows = pd.DataFrame(
        {
            "field": ["a", "a", "a"],
            "amplitude": [1.0, 2.2, 50.0],
            "model_amplitude": [1.0, 2.0, np.nan],
            "phase_deg": [3.0, -4.0, 170.0],
            "weight": [1.0, 3.0, 0.0],
        }
    )
    (found,) = corrected_of(rows)
    assert found.amplitude_over_model == pytest.approx(1.05)
    assert found.phase_rms_deg == pytest.approx(math.sqrt((9 + 3 * 16) / 4))
