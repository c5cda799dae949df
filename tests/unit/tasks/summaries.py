"""Summaries of made-up observations, for tests that need no MeasurementSet."""

from __future__ import annotations

import numpy as np

from schemas.inspection import AntennaSummary, FieldSummary, MsSummary, ScanSummary, SpwSummary
from schemas.standards import STANDARD_SOURCES

# Facts of the e-MERLIN 3C277.1 guide: positions [deg], scan lengths [s].
GUIDE_FIELDS = {
    "1302+5748": (195.718605, 57.810447),
    "1252+5634": (193.109525, 56.572080),
    "1331+305": (202.784530, 30.509155),
    "1407+284": (211.751643, 28.454081),
    "0319+415": (49.950667, 41.511695),
}
GUIDE_ANTENNAS = {
    "Mk2": (3822473.365, -153692.318, 5085851.303),
    "Kn": (3859711.503, -201995.077, 5056134.251),
    "De": (3923069.171, -146804.368, 5009320.528),
    "Pi": (3817176.561, -162921.179, 5089462.057),
    "Da": (3828714.513, -169458.995, 5080647.749),
    "Cm": (3919982.752, 2651.982, 5013849.826),
}


def field(index, name, ra_deg, dec_deg, rows=1000, intents=()):
    return FieldSummary(
        id=index,
        name=name,
        ra_rad=float(np.radians(ra_deg)),
        dec_rad=float(np.radians(dec_deg)),
        rows=rows,
        intents=tuple(intents),
    )


def scans_of(visits):
    """Scans one after the other, from (field, length in s) pairs."""
    scans, start = [], 4.9e9
    for number, (name, length_s) in enumerate(visits, start=1):
        scans.append(
            ScanSummary(number=number, field=name, start_s=start, stop_s=start + length_s, rows=100, integration_s=4.0)
        )
        start += length_s + 10.0
    return tuple(scans)


def spw(index, channels=64, width_hz=2e6, first_hz=None, correlations=("RR", "RL", "LR", "LL")):
    start = 4.817e9 + index * channels * width_hz if first_hz is None else first_hz
    return SpwSummary(
        id=index,
        channels=channels,
        first_hz=start,
        channel_width_hz=width_hz,
        bandwidth_hz=channels * width_hz,
        centre_hz=start + channels * width_hz / 2,
        correlations=correlations,
    )


GUIDE_VISITS = (
    *[("1302+5748", 180.0), ("1252+5634", 420.0)] * 10,
    ("1331+305", 2700.0),
    ("1407+284", 2580.0),
    *[("1302+5748", 180.0), ("1252+5634", 420.0)] * 10,
    ("0319+415", 3600.0),
)


def guide_summary(**changes):
    """The 3C277.1 observation in small."""
    fields = tuple(field(index, name, *place) for index, (name, place) in enumerate(GUIDE_FIELDS.items()))
    summary = MsSummary(
        telescope="e-MERLIN",
        rows=5000,
        autocorrelation_rows=0,
        antennas=tuple(
            AntennaSummary(id=index, name=name, x_m=place[0], y_m=place[1], z_m=place[2])
            for index, (name, place) in enumerate(GUIDE_ANTENNAS.items())
        ),
        spws=tuple(spw(index) for index in range(4)),
        fields=fields,
        scans=scans_of(GUIDE_VISITS),
        longest_baseline_m=217000.0,
        columns=("DATA",),
        flagged_fraction=dict.fromkeys(GUIDE_FIELDS, 0.1),
        antenna_flagged_fraction=dict.fromkeys(GUIDE_ANTENNAS, 0.1),
    )
    return summary.evolve(**changes)


def standard_place(name):
    """Position of a flux standard [deg]."""
    source = next(entry for entry in STANDARD_SOURCES if entry.name == name)
    return float(np.degrees(source.ra_rad)), float(np.degrees(source.dec_rad))
