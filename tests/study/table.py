"""The study's results as a page for people."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from typing import Any

from tests.study.expected import EXPECTED, Expected

Z95 = 1.959964
"""Two-sided 95 % quantile of the normal distribution."""

REPORTED = 400
"""First seed that is reported: bounds were tuned and expectations revised on earlier ones."""


def interval(count: int, total: int, digits: int = 2) -> str:
    """Return the Wilson score interval of a proportion, 95 % (Wilson 1927, JASA 22, 209), as text."""
    if not total:
        return "-"
    p, z2 = count / total, Z95**2
    centre = (p + z2 / (2 * total)) / (1 + z2 / total)
    half = Z95 * math.sqrt(p * (1 - p) / total + z2 / (4 * total**2)) / (1 + z2 / total)
    return f"{max(0.0, centre - half):.{digits}f} to {min(1.0, centre + half):.{digits}f}"


def table(rows: list[dict[str, Any]]) -> str:
    """Return the whole page, as Markdown."""
    rows = [row for row in rows if row["seed"] >= REPORTED]
    clean = [row for row in rows if not row["fault"]]
    at_default = [row for row in rows if row["fault"] and ":" not in row["fault"]]
    weaker = [row for row in rows if ":" in row["fault"]]
    parts = [
        "# How often the gates are wrong",
        "Measured on the simulator's `tiny` preset by `python -m tests.study.error_rates`; the table of faults, gates "
        "and places (`tests/study/expected.py`) was committed before these runs. Bounds and fault strengths were tuned "
        "on seeds 100 to 199, the table of expectations was revised after seeds 300 to 306; none of these is counted "
        "here. Intervals are 95 % Wilson score intervals.",
        clean_part(clean),
        recovered_part(clean),
        fault_part("Faults at their default strength", at_default, [(e, e.fault) for e in EXPECTED]),
        fault_part("Weaker faults", weaker, [(e, f"{e.fault}:{s}") for e in EXPECTED for s in e.weaker]),
    ]
    return "\n\n".join(parts)


def clean_part(rows: list[dict[str, Any]]) -> str:
    """Return how often each gate stopped or warned on clean observations."""
    lines = [
        "## Clean observations",
        f"{len(rows)} seeds ({_seeds(rows)}): {_count(rows, 'stopped')} runs stopped, "
        f"{_count(rows, 'warned')} runs with a warning.",
        "",
        "| gate | runs | stops | rate, 95 % | warnings | rate, 95 % | what warned |",
        "|---|---|---|---|---|---|---|",
    ]
    for gate in dict.fromkeys(name for row in rows for name in row["verdicts"]):
        verdicts = [row["verdicts"][gate] for row in rows if gate in row["verdicts"]]
        stops, warns = verdicts.count("stopped"), verdicts.count("warned")
        metrics = Counter(f["metric"] for row in rows for f in row["failed"] if f["gate"] == gate)
        what = ", ".join(f"{metric} ({count})" for metric, count in metrics.most_common())
        lines.append(
            f"| {gate} | {len(verdicts)} | {stops} | {interval(stops, len(verdicts))} "
            f"| {warns} | {interval(warns, len(verdicts))} | {what} |"
        )
    return "\n".join(lines)


def recovered_part(rows: list[dict[str, Any]]) -> str:
    """Return how far what clean observations gave back lay from what was put in."""
    differences: dict[str, list[float]] = {}
    for entry in (entry for row in rows for entry in row.get("recovered", ())):
        relative = "flux density" in entry["quantity"]
        apart = entry["recovered"] - entry["injected"]
        name = entry["quantity"].partition(",")[0] if "delay" in entry["quantity"] else entry["quantity"]
        name = name.replace("[Jy]", "[fraction]") + (" [ns]" if "delay" in name else "")
        differences.setdefault(name, []).append(apart / entry["injected"] if relative else apart)
    if not differences:
        return ""
    lines = [
        "## Recovered less injected, clean observations",
        "",
        "Delays: the spectral window and hand with the largest difference.",
        "",
        "| quantity | runs | mean | its error | scatter | largest |",
        "|---|---|---|---|---|---|",
    ]
    for name, values in differences.items():
        mean, scatter = statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0
        error, largest = scatter / math.sqrt(len(values)), max(values, key=abs)
        lines.append(f"| {name} | {len(values)} | {mean:+.4f} | {error:.4f} | {scatter:.4f} | {largest:+.4f} |")
    return "\n".join(lines)


def fault_part(title: str, rows: list[dict[str, Any]], asked: list[tuple[Expected, str]]) -> str:
    """Return how often each fault was caught, at the gate that should catch it, naming the right place."""
    if not rows:
        return f"## {title}\n\nNot measured yet."
    lines = [
        f"## {title}",
        "",
        "| fault | runs | caught by any gate | at its gate, right place | rate, 95 % | stopped | its gates | seen at |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for expected, fault in asked:
        own = [row for row in rows if row["fault"] == fault]
        if not own:
            continue
        right = sum(caught(row, expected) for row in own)
        anywhere = sum(bool(row["failed"]) or bool(row["ended"]) for row in own)
        stopped = sum(bool(row["ended"]) for row in own)
        seen = Counter(f"{f['gate']}.{f['metric']}" for row in own for f in row["failed"])
        common = ", ".join(name for name, _ in seen.most_common(3))
        lines.append(
            f"| {fault} | {len(own)} | {anywhere} | {right} | {interval(right, len(own))} | {stopped} "
            f"| {', '.join(expected.gates)} | {common} |"
        )
    return "\n".join(lines)


def caught(row: dict[str, Any], expected: Expected) -> bool:
    """Tell whether a run was warned or stopped at one of the expected gates, naming one of the expected places."""
    places = [place for failure in row["failed"] if failure["gate"] in expected.gates for place in failure["places"]]
    return any(name in place for name in expected.names for place in places)


def _count(rows: list[dict[str, Any]], verdict: str) -> int:
    return sum(verdict in row["verdicts"].values() for row in rows)


def _seeds(rows: list[dict[str, Any]]) -> str:
    seeds = sorted({row["seed"] for row in rows})
    return f"{seeds[0]} to {seeds[-1]}" if seeds else "none"
