"""A night in one mail: one line per observation."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from pydantic import ValidationError

from qa.mail.compose import Composed
from qa.mail.content import decisive, web_link
from qa.mail.measures import target_lines, with_error
from qa.mail.message import Draft, build, readable
from qa.mail.problems import problems
from qa.mail.render import render
from qa.words import verdict_words
from schemas.mail import one_line
from schemas.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from schemas.mail import MailSettings

WORST_FIRST = ("crashed", "missing", "held", "stopped", "warned", "passed")
"""Order of the lines: what needs a person comes first."""


@dataclass(frozen=True)
class DigestLine:
    """One observation of the night.

    Attributes
    ----------
    observation
        Its name.
    verdict, word
        The verdict's name (``missing`` where there is no outcome), and in words.
    reason
        Why, in a line; empty for a passed one.
    numbers
        Targets' peak and noise, calibrators' flux densities.
    link, report
        The run in the Prefect UI, and the report; may be empty.
    """

    observation: str
    verdict: str
    word: str
    reason: str = ""
    numbers: tuple[str, ...] = ()
    link: str = ""
    report: str = ""


def digest_line(entry: Path | Outcome, settings: MailSettings) -> DigestLine:
    """Return an observation's line; a workspace without a readable outcome has one too, that says so.

    Parameters
    ----------
    entry
        The outcome, or the workspace that holds it.
    settings
        Where reports can be read.
    """
    if isinstance(entry, Outcome):
        return _line(entry, settings)
    path = entry / "outcome.json"
    try:
        return _line(Outcome.model_validate_json(path.read_bytes()), settings)
    except (OSError, ValidationError) as error:
        why = "cannot be read" if isinstance(error, ValidationError) else "is not there"
        reason = one_line(f"{path} {why}: the run was ended from outside, or never began.")
        return DigestLine(one_line(entry.name), "missing", "No outcome", reason=reason)


def _line(outcome: Outcome, settings: MailSettings) -> DigestLine:
    fluxes = "; ".join(
        f"{one_line(name)} {with_error(flux.flux_density_jy, flux.error_jy)} Jy"
        for name, flux in outcome.fluxes.items()
    )
    return DigestLine(
        observation=one_line(outcome.observation),
        verdict=outcome.verdict,
        word=verdict_words(outcome.verdict).word,
        reason="" if outcome.verdict == "passed" else decisive(outcome, problems(outcome)),
        numbers=(*(f"{label} {numbers}" for label, numbers in target_lines(outcome)), *filter(None, [fluxes])),
        link=web_link(outcome.provenance.flow_run_url),
        report=web_link(settings.report_url.replace("{observation}", quote(outcome.observation, safe=""))),
    )


def compose_digest(
    entries: Sequence[Path | Outcome],
    night: str,
    settings: MailSettings,
    recipients: Iterable[str] = (),
    *,
    again: str = "",
    for_nobody: bool = False,
) -> Composed | None:
    """Return the digest of a night; None where there is nobody to send it to.

    Parameters
    ----------
    entries
        Outcomes, or workspaces that hold them.
    night
        The night in words, e.g. ``22 November 2026``.
    settings
        Sender, operators, where reports can be read.
    recipients
        Who gets it besides the operators.
    again
        Makes it another mail than the one that was sent before.
    for_nobody
        Make it even where there is nobody to send it to, to look at.
    """
    people, unreadable = readable((*recipients, *settings.operators))
    if not people and not for_nobody:
        return None
    lines = sorted(
        (digest_line(entry, settings) for entry in entries), key=lambda line: WORST_FIRST.index(line.verdict)
    )
    counts = Counter(line.verdict for line in lines)
    words = {line.verdict: line.word for line in lines}
    summary = "; ".join(f"{counts[name]} {words[name].lower()}" for name in WORST_FIRST if name in counts)
    title = f"Night of {one_line(night)}: {summary or 'no observation'}"
    text, html = render("digest", title=title, night=one_line(night), summary=summary or "no observation", lines=lines)
    draft = Draft(
        identity=("digest", night, repr(lines), again),
        subject=title,
        text=text,
        html=html,
        sender=settings.from_address,
        recipients=people,
        created=datetime.now(UTC),
    )
    return Composed(build(draft), tuple(entry.address for entry in people), unreadable)
