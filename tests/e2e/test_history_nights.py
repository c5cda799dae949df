"""Forty nights in one history, five of them real runs: a slow drift, and a jump on the last night, by name and date."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from flows.history import history_url, record_run
from qa.history.database import open_history
from qa.history.nights import Trends, trends_of
from qa.history.writing import moment, summary_beside
from schemas.outcome import Outcome
from schemas.plots import PlotIndex
from tasks.simulate.schedule import STELLAR_DAY_S
from tests.e2e.running import QUICK, checks, gate

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from schemas.inspection import MsSummary

pytestmark = [pytest.mark.casa, pytest.mark.slow]

FIRST = date(2015, 5, 5)
NIGHTS = 40
REAL = (0, 10, 20, 30, 39)
DRIFTING, DRIFT_NS = "Kn", 0.02
"""Its delay grows by so much a night [ns]."""
JUMPED, JUMP_NS = "Da", 4.0
"""Its delay is other by so much on the last night [ns]: a third more than the bound."""
QUIET = ("De", "Pi", "Cm")
NOISE_NS = 0.02
"""What the made-up nights scatter by [ns]: about what the real ones do."""


@dataclass(frozen=True)
class Season:
    """The real runs' workspaces by night, and the trends of the last night's report."""

    roots: dict[int, Path]
    trends: Trends


def night_of(number: int) -> date:
    return FIRST + timedelta(days=number)


def name_of(number: int) -> str:
    return f"night-{night_of(number)}"


def faults_of(number: int) -> list[str]:
    """Return what a real night's delays have that the first night's have not."""
    found = [f"delay_jump:antenna={DRIFTING},ns={DRIFT_NS * number:.2f},at=0"] if number else []
    return [*found, f"delay_jump:antenna={JUMPED},ns={JUMP_NS},at=0"] if number == NIGHTS - 1 else found


def made_up(number: int, like: Outcome, summary: MsSummary) -> tuple[Outcome, MsSummary]:
    """Return a night as a run would leave it: a real one's, at its own time, with drift and noise."""
    random = np.random.default_rng(number)
    reference = like.provenance.refant[0]
    delays = tuple(
        entry.evolve(
            median_ns=entry.median_ns
            + (DRIFT_NS * number if entry.antenna == DRIFTING else 0.0)
            + (0.0 if entry.antenna == reference else random.normal(0.0, NOISE_NS))
        )
        for entry in like.delays
    )
    origin = like.provenance.evolve(input_fingerprint=f"made up {number}", flow_run=f"made up {number}")
    shift = number * STELLAR_DAY_S
    scans = tuple(scan.evolve(start_s=scan.start_s + shift, stop_s=scan.stop_s + shift) for scan in summary.scans)
    return like.evolve(observation=name_of(number), delays=delays, provenance=origin), summary.evolve(scans=scans)


def outcome_of(root: Path) -> Outcome:
    return Outcome.model_validate_json((root / "outcome.json").read_bytes())


@pytest.fixture(scope="module")
def season(emerlin, simulated, gatecal, tmp_path_factory) -> Season:
    """All nights: the session's run as the first, the made-up ones after its likeness, then the other real ones.

    So every real night but the first finds later nights in the history that were processed before it.
    """
    workspaces = tmp_path_factory.mktemp("season")
    like = outcome_of(emerlin.root)
    summary = summary_beside(emerlin.root / "outcome.json", like.provenance.input_fingerprint)
    assert summary is not None
    record_run(like, summary, workspaces)
    for number in sorted({*range(NIGHTS)} - {*REAL}):
        record_run(*made_up(number, like, summary), workspaces)
    roots = {REAL[0]: emerlin.root}
    for number in REAL[1:]:
        observation = simulated(name_of(number), *faults_of(number), night=night_of(number))
        ran = gatecal("calibrate", observation, "--workspace", workspaces, *QUICK, "--set", "trial.enabled=false")
        assert ran.code == 0, ran.output
        roots[number] = workspaces / name_of(number)
    last = outcome_of(roots[REAL[-1]])
    database = open_history(history_url(workspaces))
    trends = trends_of(database, last.observation, moment(last.provenance.started), last.provenance.flow_run)
    assert trends is not None
    return Season(roots, trends)


def compared(season: Season, number: int) -> dict:
    """Return the delay gate's comparison with earlier nights of a real run."""
    return next(check for check in gate(season.roots[number], "delay")["checks"] if check["metric"] == "delay_history")


def nightly(trends: Trends, antenna: str) -> pd.Series:
    """Return an antenna's delay by night, the median of its spectral windows and hands [ns]."""
    own = trends.delays[trends.delays["antenna"].eq(antenna)]
    return own.groupby("night")["delay_ns"].median()


def test_the_first_night_has_nothing_to_compare_with(season):
    check = compared(season, 0)
    assert (check["verdict"], check["reason"]) == ("not applicable", "too little history")


@pytest.mark.parametrize("number", REAL[1:-1])
def test_a_night_before_the_jump_agrees_with_those_before_it_and_is_not_compared_with_later_ones(season, number):
    check = compared(season, number)
    assert check["verdict"] == "passed"
    # The median of the ten nights before is five and a half nights of drift away; of the season's last ten, much more.
    assert DRIFTING in check["where"]
    assert check["observed"] == pytest.approx(5.5 * DRIFT_NS, abs=4 * NOISE_NS)
    assert gate(season.roots[number], "delay")["verdict"] == "passed"


def test_the_jump_warns_and_is_named_with_its_antenna_and_night_and_no_other_antenna(season):
    check = compared(season, REAL[-1])
    assert check["verdict"] == "warned"
    assert check["observed"] == pytest.approx(JUMP_NS, abs=0.2)
    before = f"the median of 10 nights, {night_of(NIGHTS - 11)} to {night_of(NIGHTS - 2)}"
    assert check["reason"] == f"night {night_of(REAL[-1])} against {before}"
    assert {failure["place"]["antenna"] for failure in check["failures"]} == {JUMPED}
    assert check["failed"] == 4 * 2  # spectral windows and hands
    assert JUMPED in check["where"]
    warned = checks(gate(season.roots[REAL[-1]], "delay"), "warned")
    assert [entry["metric"] for entry in warned] == ["delay_history"]
    assert outcome_of(season.roots[REAL[-1]]).verdict == "warned"


def test_the_trend_has_forty_nights_in_the_order_of_observation(season):
    nights = [str(night_of(number)) for number in range(NIGHTS)]
    for antenna in (DRIFTING, JUMPED, *QUIET):
        assert list(nightly(season.trends, antenna).index) == nights


def test_the_trend_shows_the_drift_and_the_jump_and_quiet_antennas_quiet(season):
    drift = np.polyfit(range(NIGHTS), nightly(season.trends, DRIFTING), 1)[0]
    assert drift == pytest.approx(DRIFT_NS, rel=0.1)
    jumped = nightly(season.trends, JUMPED)
    assert jumped.iloc[-1] - jumped.iloc[:-1].median() == pytest.approx(JUMP_NS, abs=0.1)
    for series in (jumped.iloc[:-1], *(nightly(season.trends, antenna) for antenna in QUIET)):
        assert np.ptp(series) < 0.1


def test_the_report_shows_the_trend_with_the_jump_dated_and_no_other_antenna_named(season):
    root = season.roots[REAL[-1]]
    index = PlotIndex.model_validate_json((root / "plots" / "history.json").read_bytes())
    trend = next(plot for plot in index.plots if plot.name == "trend_delay")
    jump = f"Not as before: {JUMPED} from {night_of(REAL[-1])}."
    assert trend.alternative.endswith(f"{NIGHTS} nights from {FIRST} to {night_of(REAL[-1])}. {jump}")
    page = (root / "report.html").read_text(encoding="utf-8")
    figure = re.search(r'<figure id="plot-trend_delay">.*?</figure>', page, re.DOTALL)
    assert figure is not None
    assert 'src="data:image/png;base64,' in figure[0]
    assert jump in html.unescape(figure[0])


def test_the_trend_is_seen_in_a_browser_and_kept_as_a_picture(season, chromium, artifacts):
    page = chromium.new_page(viewport={"width": 1280, "height": 860})
    page.goto((season.roots[REAL[-1]] / "report.html").as_uri())
    page.evaluate("document.querySelectorAll('details').forEach((node) => { node.open = true; })")
    figure = page.locator("#plot-trend_delay")
    assert figure.locator("img").evaluate("image => image.naturalWidth") > 900
    figure.locator("button").click()
    figure.screenshot(path=artifacts / "trend-delay.png")
    page.close()


def test_an_earlier_report_knows_of_no_jump(season):
    page = (season.roots[REAL[-2]] / "report.html").read_text(encoding="utf-8")
    assert "All as before." in page
    assert "Not as before" not in page
