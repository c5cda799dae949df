"""The mail about a run, read back as a client would."""

from __future__ import annotations

import email
import email.policy
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from qa.mail.compose import compose
from qa.mail.thread import begin_thread, read_thread
from schemas.holds import Decision, Hold
from schemas.mail import MailSettings
from schemas.outcome import Crash, Outcome
from tests.unit.flows.outcomes import check, report, stopped_check
from tests.unit.qa.mail.workspaces import TARGET, ZOE, a_plot, an_outcome, make_workspace

SETTINGS = MailSettings(host="h", sender="gatecal <gatecal@example.org>", operators="ops@example.org")

NASTY = '<script>alert("x")</script>\r\nBcc: all@example.org\u2028\u202e'


def composed(root, settings=SETTINGS, **asked):
    outcome = Outcome.model_validate_json((root / "outcome.json").read_bytes())
    return compose(outcome, root, settings, **asked)


def received(root, settings=SETTINGS, **asked):
    return email.message_from_bytes(composed(root, settings, **asked).message.as_bytes(), policy=email.policy.default)


def bodies(mail):
    return mail.get_body(("plain",)).get_content(), mail.get_body(("html",)).get_content()


class Tags(HTMLParser):
    """All tags of a page with their attributes."""

    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


STOPPED = {
    "verdict": "stopped",
    "gates": (report("stopped", stopped_check(), reason="gate delay: too large"),),
    "images": (),
    "fluxes": {},
}
WARNED = {"verdict": "warned", "gates": (report("warned", check("warned", 16.0, "warn", bound="<= 15")),)}
HOLD = Hold(
    observation="night",
    flow_run="abc",
    key="hold-1",
    gate="delay",
    suite="delay",
    step="delay",
    question="gate delay: too large",
    basis="b",
    since=datetime(2026, 11, 23, 4, tzinfo=UTC),
    until=datetime(2026, 11, 24, 4, tzinfo=UTC),
    url="http://127.0.0.1:4200/hold",
)
DECISION = Decision(
    action="stop",
    decided_by="Zoë Müller",
    reason="rain all night",
    when=HOLD.since,
    **{name: getattr(HOLD, name) for name in ("gate", "suite", "step", "question", "flow_run", "key", "basis")},
)
CRASHED = {
    "verdict": "crashed",
    "reason": "gaincal: died",
    "crash": Crash(step="gains", error="CasaCrashed", message="gaincal died.", log_tail="first\nlast <line>"),
}


def test_it_has_the_headers_that_clients_and_servers_look_at(tmp_path):
    mail = received(make_workspace(tmp_path))
    assert str(mail["From"]) == "gatecal <gatecal@example.org>"
    assert str(mail["To"]) == f"{ZOE}, second@example.org"
    assert re.fullmatch(r"<gatecal\.[0-9a-f]{32}@example\.org>", mail["Message-ID"])
    assert mail["Date"].datetime.utcoffset() == timedelta(0)
    assert mail["Reply-To"] == "ops@example.org"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Precedence"] == "bulk"
    assert mail["MIME-Version"] == "1.0"


def test_it_is_ascii_on_the_wire_with_short_lines(tmp_path):
    raw = composed(make_workspace(tmp_path)).message.as_bytes()
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998  # RFC 5322, 2.1.1
    assert b"\n" not in raw.replace(b"\r\n", b"")


def test_it_is_built_as_clients_expect_it(tmp_path):
    mail = received(make_workspace(tmp_path))
    assert mail.get_content_type() == "multipart/mixed"
    alternatives, attachment = mail.iter_parts()
    assert alternatives.get_content_type() == "multipart/alternative"
    text, related = alternatives.iter_parts()
    assert text.get_content_type() == "text/plain"
    assert [part.get_content_type() for part in related.iter_parts()] == ["text/html", "image/png", "image/png"]
    assert attachment.get_filename() == "night-report.html"
    assert "<title>Zoë</title>" in attachment.get_content()


def test_every_picture_resolves_and_says_what_it_shows(tmp_path):
    mail = received(make_workspace(tmp_path))
    attached = {part["Content-ID"] for part in mail.walk() if part.get_content_type() == "image/png"}
    shown = [attributes for tag, attributes in Tags(bodies(mail)[1]).found if tag == "img"]
    assert {f"<{picture['src'].removeprefix('cid:')}>" for picture in shown} == attached
    assert [picture["alt"] for picture in shown] == ["target against time", "delays against time"]


def test_nothing_in_it_is_fetched_from_elsewhere(tmp_path):
    for tag, attributes in Tags(bodies(received(make_workspace(tmp_path)))[1]).found:
        assert tag not in {"script", "link", "iframe", "object"}
        assert attributes.get("src", "cid:").startswith("cid:")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, [f"Target {TARGET}", "peak 139.3 mJy/beam, noise 1.4 mJy/beam", "Calibrated", "1.903 ± 0.010 Jy"]),
        (WARNED, ["Calibrated, with warnings", "16 ns", "at most 15 ns", "a cable was changed", "--from delay"]),
        (
            STOPPED,
            [
                "not calibrated",
                "80 ns",
                "at most 50 ns",
                "antenna Cm, spw 3, L",
                "and 7 more",
                "a cable was changed",
                "look at the station's log",
                "--from delay",
                "http://127.0.0.1:4200/runs/flow-run/abc",
            ],
        ),
        (
            STOPPED | {"verdict": "held", "go_on": ("gatecal calibrate x --from delay", "gatecal calibrate x --set y")},
            ["waits for a person", "--from delay", "gatecal calibrate x --set y", "with your name and reason"],
        ),
        (
            STOPPED | {"verdict": "held", "hold": HOLD},
            ["Decide in the Prefect UI", "http://127.0.0.1:4200/hold", "stopped at 2026-11-24 04:00 UTC"],
        ),
        (
            STOPPED | {"decisions": (DECISION,)},
            ["Zoë Müller decided to stop: rain all night"],
        ),
        (
            STOPPED | {"hold": HOLD, "reason": "gate delay: x. It was held and is stopped: nobody answered."},
            ["Held for a decision, then stopped: nobody answered."],
        ),
        (CRASHED, ["gaincal died.", "Gains against time", "last <line>", "--from gains", "/logs"]),
    ],
    ids=["passed", "warned", "stopped", "held", "asked", "decided", "unanswered", "crashed"],
)
def test_both_forms_say_what_a_person_needs(tmp_path, changes, says):
    text, html = bodies(received(make_workspace(tmp_path, **changes)))
    plain = " ".join(text.split())
    shown = " ".join(
        re.sub(r"<[^>]+>", "", html).replace("&lt;", "<").replace("&gt;", ">").replace("&#39;", "'").split()
    )
    for words in says:
        assert words.lower() in plain.lower()
        assert words in shown or words in html


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        ({}, "night: calibrated. Target 1252+5634 peak 139.3 mJy/beam, noise 1.4 mJy/beam"),
        (STOPPED, "night: stopped. Delays: size of the delay [ns], 80 ns at antenna Cm, spw 3, L (at most 50 ns)"),
        (CRASHED, "night: crashed. Gains against time: gaincal died"),
    ],
    ids=["passed", "stopped", "crashed"],
)
def test_the_subject_says_observation_verdict_and_reason(tmp_path, changes, subject):
    assert received(make_workspace(tmp_path, **changes))["Subject"] == subject


def test_while_a_question_waits_no_command_is_given_that_would_be_refused(tmp_path):
    text, _ = bodies(received(make_workspace(tmp_path, **STOPPED | {"verdict": "held", "hold": HOLD})))
    assert "gatecal calibrate" not in text


def test_no_internal_name_is_in_it(tmp_path):
    root = make_workspace(tmp_path, **STOPPED)
    text = bodies(received(root))[0].replace(str(root), "")
    assert not re.search(r"calsources|bpcals|fluxscale|finalgains|\bp1\b|CasaCrashed|GateFailed", text)


@pytest.mark.parametrize(
    ("changes", "copies"),
    [({}, None), (WARNED, None), (STOPPED, "ops@example.org"), (CRASHED, "ops@example.org")],
    ids=["passed", "warned", "stopped", "crashed"],
)
def test_the_operators_hear_of_what_did_not_end_well(tmp_path, changes, copies):
    root = make_workspace(tmp_path, **changes)
    assert received(root)["Cc"] == copies
    assert ("ops@example.org" in composed(root).addresses) == (copies is not None)


def test_without_recipients_the_operators_are_written_to_and_only_when_it_matters(tmp_path):
    stopped = make_workspace(tmp_path, "stopped", recipients=(), **STOPPED)
    assert received(stopped)["To"] == "ops@example.org"
    assert composed(make_workspace(tmp_path, "passed", recipients=())) is None


def test_a_recipient_that_is_no_address_is_told_and_the_others_get_it(tmp_path):
    mail = composed(make_workspace(tmp_path, recipients=("nobody at all", ZOE)))
    assert mail.addresses == ("zoe@example.org",)
    assert set(mail.unreadable) == {"nobody at all"}


def test_the_first_mail_answers_none_and_a_rerun_answers_the_first(tmp_path):
    root = make_workspace(tmp_path)
    first = received(root)
    assert first["In-Reply-To"] is None
    begin_thread(root, first["Message-ID"], first["Subject"])
    second = received(root, again="1")
    assert second["In-Reply-To"] == second["References"] == first["Message-ID"] != second["Message-ID"]
    begin_thread(root, second["Message-ID"], second["Subject"])
    assert read_thread(root).first == first["Message-ID"]


def test_the_same_run_makes_the_same_mail_again(tmp_path):
    root = make_workspace(tmp_path)
    first = received(root)
    begin_thread(root, first["Message-ID"], first["Subject"])
    assert received(root)["Message-ID"] == first["Message-ID"]


@pytest.mark.parametrize(("changes", "same"), [({}, True), (STOPPED, True), (CRASHED, False)])
def test_a_run_of_prefect_that_was_killed_after_its_mail_makes_the_same_mail_again(tmp_path, changes, same):
    """One that crashes once more is news."""
    root = make_workspace(tmp_path)
    found = []
    for finished in ("2026-11-23T01:00:00", "2026-11-23T02:00:00"):
        made = an_outcome(**changes)
        made = made.evolve(provenance=made.provenance.evolve(flow_run="one", finished=finished))
        (root / "outcome.json").write_text(made.model_dump_json())
        found.append(received(root)["Message-ID"])
    assert (found[0] == found[1]) is same
    assert received(root)["In-Reply-To"] is None


def test_a_damaged_thread_costs_the_thread_not_the_mail(tmp_path):
    root = make_workspace(tmp_path)
    (root / "mail.json").write_text("{")
    assert received(root)["In-Reply-To"] is None


def test_a_report_over_the_size_is_linked(tmp_path):
    root = make_workspace(tmp_path)
    address = "https://example.org/r/{observation}"
    mail = received(root, SETTINGS.evolve(attach_mb=0, report_url=address))
    assert list(mail.iter_attachments()) == []
    text, html = bodies(mail)
    assert "https://example.org/r/night" in text
    assert 'href="https://example.org/r/night"' in html


def test_a_report_over_the_size_without_an_address_is_named_by_its_path(tmp_path):
    root = make_workspace(tmp_path)
    text, _ = bodies(received(root, SETTINGS.evolve(attach_mb=0)))
    assert str(root / "report.html") in text


def test_without_report_and_plots_there_is_a_mail_all_the_same(tmp_path):
    root = make_workspace(tmp_path, plots=())
    (root / "report.html").unlink()
    mail = received(root)
    assert "no report" in " ".join(bodies(mail)[0].split())
    assert mail.get_content_type() == "multipart/alternative"


def test_names_with_markup_and_line_breaks_do_no_harm(tmp_path):
    bad = report("stopped", check("stopped", 80.0, where=NASTY, title=NASTY, reason=NASTY, meaning=NASTY))
    root = make_workspace(
        tmp_path,
        recipients=(
            f"{NASTY.replace('@', ' ').replace(':', ' ').translate(dict.fromkeys(map(ord, '<>()')))} <z@example.org>",
        ),
        verdict="stopped",
        gates=(bad,),
        plots=(a_plot("bad", title=NASTY, caption=NASTY, alternative=NASTY),),
    )
    outcome = Outcome.model_validate_json((root / "outcome.json").read_bytes())
    fluxes = {NASTY: next(iter(outcome.fluxes.values()))}
    mail = compose(outcome.evolve(observation=NASTY, fluxes=fluxes), root, SETTINGS)
    read = email.message_from_bytes(mail.message.as_bytes(), policy=email.policy.default)
    assert read["Bcc"] is None
    assert set(mail.addresses) == {"z@example.org", "ops@example.org"}
    assert not read.defects
    text, html = bodies(read)
    assert "script" not in {tag for tag, _ in Tags(html).found}
    assert "&lt;script&gt;" in html
    assert "\u202e" not in text + html + read["Subject"]


def test_an_address_of_another_scheme_is_no_link(tmp_path):
    root = make_workspace(tmp_path)
    outcome = Outcome.model_validate_json((root / "outcome.json").read_bytes())
    made = outcome.provenance.evolve(flow_run_url="javascript:alert(1)")
    mail = compose(outcome.evolve(provenance=made), root, SETTINGS).message
    assert "javascript" not in mail.get_body(("html",)).get_content()


def test_a_path_with_blanks_is_quoted_in_the_command(tmp_path):
    text, _ = bodies(received(make_workspace(tmp_path / "my nights", **STOPPED)))
    assert f"'{tmp_path}/my nights/night/observation.yaml' --from delay" in text
