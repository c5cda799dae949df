"""The observation file: what it may hold, and what is said where it is wrong."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from schemas.errors import ConfigurationError
from schemas.observation import Observation, observation_text, read_observation


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "night.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def refusal(path):
    with pytest.raises(ConfigurationError) as caught:
        read_observation(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


WHOLE = """
name: night-3C277.1
data: all_avg.ms
profile: vla
roles:
  flux: 1331+305
  bandpass: [0319+415, 1407+284]
  phase_reference: {1252+5634: 1302+5748}
selection: {spw: 0~1, scan: "1,2"}
recipients: [astronomer@example.org]
overrides:
  gains.solint: 30s
  gates.delay.stop_ns: 20
"""


def test_a_whole_file_is_read(file):
    observation = read_observation(file(WHOLE))
    assert (observation.name, observation.profile) == ("night-3C277.1", "vla")
    assert observation.roles.phase_reference == {"1252+5634": "1302+5748"}
    assert (observation.selection.spw, observation.selection.scan) == ("0~1", "1,2")
    assert observation.overrides == {"gains.solint": "30s", "gates.delay.stop_ns": 20}


def test_a_name_and_data_are_enough(file):
    observation = read_observation(file("name: a\ndata: b.ms"))
    assert (observation.profile, observation.roles, observation.recipients) == ("emerlin", "auto", ())


def test_a_relative_data_path_counts_from_the_files_folder(file, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    assert read_observation(file("name: a\ndata: sub/b.ms")).data == tmp_path.resolve() / "sub" / "b.ms"


def test_an_absolute_data_path_stays(file):
    assert str(read_observation(file("name: a\ndata: /data/b.ms")).data) == "/data/b.ms"


def test_a_missing_file_is_named(tmp_path):
    assert refusal(tmp_path / "none.yaml").endswith("cannot be read: No such file or directory.")


def test_a_folder_is_refused(tmp_path):
    assert "cannot be read: Is a directory" in refusal(tmp_path)


@pytest.mark.parametrize("text", ["name: [a", "\tname: a", b"\xff\xfe\x00name"])
def test_what_is_not_yaml_is_refused(file, text):
    assert "is not YAML" in refusal(file(text))


@pytest.mark.parametrize("text", ["", "just text", "- a\n- b", "42"])
def test_a_file_without_fields_is_told_what_it_needs(file, text):
    assert refusal(file(text)).endswith("holds no fields; it needs at least name: and data:.")


def test_an_unknown_field_is_named(file):
    assert "there is no field 'profil'; did you mean profile" in refusal(file("name: a\ndata: b\nprofil: vla"))


def test_a_missing_field_is_named(file):
    assert "field data: Field required" in refusal(file("name: a"))


@pytest.mark.parametrize("name", ["../x", "a/b", ".", "..", "a b", ""])
def test_a_name_that_would_leave_the_workspace_is_refused(file, name):
    assert "field name: " in refusal(file(f"name: '{name}'\ndata: b"))


@pytest.mark.parametrize(
    "recipient",
    [
        "",
        "astronomer",
        "a b@example.org",
        "a@",
        "a@b@example.org",
        "zoë@example.org",
        "a@example.org, b@example.org",
        "a@example.org\\nBcc: all@example.org",
    ],
)
def test_what_is_no_mail_address_is_refused(file, recipient):
    assert "is not a mail address" in refusal(file(f'name: a\ndata: b\nrecipients: ["{recipient}"]'))


@pytest.mark.parametrize("recipient", ["a@example.org", "Zoë Müller <zoe@example.org>", "operators@localhost"])
def test_a_recipient_may_have_a_name(file, recipient):
    assert read_observation(file(f"name: a\ndata: b\nrecipients: ['{recipient}']")).recipients == (recipient,)


def test_an_observation_written_down_is_read_again(file, tmp_path):
    roles = "{flux: a, bandpass: [b], phase_reference: {t: p}}"
    asked = read_observation(file(f"name: a\ndata: /b\nroles: {roles}\noverrides: {{gains.solint: 30s}}"))
    written = tmp_path / "again.yaml"
    written.write_text(observation_text(asked), encoding="utf-8")
    assert read_observation(written) == asked


@pytest.mark.parametrize(
    "roles",
    [
        "flux",
        "{flux: a}",
        "{flux: a, bandpass: [], phase_reference: {t: p}}",
        "{flux: a, bandpass: [b], phase_reference: {}}",
    ],
)
def test_roles_are_auto_or_whole(file, roles):
    assert "field roles" in refusal(file(f"name: a\ndata: b\nroles: {roles}"))


def test_a_wrong_role_is_named_as_it_stands_in_the_file(file):
    said = refusal(file("name: a\ndata: b\nroles: {flux: [1, 2], phase_reference: {t: 3}}"))
    assert [line.partition(":")[0] for line in said.splitlines()[1:]] == [
        "field roles.flux",
        "field roles.bandpass",
        "field roles.phase_reference.t",
    ]


def test_a_word_in_place_of_the_roles_is_told_the_one_that_may_stand_there(file):
    assert "field roles: Input should be 'auto' (given: 'automatic')" in refusal(
        file("name: a\ndata: b\nroles: automatic")
    )


def test_all_wrong_fields_are_named_at_once(file):
    message = refusal(file("name: ../x\nprofile: alma"))
    assert all(f"field {name}: " in message for name in ("name", "data", "profile"))


def test_an_observation_is_frozen():
    with pytest.raises(ValidationError):
        Observation(name="a", data="b").name = "c"


def test_a_field_like_no_other_is_answered_with_all_there_are(file):
    said = refusal(file("name: one\ndata: one.ms\nzzzzzz: 1\n"))
    assert "there is no field 'zzzzzz'; there are name, data, profile, roles" in said
