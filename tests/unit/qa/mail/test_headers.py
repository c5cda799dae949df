"""Headers read back as they were meant, by the library and by clients that only know RFC 2047."""

from __future__ import annotations

import email
import email.policy
import re
from email.header import decode_header, make_header
from email.headerregistry import Address
from email.message import EmailMessage

import pytest

from qa.mail.message import ASCII_POLICY, UTF8_POLICY

SUBJECTS = [
    "night: calibrated",
    "night: stopped. Flux densities of the calibrators: S/N of the fitted flux density (three spws or more) 1132",
    "night: stopped. Flux densities of the calibrators: S/N of the fitted flux density (three), 1132 at 1445+0990…",
    "Zoë: stopped. aaaa bbbb cccc dddd eeee ffff gggg hhhh iiii jjjj kkkk llll mmmm nnnn oooo pppp rrrr ssss ß tttt",
    "n: 45° at antenna Cm, spw 3, L (at most 40°) and a lot more text to be folded somewhere, twice perhaps, é é é",
    "x" * 150,
    "µ" * 150,
]


def written(policy=ASCII_POLICY, **headers):
    message = EmailMessage(policy=policy)
    for name, value in headers.items():
        message[name] = value
    return message.as_bytes()


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_subject_reads_back_as_it_was(subject):
    raw = written(Subject=subject)
    assert email.message_from_bytes(raw, policy=email.policy.default)["Subject"] == subject
    old = email.message_from_bytes(raw)["Subject"]
    assert str(make_header(decode_header(re.sub(r"\r?\n", "", old)))) == subject


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_subject_keeps_to_the_rules_of_the_wire(subject):
    raw = written(Subject=subject)
    assert raw.isascii()
    assert raw.startswith(b"Subject: ")
    assert b"??=" not in raw  # no empty encoded word
    assert all(len(word) <= 75 for word in re.findall(rb"=\?.*?\?[qb]\?.*?\?=", raw))  # RFC 2047, 2


NAMES = [
    "",
    "Zoë Müller",
    "Müller, Zoë",
    "Müller, Zoë von der langen Straße",
    'A "B" C\\',
    "a@b <c@d>",
    "x" * 90,
]


@pytest.mark.parametrize("policy", [ASCII_POLICY, UTF8_POLICY], ids=["ascii", "utf8"])
def test_names_and_addresses_read_back_as_they_were(policy):
    people = [Address(name.strip(), f"person{number}", "example.org") for number, name in enumerate(NAMES)]
    raw = written(policy, To=people, Cc=people[0])
    text = raw.decode("utf-8")
    mail = email.message_from_string(text, policy=email.policy.default)
    assert [(entry.display_name, entry.addr_spec) for entry in mail["To"].addresses] == [
        (entry.display_name, entry.addr_spec) for entry in people
    ]
    assert max(map(len, text.split("\r\n"))) <= 998
    assert raw.isascii() == (policy is ASCII_POLICY)


def test_a_name_longer_than_an_encoded_word_reads_back_too():
    name = "Müller, Zoë " + "von der langen Straße " * 5
    raw = written(To=[Address(name.strip(), "zoe", "example.org")])
    shown = re.sub(r"\r?\n", "", email.message_from_bytes(raw)["To"])
    assert str(make_header(decode_header(shown))) == f"{name.strip()} <zoe@example.org>"
