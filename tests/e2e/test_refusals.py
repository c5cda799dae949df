"""Wrong input through the command: exit 2, a sentence that says what is wrong, and nothing written."""

from __future__ import annotations

import pytest

from tests.e2e.running import checksum

pytestmark = pytest.mark.casa


@pytest.fixture
def refused(gatecal, tmp_path):
    """Return a runner of `calibrate` that checks exit code and that nothing was written, and gives the output."""

    def run(observation, *arguments):
        place = tmp_path / "workspaces"
        ran = gatecal("calibrate", observation, "--workspace", place, *arguments)
        assert ran.code == 2, ran.output
        assert not place.exists()
        assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]
        assert list(gatecal.cwd.iterdir()) == []
        assert "Traceback" not in ran.output
        return " ".join(ran.output.split())

    return run


def changed(tiny, tmp_path, old, new):
    path = tmp_path / "changed.yaml"
    text = tiny.read_text()
    assert old in text
    vis = tiny.with_suffix(".ms")
    path.write_text(text.replace(f"data: {vis.name}", f"data: {vis}").replace(old, new))
    return path


def test_a_missing_path_is_named(refused, tmp_path):
    path = tmp_path / "night.yaml"
    path.write_text("name: night\ndata: nowhere.ms\n")
    assert str(tmp_path / "nowhere.ms") in refused(path)


def test_a_time_without_its_unit_is_refused_with_an_example(refused, tiny):
    output = refused(tiny, "--set", "gains.solint=60")
    assert "gains.solint" in output
    assert "60s" in output


def test_an_unknown_parameter_is_refused_with_the_near_ones(refused, tiny):
    assert "gains.solint" in refused(tiny, "--set", "gains.solin=30s")


def test_a_name_that_would_leave_the_workspace_is_refused(refused, tiny, tmp_path):
    assert "name" in refused(changed(tiny, tmp_path, "name: tiny", "name: ../tiny"))


def test_a_field_that_does_not_exist_is_refused_with_the_near_ones_and_the_input_stays(refused, tiny, tmp_path):
    before = checksum(tiny.with_suffix(".ms"))
    output = refused(changed(tiny, tmp_path, "flux: 1331+305", "flux: 1331+304"))
    assert "'1331+304'" in output
    assert "Did you mean 1331+305" in output
    assert checksum(tiny.with_suffix(".ms")) == before


def test_a_reference_antenna_that_is_not_there_is_refused_with_those_that_are(refused, tiny):
    output = refused(tiny, "--set", "refant=[Lovell]")
    assert "Lovell" in output
    assert "Mk2" in output


def test_a_bad_line_in_the_flag_file_is_refused_with_its_number(refused, tiny, tmp_path):
    flags = tmp_path / "flags.txt"
    flags.write_text("mode='manual' antenna='Mk2'\nmode='manual' antena='Mk2'\n")
    output = refused(tiny, "--set", f"flag.bad_times={flags}")
    assert "line 2" in output
    assert "antena" in output
