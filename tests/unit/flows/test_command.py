"""What the command hands on of what a user wrote."""

from datetime import date

import pytest
from typer.testing import CliRunner

from flows import demo
from flows.command import app
from schemas.errors import ConfigurationError


@pytest.fixture
def ordered(monkeypatch, tmp_path):
    """Run ``gatecal simulate`` with arguments; return its exit code, and what the simulator was asked for."""
    asked = []

    def make(*arguments, **named):
        asked.append((*arguments, named))
        raise ConfigurationError("enough")

    monkeypatch.setattr(demo, "make_observation", make)

    def simulate(*arguments: str):
        code = CliRunner().invoke(app, ["simulate", "tiny", str(tmp_path / "night.ms"), *arguments]).exit_code
        return code, asked

    return simulate


@pytest.mark.parametrize(
    ("arguments", "night"), [((), None), (("--date", "2015-06-13"), date(2015, 6, 13))], ids=["none", "given"]
)
def test_the_date_of_a_simulated_night_is_handed_on(ordered, tmp_path, arguments, night):
    _, asked = ordered(*arguments)
    assert asked == [("tiny", tmp_path / "night.ms", 0, [], {"night": night})]


@pytest.mark.parametrize("text", ["13.06.2015", "2015-06-31", "2015-06-13T20:00"])
def test_what_is_not_a_date_is_bad_usage(ordered, text):
    assert ordered("--date", text) == (2, [])
