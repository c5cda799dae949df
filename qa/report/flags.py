"""What was flagged: per antenna, spw and field, and what each step added, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from qa.report.layout import cell, figures, heat, words
from qa.report.numbers import PERCENT, Numbers, Part
from qa.report.view import Cell, Table
from qa.words import act_title

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.outcome import FlaggedFraction, Outcome


def flag_tables(outcome: Outcome, numbers: Numbers) -> tuple[Table, ...]:
    """Return the flags' tables, those that have rows."""
    tables = (
        _steps(outcome, numbers),
        _fractions("flagged_by_antenna", "Antenna", outcome.flagged_by_antenna, numbers),
        _fractions("flagged_by_spw", "Spectral window", outcome.flagged_by_spw, numbers),
        _fractions("flagged", "Field", outcome.flagged, numbers),
    )
    return tuple(table for table in tables if table.rows)


def _steps(outcome: Outcome, numbers: Numbers) -> Table:
    rows = tuple(
        (
            cell(act_title(step.name)),
            cell(step.asked),
            cell(numbers.at("flag_steps", place, "before", form=PERCENT)),
            cell(numbers.at("flag_steps", place, "after", form=PERCENT)),
            cell(
                numbers.difference(("flag_steps", place, "after"), ("flag_steps", place, "before"), PERCENT),
                strong=True,
            ),
            cell("judged by a gate" if step.judged else "the user's own list: reported only"),
        )
        for place, step in enumerate(outcome.flag_steps)
    )
    return Table(
        caption="What each step flagged",
        columns=(
            words("Step"),
            words("what and why"),
            figures("before"),
            figures("after"),
            figures("added"),
            words("judged"),
        ),
        rows=rows,
        note=("Of all cross-correlations of the observation.",),
    )


def _fractions(
    key: Literal["flagged", "flagged_by_antenna", "flagged_by_spw"],
    heading: str,
    flagged: Mapping[str, FlaggedFraction],
    numbers: Numbers,
) -> Table:
    def row(name: str, fraction: FlaggedFraction) -> tuple[Cell, ...]:
        before: Part = numbers.at(key, name, "before", form=PERCENT)
        after = numbers.at(key, name, "after", form=PERCENT)
        title = f"spw {name}" if key == "flagged_by_spw" else name
        return cell(title), cell(before), Cell(parts=(after,), heat=heat(fraction.after))

    return Table(
        caption=f"Flagged per {heading.lower()}",
        columns=(words(heading), figures("as it came"), figures("at the end")),
        rows=tuple(row(name, fraction) for name, fraction in flagged.items()),
        legend="flagged",
    )
