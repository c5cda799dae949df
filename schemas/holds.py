"""Holds: the question a gate asks a person, the answer's form, the decision that is kept."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field, JsonValue

from schemas.errors import ConfigurationError
from schemas.gates import Check
from schemas.profiles import parse_assignment
from schemas.record import Record
from schemas.steps import Step

HoldAction = Literal["continue", "retry", "stop"]
"""What a person can decide."""

NOT_BLANK = r"\S"

UNANSWERED = "It was held and is stopped: "
"""What stands before the reason in the outcome of a run whose hold ended without an answer."""


class Answer(Record):
    """What the form of a held run asks. Nothing that decides has a default: an empty answer would be taken for one."""

    action: HoldAction = Field(title="Decision")
    """**continue**: the failed checks of this gate pass, with your name and reason. **retry**: the run goes on with the
    parameters below, from the first step they change. **stop**: the run ends as stopped."""
    decided_by: str = Field(title="Your name", min_length=2, max_length=200, pattern=NOT_BLANK)
    """Who decides; stands in the outcome, the report and the mail."""
    reason: str = Field(title="Reason", min_length=3, max_length=2000, pattern=NOT_BLANK)
    """Why; stands there too."""
    overrides: str = Field(default="", title="Parameters for retry", max_length=10000)
    """For *retry* only: one NAME=VALUE per line, e.g. `delay.solint=300s`."""

    def assignments(self) -> dict[str, Any]:
        """Return the parameters by dotted name.

        Raises
        ------
        ConfigurationError
            A line is not NAME=VALUE.
        """
        lines = (line.strip() for line in self.overrides.replace(";", "\n").splitlines())
        return dict(parse_assignment(line) for line in lines if line)


class Hold(Record):
    """A question to a person, and the lock on the workspace until it is answered: ``hold.json``."""

    observation: str
    """The observation's name."""
    flow_run: str
    """Prefect's id of the run that waits."""
    key: str
    """Under which Prefect keeps the form and the answer; another for each question."""
    gate: str
    """The gate that holds."""
    suite: str
    """Its suite of bounds."""
    step: Step
    """The step after which it stands."""
    question: str
    """What is asked, in a sentence."""
    checks: tuple[Check, ...] = ()
    """The failed checks."""
    refused: str = ""
    """Why the last answer was refused; empty for a first question."""
    basis: str
    """Hash of all that the question rests on: input, parameters up to the step, the gate's bounds."""
    since: datetime
    """When it was asked (UTC)."""
    until: datetime
    """When the run is stopped for want of an answer (UTC)."""
    url: str = ""
    """Address of the run in the Prefect UI, where the form is."""
    api: str = ""
    """Address of the Prefect API that knows the run."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """The failed checks' metrics."""
        return tuple(dict.fromkeys(check.metric for check in self.checks))

    @property
    def unmeasured(self) -> tuple[str, ...]:
        """Metrics without a number: an override is a decision about a number, so they cannot be let pass."""
        return tuple(dict.fromkeys(check.metric for check in self.checks if check.observed is None))

    def expired(self) -> bool:
        """Tell whether the time for an answer is over."""
        return datetime.now(UTC) >= self.until


class Decision(Record):
    """What a person decided at a hold: one entry of ``decisions.json``, of the outcome and of the report."""

    gate: str
    """The gate that held."""
    suite: str
    """Its suite of bounds."""
    step: Step
    """The step after which it stands."""
    question: str
    """What was asked."""
    action: HoldAction
    """What was decided."""
    decided_by: str
    """Who."""
    reason: str
    """Why."""
    metrics: tuple[str, ...] = ()
    """For continue: the metrics that were let pass."""
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    """For retry: parameters by dotted name."""
    when: datetime
    """When the answer was taken up (UTC)."""
    flow_run: str
    """Prefect's id of the run."""
    key: str
    """The question's key."""
    basis: str
    """As in the hold: the decision stands as long as nothing it rested on has changed."""
    spent: bool = False
    """For stop: the run has been stopped; a later run is not bound by it."""

    @property
    def sentence(self) -> str:
        """The decision in words, for people."""
        words = {"continue": "continue", "retry": "retry with other parameters", "stop": "stop"}[self.action]
        return f"gate {self.gate}: {self.decided_by} decided to {words}: {self.reason}"


class Decisions(Record):
    """All decisions on one observation, in order."""

    decisions: tuple[Decision, ...] = ()
    """Oldest first."""


def decision_of(hold: Hold, answer: Answer) -> Decision:
    """Return the decision an answer makes.

    Raises
    ------
    ConfigurationError
        The answer does not decide the question; says why and what would.
    """
    parameters = answer.assignments()
    if answer.action == "retry" and not parameters:
        raise ConfigurationError("retry needs parameters, one NAME=VALUE per line, e.g. delay.solint=300s")
    if answer.action != "retry" and parameters:
        raise ConfigurationError(f"parameters are given, but the decision is {answer.action}; with them it is retry")
    if answer.action == "continue" and hold.unmeasured:
        names = ", ".join(hold.unmeasured)
        raise ConfigurationError(f"there is no number for {names}, and only a number can be let pass; retry or stop")
    return Decision(
        gate=hold.gate,
        suite=hold.suite,
        step=hold.step,
        question=hold.question,
        action=answer.action,
        decided_by=answer.decided_by.strip(),
        reason=answer.reason.strip(),
        metrics=hold.metrics if answer.action == "continue" else (),
        parameters=parameters,
        when=datetime.now(UTC),
        flow_run=hold.flow_run,
        key=hold.key,
        basis=hold.basis,
    )
