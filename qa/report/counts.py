"""How many solutions were expected, attempted and succeeded: per spw, and per antenna as a heat table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qa.report.layout import cell, figures, heat, words
from qa.report.numbers import NOT_MEASURED, Numbers
from qa.report.view import Cell, Column, Table
from qa.words import table_title

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.outcome import AntennaCounts, Outcome

READING = (
    "Solutions expected / attempted / succeeded. Expected: one per solution interval; attempted: with enough unflagged "
    "data; succeeded: above the limit in S/N."
)


def count_tables(outcome: Outcome, prefixes: Sequence[str], numbers: Numbers) -> tuple[Table, ...]:
    """Return the counts of the solution tables with these names, those per spw and those per antenna."""
    found: list[Table] = []
    for name in prefixes:
        if any(count.table == name for count in outcome.solve_statistics):
            found.append(_per_spw(outcome, name, numbers))
        if any(count.table == name for count in outcome.solve_statistics_by_antenna):
            found.append(_per_antenna(outcome, name, numbers))
    return tuple(found)


def _per_spw(outcome: Outcome, name: str, numbers: Numbers) -> Table:
    rows = [
        (cell("spw ", numbers.at("solve_statistics", place, "spw")), *_figures("solve_statistics", place, numbers))
        for place, count in enumerate(outcome.solve_statistics)
        if count.table == name
    ]
    return Table(
        caption=f"{table_title(name)}: solution intervals per spw, as CASA counts them",
        columns=(words("Spw"), figures("expected"), figures("attempted"), figures("succeeded")),
        rows=tuple(rows),
    )


def _figures(where: str, place: int, numbers: Numbers) -> list[Cell]:
    return [cell(numbers.at(where, place, name)) for name in ("expected", "attempted", "succeeded")]


def _per_antenna(outcome: Outcome, name: str, numbers: Numbers) -> Table:
    places = {
        (count.antenna, count.spw, count.polarisation): place
        for place, count in enumerate(outcome.solve_statistics_by_antenna)
        if count.table == name
    }
    columns = sorted({(spw, hand) for _, spw, hand in places})
    counts = outcome.solve_statistics_by_antenna
    rows = tuple(
        (cell(antenna), *(_count_cell(counts, places.get((antenna, *column)), numbers) for column in columns))
        for antenna in dict.fromkeys(antenna for antenna, _, _ in places)
    )
    whole = all(counts[place].succeeded == counts[place].expected for place in places.values())
    return Table(
        caption=f"{table_title(name)}: solutions per antenna, spw and hand",
        columns=(words("Antenna"), *(_heading(places, column, numbers) for column in columns)),
        rows=rows,
        note=(READING,),
        legend="solved",
        folded="Every solution of every antenna succeeded: show the counts" if whole else "",
    )


def _heading(places: dict[tuple[str, int, str], int], column: tuple[int, str], numbers: Numbers) -> Column:
    place = next(place for (_, spw, hand), place in places.items() if (spw, hand) == column)
    return figures("spw ", numbers.at("solve_statistics_by_antenna", place, "spw"), f" {column[1]}")


def _count_cell(counts: Sequence[AntennaCounts], place: int | None, numbers: Numbers) -> Cell:
    if place is None or not counts[place].expected:
        return Cell(parts=(NOT_MEASURED,), note="no data")
    count = counts[place]
    expected, attempted, succeeded = (
        numbers.at("solve_statistics_by_antenna", place, name) for name in ("expected", "attempted", "succeeded")
    )
    lost = 1.0 - count.succeeded / count.expected
    return Cell(parts=(expected, " / ", attempted, " / ", succeeded), heat=heat(lost))
