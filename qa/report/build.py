"""From a workspace's findings to the report's view: the chapters, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qa.report.flags import flag_tables
from qa.report.fluxes import flux_tables
from qa.report.numbers import Numbers
from qa.report.provenance import provenance
from qa.report.stages import stages
from qa.report.summary import summary
from qa.report.tables import corrected_table, image_table, role_table, spw_table
from qa.report.view import ReportView

if TYPE_CHECKING:
    from qa.report.reading import Findings


def build_view(found: Findings) -> ReportView:
    """Return everything the report shows."""
    outcome, numbers = found.outcome, Numbers(found.tree)
    steps = stages(found, numbers)
    results = (image_table(outcome, numbers), corrected_table(outcome, numbers))
    observed = [role_table(outcome)]
    if found.inspected is not None:
        tree, place = found.inspected
        observed.append(spw_table(place, Numbers(tree, "ledger.json")))
    return ReportView(
        observation=outcome.observation,
        finished=outcome.provenance.finished,
        summary=summary(found, steps, numbers),
        stages=steps,
        results=tuple(table for table in results if table.rows),
        fluxes=flux_tables(outcome, numbers),
        flags=flag_tables(outcome, numbers),
        observed=tuple(table for table in observed if table.rows),
        provenance=provenance(found),
        notes=found.notes,
    )
