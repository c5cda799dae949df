"""What reproduces the run: versions, input, parameters, logs, how to cite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from qa.report import links
from qa.report.view import Fact, Link, Provenance
from qa.words import profile_title, step_title, verdict_words

if TYPE_CHECKING:
    from qa.report.reading import Findings
    from schemas.outcome import Outcome
    from schemas.runs import RunNote

CITE = (
    "CASA: The CASA Team et al. 2022, Publications of the Astronomical Society of the Pacific 134, 114501, "
    "doi:10.1088/1538-3873/ac9642.",
    "The recipe follows the e-MERLIN data reduction guide for 3C277.1 (e-MERLIN/JBCA, University of Manchester), "
    "www.e-merlin.ac.uk.",
)
"""How to cite, besides gatecal itself."""

STANDARDS = {
    "Perley-Butler 2013": "Flux density scale: Perley & Butler 2013, Astrophysical Journal Supplement 204, 19.",
    "Perley-Butler 2017": "Flux density scale: Perley & Butler 2017, Astrophysical Journal Supplement 230, 7.",
}
"""The flux density scales' papers."""


def provenance(found: Findings) -> Provenance:
    """Return what reproduces the run."""
    origin = found.outcome.provenance
    return Provenance(
        facts=(
            Fact(term="Input", parts=(str(origin.input),)),
            Fact(term="Fingerprint of the input", parts=(origin.input_fingerprint,)),
            Fact(term="Profile", parts=(profile_title(origin.profile),)),
            Fact(term="Reference antenna, then its fallbacks", parts=(", ".join(origin.refant) or "none chosen yet",)),
            Fact(term="Started", parts=(origin.started,)),
            Fact(term="Finished", parts=(origin.finished,)),
            *((Fact(term="Prefect's id of the run", parts=(origin.flow_run,)),) if origin.flow_run else ()),
        ),
        versions=tuple(Fact(term=name, parts=(version,)) for name, version in origin.versions.items()),
        notes=origin.notes,
        request=found.request or _request(found.outcome),
        logs=links.logs(found.root),
        files=links.existing(
            found.root, "outcome.json", "observation.yaml", "ledger.json", "fluxes.csv", "records", "caltables"
        ),
        cite=(
            f"gatecal {origin.versions.get('gatecal', '')}, with the input's fingerprint above.",
            *CITE,
            *_standard(found.outcome),
        ),
        earlier=tuple(_earlier(run) for run in reversed(found.outcome.earlier_runs)),
    )


def _earlier(run: RunNote) -> Link:
    told = f", from “{step_title(run.from_step)}”" if run.from_step else ""
    came_to = verdict_words(run.verdict).word.lower() if run.verdict else "came to no end"
    return Link(text=f"{run.started:%Y-%m-%d %H:%M} UTC{told}: {came_to}", href=links.web(run.url))


def _standard(outcome: Outcome) -> tuple[str, ...]:
    asked = outcome.provenance.parameters.get("model")
    standard = STANDARDS.get(str(asked.get("standard"))) if isinstance(asked, dict) else None
    return (standard,) if standard else ()


def _request(outcome: Outcome) -> str:
    """Return an observation file made from the outcome, for a workspace that keeps none."""
    origin = outcome.provenance
    content = {
        "name": outcome.observation,
        "data": str(origin.input),
        "profile": origin.profile,
        "recipients": list(origin.recipients),
        "overrides": origin.differences or origin.overrides,
    }
    given = {key: value for key, value in content.items() if value not in ({}, [])}
    return yaml.safe_dump(given, sort_keys=False, allow_unicode=True, width=120)
