"""The whole page: every number is the outcome's, whatever the run came to, and nothing hostile gets through."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import UTC, datetime

import pytest

from qa import words
from qa.report import write_report
from schemas.errors import ConfigurationError
from schemas.gates import Override
from schemas.holds import Decision, Hold
from schemas.outcome import FieldFlux
from schemas.parameters import Parameters
from schemas.profiles import names, parameters, parse_assignment
from schemas.runs import RunNote
from tests.unit.qa.report import made_up
from tests.unit.qa.report.page import parse, stray_digits, wrong_numbers

HOSTILE = "<script>alert(1)</script>\"'\n\r--><img src=x onerror=alert(1)>"

RUNS = {
    "passed": made_up.outcome(),
    "warned": made_up.outcome("warned", gates=(made_up.gate("warned", made_up.failed_check("warned")),)),
    "stopped": made_up.stopped(),
    "held": made_up.stopped().evolve(verdict="held"),
    "crashed": made_up.crashed("gains"),
    "crashed in ingest": made_up.crashed(),
    "crashed before": made_up.crashed(""),
    "crashed without words": made_up.crashed().evolve(crash=None),
}


def report(root):
    return write_report(root).read_text(encoding="utf-8")


@pytest.fixture(params=RUNS)
def run(request, tmp_path):
    return made_up.workspace(tmp_path / "night", RUNS[request.param])


def test_every_number_on_the_page_is_the_outcomes(run):
    page = parse(report(run))
    assert wrong_numbers(run, page) == []


def test_the_walk_over_the_numbers_finds_a_wrong_one(tmp_path):
    root = made_up.workspace(tmp_path / "night", made_up.outcome())
    html = report(root)
    assert wrong_numbers(root, parse(html.replace(">139.3</data>", ">139.4</data>")))
    changed = json.loads((root / "outcome.json").read_text())
    changed["images"][1]["peak_jy_beam"] += 1e-12
    (root / "outcome.json").write_text(json.dumps(changed))
    assert wrong_numbers(root, parse(html))


def test_cells_hold_no_digits_but_numbers_and_names(run):
    known = (*words.TABLE_TITLES.values(), *names(Parameters), json.dumps(Parameters.model_json_schema()))
    assert stray_digits(run, parse(report(run)), *known) == []


def test_a_digit_in_a_cell_that_is_no_number_is_found(tmp_path):
    root = made_up.workspace(tmp_path / "night", made_up.outcome())
    assert stray_digits(root, parse(report(root).replace("not a known calibrator", "about 17.3 Jy"))) != []


def test_every_part_of_the_outcome_that_is_a_number_is_on_the_page(tmp_path):
    root = made_up.workspace(tmp_path / "night", made_up.outcome())
    keys = {key for number in parse(report(root)).numbers for key in number.attributes["data-key"].split()}
    parts = {re.sub(r"/\d+(?=/)", "/N", key) for key in keys if not key.startswith("/provenance")}
    expected = {
        "/steps/N/seconds",
        "/gates/N/checks/N/observed",
        "/delays/N/median_ns",
        "/solve_statistics/N/succeeded",
        "/solve_statistics_by_antenna/N/attempted",
        f"/fluxes/{made_up.PHASE_REFERENCE}/flux_density_jy",
        f"/fluxes/{made_up.PHASE_REFERENCE}/spectral_index",
        "/spw_fluxes/N/flux_density_jy",
        "/spw_fluxes/N/fitted_jy",
        "/models/N/flux_density_jy",
        "/catalogue/N/high_jy",
        f"/flagged/{made_up.TARGET}/after",
        "/flagged_by_antenna/Cm/after",
        "/flagged_by_spw/N/after",
        "/flag_steps/N/after",
        "/trial/N/slope_after_deg",
        "/corrected/N/phase_rms_deg",
        "/images/N/peak_jy_beam",
        "/images/N/noise_jy_beam",
        "/images/N/dynamic_range",
    }
    assert expected - parts == set()


def test_identifiers_are_unique_and_links_within_the_page_arrive(run):
    page = parse(report(run))
    assert len(page.identifiers) == len({*page.identifiers})
    inside = {address[1:] for tag, _, address in page.addresses if address.startswith("#") and tag == "a"}
    assert inside - {*page.identifiers} == set()


def test_nothing_is_fetched(run):
    page = parse(report(run))
    fetched = [address for tag, _, address in page.addresses if tag != "a" and not address.startswith(("#", "data:"))]
    assert fetched == []
    assert {"link", "iframe", "object", "embed"} & {*page.tags} == set()


def test_the_policy_allows_the_pages_own_style_and_script_and_no_other(tmp_path):
    html = report(made_up.workspace(tmp_path / "night", made_up.outcome()))
    for tag in ("style", "script"):
        content = re.search(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src &#39;sha256-{digest}&#39;" in html
    assert "default-src &#39;none&#39;" in html
    assert "style=" not in html.replace("<style", "")


def hostile_run():
    place = made_up.failed_check().failures[0].place.evolve(field=HOSTILE)
    check = made_up.failed_check("stopped")
    check = check.evolve(
        where=HOSTILE, title=HOSTILE, reason=HOSTILE, failures=(check.failures[0].evolve(place=place),), try_=HOSTILE
    )
    flux = FieldFlux(flux_density_jy=1.0, error_jy=0.1, spectral_index=None, error=None, reference_hz=1e9)
    roles = tuple(decision.evolve(field=HOSTILE, reason=HOSTILE) for decision in made_up.provenance().roles)
    return made_up.outcome(
        "stopped",
        observation=HOSTILE,
        reason=HOSTILE,
        gates=(made_up.gate("stopped", check, lost_antennas=(HOSTILE,), reason=HOSTILE),),
        fluxes={HOSTILE: flux},
        images=(made_up.image(made_up.TARGET).evolve(field=HOSTILE),),
        products={HOSTILE: "javascript:alert(1).ms"},
        provenance=made_up.provenance(roles=roles, flow_run_url="javascript:alert(1)", notes=(HOSTILE,)),
    )


@pytest.mark.parametrize("verdict", ["stopped", "passed", "crashed"])
def test_hostile_names_are_words_on_the_page_and_nothing_else(tmp_path, verdict):
    plots = (made_up.plot(title=HOSTILE, caption=HOSTILE, alternative=HOSTILE, file=None, failed=HOSTILE),)
    root = made_up.workspace(tmp_path / "night", hostile_run().evolve(verdict=verdict), *plots, inspected=False)
    page = parse(report(root))
    assert page.tags.count("script") == 1
    assert "img" not in page.tags
    assert page.handlers == []
    assert "alert(1)" in page.text
    assert [address for _, _, address in page.addresses if address.lower().startswith("javascript")] == []
    assert wrong_numbers(root, page) == []


def test_a_command_with_a_hostile_path_stays_one_argument(tmp_path):
    html = report(made_up.workspace(tmp_path / "a; rm -rf ~" / "night", made_up.outcome()))
    assert "&#39;" + str(tmp_path / "a; rm -rf ~" / "night" / "observation.yaml") + "&#39;" in html


def test_the_first_screen_of_a_stop_says_number_bound_place_meaning_and_what_to_try(tmp_path):
    page = parse(report(made_up.workspace(tmp_path / "night", made_up.stopped())))
    first = " ".join(page.text.partition("The run")[0].split())
    assert "80.25 ns at antenna Cm, spw 1, L; must be at most 50 ns" in first
    assert "A clock or cable is off." in first
    assert "Look at phase against frequency." in first
    assert "--from delay" in first
    assert "gates.delay.overrides={delay_magnitude: {reason: say why, decided_by: your name}}" in first


def test_the_decision_that_the_report_suggests_is_one_that_gatecal_takes(tmp_path):
    page = parse(report(made_up.workspace(tmp_path / "night", made_up.stopped())))
    assignment = re.search(r"--set '(gates[^']+)'", page.text)[1]
    policy = parameters("emerlin", dict([parse_assignment(assignment)])).gates
    assert policy.delay.overrides == {"delay_magnitude": Override(reason="say why", decided_by="your name")}


def test_a_crash_is_told_with_its_log_and_the_step_to_run_again(tmp_path):
    html = report(made_up.workspace(tmp_path / "night", made_up.crashed("gains")))
    page = parse(html)
    assert "importuvfits: the process died (CasaCrashed)" in page.text
    assert "SEVERE <end>" in page.text
    assert "--from gains" in page.text


WHEN = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


def held():
    hold = Hold(
        observation="night",
        flow_run="f",
        key="hold-1",
        gate="delay",
        suite="delay",
        step="delay",
        question="Is a delay of 80 ns real?",
        basis="b",
        since=WHEN,
        until=WHEN,
        url="http://127.0.0.1:4200/runs/flow-run/2",
    )
    return made_up.stopped().evolve(verdict="held", hold=hold, go_on=("gatecal resume night --continue",))


def test_a_held_run_shows_its_question_its_form_and_the_commands_that_answer_it(tmp_path):
    page = parse(report(made_up.workspace(tmp_path / "night", held())))
    assert "Is a delay of 80 ns real? Without an answer the run is stopped at 2026-11-24 09:30 UTC." in page.text
    assert ("a", "href", "http://127.0.0.1:4200/runs/flow-run/2") in page.addresses
    assert "gatecal resume night --continue" in page.text
    assert "gates.delay.overrides" not in page.text


def test_decisions_and_earlier_runs_are_told(tmp_path):
    decision = Decision(
        gate="delay",
        suite="delay",
        step="delay",
        question="?",
        action="continue",
        decided_by="A. Person",
        reason="a long cable",
        when=WHEN,
        flow_run="f",
        key="hold-1",
        basis="b",
    )
    notes = (
        RunNote(started=WHEN, verdict="stopped", url="http://127.0.0.1:4200/1"),
        RunNote(started=WHEN, from_step="delay", url="javascript:alert(1)"),
    )
    root = made_up.workspace(tmp_path / "night", made_up.outcome(decisions=(decision,), earlier_runs=notes))
    page = parse(report(root))
    assert "gate delay: A. Person decided to continue: a long cable" in page.text
    assert "2026-11-24 09:30 UTC, from “Delays”: came to no end" in page.text
    assert ("a", "href", "http://127.0.0.1:4200/1") in page.addresses
    assert not [address for _, _, address in page.addresses if "javascript" in address]


@pytest.mark.parametrize(
    ("where", "verdict", "words"),
    [
        (made_up.PHASE_REFERENCE, "passed", "off their median by 0.03000 of it"),
        ("0319+415", "passed", "less off than 0319+415"),
        ("whole observation", "not applicable", "too little history"),
    ],
)
def test_flux_densities_stand_beside_earlier_nights(tmp_path, where, verdict, words):
    history = made_up.check(
        verdict,
        0.03 if verdict == "passed" else None,
        metric="flux_history",
        where=where,
        reason="" if verdict == "passed" else "too little history",
    )
    run = made_up.outcome(gates=(made_up.gate("passed", history, gate="fluxscale", step="fluxscale"),))
    html = report(made_up.workspace(tmp_path / "night", run))
    row = re.search(
        rf"<tr><th scope=\"row\">{re.escape(made_up.PHASE_REFERENCE)}</th>.*?</tr>", html.partition('id="fluxes"')[2]
    )[0]
    assert words in re.sub(r"<.*?>", "", row)


def test_a_workspace_without_plots_says_so(tmp_path):
    page = parse(report(made_up.workspace(tmp_path / "night", made_up.outcome())))
    assert "This workspace holds no plots" in page.text


def test_parameters_that_differ_from_the_profile_stand_out(tmp_path):
    tree = made_up.provenance().parameters
    tree = tree | {"delay": tree["delay"] | {"minsnr": 5.0, "solint": "300s"}}
    root = made_up.workspace(tmp_path / "night", made_up.outcome(provenance=made_up.provenance(parameters=tree)))
    html = report(root)
    marked = re.findall(r"<tr class=\"changed\"><th scope=\"row\">.*?</tr>", html)
    assert [re.search(r"<code>(.*?)</code>", row)[1] for row in marked] == ["delay.minsnr", "delay.solint"]
    assert wrong_numbers(root, parse(html)) == []


def test_the_observation_file_of_the_workspace_is_shown_as_it_is(tmp_path):
    root = made_up.workspace(tmp_path / "night", made_up.outcome())
    (root / "observation.yaml").write_text("name: night\ndata: /data/night.ms\n")
    assert "name: night\ndata: /data/night.ms\n" in parse(report(root)).text


@pytest.mark.parametrize("content", [None, "", "{", "{}"])
def test_a_folder_without_an_outcome_is_refused_with_what_to_do(tmp_path, content):
    if content is not None:
        (tmp_path / "outcome.json").write_text(content)
    with pytest.raises(ConfigurationError, match=r"outcome\.json"):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_a_broken_ledger_and_a_broken_list_of_plots_are_noted(tmp_path):
    root = made_up.workspace(tmp_path / "night", made_up.outcome(), made_up.plot())
    (root / "ledger.json").write_text("{")
    (root / "plots" / "plotms.json").write_text("[]")
    page = parse(report(root))
    assert "ledger.json) cannot be read" in page.text
    assert "plots/plotms.json cannot be read" in page.text
