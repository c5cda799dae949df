"""Made-up nights of the guide's observation, written into a history as runs write theirs."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from qa.history.database import Database, open_history
from qa.history.writing import write_run
from schemas.gates import Check, GateReport
from schemas.history import MJD_EPOCH, Night, Source, Window, night_of
from schemas.inspection import MsSummary, RoleDecision
from schemas.outcome import AntennaCounts, AntennaDelay, FieldFlux, Outcome, Provenance
from schemas.results import ImageSummary
from tests.unit.tasks.summaries import GUIDE_ANTENNAS, GUIDE_VISITS, guide_summary, scans_of

FIRST = date(2026, 10, 1)
HANDS = ("R", "L")
REFERENCE, TARGET = "1302+5748", "1252+5634"


def open_in(folder: Path) -> Database:
    return open_history(f"sqlite:///{folder}/history.sqlite")


def summary_on(night: date, **changes) -> MsSummary:
    """The guide's observation, begun at 20:00 UTC of a night: it ends on the next day."""
    start = (datetime(night.year, night.month, night.day, 20, tzinfo=UTC) - MJD_EPOCH).total_seconds()
    scans = scans_of(GUIDE_VISITS)
    shift = start - scans[0].start_s
    moved = tuple(scan.evolve(start_s=scan.start_s + shift, stop_s=scan.stop_s + shift) for scan in scans)
    return guide_summary(scans=moved, **changes)


def delay_of(antenna: str) -> float:
    """Delays of the antennas relative to Mk2 [ns]."""
    return 0.0 if antenna == "Mk2" else 1.0 + list(GUIDE_ANTENNAS).index(antenna)


def delays(moved: dict[str, float] | None = None) -> tuple[AntennaDelay, ...]:
    """Every antenna's delay, some of them moved [ns]."""
    return tuple(
        AntennaDelay(
            antenna=antenna,
            spw=spw,
            polarisation=hand,
            median_ns=delay_of(antenna) + (moved or {}).get(antenna, 0.0),
            scatter_ns=0.03,
        )
        for antenna in GUIDE_ANTENNAS
        for spw in range(4)
        for hand in HANDS
    )


def flux(jansky: float = 0.4, index: float | None = -0.5, reference_hz: float = 5.07e9) -> FieldFlux:
    error = None if index is None else 0.1
    return FieldFlux(
        flux_density_jy=jansky, error_jy=0.01 * jansky, spectral_index=index, error=error, reference_hz=reference_hz
    )


def gate(verdict: str = "passed") -> GateReport:
    check = Check(
        metric="fit_snr",
        title="S/N of the fit",
        where="1302+5748",
        observed=80.0,
        unit="dimensionless",
        bound=">= 20",
        severity="warn",
        verdict="passed",
    )
    return GateReport(gate="fluxscale", suite="fluxscale", step="fluxscale", verdict=verdict, checks=(check,))


def outcome_on(
    night: date, name: str = "", again: int = 0, fingerprint: str = "", scaled: str = "passed", **changes
) -> Outcome:
    """What a run came to whose data are of a night; `again`: how often they were processed before."""
    started = datetime(night.year, night.month, night.day, 6, tzinfo=UTC) + timedelta(days=1, hours=again)
    image = ImageSummary(
        field=TARGET,
        image=Path("products/target.image"),
        pixels=64,
        peak_jy_beam=0.1,
        noise_jy_beam=1e-3,
        dynamic_range=100.0,
        **dict.fromkeys(("beam_major_arcsec", "beam_minor_arcsec", "beam_angle_deg", "cell_arcsec"), 0.05),
    )
    origin = Provenance(
        versions={"gatecal": "0.1.0"},
        parameters={},
        overrides={},
        profile="emerlin",
        input=Path("/data/night.ms"),
        input_fingerprint=fingerprint or f"data of {night}",
        roles=(
            RoleDecision(role="phase reference", field=REFERENCE, reason="named"),
            RoleDecision(role="target", field=TARGET, reason="named"),
        ),
        refant=("Mk2", "Pi"),
        started=started.isoformat(timespec="seconds"),
        finished=(started + timedelta(minutes=10)).isoformat(timespec="seconds"),
        flow_run=f"run {again}",
    )
    fields = {
        "observation": name or f"night-{night}",
        "verdict": "passed",
        "gates": (gate(scaled),),
        "fluxes": {REFERENCE: flux()},
        "delays": delays(),
        "solve_statistics_by_antenna": counts(),
        "images": (image,),
        "provenance": origin,
    }
    return Outcome(**(fields | changes))


def counts() -> tuple[AntennaCounts, ...]:
    return tuple(
        AntennaCounts(table=table, spw=spw, antenna=antenna, polarisation=hand, expected=12, attempted=10, succeeded=9)
        for table in ("all.K", "calsources.p1")
        for antenna in ("Mk2", "Cm")
        for spw in range(4)
        for hand in HANDS
    )


def write_nights(database: Database, count: int, first: date = FIRST, **changes) -> list[date]:
    """Write nights in a row, all alike; return their dates."""
    nights = [first + timedelta(days=number) for number in range(count)]
    for night in nights:
        assert write_run(database, outcome_on(night, **changes), summary_on(night))
    return nights


def this_night(night: date = FIRST + timedelta(days=100), fingerprint: str = "tonight", refant: str = "Mk2") -> Night:
    found = night_of(summary_on(night), fingerprint, (refant,))
    assert found is not None
    return found


def source(**changes) -> Source:
    place = guide_summary().field(REFERENCE)
    known = Source(field=REFERENCE, ra_rad=place.ra_rad, dec_rad=place.dec_rad, reference_hz=5.07e9)
    return known.evolve(**changes)


def windows() -> list[Window]:
    return [Window(spw=spw.id, centre_hz=spw.centre_hz, bandwidth_hz=spw.bandwidth_hz) for spw in guide_summary().spws]
