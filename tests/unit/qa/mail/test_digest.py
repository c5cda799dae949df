"""A night in one mail."""

from __future__ import annotations

import re

import pytest

from qa.mail.digest import LEFT, compose_digest
from schemas.mail import MailSettings
from schemas.service import NoOutcome, Refusal
from tests.unit.qa.mail.test_compose import STOPPED, WARNED
from tests.unit.qa.mail.workspaces import TARGET, an_outcome

SETTINGS = MailSettings(
    host="h", sender="g@example.org", operators="ops@example.org", report_url="https://example.org/{observation}/"
)
NIGHT = "22 November 2026"


def digest(entries, **changes):
    return compose_digest(entries, NIGHT, SETTINGS, **changes).message


def refusal(state="refused", entry="x.ms", reason="the link x.ms leads outside the inbox"):
    return Refusal(key="k", inbox="/inbox", entry=entry, state=state, reason=reason, since=0.0)


def shown(mail):
    return " ".join(mail.get_body(("plain",)).get_content().split())


def test_it_has_one_line_per_observation_with_what_needs_a_person_first():
    mail = digest([an_outcome("good"), an_outcome("bad", **STOPPED), an_outcome("odd", **WARNED)])
    assert mail["Subject"] == f"Night of {NIGHT}: 1 stopped; 1 calibrated, with warnings; 1 calibrated"
    html = mail.get_body(("html",)).get_content()
    assert re.findall(r'<th scope="row"[^>]*>(\w+)<br>', html) == ["bad", "odd", "good"]
    text = shown(mail)
    for words in ("80 ns at antenna Cm, spw 3, L", f"target {TARGET} peak 139.3 mJy/beam", "1.903 ± 0.010 Jy"):
        assert words in text
        assert words in html
    assert 'href="https://example.org/good/"' in html


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (STOPPED, "To do: Look at the station's log; then run it again from there (Delays)."),
        (WARNED, "To do: Judge the warnings in its report; where one matters, run it again from there"),
        ({"verdict": "crashed", "reason": "x"}, "To do: Run it again"),
        ({}, "To do: Nothing."),
    ],
)
def test_it_says_what_to_do(changes, words):
    assert words in shown(digest([an_outcome(**changes)]))


def test_a_run_without_an_outcome_has_its_line():
    mail = digest([NoOutcome(observation="gone", state="Crashed", reason="its worker was killed")])
    assert "1 no outcome" in mail["Subject"]
    assert "gone: NO OUTCOME Crashed: its worker was killed To do: Run it again from the Prefect UI." in shown(mail)


def test_a_refused_run_says_what_is_to_be_put_right():
    text = shown(digest([NoOutcome(observation="odd", state="Refused", reason="no target has a phase reference")]))
    assert "odd: REFUSED no target has a phase reference To do: Put right what it names" in text


def test_what_was_left_in_the_inbox_is_listed_with_its_reason_and_what_to_do():
    mail = digest([an_outcome()], left=[refusal(), refusal("unreadable", "cut.fits", "it ends early. Fetch it again.")])
    assert mail["Subject"] == f"Night of {NIGHT}: 1 calibrated; 2 left in the inbox"
    for body in (shown(mail), mail.get_body(("html",)).get_content()):
        for words in ("The link x.ms leads outside", "Put it right", "cut.fits", "It ends early. Fetch it again."):
            assert words in body


@pytest.mark.parametrize("state", LEFT)
def test_a_night_with_nothing_else_is_told_too(state):
    mail = digest([], left=[refusal(state)])
    assert mail["Subject"] == f"Night of {NIGHT}: 1 left in the inbox"
    assert f"x.ms: {LEFT[state][1].upper()}" in shown(mail)


def test_it_goes_to_the_operators_and_whom_else_is_named():
    assert str(digest([], recipients=["zoe@example.org"])["To"]) == "zoe@example.org, ops@example.org"
    assert compose_digest([], NIGHT, SETTINGS.evolve(operators=())) is None


def test_a_night_without_observations_says_so():
    mail = digest([])
    assert mail["Subject"] == f"Night of {NIGHT}: no observation"
    assert "No observation was calibrated." in mail.get_body(("plain",)).get_content()


def test_the_same_night_is_the_same_mail_and_another_one_is_not():
    one, same, other = digest([an_outcome()]), digest([an_outcome()]), digest([an_outcome(**STOPPED)])
    assert one["Message-ID"] == same["Message-ID"] != other["Message-ID"]


def test_a_name_with_markup_does_no_harm():
    mail = digest([an_outcome("<img src=x>\r\nBcc: a@b.c")], left=[refusal(entry="<img src=y>")])
    assert "<img" not in mail.get_body(("html",)).get_content()
    assert mail["Bcc"] is None
