"""The inbox: what becomes an observation, what waits, and what is refused, whatever its name, links or YAML say."""

from __future__ import annotations

import os
import time

import pytest
from pydantic import TypeAdapter

from flows import inbox as module
from flows.inbox import Inbox, key_of, safe_name, shown
from flows.transfer import Watch, walk
from schemas.errors import ConfigurationError
from schemas.ingestion import DataSource
from schemas.observation import Observation
from schemas.quantities import Name
from schemas.service import InboxRules


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "inbox"
    path.mkdir()
    return path


@pytest.fixture(autouse=True)
def identified(monkeypatch):
    """Take anything for a data set, but for what is called damaged: the formats have tests of their own."""

    def identify(path):
        if "damaged" in path.name:
            raise ConfigurationError(f"{path} is truncated; fetch it again.")
        content = path.read_bytes() if path.is_file() else b""
        return DataSource(path=path, kind="uvfits", files=(path,), size_bytes=100, fingerprint=repr(content))

    monkeypatch.setattr(module, "identify", identify)


def look(folder, **rules):
    return {entry.entry: entry for entry in Inbox(folder, InboxRules(**{"quiet_minutes": 0, **rules})).look()}


def drop(folder, name, content="data"):
    path = folder / name
    path.write_text(content)
    return path


def test_a_data_set_alone_becomes_an_observation_with_roles_to_be_found(folder):
    data = drop(folder, "night1.fits")
    found = look(folder, profile="vla", recipients=("a@b.c",), overrides={"image.enabled": False})["night1.fits"]
    assert found.state == "ready"
    assert found.observation == Observation(
        name="night1", data=data, profile="vla", recipients=("a@b.c",), overrides={"image.enabled": False}
    )


@pytest.mark.parametrize("name", ["night1.fits.yaml", "night1.yaml", "night1.yml", "other.yaml"])
def test_the_yaml_beside_it_says_what_it_is(folder, name):
    data = drop(folder, "night1.fits")
    drop(folder, name, "name: mine\ndata: night1.fits\nprofile: vla\noverrides: {image.enabled: false}\n")
    found = look(folder, overrides={"image.enabled": True, "trial.enabled": False})
    assert list(found) == ["night1.fits"]
    observation = found["night1.fits"].observation
    assert (observation.name, observation.data, observation.profile) == ("mine", data, "vla")
    assert observation.overrides == {"image.enabled": False, "trial.enabled": False}


def test_a_yaml_need_not_name_what_it_lies_beside(folder):
    data = drop(folder, "night1.fits")
    drop(folder, "night1.yaml", "profile: vla\n")
    assert look(folder)["night1.fits"].observation == Observation(name="night1", data=data, profile="vla")


def test_a_folder_may_hold_the_data_and_their_yaml(folder):
    (folder / "night1").mkdir()
    data = drop(folder / "night1", "raw.fits")
    drop(folder / "night1", "observation.yaml", "profile: vla\n")
    assert look(folder)["night1"].observation == Observation(name="night1", data=data, profile="vla")


def test_two_yaml_files_for_one_data_set_are_refused(folder):
    drop(folder, "night1.fits")
    drop(folder, "night1.yaml", "profile: vla\n")
    drop(folder, "night1.fits.yaml", "profile: emerlin\n")
    found = look(folder)["night1.fits"]
    assert (found.state, "keep one" in found.reason) == ("refused", True)


def test_what_belongs_to_a_data_set_is_not_one_itself(folder):
    for name in ("night1.ms", "night1.ms.flagcmd.txt", ".hidden", "night1.ms.complete"):
        drop(folder, name)
    assert list(look(folder)) == ["night1.ms"]


def test_an_inbox_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match="nowhere"):
        Inbox(tmp_path / "nowhere", InboxRules()).look()


# --- transfers ---


def test_what_has_just_changed_waits(folder):
    drop(folder, "night1.fits")
    found = look(folder, quiet_minutes=1)["night1.fits"]
    assert (found.state, "1.0 min" in found.reason) == ("waiting", True)


def test_an_old_time_of_content_does_not_make_a_fresh_copy_quiet(folder):
    os.utime(drop(folder, "night1.fits"), (0, 0))
    assert look(folder, quiet_minutes=1)["night1.fits"].state == "waiting"


@pytest.mark.parametrize("marker", ["night1.complete", "night1/.complete"])
def test_a_marker_file_makes_it_complete_at_once(folder, marker):
    (folder / "night1").mkdir()
    drop(folder / "night1", "raw.fits")
    drop(folder, marker, "")
    assert look(folder, quiet_minutes=60)["night1"].state == "ready"


def test_a_name_of_a_transfer_under_way_waits_for_ever(folder):
    drop(folder, "night1.fits.part")
    assert look(folder)["night1.fits.part"].state == "waiting"


def test_a_yaml_waits_for_its_data(folder):
    drop(folder, "night1.yaml", "data: night1.ms\n")
    found = look(folder)["night1.yaml"]
    assert (found.state, "not there yet" in found.reason) == ("waiting", True)


def test_a_yaml_may_name_data_that_are_hidden_in_the_inbox(folder):
    (folder / ".store").mkdir()
    data = drop(folder / ".store", "raw.fits")
    drop(folder, "night1.yaml", "data: .store/raw.fits\n")
    observation = look(folder)["night1.yaml"].observation
    assert (observation.name, observation.data) == ("night1", data)
    assert look(folder, quiet_minutes=1)["night1.yaml"].state == "waiting"


def test_a_change_from_the_future_is_watched_instead(folder, monkeypatch):
    path = drop(folder, "night1.fits")
    now = time.monotonic()
    monkeypatch.setattr(time, "time", lambda: path.stat().st_ctime - 1e6)
    watch = Watch(60.0)
    assert watch.remaining(path, [walk(path, folder)]) > 59
    monkeypatch.setattr(time, "monotonic", lambda: now + 61)
    assert watch.remaining(path, [walk(path, folder)]) == 0


def test_damaged_data_are_unreadable_with_the_reason(folder):
    drop(folder, "damaged.fits")
    drop(folder, "whole.fits")
    found = look(folder)
    assert (found["damaged.fits"].state, found["whole.fits"].state) == ("unreadable", "ready")
    assert "fetch it again" in found["damaged.fits"].reason


# --- what leads outside ---


@pytest.fixture
def secret(tmp_path):
    return drop(tmp_path, "secret.fits")


@pytest.mark.parametrize(
    "yaml", ["data: ../secret.fits\n", "data: {secret}\n", "data: night1.fits/../../secret.fits\n"]
)
def test_a_yaml_cannot_name_data_outside(folder, secret, yaml):
    drop(folder, "night1.fits")
    drop(folder, "night1.yaml", yaml.format(secret=secret))
    assert look(folder)["night1.fits"].state == "refused"


def test_a_yaml_of_its_own_cannot_name_data_outside(folder, secret):
    drop(folder, "night1.yaml", f"data: {secret}\n")
    found = look(folder)["night1.yaml"]
    assert (found.state, "outside" in found.reason) == ("refused", True)


def test_data_outside_are_taken_where_that_is_allowed(folder, secret):
    drop(folder, "night1.yaml", f"data: {secret}\n")
    assert look(folder, allow_outside=True)["night1.yaml"].observation.data == secret


@pytest.mark.parametrize("override", ["flag.bad_times", "model.model"])
def test_an_override_cannot_name_a_file_outside(folder, secret, override):
    drop(folder, "night1.fits")
    drop(folder, "night1.yaml", f"overrides: {{{override}: {secret}}}\n")
    found = look(folder)["night1.fits"]
    assert (found.state, override in found.reason) == ("refused", True)


def test_a_file_named_by_an_override_counts_from_the_yaml(folder):
    drop(folder, "night1.fits")
    flags = drop(folder, "night1.fits.flagcmd.txt", "")
    drop(folder, "night1.yaml", "overrides: {flag.bad_times: night1.fits.flagcmd.txt}\n")
    assert look(folder)["night1.fits"].observation.overrides == {"flag.bad_times": str(flags)}


@pytest.mark.parametrize("target", ["../secret.fits", "/etc/passwd", "nowhere", "night1.fits"])
def test_a_link_that_leads_outside_nowhere_or_to_itself_is_refused(folder, secret, target):
    (folder / "night1.fits").symlink_to(target)
    assert look(folder)["night1.fits"].state == "refused"


def test_what_a_link_leads_to_outside_is_not_walked(folder, tmp_path, monkeypatch):
    (tmp_path / "large" / "deep").mkdir(parents=True)
    (folder / "night1.ms").symlink_to(tmp_path / "large")
    walked = []
    monkeypatch.setattr(os, "walk", lambda top: walked.append(top) or iter(()))
    assert look(folder)["night1.ms"].state == "refused"
    assert walked == []


def test_a_link_inside_a_folder_that_leads_outside_is_refused(folder, secret):
    (folder / "night1").mkdir()
    (folder / "night1" / "raw.fits").symlink_to(secret)
    assert look(folder)["night1"].state == "refused"


def test_a_link_that_stays_inside_is_followed(folder):
    drop(folder, ".store.fits")
    (folder / "night1.fits").symlink_to(".store.fits")
    assert look(folder)["night1.fits"].state == "ready"


def test_the_mark_of_what_is_refused_changes_with_its_content_and_its_observation_file(folder):
    data = drop(folder, "night1.fits")
    file = drop(folder, "night1.yaml", "unknown: 1\n")
    marks = [look(folder)["night1.fits"].fingerprint for _ in range(2)]
    data.write_text("other data")
    marks.append(look(folder)["night1.fits"].fingerprint)
    file.write_text("unknown: 22\n")
    marks.append(look(folder)["night1.fits"].fingerprint)
    file.chmod(0o600)
    marks.append(look(folder)["night1.fits"].fingerprint)
    first, same, content, configuration, untouched = marks
    assert first == same
    assert len({first, content, configuration}) == 3
    assert untouched == configuration


@pytest.mark.parametrize("name", ["pipe.fits", "pipe.yaml"])
def test_a_pipe_is_refused_and_not_waited_for(folder, name):
    os.mkfifo(folder / name)
    assert look(folder)[name].state == "refused"


# --- YAML that means harm ---


@pytest.mark.parametrize(
    "text",
    [
        "name: ../../evil\n",
        "name: /etc/evil\n",
        "name: '.service'\n",
        "!!python/object/apply:os.system ['true']\n",
        "a: &a [x, x]\nb: [*a, *a]\n",
        "- just\n- a list\n",
        "name: [\n",
        "unknown: 1\n",
        "overrides: {gates.delay.no_such: 1}\n",
        "overrides: 3\n",
        "\xff\xfe",
    ],
)
def test_a_yaml_that_will_not_do_is_refused_with_a_reason(folder, text):
    drop(folder, "night1.fits")
    (folder / "night1.yaml").write_bytes(text.encode("latin-1"))
    found = look(folder)["night1.fits"]
    assert (found.state, bool(found.reason)) == ("refused", True)


def test_a_yaml_of_megabytes_is_not_read(folder):
    drop(folder, "night1.fits")
    drop(folder, "night1.yaml", "#" * (module.YAML_BYTES + 1))
    assert look(folder)["night1.fits"].state == "refused"


# --- names ---

HOSTILE = [
    "$(reboot).ms",
    "a;b.ms",
    "a\nb.ms",
    "~root.ms",
    "a::FIELD.ms",
    "x*.ms",
    "`id`.ms",
    "\udcff.ms",
    "a\u202eb.ms",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_means_something_to_casa_is_refused_and_shown_in_one_line(folder, name):
    (folder / os.fsdecode(os.fsencode(name))).write_text("data")
    (entry,) = look(folder).values()
    assert entry.state == "refused"
    assert entry.entry.isprintable()
    entry.model_dump_json().encode()


@pytest.mark.parametrize("name", ["..", "...", "-rf.ms", "a b.ms", "Messier 87 (é).ms", "x" * 200, ".ms", *HOSTILE])
def test_every_name_becomes_a_valid_observation_name(name):
    TypeAdapter(Name).validate_python(safe_name(name))


def test_names_made_safe_stay_apart():
    names = ["a b.ms", "a_b.ms", "a\tb.ms", "a?b.ms", "_a_b.ms", "a_b"]
    assert len({safe_name(name) for name in names if name != "a_b"}) == len(names) - 1
    assert safe_name("a_b.ms") == "a_b"


def test_a_blank_in_the_name_is_taken(folder):
    drop(folder, "Messier 87.ms")
    found = look(folder)["Messier 87.ms"]
    assert (found.state, found.observation.data.name) == ("ready", "Messier 87.ms")


def test_text_from_outside_is_shown_in_one_printable_line():
    assert shown("a\nb\x1b[2J\udcff").isprintable()
    assert len(shown("x" * 1000)) == 200


# --- once per content and configuration ---


def test_the_key_changes_with_content_and_configuration_and_not_with_recipients(tmp_path):
    one = Observation(name="night1", data=tmp_path)
    key = key_of(one, "content", named=False)
    assert key == key_of(one.evolve(recipients=("a@b.c",), name="other", data=tmp_path / "b"), "content", named=False)
    assert key != key_of(one, "other content", named=False)
    assert key != key_of(one.evolve(overrides={"image.enabled": False}), "content", named=False)
    assert key != key_of(one, "content", named=True)
