"""One simulated observation as MeasurementSet, tar.gz, UVFITS and per-source FITS-IDI: after ingest, all are equal."""

from __future__ import annotations

import shutil
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

from schemas.observation import Selection
from schemas.parameters import IngestParams
from tasks.casa import CasaServer, WorkspaceCasa, run, use_casa
from tasks.ingest import identify, ingest, read_metadata
from tasks.simulate.observatory import ANTENNA_NAMES, FIELDS, channel_frequencies_hz
from tasks.simulate.schedule import load_preset

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.casa

ROWS = ("TIME", "UVW", "ANTENNA1", "ANTENNA2", "DATA_DESC_ID", "FIELD_ID", "SCAN_NUMBER", "INTERVAL", "DATA", "FLAG")
SEED = 4
TIME_STEP_S = 0.005
"""UVFITS counts time in steps of 2 ms over a night."""
UVW_STEP_M = 0.05
"""UVFITS holds uvw in single precision: 217 km to one part in 16 million, and the rounding of the times."""


@dataclass(frozen=True)
class Working:
    """A working MeasurementSet after ingest, rows in order of time, spectral window and baseline, numbers as names."""

    rows: dict[str, np.ndarray]
    field: np.ndarray
    baseline: np.ndarray
    frequency_hz: np.ndarray
    scan_start_s: np.ndarray
    names: tuple[list[str], list[str]]


def read(vis: Path) -> Working:
    """Read a working MeasurementSet; antennas, fields and windows by name or frequency, whatever their numbers are."""
    rows = read_columns(vis, *ROWS)
    antennas, fields = (names_of(vis / table) for table in ("ANTENNA", "FIELD"))
    windows = read_columns(vis / "SPECTRAL_WINDOW", "CHAN_FREQ")["CHAN_FREQ"]
    window = read_columns(vis / "DATA_DESCRIPTION", "SPECTRAL_WINDOW_ID")["SPECTRAL_WINDOW_ID"][rows["DATA_DESC_ID"]]
    pairs = [f"{antennas[one]}&{antennas[two]}" for one, two in zip(rows["ANTENNA1"], rows["ANTENNA2"], strict=True)]
    baseline, first_hz = np.array(pairs), np.round(windows[window, 0])
    order = np.lexsort((baseline, first_hz, np.round(rows["TIME"], 1)))
    _, scan = np.unique(rows["SCAN_NUMBER"], return_inverse=True)
    starts = np.array([rows["TIME"][scan == number].min() for number in range(scan.max() + 1)])
    return Working(
        rows={name: column[order] for name, column in rows.items()},
        field=np.array(fields)[rows["FIELD_ID"]][order],
        baseline=baseline[order],
        frequency_hz=windows[window][order],
        scan_start_s=starts[scan][order],
        names=(antennas, sorted(fields)),
    )


def read_columns(table: Path, *names: str) -> dict[str, np.ndarray]:
    return run("tasks.simulate.read:read_columns", table=table, columns=names)


def names_of(table: Path) -> list[str]:
    return [str(name) for name in read_columns(table, "NAME")["NAME"]]


def ingested(path: Path, workspace: Path) -> Working:
    """Take an input the way the flow does: its metadata first, then the working MeasurementSet."""
    source = identify(path)
    with read_metadata(source, Selection(), workspace, 600.0) as staged:
        record = ingest(source, workspace, "night", IngestParams(), Selection(), staged=staged.vis)
    return read(workspace / record.vis)


def as_tar(vis: Path, folder: Path) -> Path:
    with tarfile.open(folder / "night.tar.gz", "w:gz", compresslevel=1) as archive:
        archive.add(vis, arcname="night.ms")
    return folder / "night.tar.gz"


def as_uvfits(vis: Path, folder: Path) -> Path:
    run("tasks.simulate.formats:write_uvfits", measurement_set=vis, out=folder / "night.uvfits")
    return folder / "night.uvfits"


def as_fits_idi(vis: Path, folder: Path) -> Path:
    files = run("tasks.simulate.formats:write_fits_idi", measurement_set=vis, folder=folder / "idi")
    assert len(files) == len(FIELDS)
    return folder / "idi"


@pytest.fixture(scope="module", autouse=True)
def casa(tmp_path_factory):
    with CasaServer() as server, use_casa(WorkspaceCasa(server, tmp_path_factory.mktemp("logs"))) as casa:
        yield casa


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """The observation as simulated, with flags as a correlator sets them: whole windows of a row, some in one hand."""
    vis = tmp_path_factory.mktemp("written") / "night.ms"
    run("tasks.simulate:simulate_observation", preset="tiny", out=vis, seed=SEED)
    run("flagdata", vis=vis, mode="manual", antenna="Cm", field="1331+305", flagbackup=False)
    run("flagdata", vis=vis, mode="manual", antenna="De&Kn", spw="2", correlation="LL", flagbackup=False)
    shutil.rmtree(f"{vis}.flagversions", ignore_errors=True)
    return vis


@pytest.fixture(scope="module")
def reference(written, tmp_path_factory) -> Working:
    """The MeasurementSet itself, ingested."""
    return ingested(written, tmp_path_factory.mktemp("ms") / "night")


@pytest.fixture(scope="module", params=[as_tar, as_uvfits, as_fits_idi])
def other(request, written, tmp_path_factory) -> Working:
    """The same in another format, ingested."""
    make: Callable[[Path, Path], Path] = request.param
    folder = tmp_path_factory.mktemp(make.__name__)
    return ingested(make(written, folder), folder / "night")


def test_the_measurement_set_holds_what_was_simulated_and_flagged(reference):
    preset = load_preset("tiny")
    assert len(reference.field) == preset.n_rows
    assert reference.names == (list(ANTENNA_NAMES), sorted(field.name for field in FIELDS))
    assert len(np.unique(reference.scan_start_s)) == len(preset.scans)
    np.testing.assert_allclose(np.unique(reference.frequency_hz), np.ravel(channel_frequencies_hz(preset.n_channels)))
    flags = reference.rows["FLAG"]
    assert 0 < np.mean(flags) < 0.2
    assert np.any(flags.any(axis=(1, 2)) & ~flags.all(axis=(1, 2)))


def test_visibilities_are_equal_bit_for_bit(reference, other):
    assert np.ptp(np.abs(reference.rows["DATA"])) > 0
    np.testing.assert_array_equal(other.rows["DATA"], reference.rows["DATA"])


def test_flags_are_equal(reference, other):
    np.testing.assert_array_equal(other.rows["FLAG"], reference.rows["FLAG"])


def test_uvw_are_equal_sign_included(reference, other):
    assert np.abs(reference.rows["UVW"]).max() > 1e5
    np.testing.assert_allclose(other.rows["UVW"], reference.rows["UVW"], rtol=0, atol=UVW_STEP_M)


def test_times_and_integration_times_are_equal(reference, other):
    np.testing.assert_allclose(other.rows["TIME"], reference.rows["TIME"], rtol=0, atol=TIME_STEP_S)
    np.testing.assert_allclose(other.rows["INTERVAL"], reference.rows["INTERVAL"], rtol=0, atol=TIME_STEP_S)


def test_rows_belong_to_the_same_fields_and_baselines_by_name(reference, other):
    assert other.names == reference.names
    np.testing.assert_array_equal(other.field, reference.field)
    np.testing.assert_array_equal(other.baseline, reference.baseline)


def test_rows_are_grouped_into_the_same_scans(reference, other):
    # The numbers differ by construction: the observatory counts scans source by source, and only the MeasurementSet
    # and the tar carry a number at all. What a scan is for every later step is which rows share a number.
    np.testing.assert_allclose(other.scan_start_s, reference.scan_start_s, rtol=0, atol=TIME_STEP_S)
    numbers = {(one, two) for one, two in zip(reference.rows["SCAN_NUMBER"], other.rows["SCAN_NUMBER"], strict=True)}
    assert len(numbers) == len(np.unique(reference.scan_start_s))


def test_channel_frequencies_are_equal(reference, other):
    np.testing.assert_allclose(other.frequency_hz, reference.frequency_hz, rtol=0, atol=1.0)
