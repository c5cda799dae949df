"""Workspaces of made-up runs: a whole one with a number in every key of the outcome, and what can become of it."""

from __future__ import annotations

from pathlib import Path

from schemas.gates import Check, Failure, GateReport, Place
from schemas.inspection import RoleDecision
from schemas.ledger import Ledger, LedgerEntry
from schemas.outcome import (
    AntennaCounts,
    AntennaDelay,
    CatalogueRange,
    Corrected,
    Crash,
    FieldFlux,
    FlaggedFraction,
    FlagStep,
    Outcome,
    Provenance,
    SpwFluxDensity,
    StepOutcome,
)
from schemas.parameters import Parameters
from schemas.plots import Plot, PlotIndex
from schemas.results import ImageSummary, ModelFlux, TrialPhase
from schemas.solutions import SolveCounts
from schemas.steps import STEPS

ANTENNAS = ("Mk2", "De", "Cm")
TARGET, PHASE_REFERENCE, FLUX = "1252+5634", "1302+5748", "1331+305"


def check(verdict="passed", observed=4.0601234, severity="stop", **changes):
    fields = {
        "metric": "delay_magnitude",
        "title": "size of the delay, median over time",
        "where": "antenna Cm, spw 1, L",
        "observed": observed,
        "unit": "ns",
        "bound": "<= 15" if severity == "warn" else "<= 50",
        "severity": severity,
        "verdict": verdict,
        "measured": 12,
        "meaning": "A clock or cable is off.",
        "source": "A starting value.",
        "try": "Look at phase against frequency.",
    }
    return Check(**(fields | changes))


def failed_check(verdict="stopped"):
    place = Place(antenna="Cm", spw=1, polarisation="L")
    failures = (Failure(place=place, observed=80.25), Failure(place=place.evolve(polarisation="R"), observed=61.5))
    return check(verdict, 80.25, failures=failures, failed=2)


def gate(verdict="passed", *checks, gate="delay", step="delay", **changes):
    checks = checks or (check(severity="warn"), check())
    return GateReport(gate=gate, suite=gate.split(".")[0], step=step, verdict=verdict, checks=checks, **changes)


def provenance(**changes):
    fields = {
        "versions": {"gatecal": "0.1.0", "casatasks": "6.7.0.31"},
        "parameters": Parameters(refant=("Mk2", "Pi", "Da", "Kn")).model_dump(mode="json", by_alias=True),
        "overrides": {},
        "profile": "emerlin",
        "input": Path("/data/night.ms"),
        "input_fingerprint": "6386ef61",
        "notes": ("Kept the flags that came with the input.",),
        "roles": (
            RoleDecision(role="target", field=TARGET, reason=f"interleaved with {PHASE_REFERENCE}"),
            RoleDecision(role="phase reference", field=PHASE_REFERENCE, reason="named by the observation"),
        ),
        "refant": ("Mk2", "De"),
        "started": "2026-11-23T01:00:00+00:00",
        "finished": "2026-11-23T01:10:00+00:00",
        "flow_run_url": "http://127.0.0.1:4200/runs/flow-run/1",
    }
    return Provenance(**(fields | changes))


def image(field):
    return ImageSummary(
        field=field,
        image=Path(f"products/{field}.image"),
        peak_jy_beam=0.13930575549602509,
        noise_jy_beam=0.0004035607198364232,
        dynamic_range=345.19167,
        beam_major_arcsec=0.06975525617599487,
        beam_minor_arcsec=0.03123319335281849,
        beam_angle_deg=-18.273597717285156,
        cell_arcsec=0.018,
        pixels=512,
    )


def per_antenna():
    for place, antenna in enumerate(ANTENNAS):
        for spw in (0, 1):
            yield AntennaCounts(
                table="all.K",
                spw=spw,
                antenna=antenna,
                polarisation="L",
                expected=12000,
                attempted=11000 - 4000 * place,
                succeeded=11000 - 5000 * place,
            )


def outcome(verdict="passed", **changes):
    """A run with something in every key."""
    fields = {
        "observation": "night",
        "verdict": verdict,
        "steps": tuple(StepOutcome(step=step, seconds=1.5 + 0.25 * n, reused=n < 3) for n, step in enumerate(STEPS)),
        "gates": (gate(), gate(gate="result", step="split")),
        "delays": tuple(
            AntennaDelay(antenna=antenna, spw=spw, polarisation="L", median_ns=-4.0601, scatter_ns=0.0331)
            for antenna in ANTENNAS
            for spw in (0, 1)
        ),
        "fluxes": {
            PHASE_REFERENCE: FieldFlux(
                flux_density_jy=0.40440333, error_jy=0.00039, spectral_index=-0.316, error=0.037, reference_hz=5.07e9
            ),
            "0319+415": FieldFlux(
                flux_density_jy=22.94, error_jy=0.0049, spectral_index=None, error=None, reference_hz=5.07e9
            ),
        },
        "solve_statistics": (SolveCounts(table="all.K", spw=0, expected=12, attempted=11, succeeded=10),),
        "solve_statistics_by_antenna": tuple(per_antenna()),
        "flagged": {TARGET: FlaggedFraction(before=0.0, after=0.2918)},
        "flagged_by_antenna": {name: FlaggedFraction(before=0.01, after=0.9) for name in ANTENNAS},
        "flagged_by_spw": {"0": FlaggedFraction(before=0.01, after=0.3)},
        "flag_steps": (
            FlagStep(name="late_on_source", asked="the first 40 s of each scan", before=0.01, after=0.19, judged=True),
        ),
        "models": (ModelFlux(field=FLUX, spw=0, frequency_hz=4.818e9, flux_density_jy=7.375),),
        "spw_fluxes": (
            SpwFluxDensity(
                field=PHASE_REFERENCE,
                spw=0,
                frequency_hz=4.88e9,
                flux_density_jy=0.4093,
                error_jy=0.001,
                fitted_jy=0.4101,
                antennas=5,
            ),
        ),
        "catalogue": (CatalogueRange(field="0319+415", low_jy=5.0, high_jy=40.0, source="monitoring"),),
        "trial": (
            TrialPhase(
                field=PHASE_REFERENCE,
                spw=0,
                slope_before_deg=93.96,
                slope_after_deg=3.25,
                amplitude_spread_before=0.0355,
                amplitude_spread_after=None,
            ),
        ),
        "corrected": (Corrected(field=FLUX, amplitude_over_model=0.99988, phase_rms_deg=0.0361),),
        "images": (image(PHASE_REFERENCE), image(TARGET)),
        "products": {TARGET: Path(f"products/{TARGET}.ms")},
        "provenance": provenance(),
    }
    return Outcome(**(fields | changes))


def stopped():
    reached = tuple(StepOutcome(step=step, seconds=2.0, reused=False) for step in STEPS[:4])
    return outcome(
        "stopped",
        reason="gate delay: size of the delay: 80.25 ns at antenna Cm",
        steps=reached,
        gates=(gate("stopped", failed_check()),),
        images=(),
        products={},
    )


def crashed(step="ingest"):
    """A run that crashed before it found out anything."""
    return Outcome(
        observation="night",
        verdict="crashed",
        reason="CasaCrashed: the process died",
        crash=Crash(step=step, error="CasaCrashed", message="importuvfits: the process died", log_tail="SEVERE <end>"),
        provenance=provenance(roles=(), refant=(), notes=()),
    )


def ledger():
    """The ledger's part that the report reads: what inspection found."""
    summary = {
        "telescope": "e-MERLIN",
        "antennas": [{"name": name, "has_data": name != "Cm"} for name in ANTENNAS],
        "scans": [{"start_s": 4937800800.0, "stop_s": 4937833200.0}],
        "spws": [
            {"id": n, "centre_hz": 4.88e9 + n * 1.28e8, "bandwidth_hz": 1.28e8, "channels": 64, "correlations": ["RR"]}
            for n in (0, 1)
        ],
        "longest_baseline_m": 217345.678,
    }
    entry = LedgerEntry(
        step="inspect", key="k", record={"summary": summary}, flag_version="ingested", seconds=1.0, finished=""
    )
    return Ledger(observation="night", source="/data/night.ms", entries=(entry,))


def workspace(root, result, *plots, inspected=True):
    """Write a workspace as a run leaves it, without MeasurementSet."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "outcome.json").write_text(result.model_dump_json(indent=1), encoding="utf-8")
    if inspected:
        (root / "ledger.json").write_text(ledger().model_dump_json(), encoding="utf-8")
    if plots:
        (root / "plots").mkdir()
        (root / "plots" / "gatecal.json").write_text(PlotIndex(plots=plots).model_dump_json(), encoding="utf-8")
    return root


def plot(name="delays", step="delay", **changes):
    fields = {
        "name": name,
        "step": step,
        "title": f"Plot of {name}",
        "caption": "Look for jumps.",
        "alternative": f"{name} against time",
        "made_by": "gatecal",
        "file": Path(f"plots/{name}.png"),
    }
    return Plot(**(fields | changes))
