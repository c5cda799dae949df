"""What the simulator writes, read back with real CASA: structure, geometry, noise, troposphere, repeatability."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from schemas.simulation import SimulationTruth
from tasks.casa import CasaServer, WorkspaceCasa
from tasks.simulate.geometry import directions, uvw_m
from tasks.simulate.observatory import (
    ANTENNA_NAMES,
    BASELINES,
    CORRELATOR_EFFICIENCY,
    FIELDS,
    channel_frequencies_hz,
)
from tasks.simulate.scene import draw_scene
from tasks.simulate.schedule import load_preset
from tasks.simulate.sky import clean_sources, visibility_jy

pytestmark = pytest.mark.casa

REFERENCE = Path(__file__).parents[3] / "shared" / "reference" / "3c277_1_workshop.json"
SIMULATE = "tasks.simulate:simulate_observation"
READ = "tasks.simulate.read:read_columns"
CROSS_HAND = 1
SEED = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("simulate")


@pytest.fixture(scope="module")
def casa(folder):
    with CasaServer() as server:
        yield WorkspaceCasa(server, folder / "logs")


@pytest.fixture(scope="module")
def tiny(casa, folder):
    path = folder / "tiny.ms"
    casa(SIMULATE, preset="tiny", out=path, seed=SEED)
    return path


@pytest.fixture(scope="module")
def truth(tiny):
    return SimulationTruth.model_validate_json(tiny.with_name("tiny.ms.truth.json").read_text())


@pytest.fixture(scope="module")
def listed(casa, tiny, folder):
    casa("listobs", vis=tiny, listfile=folder / "tiny.txt")
    return (folder / "tiny.txt").read_text()


def by_integration(columns, name):
    """Give a column the axes (time, baseline, ...); rows of one spectral window run by time and baseline."""
    return columns[name].reshape(-1, len(BASELINES), *columns[name].shape[1:])


def test_listobs_finds_five_fields_four_windows_and_six_antennas(listed):
    assert [name for name in (field.name for field in FIELDS) if name in listed] == [field.name for field in FIELDS]
    assert "4 unique spectral windows and 1 unique polarization setups" in listed
    assert "Antennas: 6:" in listed
    assert "ObservationID = 4" in listed


def test_the_data_have_no_scratch_columns(casa, tiny):
    rows = casa(READ, table=tiny, columns=["FLAG"])["FLAG"]
    assert not rows.any()
    assert not {"MODEL_DATA", "CORRECTED_DATA"} & set(casa("tasks.simulate.read:column_names", table=tiny))


def test_uvw_agree_with_casas_own_to_a_thousandth_of_a_percent_of_the_array(casa, tiny, folder):
    copy = folder / "own_uvw.ms"
    shutil.copytree(tiny, copy)
    # fixvis with the phase centre where it was computes UVW anew from the antennas' positions.
    casa("fixvis", vis=copy, outputvis=folder / "fixed.ms", field="1407+284")
    written = casa(READ, table=tiny, columns=["UVW"], where="FIELD_ID==3")["UVW"]
    computed = casa(READ, table=folder / "fixed.ms", columns=["UVW"], where="FIELD_ID==3")["UVW"]
    np.testing.assert_allclose(written, computed, atol=10.0)


def test_the_uvw_column_is_the_formula(casa, tiny):
    columns = casa(READ, table=tiny, columns=["TIME", "UVW"], where="FIELD_ID==0 AND DATA_DESC_ID==2")
    times = by_integration(columns, "TIME")[:, 0]
    scans = np.split(times, np.flatnonzero(np.diff(times) > 9) + 1)
    expected = np.concatenate([uvw_m(FIELDS[0], scan) for scan in scans])
    np.testing.assert_allclose(by_integration(columns, "UVW"), expected, atol=0.01)


def test_the_simulated_3c286_has_the_phases_that_setjy_predicts(casa, tiny, folder):
    image = folder / "3c286.im"
    casa("tasks.flux_model_casa:make_3c286_image", out=image)
    model = folder / "model.ms"
    shutil.copytree(tiny, model)
    casa(
        "setjy",
        vis=model,
        field="1331+305",
        standard="Perley-Butler 2013",
        model=str(image),
        usescratch=True,
    )
    columns = casa(READ, table=model, columns=["UVW", "MODEL_DATA"], where="FIELD_ID==2 AND DATA_DESC_ID==1")
    frequency = channel_frequencies_hz(16)[1:2]
    expected = visibility_jy(clean_sources(1.0)[2], columns["UVW"][:, None, :], frequency)[:, 0, 0]
    predicted = columns["MODEL_DATA"][:, :, 0]
    assert np.abs(predicted - expected).max() < 0.02 * np.abs(expected).max()


def noise_in_data(columns, first, last):
    """Estimate the noise of one part from second differences in time of a cross hand, whose signal hardly changes."""
    data = by_integration(columns, "DATA")[first:last, :, 3:13, CROSS_HAND]
    change = data[2:] - 2 * data[1:-1] + data[:-2]
    return np.sqrt((change.real**2 + change.imag**2).mean(axis=(0, 2)) / 2 / 6)


def test_noise_in_the_written_data_obeys_the_radiometer_equation_to_three_percent(casa, tiny, truth):
    ideal = CORRELATOR_EFFICIENCY * np.sqrt(2 * truth.channel_width_hz * truth.integration_s)
    ratios = []
    for spw in range(4):
        gains = {(g.antenna, g.polarisation): g for g in truth.gains if g.spw == spw}
        columns = casa(READ, table=tiny, columns=["DATA"], where=f"FIELD_ID==3 AND DATA_DESC_ID=={spw}")
        measured = noise_in_data(columns, 6, 30)
        for rms, (first, second) in zip(measured, BASELINES, strict=True):
            right, left = gains[ANTENNA_NAMES[first], "R"], gains[ANTENNA_NAMES[second], "L"]
            jansky = rms / (right.amplitude * left.amplitude)
            ratios.append(jansky / (np.sqrt(right.sefd_jy * left.sefd_jy) / ideal))
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.03)
    assert np.std(ratios) < 0.1


def test_weights_are_the_inverse_square_of_the_noise_in_the_written_data(casa, tiny):
    columns = casa(READ, table=tiny, columns=["DATA", "WEIGHT", "SIGMA"], where="FIELD_ID==3 AND DATA_DESC_ID==0")
    measured = noise_in_data(columns, 6, 30)
    sigma = by_integration(columns, "SIGMA")[10, :, CROSS_HAND]
    assert np.mean(measured / sigma) == pytest.approx(1.0, abs=0.03)
    np.testing.assert_allclose(columns["WEIGHT"], columns["SIGMA"] ** -2.0, rtol=1e-5)


def test_the_same_seed_writes_the_same_bits(casa, tiny, folder):
    again = folder / "again.ms"
    casa(SIMULATE, preset="tiny", out=again, seed=SEED)
    first, second = (casa(READ, table=path, columns=["DATA", "UVW", "WEIGHT", "TIME"]) for path in (tiny, again))
    for name, values in first.items():
        assert values.tobytes() == second[name].tobytes()


def test_another_seed_writes_other_data(casa, tiny, folder):
    other = folder / "other.ms"
    casa(SIMULATE, preset="tiny", out=other, seed=SEED + 1)
    first, second = (casa(READ, table=path, columns=["DATA"], where="FIELD_ID==2")["DATA"] for path in (tiny, other))
    assert not (first == second).any()


def test_swapped_fields_are_swapped_in_the_field_table(casa, folder):
    path = folder / "swapped.ms"
    casa(SIMULATE, preset="tiny", out=path, faults=["swapped_fields"])
    assert list(casa(READ, table=path / "FIELD", columns=["NAME"])["NAME"][3:]) == ["0319+415", "1407+284"]


def test_flagdata_reads_the_users_bad_times(casa, tiny, folder):
    copy = folder / "flagged.ms"
    shutil.copytree(tiny, copy)
    casa("flagdata", vis=copy, mode="list", inpfile=str(tiny.with_name("tiny.ms.flagcmd.txt")), flagbackup=False)
    flagged = {
        field.name: casa(READ, table=copy, columns=["FLAG"], where=f"FIELD_ID=={index}")["FLAG"].mean()
        for index, field in enumerate(FIELDS)
    }
    assert 0.03 < flagged.pop("0319+415") < 0.2
    assert not any(flagged.values())


# Other formats


COMPARED = ("TIME", "UVW", "ANTENNA1", "ANTENNA2", "DATA_DESC_ID", "FIELD_ID", "INTERVAL", "DATA", "WEIGHT", "FLAG")


def in_order(columns):
    """Sort rows by integration, baseline and window: a format keeps the rows but not their order."""
    keys = (columns["DATA_DESC_ID"], columns["ANTENNA2"], columns["ANTENNA1"], np.round(columns["TIME"] / 4.0))
    order = np.lexsort(keys)
    return {name: values[order] for name, values in columns.items()}


def assert_same_observation(casa, written, imported):
    before, after = (in_order(casa(READ, table=path, columns=COMPARED)) for path in (written, imported))
    for name in ("ANTENNA1", "ANTENNA2", "DATA_DESC_ID", "FIELD_ID", "DATA", "FLAG"):
        np.testing.assert_array_equal(before[name], after[name], err_msg=name)
    np.testing.assert_allclose(before["TIME"], after["TIME"], rtol=0, atol=0.005)
    np.testing.assert_allclose(before["UVW"], after["UVW"], atol=0.05)
    np.testing.assert_allclose(before["INTERVAL"], after["INTERVAL"])
    np.testing.assert_allclose(before["WEIGHT"], after["WEIGHT"], rtol=1e-5)


def test_fits_idi_comes_in_one_file_per_source_and_imports_as_the_same_observation(casa, tiny, folder):
    files = casa("tasks.simulate.formats:write_fits_idi", measurement_set=tiny, folder=folder / "idi")
    assert [Path(name).stem for name in files] == [field.name for field in FIELDS]
    casa("importfitsidi", fitsidifile=files, vis=folder / "idi.ms", constobsid=True, scanreindexgap_s=15)
    assert_same_observation(casa, tiny, folder / "idi.ms")


def test_uvfits_imports_as_the_same_observation(casa, tiny, folder):
    casa("tasks.simulate.formats:write_uvfits", measurement_set=tiny, out=folder / "tiny.uvfits")
    casa("importuvfits", fitsfile=folder / "tiny.uvfits", vis=folder / "uvfits.ms")
    assert_same_observation(casa, tiny, folder / "uvfits.ms")


# The whole workshop observation


ALONE = """
import json, resource, sys, time
from pathlib import Path
from tasks.casa_config import load
out, scratch = sys.argv[1:]  # casaconfig takes the arguments for its own
load(["casatools"], Path(scratch))
from tasks.simulate import simulate_observation
begin = time.monotonic()
simulate_observation("workshop", out)
used = {"seconds": time.monotonic() - begin, "gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6}
print("USED", json.dumps(used))
"""


@pytest.fixture(scope="module")
def workshop_and_use(folder):
    """Write the workshop's observation in a process of its own, whose time and memory are measured."""
    path = folder / "workshop.ms"
    scratch = folder / "scratch"
    scratch.mkdir()
    printed = subprocess.run(
        [sys.executable, "-c", ALONE, path, scratch],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    ).stdout
    return path, json.loads(printed.rpartition("USED")[2])


@pytest.fixture(scope="module")
def workshop(workshop_and_use):
    return workshop_and_use[0]


@pytest.mark.slow
def test_listobs_of_the_workshop_equals_the_guides(casa, workshop, folder):
    if not REFERENCE.exists():
        pytest.skip("The reference file is not beside this checkout.")
    casa("listobs", vis=workshop, listfile=folder / "workshop.txt")
    line = re.compile(r"(\d\d:\d\d:\d\d\.\d) - (\d\d:\d\d:\d\d\.\d) +(\d+) +\d+ (\S+) +(\d+) +\[")
    found = {int(m[3]): (m[1], m[2], m[4], int(m[5])) for m in line.finditer((folder / "workshop.txt").read_text())}
    expected = {
        scan["scan"]: (scan["start_utc"][11:21], scan["stop_utc"][11:21], scan["field"], scan["rows"])
        for scan in json.loads(REFERENCE.read_text())["scans"]
    }
    assert found == expected


@pytest.mark.slow
def test_phases_of_3c84_have_the_structure_function_that_was_drawn(casa, workshop):
    columns = casa(READ, table=workshop, columns=["TIME", "DATA"], where="FIELD_ID==4 AND DATA_DESC_ID==1")
    times = by_integration(columns, "TIME")[:, 0]
    # De and Cm have bad times; the first 44 s and the last part of the scan are bad for all.
    sound = [index for index, pair in enumerate(BASELINES) if not {"De", "Cm"} & {ANTENNA_NAMES[a] for a in pair}]
    steady = (times > times[0] + 44) & (times < times[0] + 0.94 * (times[-1] - times[0]))
    data = by_integration(columns, "DATA")[steady][:, sound, 8:56][..., 0]
    phase = (data * np.conj(data.mean(axis=0))).mean(axis=2)
    lags = np.array([1, 2, 4, 8, 16])
    measured = np.array([np.mean(np.angle(phase[lag:] * np.conj(phase[:-lag])) ** 2) for lag in lags])
    scene = draw_scene(load_preset("workshop"), 0)
    wind = np.hypot(*scene.screen.wind_m_s)
    expected = 2 * scene.screen.structure_function_s2(wind * 4.0 * lags) * (2 * np.pi * 5.008e9) ** 2
    expected *= float(np.mean(1 / np.sin(directions(FIELDS[4], times).elevation)))
    np.testing.assert_allclose(measured, expected, rtol=0.1)
    slopes = [np.polyfit(np.log(lags), np.log(values), 1)[0] for values in (measured, expected)]
    assert slopes[0] == pytest.approx(slopes[1], rel=0.1)


@pytest.mark.slow
def test_the_workshop_takes_under_150_s_and_3_gb(workshop_and_use):
    _, used = workshop_and_use
    assert used["seconds"] < 150
    assert used["gb"] < 3
