"""Outcomes and gate reports of made-up runs."""

from __future__ import annotations

from pathlib import Path

from schemas.gates import Check, Failure, GateReport, Place
from schemas.outcome import Corrected, FieldFlux, Outcome, Provenance, StepOutcome


def check(verdict="passed", observed=4.0, severity="stop", **changes):
    fields = {
        "metric": "magnitude",
        "title": "size of the delay [ns]",
        "where": "antenna Cm, spw 3, L",
        "observed": observed,
        "unit": "ns",
        "bound": "<= 50",
        "severity": severity,
        "verdict": verdict,
        "measured": 48,
        "meaning": "a cable was changed",
        "try": "look at the station's log",
    }
    return Check(**(fields | changes))


def stopped_check():
    failure = Failure(place=Place(antenna="Cm", spw=3, polarisation="L"), observed=80.0)
    return check("stopped", 80.0, failures=(failure,) * 6, failed=8)


def report(verdict="passed", *checks, gate="delay", step="delay", **changes):
    return GateReport(gate=gate, suite="delay", step=step, verdict=verdict, checks=checks or (check(),), **changes)


def provenance():
    return Provenance(
        versions={},
        parameters={},
        overrides={},
        profile="emerlin",
        input=Path("/data/night.ms"),
        input_fingerprint="f",
        started="2026-11-23T01:00:00+00:00",
        finished="2026-11-23T01:10:00+00:00",
    )


def outcome(verdict="passed", **changes):
    fields = {
        "observation": "night",
        "verdict": verdict,
        "steps": (
            StepOutcome(step="ingest", seconds=1.5, reused=False),
            StepOutcome(step="delay", seconds=0.01, reused=True),
        ),
        "gates": (report(),),
        "fluxes": {
            "1407+284": FieldFlux(
                flux_density_jy=1.9026, error_jy=0.01, spectral_index=0.27, error=0.05, reference_hz=5.07e9
            ),
            "1302+5748": FieldFlux(
                flux_density_jy=0.4052, error_jy=0.002, spectral_index=None, error=None, reference_hz=5.07e9
            ),
        },
        "corrected": (Corrected(field="1331+305", amplitude_over_model=1.001, phase_rms_deg=1.25),),
        "products": {"1252+5634": Path("products/1252+5634.ms")},
        "provenance": provenance(),
    }
    return Outcome(**(fields | changes))
