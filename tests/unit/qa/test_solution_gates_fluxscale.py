"""The gate after fluxscale: each row of the table warns, stops and passes as it should, and never by accident."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from qa.solution_gates import fluxscale_gate
from schemas.policy import FluxscaleBounds
from schemas.solutions import FluxscaleRecord
from tests.unit.qa.solution_tables import POSITIONS, checks, context, fit, flux_record, history, restrict_to

if TYPE_CHECKING:
    import pandas as pd

    from schemas.gates import GateReport


def judge_fluxes(record: FluxscaleRecord, bounds=None, earlier: pd.DataFrame | None = None) -> GateReport:
    past = history("1407+284", 1.9) if earlier is None else earlier
    return fluxscale_gate(record, POSITIONS, past, bounds or FluxscaleBounds(), context("fluxscale"))


@cache
def healthy() -> GateReport:
    return judge_fluxes(flux_record())


def no_fluxes() -> FluxscaleRecord:
    return FluxscaleRecord(caltable="caltables/calsources.ap1_scaled", fits=())


def changed_fit(**changes) -> FluxscaleRecord:
    return flux_record(fit("1407+284", 2.03).evolve(**changes), fit("0319+415", 24.4))


def one_spw(**changes) -> FluxscaleRecord:
    source = fit("1407+284", 2.03)
    spws = (source.spws[0].evolve(**changes), *source.spws[1:])
    return flux_record(source.evolve(spws=spws), fit("0319+415", 24.4))


FLUXES = {
    # metric: a record that warns and no more, one that stops, one without a number
    "spectrum_residual": (
        one_spw(flux_density_jy=2.3),
        one_spw(flux_density_jy=3.0),
        one_spw(flux_density_jy=None, error_jy=None),
    ),
    "fit_snr": (changed_fit(error_jy=0.2), changed_fit(error_jy=0.6), changed_fit(error_jy=0.0)),
    "spectral_index": (
        changed_fit(spectral_index=2.5),
        changed_fit(spectral_index=-6.0),
        changed_fit(spectral_index=None),
    ),
    "antennas_used": (one_spw(antennas=3), one_spw(antennas=2), one_spw(flux_density_jy=None, error_jy=None)),
    "catalogue_range": (
        changed_fit(flux_density_jy=4.0),
        changed_fit(flux_density_jy=0.2),
        changed_fit(flux_density_jy=-1.0),
    ),
    "flux_history": (
        changed_fit(flux_density_jy=2.3),
        changed_fit(flux_density_jy=2.9),
        changed_fit(flux_density_jy=-1.0),
    ),
}


@pytest.mark.parametrize("metric", FLUXES)
def test_healthy_flux_densities_pass(metric: str) -> None:
    report = healthy()
    assert report.verdict == "passed", report.reason
    assert {check.verdict for check in checks(report, metric).values()} == {"passed"}


@pytest.mark.parametrize("metric", FLUXES)
def test_a_flux_density_between_the_bounds_warns(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    restrict_to(metric, monkeypatch)
    found = checks(judge_fluxes(FLUXES[metric][0]), metric)
    assert (found["warn"].verdict, found["stop"].verdict) == ("warned", "passed")


@pytest.mark.parametrize("metric", FLUXES)
def test_a_flux_density_beyond_the_stop_bound_stops_and_names_the_calibrator(
    metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    restrict_to(metric, monkeypatch)
    report = judge_fluxes(FLUXES[metric][1])
    found = checks(report, metric)["stop"]
    assert report.verdict == found.verdict == "stopped"
    assert found.failures[0].place.field == "1407+284"


@pytest.mark.parametrize("metric", FLUXES)
def test_a_flux_density_without_a_number_stops(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    restrict_to(metric, monkeypatch)
    report = judge_fluxes(FLUXES[metric][2])
    assert "stopped" in {check.verdict for check in report.checks if check.metric == metric}


@pytest.mark.parametrize("metric", FLUXES)
def test_no_flux_densities_at_all_stop(metric: str) -> None:
    report = judge_fluxes(no_fluxes())
    assert "stopped" in {check.verdict for check in report.checks if check.metric == metric}


def test_changing_a_flux_bound_flips_the_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    restrict_to("flux_history", monkeypatch)
    record = FLUXES["flux_history"][1]
    assert judge_fluxes(record).verdict == "stopped"
    assert judge_fluxes(record, FluxscaleBounds(history_warn=1.0, history_stop=1.0)).verdict == "passed"


def test_one_spw_and_no_history_leave_what_can_be_judged() -> None:
    report = judge_fluxes(flux_record(fit("1302+5748", 0.43, spws=1)), earlier=history("3C48", 5.0, nights=0))
    assert report.verdict == "passed"
    reasons = {check.metric: check.reason for check in report.checks if check.verdict == "not applicable"}
    assert reasons == {
        "spectrum_residual": "fewer than three spws",
        "spectral_index": "fewer than three spws",
        "catalogue_range": "no standard",
        "flux_history": "too little history",
    }
