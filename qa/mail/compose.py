"""Makes the mail about one run from its outcome and workspace."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from qa.mail.content import content, wrong_step
from qa.mail.message import Draft, build, content_id, message_id, readable
from qa.mail.plots import inline_plots
from qa.mail.problems import problems
from qa.mail.render import render
from qa.mail.thread import read_thread

if TYPE_CHECKING:
    from email.message import EmailMessage
    from pathlib import Path

    from schemas.mail import MailAddress, MailSettings
    from schemas.outcome import Outcome

FOR_OPERATORS = {"stopped", "held", "crashed"}
"""Verdicts of which the operators hear too."""


@dataclass(frozen=True)
class Composed:
    """A mail ready to be sent.

    Attributes
    ----------
    message
        The mail.
    addresses
        To whom it goes.
    unreadable
        Recipients that are not mail addresses, and why.
    """

    message: EmailMessage
    addresses: tuple[str, ...]
    unreadable: dict[str, str]


def compose(
    outcome: Outcome, root: Path, settings: MailSettings, *, again: str = "", for_nobody: bool = False
) -> Composed | None:
    """Return the mail about a run; None where there is nobody to send it to.

    Parameters
    ----------
    outcome
        What the run came to.
    root
        Its workspace, absolute.
    settings
        Sender, operators, where reports can be read.
    again
        Makes it another mail than the one that was sent at the end of the run.
    for_nobody
        Make it even where there is nobody to send it to, to look at.
    """
    recipients, copies, unreadable = _whom(outcome, settings)
    if not recipients and not for_nobody:
        return None
    sender, thread = settings.from_address, read_thread(root)
    identity = _identity(outcome, root, again)
    if thread is not None and thread.first == message_id(identity, sender):
        thread = None  # this is the first mail, made once more
    found = problems(outcome)
    says = content(outcome, root, settings)
    plots = inline_plots(root, wrong_step(outcome, found))
    shown = [plot.model_dump(exclude={"picture"}) | {"cid": content_id(plot.name, sender)} for plot in plots]
    text, html = render("outcome", mail=says, plots=shown)
    draft = Draft(
        identity=identity,
        subject=says.subject,
        text=text,
        html=html,
        sender=sender,
        recipients=recipients,
        copies=copies,
        reply_to=readable(settings.operators)[0],
        created=datetime.now(UTC),
        plots=plots,
        attachment=_attached(root, settings),
        attachment_name=f"{says.observation}-report.html",
        thread=thread,
    )
    return Composed(build(draft), tuple(entry.address for entry in (*recipients, *copies)), unreadable)


def _whom(
    outcome: Outcome, settings: MailSettings
) -> tuple[tuple[MailAddress, ...], tuple[MailAddress, ...], dict[str, str]]:
    """Return to whom, to whom for information, and which recipients cannot be read."""
    recipients, unreadable = readable(outcome.provenance.recipients)
    operators, _ = readable(settings.operators if outcome.verdict in FOR_OPERATORS else ())
    known = {entry.address for entry in recipients}
    copies = tuple(entry for entry in operators if entry.address not in known)
    return (recipients, copies, unreadable) if recipients else (copies, (), unreadable)


def _identity(outcome: Outcome, root: Path, again: str) -> tuple[str, ...]:
    """Return what makes the mail this one: a run that was killed after its mail and resumed is not mailed again."""
    made = outcome.provenance
    once = bool(made.flow_run) and outcome.verdict != "crashed"
    end = (outcome.reason, outcome.hold.key if outcome.hold else "") if once else (made.started, made.finished)
    return (outcome.observation, str(root), made.flow_run, outcome.verdict, *end, again)


def _attached(root: Path, settings: MailSettings) -> Path | None:
    report = root / "report.html"
    small = report.is_file() and report.stat().st_size <= settings.attach_mb * 1e6
    return report if small else None
