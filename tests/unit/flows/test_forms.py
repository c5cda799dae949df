"""The rerun's form, as both Prefect UIs get it: a schema with titles, descriptions and choices for everything."""

from __future__ import annotations

from typing import Any

import pytest
from prefect.exceptions import ParameterTypeError
from prefect.utilities.callables import parameter_schema

from flows.calibrate import calibrate
from flows.forms import AUTOMATIC
from schemas.steps import STEPS

OBSERVATION = {"name": "one", "data": "one.ms"}


@pytest.fixture(scope="module")
def form() -> dict[str, Any]:
    return parameter_schema(calibrate).model_dump()


def fields(form: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return every field of the form, nested ones too, by its path."""
    cards = {"": form, **{f"{name}.": card for name, card in form["definitions"].items()}}
    return {f"{of}{name}": field for of, card in cards.items() for name, field in card.get("properties", {}).items()}


def title_of(form: dict[str, Any], field: dict[str, Any]) -> str:
    """Return a field's title, or that of the card it holds."""
    return str(field.get("title") or form["definitions"][field["$ref"].rpartition("/")[2]]["title"])


def test_every_field_has_a_title_that_is_no_name_from_the_code(form):
    for path, field in fields(form).items():
        title = title_of(form, field)
        assert title[0].isupper(), path
        assert "_" not in title, path


def test_every_field_is_described_without_marks_that_a_ui_would_show_as_they_are(form):
    for path, field in fields(form).items():
        assert field["description"], path
        assert "`" not in field["description"], path


def test_the_step_is_a_select_with_every_step_and_a_choice_for_none(form):
    step = form["properties"]["from_step"]
    assert (step["type"], step["enum"], step["default"]) == ("string", [AUTOMATIC, *STEPS], AUTOMATIC)
    assert "anyOf" not in step


def test_the_roles_are_named_for_people_where_a_ui_shows_the_types(form):
    by_hand, automatic = form["definitions"]["Observation"]["properties"]["roles"]["anyOf"]
    assert form["definitions"][by_hand["$ref"].rpartition("/")[2]]["title"] == "by hand"
    assert (automatic["title"], automatic["enum"]) == ("automatic", ["auto"])


@pytest.mark.parametrize(("chosen", "step"), [(AUTOMATIC, None), (None, None), ("gains", "gains")])
def test_the_flow_understands_what_the_form_sends(chosen, step):
    assert calibrate.validate_parameters({"observation": OBSERVATION, "from_step": chosen})["from_step"] == step


def test_a_step_that_does_not_exist_is_refused():
    with pytest.raises(ParameterTypeError, match="from_step"):
        calibrate.validate_parameters({"observation": OBSERVATION, "from_step": "gain"})
