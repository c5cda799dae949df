"""A night in one mail: one line per observation, and one per data set that was left in the inbox."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from qa.mail.compose import Composed
from qa.mail.content import again_words, decisive, web_link
from qa.mail.measures import target_lines, with_error
from qa.mail.message import Draft, build, readable
from qa.mail.problems import problems
from qa.mail.render import render
from qa.words import verdict_words
from schemas.mail import one_line
from schemas.service import NoOutcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from qa.mail.problems import Problem
    from schemas.mail import MailSettings
    from schemas.outcome import Outcome
    from schemas.service import Refusal

WORST_FIRST = ("crashed", "missing", "held", "stopped", "warned", "passed")
"""Order of the lines: what needs a person comes first."""

LEFT = {
    "refused": ("stopped", "Refused", "Put it right in the inbox; once changed, it is looked at again."),
    "unreadable": ("stopped", "Unreadable", "Bring it into the inbox again, whole."),
    "not begun": ("warned", "Not begun", "It is tried again each time the inbox is looked into."),
    "no disk": ("warned", "No disk space", "Make room; it is begun the next time the inbox is looked into."),
    "waiting": ("warned", "Still waiting", "Finish the transfer, or take away what is left of it."),
}
"""What is said of a data set that was left in the inbox, by why: colour, word, what to do."""


@dataclass(frozen=True)
class DigestLine:
    """One observation of the night, or one data set that was left in the inbox.

    Attributes
    ----------
    observation
        Its name.
    verdict, word
        The verdict's name (``missing`` where there is no outcome; for its colour), and in words.
    reason
        Why, in a line; empty for a passed one.
    todo
        What to do now.
    numbers
        Targets' peak and noise, calibrators' flux densities.
    link, report
        The run in the Prefect UI, and the report; may be empty.
    """

    observation: str
    verdict: str
    word: str
    reason: str = ""
    todo: str = ""
    numbers: tuple[str, ...] = ()
    link: str = ""
    report: str = ""


def digest_line(entry: Outcome | NoOutcome, settings: MailSettings) -> DigestLine:
    """Return an observation's line; one whose run left no outcome has one too, that says so.

    Parameters
    ----------
    entry
        What it came to.
    settings
        Where reports can be read.
    """
    if isinstance(entry, NoOutcome):
        return _without_outcome(entry)
    found = problems(entry)
    fluxes = "; ".join(
        f"{one_line(name)} {with_error(flux.flux_density_jy, flux.error_jy)} Jy" for name, flux in entry.fluxes.items()
    )
    return DigestLine(
        observation=one_line(entry.observation),
        verdict=entry.verdict,
        word=verdict_words(entry.verdict).word,
        reason="" if entry.verdict == "passed" else decisive(entry, found),
        todo=todo(entry, found),
        numbers=(*(f"{label} {numbers}" for label, numbers in target_lines(entry)), *filter(None, [fluxes])),
        link=web_link((entry.hold.url if entry.hold else "") or entry.provenance.flow_run_url),
        report=web_link(settings.report_url.replace("{observation}", quote(entry.observation, safe=""))),
    )


def todo(outcome: Outcome, found: tuple[Problem, ...]) -> str:
    """Return what to do about an observation."""
    again = again_words(outcome, found)
    advice = next((problem.advice.rstrip(". ") for problem in found if problem.advice), "see its report")
    if outcome.verdict == "held" and outcome.hold is not None:
        return f"Decide in the Prefect UI; without an answer it is stopped at {outcome.hold.until:%Y-%m-%d %H:%M} UTC."
    return {
        "passed": "Nothing.",
        "warned": f"Judge the warnings in its report; where one matters, {again}.",
        "held": f"Decide: let it pass with your name and reason, or {advice[:1].lower()}{advice[1:]} and {again}.",
        "stopped": f"{advice[:1].upper()}{advice[1:]}; then {again}.",
        "crashed": f"{again[:1].upper()}{again[1:]}: what is finished is kept.",
    }[outcome.verdict]


def _without_outcome(entry: NoOutcome) -> DigestLine:
    refused = entry.state == "Refused"
    again = "Put right what it names: changed, it is begun again." if refused else "Run it again from the Prefect UI."
    return DigestLine(
        observation=one_line(entry.observation),
        verdict="missing",
        word=one_line(entry.state) if refused else "No outcome",
        reason=one_line(f"{'' if refused else entry.state + ': '}{entry.reason}").lstrip(": "),
        todo=again,
        link=web_link(entry.link),
    )


def left_line(refusal: Refusal) -> DigestLine:
    """Return the line of a data set that was left in the inbox."""
    colour, word, what = LEFT[refusal.state]
    reason = one_line(refusal.reason)
    return DigestLine(one_line(refusal.entry), colour, word, reason=f"{reason[:1].upper()}{reason[1:]}", todo=what)


def compose_digest(
    entries: Sequence[Outcome | NoOutcome],
    night: str,
    settings: MailSettings,
    recipients: Iterable[str] = (),
    *,
    left: Sequence[Refusal] = (),
    again: str = "",
    for_nobody: bool = False,
) -> Composed | None:
    """Return the digest of a night; None where there is nobody to send it to.

    Parameters
    ----------
    entries
        What each observation came to.
    night
        The night in words, e.g. ``22 November 2026``.
    settings
        Sender, operators, where reports can be read.
    recipients
        Who gets it besides the operators.
    left
        What lay in the inbox and was left there.
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
    counts = Counter(line.word.lower() for line in lines)  # in the order of the lines
    if left:
        counts["left in the inbox"] = len(left)
    summary = "; ".join(f"{count} {word}" for word, count in counts.items()) or "no observation"
    title = f"Night of {one_line(night)}: {summary}"
    not_begun = [left_line(refusal) for refusal in left]
    inboxes = ", ".join(dict.fromkeys(one_line(refusal.inbox) for refusal in left))
    shown = {"night": one_line(night), "summary": summary, "lines": lines, "left": not_begun, "inboxes": inboxes}
    text, html = render("digest", title=title, **shown)
    draft = Draft(
        identity=("digest", night, repr((lines, not_begun)), again),
        subject=title,
        text=text,
        html=html,
        sender=settings.from_address,
        recipients=people,
        created=datetime.now(UTC),
    )
    return Composed(build(draft), tuple(entry.address for entry in people), unreadable)
