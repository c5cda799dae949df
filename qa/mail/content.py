"""What a run's mail says, as plain text ready to be laid out; nothing is computed in templates."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from qa.mail.measures import Rows, flux_rows, image_rows, target_lines, targets_of, trust_rows
from qa.mail.problems import Problem, problems
from qa.words import gate_title, profile_title, step_title, verdict_words
from schemas.holds import UNANSWERED
from schemas.mail import one_line
from schemas.observation import rerun_command

if TYPE_CHECKING:
    from pathlib import Path

    from schemas.mail import MailSettings
    from schemas.outcome import Outcome

MOST_PROBLEMS = 6
"""How many problems the mail spells out; the report has all."""

LOG_LINES = 40
"""How much of a log's end goes into a mail about a crash [lines]."""

LOG_WIDTH = 400
"""Where a line of a log is cut [characters]."""

SUBJECT_LENGTH = 150
"""Where a subject is cut [characters]; phones show about 40, lists of mails 70 to 100."""


@dataclass(frozen=True)
class CrashContent:
    """What crashed.

    Attributes
    ----------
    step
        The step's title; empty if none had begun.
    error, message
        The kind of error, and what happened.
    log
        The end of CASA's log.
    """

    step: str
    error: str
    message: str
    log: tuple[str, ...]

    @property
    def rows(self) -> Rows:
        """The crash as labels and texts."""
        rows = (("While", self.step), ("What", self.message), ("Error", self.error))
        return tuple((label, text) for label, text in rows if text)


@dataclass(frozen=True)
class MailContent:
    """A mail about one run.

    Attributes
    ----------
    subject
        Its subject.
    observation, verdict
        The observation, and the verdict's name (for its colour).
    word, sentence, decisive
        The verdict in words, what it means for the data, and why in a line (not for a passed run).
    problems, more_problems
        What stopped or warned, and how many more there are.
    crash
        What crashed, if something did.
    images
        First images: label and numbers.
    fluxes
        Flux densities: calibrator and numbers.
    decisions
        Who decided what at which gate, and why.
    trust
        What says how far the data can be trusted.
    now, todo
        What to do now, in a line and in sentences.
    commands
        What a command does, and its words: above all the one that runs it again from there.
    link, link_label
        Where the run stands in the Prefect UI, and what can be done there; may be empty.
    report_note
        Where the report is: attached, a link's text, or why there is none.
    report_link
        Where it can be read; may be empty.
    run
        When, what and with which versions.
    """

    subject: str
    observation: str
    verdict: str
    word: str
    sentence: str
    decisive: str
    problems: tuple[Problem, ...]
    more_problems: int
    crash: CrashContent | None
    images: Rows
    fluxes: Rows
    decisions: Rows
    trust: Rows
    now: str
    todo: tuple[str, ...]
    commands: tuple[tuple[str, tuple[str, ...]], ...]
    link: str
    link_label: str
    report_note: str
    report_link: str
    run: Rows


def content(outcome: Outcome, root: Path, settings: MailSettings) -> MailContent:
    """Return what the mail about a run says.

    Parameters
    ----------
    outcome
        What the run came to.
    root
        The observation's workspace, absolute.
    settings
        Decide whether the report is attached, and where it can be read.
    """
    found = problems(outcome)
    words = verdict_words(outcome.verdict)
    crash = _crash(outcome)
    note, link = report_place(outcome, root, settings)
    return MailContent(
        subject=subject(outcome, found),
        observation=one_line(outcome.observation),
        verdict=outcome.verdict,
        word=words.word,
        sentence=words.sentence,
        decisive="" if outcome.verdict == "passed" else decisive(outcome, found),
        problems=found[:MOST_PROBLEMS],
        more_problems=max(0, len(found) - MOST_PROBLEMS),
        crash=crash,
        images=image_rows(outcome),
        fluxes=flux_rows(outcome),
        decisions=_decisions(outcome),
        trust=trust_rows(outcome),
        now=_now(outcome, found),
        todo=_todo(outcome, root),
        commands=commands(outcome, root, found),
        link=web_link((outcome.hold.url if outcome.hold else "") or outcome.provenance.flow_run_url),
        link_label="Decide in the Prefect UI"
        if _waits(outcome)
        else "See this run, or run it again, in the Prefect UI",
        report_note=note,
        report_link=link,
        run=_run(outcome, root),
    )


def subject(outcome: Outcome, found: tuple[Problem, ...]) -> str:
    """Return the subject: observation, verdict, and the decisive reason or the target's noise."""
    words = verdict_words(outcome.verdict).word.lower()
    why = decisive(outcome, found)
    return _cut(f"{one_line(outcome.observation)}: {words}. {why[:1].upper()}{why[1:]}".rstrip(". "), SUBJECT_LENGTH)


def decisive(outcome: Outcome, found: tuple[Problem, ...]) -> str:
    """Return in a line why the run came to its verdict; of a passed one, what the target looks like."""
    if outcome.verdict == "crashed":
        crash = _crash(outcome)
        where = f"{crash.step}: " if crash and crash.step else ""
        return f"{where}{crash.message if crash else ''}"
    if outcome.verdict == "passed" or not found:
        return "; ".join(f"{label} {numbers}" for label, numbers in target_lines(outcome)[:2])
    others = f", and {len(found) - 1} more" if len(found) > 1 else ""
    return f"{found[0].short}{others}"


def report_place(outcome: Outcome, root: Path, settings: MailSettings) -> tuple[str, str]:
    """Return where the report is, in words, and its address if it has one."""
    path = root / "report.html"
    link = web_link(settings.report_url.replace("{observation}", quote(outcome.observation, safe="")))
    if not path.is_file():
        return f"There is no report: {path} was not written.", ""
    megabytes = path.stat().st_size / 1e6
    if megabytes <= settings.attach_mb:
        return "The whole report is attached; open it in a browser.", link
    where = "at the address below" if link else f"at {path}"
    return f"The report is too large to attach ({megabytes:.1f} MB); it is {where}.", link


def web_link(address: str) -> str:
    """Return an address if it is one of the web, else nothing: a mail must not carry other schemes."""
    clean = one_line(address)
    return clean if clean.startswith(("https://", "http://")) and " " not in clean else ""


def rerun_words(outcome: Outcome, root: Path, found: tuple[Problem, ...]) -> tuple[str, ...]:
    """Return the command that runs the observation again from where it went wrong, word by word, quoted."""
    first = wrong_step(outcome, found)
    again = ("--from", first) if first else ()
    words = rerun_command(root, *again)
    return tuple(shlex.quote(word) for word in words)


def wrong_step(outcome: Outcome, found: tuple[Problem, ...]) -> str:
    """Return the step that went wrong: where it crashed, else the first that stopped, else the first that warned."""
    return outcome.crash.step if outcome.crash else next((problem.step for problem in found), "")


def again_words(outcome: Outcome, found: tuple[Problem, ...]) -> str:
    """Return the advice to run an observation again, from the step that went wrong."""
    step = step_title(wrong_step(outcome, found))
    return f"run it again from there ({step})" if step else "run it again"


def commands(outcome: Outcome, root: Path, found: tuple[Problem, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the commands by which it goes on; none while a question waits in Prefect, which locks the workspace."""
    if _waits(outcome):
        return ()
    if outcome.verdict == "held" and outcome.go_on:
        labels = ("To repair it and run it again from there:", "To let it pass, with your name and reason:")
        # A blank inside of quotes is a blank of the joined text all the same.
        given = zip(labels, outcome.go_on, strict=False)
        return tuple((label, tuple(one_line(command).split(" "))) for label, command in given)
    step = wrong_step(outcome, found)
    label = "To run it again with other parameters, add --set NAME=VALUE; only what that changes is done again:"
    return (
        (f"To run it again from there ({step_title(step)}):" if step else label, rerun_words(outcome, root, found)),
    )


def _waits(outcome: Outcome) -> bool:
    """Tell whether a question waits in Prefect."""
    return outcome.verdict == "held" and outcome.hold is not None


def _decisions(outcome: Outcome) -> Rows:
    done = {"continue": "go on", "retry": "try again with other parameters", "stop": "stop"}
    rows = [
        (gate_title(entry.gate), one_line(f"{entry.decided_by} decided to {done[entry.action]}: {entry.reason}"))
        for entry in outcome.decisions
    ]
    unanswered = outcome.reason.partition(UNANSWERED)[2] if outcome.verdict == "stopped" else ""
    if outcome.hold is not None and unanswered:
        rows.append((gate_title(outcome.hold.gate), one_line(f"Held for a decision, then stopped: {unanswered}")))
    return tuple(rows)


def _crash(outcome: Outcome) -> CrashContent | None:
    if outcome.verdict != "crashed":
        return None
    if outcome.crash is None:
        return CrashContent("", "", one_line(outcome.reason) or "no reason was given", ())
    crash = outcome.crash
    lines = crash.log_tail.splitlines()[-LOG_LINES:]
    # Line by line: a log may hold anything, and its own line breaks are the only ones to keep.
    log = tuple(_cut(_printable(line), LOG_WIDTH) for line in lines)
    return CrashContent(step_title(crash.step), one_line(crash.error), one_line(crash.message), log)


def _printable(line: str) -> str:
    return "".join(character if character.isprintable() else " " for character in line).rstrip()


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def _now(outcome: Outcome, found: tuple[Problem, ...]) -> str:
    """Return in a line what to do now."""
    again = again_words(outcome, found)
    if outcome.verdict == "crashed":
        return f"Now: {again}; the command is below."
    if outcome.verdict == "held":
        return "Now: decide whether it goes on; how is said below."
    if outcome.verdict == "stopped":
        return f"Now: see below what to try, then {again}."
    if outcome.verdict == "warned":
        return f"Now: judge what is listed below; where it matters, {again}."
    return "Now: nothing has to be done; where the calibrated data are is said below."


def _todo(outcome: Outcome, root: Path) -> tuple[str, ...]:
    """Return what to do now, by verdict."""
    if outcome.verdict == "crashed":
        return (
            "Run it again with the command below: steps that finished are kept.",
            f"If it ends in the same way, the operators need this mail and the logs in {root / 'logs'}.",
        )
    if outcome.verdict in {"passed", "warned"}:
        data = tuple(
            f"The calibrated data of {one_line(field)}: {root / outcome.products[field]}"
            for field in targets_of(outcome)
            if field in outcome.products
        )
        judge = ("Judge the warnings; where one matters, try what it says and run again from there.",)
        return (*(judge if outcome.verdict == "warned" else ()), *data)
    repair = "Try what is said above, with its --set added to the command below: it runs again from there."
    if outcome.verdict == "held" and outcome.hold is not None:
        until = f"{outcome.hold.until:%Y-%m-%d %H:%M} UTC"
        return (
            "Decide in the Prefect UI: continue, try again with other parameters, or stop.",
            f"Without an answer the run is stopped at {until}.",
        )
    if outcome.verdict == "held":
        return ("Decide: repair it and run it again from there, or let it pass with your name and reason.",)
    return (repair, "The input and all steps before it are untouched.")


def _run(outcome: Outcome, root: Path) -> Rows:
    made = outcome.provenance
    versions = ", ".join(
        f"{title} {made.versions[name]}"
        for name, title in (("gatecal", "gatecal"), ("casatasks", "CASA"))
        if name in made.versions
    )
    changed = ", ".join(f"{name} = {value}" for name, value in made.overrides.items())
    rows = (
        ("Started, finished", f"{_moment(made.started)} to {_moment(made.finished)} UTC"),
        ("Input", str(made.input)),
        ("Workspace", str(root)),
        ("Profile", profile_title(made.profile)),
        ("Differs from it", one_line(changed)),
        ("Made by", versions),
    )
    return tuple((label, one_line(text)) for label, text in rows if text)


def _moment(text: str) -> str:
    """Return an ISO 8601 time as date and time to the minute."""
    return one_line(text)[:16].replace("T", " ")
