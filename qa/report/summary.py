"""The first screen: are the data calibrated, can they be trusted, what happened, what to do now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from qa.report.commands import letting_pass, rerun
from qa.report.gate_tables import findings, nearest
from qa.report.links import link, web
from qa.report.numbers import GIGAHERTZ, SECONDS, Form, Numbers, Part, brightness
from qa.report.pictures import plot_anchor
from qa.report.stages import stage_anchor
from qa.report.tables import bare, beam
from qa.report.view import Command, CrashView, Fact, Finding, Link, Picture, StageView, Summary, TargetFacts
from qa.words import profile_title, role_title, step_title, verdict_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qa.report.reading import Findings
    from schemas.outcome import Outcome
    from schemas.results import ImageSummary

MOST_PICTURES = 4
"""How many plots the first screen shows."""

MJD_EPOCH = datetime(1858, 11, 17, tzinfo=UTC)
"""Modified Julian Date 0."""


def summary(found: Findings, stages: Sequence[StageView], numbers: Numbers) -> Summary:
    """Return the first screen."""
    outcome = found.outcome
    words = verdict_words(outcome.verdict)
    gates = [gate for stage in stages for gate in stage.gates]
    failing = findings(gates)
    quiet = not failing and outcome.verdict == "passed"
    lost = dict.fromkeys(antenna for gate in outcome.gates for antenna in gate.lost_antennas)
    return Summary(
        light=outcome.verdict,
        word=words.word,
        sentence=words.sentence,
        reason=_reason(outcome, failing),
        facts=_facts(found, numbers),
        targets=_targets(outcome, numbers),
        pictures=_pictures(found, stages),
        findings=failing,
        lost=", ".join(lost),
        decisions=tuple(decision.sentence for decision in outcome.decisions),
        question=_question(outcome),
        quiet=quiet,
        close=nearest(outcome.gates, numbers) if quiet else (),
        crash=_crash(outcome),
        advice=_advice(outcome, failing),
        products=_products(found),
        commands=tuple(_commands(found)),
        ui=web(outcome.hold.url if outcome.hold is not None else outcome.provenance.flow_run_url),
    )


def _reason(outcome: Outcome, failing: Sequence[Finding]) -> str:
    """Return the reason, unless it is told in full below."""
    return "" if outcome.crash or any(finding.light == "stopped" for finding in failing) else outcome.reason


def _crash(outcome: Outcome) -> CrashView | None:
    if outcome.crash is None:
        if outcome.verdict != "crashed":
            return None
        return CrashView(where="", anchor="", message=outcome.reason, log_tail="")
    crash = outcome.crash
    return CrashView(
        where=step_title(crash.step) if crash.step else "",
        anchor=stage_anchor(crash.step) if crash.step else "",
        message=f"{crash.message} ({crash.error})",
        log_tail=crash.log_tail,
    )


def _facts(found: Findings, numbers: Numbers) -> tuple[Fact, ...]:
    outcome = found.outcome
    started = outcome.provenance.started
    facts = [Fact(term="Observatory", parts=(profile_title(outcome.provenance.profile),))]
    if found.inspected is not None:
        facts = _observed(*found.inspected)
    parts: tuple[Part, ...] = (f"{started[:16].replace('T', ' ')} UTC",)
    if outcome.steps:
        places = [("steps", place, "seconds") for place in range(len(outcome.steps))]
        parts = (*parts, ", in ", numbers.total(places, SECONDS))
    return (*facts, Fact(term="This run", parts=parts))


def _observed(tree: dict[str, object], place: tuple[str | int, ...]) -> list[Fact]:
    """Return telescope, time, antennas and frequencies, from the ledger's record of the inspection."""
    ledger = Numbers(tree, "ledger.json")
    data = ledger.value(*place)
    facts = [Fact(term="Telescope", parts=(str(data["telescope"]),))]
    if data["scans"]:
        times = [
            MJD_EPOCH + timedelta(seconds=moment)
            for moment in (data["scans"][0]["start_s"], max(scan["stop_s"] for scan in data["scans"]))
        ]
        facts.append(Fact(term="Observed", parts=(f"{times[0]:%Y-%m-%d %H:%M} to {_end(*times)} UTC",)))
    antennas = [antenna["name"] for antenna in data["antennas"] if antenna["has_data"]]
    longest = ledger.at(*place, "longest_baseline_m", form=Form("km", 1e-3, digits=3))
    facts.append(Fact(term="Antennas", parts=(", ".join(antennas), "; longest baseline ", longest)))
    if data["spws"]:
        first = ledger.at(*place, "spws", 0, "centre_hz", form=GIGAHERTZ)
        last = ledger.at(*place, "spws", len(data["spws"]) - 1, "centre_hz", form=GIGAHERTZ)
        parts: tuple[Part, ...] = (first,) if len(data["spws"]) == 1 else (bare(first), " to ", last)
        facts.append(Fact(term="Frequency", parts=parts))
    return facts


def _end(start: datetime, stop: datetime) -> str:
    return f"{stop:%H:%M}" if start.date() == stop.date() else f"{stop:%Y-%m-%d %H:%M}"


def _targets(outcome: Outcome, numbers: Numbers) -> tuple[TargetFacts, ...]:
    roles = {decision.field: decision.role for decision in outcome.provenance.roles}
    places = sorted(range(len(outcome.images)), key=lambda p: roles.get(outcome.images[p].field) != "target")
    return tuple(_target(place, outcome.images[place], roles, numbers) for place in places)


def _target(place: int, image: ImageSummary, roles: Mapping[str, str], numbers: Numbers) -> TargetFacts:
    where = ("images", place)
    noise = brightness(image.noise_jy_beam)._replace(digits=3)
    return TargetFacts(
        title=f"{role_title(roles.get(image.field, ''))} {image.field}".strip(),
        facts=(
            Fact(term="peak", parts=(numbers.at(*where, "peak_jy_beam", form=brightness(image.peak_jy_beam)),)),
            Fact(term="noise", parts=(numbers.at(*where, "noise_jy_beam", form=noise),)),
            Fact(term="dynamic range", parts=(numbers.at(*where, "dynamic_range", form=Form(digits=3)),)),
            Fact(term="beam", parts=beam(place, image, numbers)),
        ),
    )


def _question(outcome: Outcome) -> str:
    if outcome.hold is None:
        return ""
    until = f"{outcome.hold.until:%Y-%m-%d %H:%M} UTC"
    refused = f" The last answer was refused: {outcome.hold.refused}." if outcome.hold.refused else ""
    return f"{outcome.hold.question}{refused} Without an answer the run is stopped at {until}."


def _pictures(found: Findings, stages: Sequence[StageView]) -> tuple[Picture, ...]:
    """Return the decisive plots, images first, the target's before all."""
    decisive = [plot for plot in found.plots if plot.decisive]
    drawn = {picture.anchor: picture for stage in stages for picture in stage.drawn}
    ordered = sorted(decisive, key=lambda plot: plot.step != "image")
    chosen = [drawn[plot_anchor(plot)] for plot in ordered if plot_anchor(plot) in drawn]
    return tuple(picture.evolve(anchor=f"summary-{picture.anchor}", caption="") for picture in chosen[:MOST_PICTURES])


def _advice(outcome: Outcome, failing: Sequence[Finding]) -> tuple[str, ...]:
    if outcome.verdict == "crashed":
        return (
            "Everything that was finished is kept: the same command goes on from there. "
            "If it ends in the same place again, send this report to the person who looks after the pipeline.",
        )
    if outcome.verdict in {"stopped", "held"}:
        tries = dict.fromkeys(finding.check.advice for finding in failing if finding.light == "stopped")
        return (*filter(None, tries), "Then run again; stages before the one that stopped are reused.")
    if outcome.verdict == "warned":
        return ("Look at the warnings below, worst places first; then use the calibrated data, or run again.",)
    return ("Look at the first image and the calibrated phase reference, then use the calibrated data.",)


def _products(found: Findings) -> tuple[Link, ...]:
    outcome = found.outcome
    if outcome.verdict not in {"passed", "warned"}:
        return ()
    calibrated = ((name, path) for name, path in outcome.products.items() if path.suffix == ".ms")
    return tuple(link(f"{name}: {path}", path) for name, path in calibrated)


def _commands(found: Findings) -> list[Command]:
    outcome, root = found.outcome, found.root
    stopping = [gate for gate in outcome.gates if gate.stops]
    if outcome.crash is not None or outcome.verdict == "crashed":
        step = outcome.crash.step if outcome.crash is not None else ""
        return [rerun(root, step, "run-again", "Run again:" if not step else "")]
    if not stopping:
        warned = [gate.step for gate in outcome.gates if gate.verdict == "warned"]
        lead = "To change something and run again (give --set NAME=VALUE; names are in the tables of parameters):"
        return [rerun(root, warned[0] if warned else "flag", "run-again", lead)]
    if outcome.go_on:
        ways = enumerate(outcome.go_on)
        return [
            Command(anchor=f"go-on-{place}", lead="From the command line:" if not place else "Or:", text=text)
            for place, text in ways
        ]
    commands = [rerun(root, stopping[0].step, "run-again")]
    waived = letting_pass(root, stopping)
    return [*commands, *([waived] if waived else [])]
