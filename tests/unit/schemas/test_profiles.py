"""Profiles and overrides: the guide's values, and messages that help."""

from __future__ import annotations

import pytest

from schemas.errors import ConfigurationError
from schemas.parameters import Parameters
from schemas.profiles import PROFILES, differences, names, parameters, parse_assignment


def refusal(overrides, profile="emerlin"):
    with pytest.raises(ConfigurationError) as caught:
        parameters(profile, overrides)
    return str(caught.value)


@pytest.mark.parametrize("profile", ["emerlin", "vla"])
def test_without_overrides_a_profile_is_as_it_is(profile):
    assert parameters(profile, {}) == PROFILES[profile]


def test_a_dotted_name_changes_one_parameter_and_nothing_else():
    changed = parameters("emerlin", {"gains.solint": "30s", "gates.delay.stop_ns": 20})
    assert (changed.gains.solint, changed.gates.delay.stop_ns) == ("30s", 20.0)
    back = changed.evolve(gains=PROFILES["emerlin"].gains, gates=PROFILES["emerlin"].gates)
    assert back == PROFILES["emerlin"]


def test_overrides_do_not_reach_the_profile_itself():
    parameters("vla", {"gates.delay.stop_ns": 20, "refant": ["ea01"]})
    assert (PROFILES["vla"].gates.delay.stop_ns, PROFILES["vla"].refant) == (50.0, ())


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("gains.solnit", "gains.solint"),
        ("gian.solint", "gains.solint"),
        ("gates.delay.stop", "gates.delay.stop_ns"),
        ("refants", "refant"),
    ],
)
def test_an_unknown_parameter_suggests_near_names(name, near):
    message = refusal({name: 1})
    assert message.startswith(f"there is no parameter '{name}'; did you mean ")
    assert near in message


@pytest.mark.parametrize("name", ["zzzz", "gains.solint.unit", "", "."])
def test_a_name_that_is_near_to_none_is_refused_too(name):
    assert f"there is no parameter {name!r}" in refusal({name: 1})


def test_a_bare_number_as_a_time_is_told_to_take_a_unit():
    message = refusal({"gains.solint": 60})
    assert "parameter gains.solint: Input should be a valid string (given: 60)" in message
    assert message.endswith("; a time needs its unit, e.g. 60s")


def test_an_unknown_unit_is_told_what_fits():
    assert refusal({"gains.solint": "60sec"}).endswith("write int, inf or a duration with its unit, e.g. 60s")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gains.minsnr", -1),
        ("gains.minsnr", float("nan")),
        ("bandpass1.fillgaps", 1.5),
        ("fluxscale.gainthreshold", 2),
        ("flag.end_channels", "0:0-6"),
        ("gates.observation.antennas_stop", 2),
        ("gates.delay.action", "ignore"),
        ("model.standard", "Baars"),
        ("gains", None),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_what_was_given(name, value):
    message = refusal({name: value})
    assert f"parameter {name}: " in message
    assert f"(given: {value!r})" in message


def test_all_wrong_values_are_named_at_once():
    assert len(refusal({"gains.minsnr": -1, "delay.solint": 60}).splitlines()) == 2


def test_a_persons_decision_on_a_gate_is_a_parameter():
    decision = {"magnitude": {"reason": "known cable", "decided_by": "operator"}}
    overrides = parameters("emerlin", {"gates.delay.overrides": decision}).gates.delay.overrides
    assert overrides["magnitude"].reason == "known cable"


# --- --set ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gates.delay.stop_ns=20", ("gates.delay.stop_ns", 20)),
        ("gains.solint=30s", ("gains.solint", "30s")),
        ("refant=[Mk2, Pi]", ("refant", ["Mk2", "Pi"])),
        ("flag.end_channels=null", ("flag.end_channels", None)),
        ("image.enabled=false", ("image.enabled", False)),
        (" fluxscale.antenna = ''", ("fluxscale.antenna", "")),
        ("model.model=/data/a=b.im", ("model.model", "/data/a=b.im")),
    ],
)
def test_an_assignment_is_a_name_and_a_typed_value(text, expected):
    assert parse_assignment(text) == expected


@pytest.mark.parametrize("text", ["gains.solint", "=30s", " =1", ""])
def test_what_is_no_assignment_is_told_how_to_write_one(text):
    with pytest.raises(ConfigurationError, match=r"is not NAME=VALUE; write for example --set gains\.solint=30s"):
        parse_assignment(text)


@pytest.mark.parametrize("value", ["[Mk2", "{a: b", "'open"])
def test_a_value_that_is_not_yaml_is_named(value):
    with pytest.raises(ConfigurationError, match=r"--set refant: the value .* cannot be read"):
        parse_assignment(f"refant={value}")


def test_every_name_can_be_set():
    tree = PROFILES["emerlin"].model_dump(by_alias=True)
    for name in names(Parameters):
        node = tree
        for part in name.split("."):
            node = node[part]
        parameters("emerlin", {name: node})


# --- the profiles -----------------------------------------------------------------------------------------------------


def test_the_vla_profile_is_the_guides_but_for_what_the_vla_needs():
    vla, emerlin = (PROFILES[name].model_dump() for name in ("vla", "emerlin"))
    differ = {
        f"{step}.{name}" if name else step
        for step, values in vla.items()
        for name in (values if isinstance(values, dict) else [""])
        if (values[name] if name else values) != (emerlin[step][name] if name else emerlin[step])
    }
    assert differ == {
        "refant",
        "flag.late_on_source_s",
        "flag.end_channels",
        "flag.end_channels_fraction",
        "model.standard",
        "model.model",
        "model.resolved_out_factor",
        "precal.solint",
        "precal.amplitude_solint",
        "precal.channels",
        "gains.solint",
        "gains.amplitude_solint",
        "fluxscale.antenna",
    }


def test_what_differs_from_the_profile_gives_the_same_parameters_again():
    overrides = {
        "gains.solint": "30s",
        "gates.delay.stop_ns": 20,
        "gates.fluxscale.overrides": {"catalogue_range": {"reason": "flare", "decided_by": "A. Person"}},
        "refant": ["Pi", "Mk2"],
    }
    asked = parameters("emerlin", overrides)
    found = differences("emerlin", asked)
    assert set(found) == set(overrides)
    assert parameters("emerlin", found) == asked


def test_a_profile_differs_from_itself_in_nothing():
    assert differences("vla", parameters("vla", {})) == {}
