"""A small workspace of a finished run, as the plots read it: four antennas, two spws, three fields."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from schemas.gates import Check, GateReport
from schemas.inspection import Roles
from schemas.ledger import Ledger, LedgerEntry
from schemas.outcome import Outcome, Provenance
from schemas.policy import GatePolicy
from schemas.results import (
    ApplyRecord,
    FlagAct,
    FlagRecord,
    ImageRecord,
    ImageSummary,
    InspectRecord,
    ModelFlux,
    ModelRecord,
    SplitRecord,
)
from schemas.solutions import (
    BANDPASS_COLUMNS,
    DELAY_COLUMNS,
    FLAG_COLUMNS,
    GAIN_COLUMNS,
    STATISTICS_COLUMNS,
    VISIBILITY_COLUMNS,
    FluxscaleFit,
    FluxscaleRecord,
    SolutionTable,
    SolveRecord,
    SpwFlux,
)
from tests.unit.tasks.summaries import guide_summary, spw

ANTENNAS = ("Mk2", "Kn", "De", "Pi")
FLUX, BANDPASS, REFERENCE, TARGET = "1331+305", "1407+284", "1302+5748", "1252+5634"
CALIBRATORS = (FLUX, BANDPASS, REFERENCE)
MIDNIGHT = 57148.0 * 86400.0
BASELINES = [f"{a}&{b}" for i, a in enumerate(ANTENNAS) for b in ANTENNAS[i + 1 :]]

TABLES = {
    "delay": (("all.K", "K"),),
    "precal": (("bpcals_precal.p1", "p"), ("bpcals_precal.ap1", "ap")),
    "bandpass1": (("bpcals.B1", "B"),),
    "gains": (("calsources.p1", "p"), ("calsources.ap1", "ap")),
    "bandpass2": (("bpcals.B2", "B"),),
    "finalgains": (("calsources.ap2", "ap"), ("calsources.p2", "p")),
}


class Night:
    """Writes the workspace, and changes it as a test asks."""

    def __init__(self, root: Path, names: dict[str, str] | None = None) -> None:
        self.root = root
        self.names = names or {}
        self.rng = np.random.default_rng(4)
        (root / "records").mkdir(parents=True, exist_ok=True)
        self.entries: dict[str, object] = {}

    def name(self, field: str) -> str:
        return self.names.get(field, field)

    def save(self, name: str, frame: pd.DataFrame) -> Path:
        path = Path("records") / f"{name}.csv"
        frame.to_csv(self.root / path, index=False)
        return path

    def write(self) -> Night:
        self.inspect()
        self.flag()
        for step, tables in TABLES.items():
            self.rng = np.random.default_rng(4)
            self.entries[step] = SolveRecord(tables=tuple(self.table(name, kind) for name, kind in tables))
        self.model_and_fluxes()
        self.apply()
        self.image()
        self.save_ledger()
        return self

    def save_ledger(self) -> None:
        entries = tuple(
            LedgerEntry(
                step=step,
                key="k",
                record=record.model_dump(mode="json"),
                flag_version="f",
                seconds=1.0,
                finished="2026-11-23T01:00:00+00:00",
            )
            for step, record in self.entries.items()
        )
        (self.root / "ledger.json").write_text(
            Ledger(observation="n", source="/n.ms", entries=entries).model_dump_json()
        )

    def inspect(self) -> None:
        whole = guide_summary(spws=(spw(0), spw(1, first_hz=4.946e9)))
        named = tuple(field.evolve(name=self.name(field.name)) for field in whole.fields)
        summary = whole.evolve(antennas=whole.antennas[: len(ANTENNAS)], fields=named)
        roles = Roles(
            flux=self.name(FLUX),
            bandpass=(self.name(BANDPASS),),
            phase_reference={self.name(TARGET): self.name(REFERENCE)},
        )
        self.entries["inspect"] = InspectRecord(
            summary=summary,
            roles=roles,
            refant=("Mk2", "Pi"),
            listing=Path("l"),
            counts=self.flags("flags.ingested", 0),
        )

    def flags(self, name: str, flagged: int) -> Path:
        rows = [
            (self.name(field), antenna, window, "RR", flagged, 100)
            for field in (*CALIBRATORS, TARGET)
            for antenna in ANTENNAS
            for window in (0, 1)
        ]
        return self.save(name, pd.DataFrame(rows, columns=list(FLAG_COLUMNS)))

    def flag(self) -> None:
        before = Path("records/flags.ingested.csv")
        after = self.flags("flags.late_on_source", 20)
        act = FlagAct(name="late_on_source", saved_as="q", asked="40 s", before=before, after=after, judged=True)
        self.entries["flag"] = FlagRecord(acts=(act,), flag_version="flagged")

    def table(self, name: str, kind: str) -> SolutionTable:
        rows = {"K": self.delays, "B": self.bandpass}.get(kind, self.gains)()
        pairs = [("", w, h) for w in (0, 1) for h in "RL"] + [(a, w, h) for a in ANTENNAS for w in (0, 1) for h in "RL"]
        counts = [(window, antenna, hand, 9, 9, 9, 8) for antenna, window, hand in pairs]
        return SolutionTable(
            name=name,
            kind=kind,
            caltable=Path("caltables") / name,
            rows=self.save(name, rows),
            statistics=self.save(f"{name}.statistics", pd.DataFrame(counts, columns=list(STATISTICS_COLUMNS))),
        )

    def solutions(self) -> pd.DataFrame:
        rows = [
            (MIDNIGHT + 3600.0 * (20 + 3 * scan) + 60.0 * n, scan, self.name(field), window, antenna, hand)
            for scan, field in enumerate(CALIBRATORS)
            for n in range(3)
            for window in (0, 1)
            for antenna in ANTENNAS
            for hand in "RL"
        ]
        return pd.DataFrame(rows, columns=["time_s", "scan", "field", "spw", "antenna", "polarisation"])

    def gains(self) -> pd.DataFrame:
        frame = self.solutions()
        size = len(frame)
        return frame.assign(
            amplitude=self.rng.normal(1.0, 0.01, size),
            phase_deg=self.rng.uniform(-180, 180, size),
            snr=self.rng.uniform(5, 500, size),
            flagged=self.rng.random(size) < 0.1,
        )[list(GAIN_COLUMNS)]

    def delays(self) -> pd.DataFrame:
        frame = self.solutions()
        return frame.assign(delay_ns=self.rng.normal(2.0, 0.1, len(frame)), flagged=False)[list(DELAY_COLUMNS)]

    def bandpass(self) -> pd.DataFrame:
        rows = [
            (MIDNIGHT, self.name(BANDPASS), window, channel, 4.8e9 + 1.3e8 * window + 4e6 * channel, antenna, hand)
            for window in (0, 1)
            for channel in range(16)
            for antenna in ANTENNAS
            for hand in "RL"
        ]
        frame = pd.DataFrame(rows, columns=list(BANDPASS_COLUMNS[:7]))
        size = len(frame)
        return frame.assign(
            amplitude=self.rng.normal(1.0, 0.01, size),
            phase_deg=self.rng.normal(0.0, 2.0, size),
            flagged=frame["channel"].eq(0),
            has_data=frame["channel"].ne(15),
        )

    def model_and_fluxes(self) -> None:
        points = tuple(
            ModelFlux(field=self.name(FLUX), spw=n, frequency_hz=4.8e9 + 1e8 * n, flux_density_jy=7.3) for n in (0, 1)
        )
        self.entries["model"] = ModelRecord(
            model="m", standard="s", fluxes=points, baselines=Path("records/m.csv"), uv_limit_wavelengths=None
        )
        self.entries["fluxscale"] = FluxscaleRecord(
            fits=(
                FluxscaleFit(
                    field=self.name(BANDPASS),
                    fitted_jy=2.0,
                    error_jy=0.01,
                    resolved_out_factor=0.9,
                    flux_density_jy=1.8,
                    spectral_index=-1.0,
                    spectral_index_error=0.1,
                    reference_hz=5.0e9,
                    spws=(
                        SpwFlux(spw=0, frequency_hz=4.8e9, flux_density_jy=2.1, error_jy=0.02, antennas=4),
                        SpwFlux(spw=1, frequency_hz=4.9e9, flux_density_jy=None, error_jy=None, antennas=0),
                    ),
                ),
            )
        )

    def apply(self) -> None:
        rows = [
            (self.name(REFERENCE), scan, window, baseline, hand, 1e6 * (i + 1), 0.4, 1.0, 0.4, 50.0)
            for scan in (1, 3)
            for window in (0, 1)
            for i, baseline in enumerate(BASELINES)
            for hand in "RL"
        ]
        frame = pd.DataFrame(rows, columns=list(VISIBILITY_COLUMNS))
        self.entries["apply"] = ApplyRecord(
            fields=(self.name(REFERENCE),),
            before=Path("records/flags.late_on_source.csv"),
            after=self.flags("apply.after", 25),
            visibilities=self.save("apply.visibilities", frame),
        )
        self.entries["split"] = SplitRecord()

    def image(self) -> None:
        self.entries["image"] = ImageRecord(
            images=tuple(
                self.first_image(self.name(field), f"image.{n}") for n, field in enumerate((TARGET, REFERENCE))
            )
        )

    def first_image(self, field: str, name: str) -> ImageSummary:
        path = Path("records") / f"{name}.npz"
        pixels = self.rng.normal(0.0, 1e-3, (64, 64)).astype(np.float32)
        pixels[30:33, 30:33] += 0.1
        np.savez_compressed(
            self.root / path,
            pixels=pixels,
            reference_pixel=np.asarray([32.0, 32.0]),
            reference_deg=np.asarray([193.1, 56.57]),
            cell_arcsec=np.asarray([-0.02, 0.02]),
            unit=np.asarray("Jy/beam"),
        )
        return ImageSummary(
            field=field,
            image=Path("products/i.image"),
            peak_jy_beam=0.1,
            noise_jy_beam=1e-3,
            dynamic_range=100.0,
            beam_major_arcsec=0.06,
            beam_minor_arcsec=0.05,
            beam_angle_deg=20.0,
            cell_arcsec=0.02,
            pixels=64,
            centre=path,
        )

    def conclude(self, gates: tuple[GateReport, ...], policy: GatePolicy | None = None) -> None:
        """Write an outcome with these gates."""
        provenance = Provenance(
            versions={},
            parameters={"gates": (policy or GatePolicy()).model_dump(mode="json")},
            overrides={},
            profile="emerlin",
            input=Path("/n.ms"),
            input_fingerprint="x",
            started="2026-11-23T00:00:00+00:00",
            finished="2026-11-23T01:00:00+00:00",
        )
        outcome = Outcome(observation="n", verdict="stopped", gates=gates, provenance=provenance)
        (self.root / "outcome.json").write_text(outcome.model_dump_json())

    def index(self) -> dict[str, dict[str, object]]:
        """Return the written index, by plot name."""
        plots = json.loads((self.root / "plots" / "gatecal.json").read_text())["plots"]
        return {plot["name"]: plot for plot in plots}


def check(metric="delay_magnitude", observed=60.0, bound="<= 50", severity="stop", verdict="stopped", unit="ns"):
    return Check(
        metric=metric,
        title=metric,
        where="antenna Kn",
        observed=observed,
        unit=unit,
        bound=bound,
        severity=severity,
        verdict=verdict,
    )


def gate(*checks, name="delay", step="delay", verdict="stopped"):
    return GateReport(gate=name, suite="delay", step=step, verdict=verdict, checks=checks)
