"""Ingest and inspection on the real NGC 5921 data set, through real CASA: every format gives the same working data."""

import hashlib
import shutil
import stat
import tarfile
from pathlib import Path

import numpy as np
import pytest

from schemas.errors import CasaError, ConfigurationError, DataUnusable
from schemas.inspection import MsSummary
from schemas.observation import Selection
from schemas.parameters import IngestParams
from tasks.casa import CasaServer, WorkspaceCasa, run, use_casa
from tasks.ingest import identify, ingest, read_metadata
from tasks.inspection import count_flags, list_observation, summarise
from tasks.roles import choose_refant, resolve_roles

pytestmark = pytest.mark.casa


@pytest.fixture(scope="module", autouse=True)
def casa(tmp_path_factory):
    with CasaServer() as server, use_casa(WorkspaceCasa(server, tmp_path_factory.mktemp("logs"))) as casa:
        yield casa


@pytest.fixture(scope="module")
def uvfits():
    import casadata

    return Path(casadata.datapath) / "demo" / "NGC5921.fits"


@pytest.fixture(scope="module")
def raw(tmp_path_factory, uvfits):
    """The data set as a MeasurementSet, read-only."""
    path = tmp_path_factory.mktemp("raw") / "night.ms"
    run("importuvfits", fitsfile=uvfits, vis=path)
    for part in (path, *path.rglob("*")):
        part.chmod(part.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    yield path
    for part in (path, *path.rglob("*")):
        part.chmod(part.stat().st_mode | stat.S_IWUSR)


@pytest.fixture
def writable(raw, tmp_path):
    """A copy of the data set that a test may change."""
    path = tmp_path / "changed.ms"
    shutil.copytree(raw, path, copy_function=shutil.copyfile)
    for part in (path, *path.rglob("*")):
        part.chmod(part.stat().st_mode | stat.S_IWUSR)
    return path


def work(path, workspace, selection=None, staged=None, **params):
    source = identify(path)
    record = ingest(source, workspace, "night", IngestParams(**params), selection or Selection(), staged=staged)
    return workspace / record.vis, record


def column(vis, name):
    return run("tasks.inspection_casa:column", path=str(vis), name=name)


def _state(path):
    """Content and time of change of everything at `path`."""
    parts = sorted(path.rglob("*")) if path.is_dir() else [path]
    return {
        part: (part.stat().st_mtime_ns, hashlib.sha256(part.read_bytes()).hexdigest() if part.is_file() else "")
        for part in parts
    }


def test_uvfits_becomes_a_working_measurement_set(uvfits, tmp_path):
    before = _state(uvfits)
    vis, record = work(uvfits, tmp_path)
    summary = summarise(vis)
    assert summary.rows == 22653
    assert summary.columns == ("DATA", "MODEL_DATA", "CORRECTED_DATA")
    assert record.vis == Path("ms/night.ms")
    assert any("TAI" in note for note in record.notes)
    assert _state(uvfits) == before
    assert sorted(path.name for path in (tmp_path / "ms").iterdir()) == ["night.ms", "night.ms.flagversions"]


def test_a_measurement_set_and_a_tar_of_it_give_the_same_data(raw, tmp_path):
    before = _state(raw)
    with tarfile.open(tmp_path / "night.tar.gz", "w:gz", compresslevel=1) as archive:
        archive.add(raw, arcname="somewhere/night.ms")
    one, _ = work(raw, tmp_path / "one")
    other, _ = work(tmp_path / "night.tar.gz", tmp_path / "other")
    for name in ("DATA", "FLAG", "UVW", "SCAN_NUMBER", "TIME"):
        np.testing.assert_array_equal(column(one, name), column(other, name))
        np.testing.assert_array_equal(column(one, name), column(raw, name))
    assert _state(raw) == before


def test_new_columns_hold_one_and_the_data(raw, tmp_path):
    vis, _ = work(raw, tmp_path)
    assert np.all(column(vis, "MODEL_DATA") == 1)
    np.testing.assert_array_equal(column(vis, "CORRECTED_DATA"), column(vis, "DATA"))


@pytest.fixture
def with_columns(raw, tmp_path):
    """The data set with a model of 5 Jy, corrected data of 7 Jy, and its first 100 rows flagged."""
    vis, _ = work(raw, tmp_path / "made")
    run("tests.contract.change_ms:put", vis=str(vis), name="MODEL_DATA", value=5.0)
    run("tests.contract.change_ms:put", vis=str(vis), name="CORRECTED_DATA", value=7.0)
    run("tests.contract.change_ms:flag_first", vis=str(vis), rows=100)
    return vis


def test_columns_and_flags_that_came_with_the_input_are_kept_on_request(with_columns, tmp_path):
    vis, record = work(with_columns, tmp_path / "kept", columns="keep", flags="keep")
    assert np.all(column(vis, "MODEL_DATA") == 5)
    assert np.all(column(vis, "CORRECTED_DATA") == 7)
    assert column(vis, "FLAG").sum() == 100 * 63 * 2
    assert "Kept the MODEL_DATA and CORRECTED_DATA columns that came with the input." in record.notes
    assert "Kept the flags that came with the input." in record.notes


def test_columns_and_flags_that_came_with_the_input_are_reset_on_request(with_columns, tmp_path):
    before = _state(with_columns)
    vis, record = work(with_columns, tmp_path / "reset", columns="reset", flags="reset")
    assert np.all(column(vis, "MODEL_DATA") == 1)
    np.testing.assert_array_equal(column(vis, "CORRECTED_DATA"), column(vis, "DATA"))
    assert not column(vis, "FLAG").any()
    assert any(note.startswith("Reset MODEL_DATA and CORRECTED_DATA") for note in record.notes)
    assert "Cleared all flags that came with the input." in record.notes
    assert _state(with_columns) == before


def test_the_flag_version_of_ingest_can_be_restored(with_columns, tmp_path):
    vis, record = work(with_columns, tmp_path / "kept", flags="keep")
    run("flagdata", vis=vis, mode="manual", antenna="3", flagbackup=False)
    assert column(vis, "FLAG").sum() > 100 * 63 * 2
    run("flagmanager", vis=vis, mode="restore", versionname=record.flag_version)
    assert column(vis, "FLAG").sum() == 100 * 63 * 2


def test_averaging_and_selection_reduce_the_data(raw, tmp_path):
    before = _state(raw)
    vis, record = work(raw, tmp_path, Selection(scan="1~5", antenna="!4"), average_time_s=60.0, average_channels=3)
    summary = summarise(vis)
    assert {scan.number for scan in summary.scans} == {1, 2, 3, 4, 5}
    assert summary.spws[0].channels == 21
    assert "4" not in summary.antennas_with_data
    assert summary.scans[0].integration_s == pytest.approx(60.0, abs=0.1)
    assert {"Selected scan '1~5'.", "Selected antenna '!4'.", "Averaged in time to 60 s."} <= set(record.notes)
    assert _state(raw) == before


def test_fixvis_by_parameter_leaves_the_uvw_of_good_data_nearly_where_they_were(raw, tmp_path):
    vis, record = work(raw, tmp_path, recompute_uvw=True)
    lengths = [np.linalg.norm(column(path, "UVW"), axis=0) for path in (raw, vis)]
    np.testing.assert_allclose(lengths[0], lengths[1], atol=0.5)
    assert any("fixvis" in note for note in record.notes)


def test_overlapping_observation_ids_of_one_field_are_merged(writable, tmp_path):
    run("tests.contract.change_ms:split_observation", vis=str(writable))
    vis, record = work(writable, tmp_path / "runs")
    assert np.all(column(vis, "OBSERVATION_ID") == 0)
    assert any(note.startswith("Merged 2 observation IDs into one") for note in record.notes)
    np.testing.assert_array_equal(column(vis, "SCAN_NUMBER"), column(writable, "SCAN_NUMBER"))
    assert [scan.field for scan in summarise(vis).scans] == [scan.field for scan in summarise(writable).scans[::2]]


def test_fluxscale_fails_on_overlapping_observation_ids_and_runs_once_they_are_merged(writable, tmp_path):
    run("tests.contract.change_ms:split_observation", vis=str(writable))
    vis, _ = work(writable, tmp_path / "runs")
    for path in (writable, vis):
        run("gaincal", vis=path, caltable=path.with_suffix(".G"), field="0,1", refant="15", solint="inf")

    def scale(path):
        table, scaled = path.with_suffix(".G"), path.with_suffix(".F")
        return run("fluxscale", vis=path, caltable=table, fluxtable=scaled, reference="1331+30500002_0")

    with pytest.raises(CasaError, match="fluxscale"):
        scale(writable)
    assert scale(vis)["1"]["fieldName"] == "1445+09900002_0"


def test_what_a_killed_ingest_left_is_replaced(raw, tmp_path):
    (tmp_path / "ms" / ".night.ms.building" / "night.ms").mkdir(parents=True)
    (tmp_path / "ms" / "night.ms").mkdir()
    (tmp_path / "ms" / "night.ms" / "table.dat").write_bytes(b"broken")
    vis, _ = work(raw, tmp_path)
    assert summarise(vis).rows == 22653
    assert sorted(path.name for path in (tmp_path / "ms").iterdir()) == ["night.ms", "night.ms.flagversions"]


def test_metadata_of_uvfits_are_read_in_a_folder_that_is_handed_on_and_removed(uvfits, tmp_path):
    source, workspace = identify(uvfits), tmp_path / "runs" / "night"
    with read_metadata(source, Selection(), workspace, 600.0) as staged:
        assert staged.summary.rows == 22653
        assert not workspace.exists()
        vis, record = work(uvfits, workspace, staged=staged.vis)
        assert not staged.vis.exists()
    assert summarise(vis).rows == 22653
    assert any(note.startswith("Imported from the UVFITS file") for note in record.notes)
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_nothing_is_left_where_reading_metadata_ends_in_an_error(uvfits, tmp_path):
    with (
        pytest.raises(ConfigurationError, match=r"selection\.antenna: 'Mk2'"),
        read_metadata(identify(uvfits), Selection(antenna="Mk2"), tmp_path / "night", 600.0),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_left_by_a_killed_run_is_removed_and_a_live_ones_is_not(uvfits, tmp_path):
    (tmp_path / ".gatecal-dead").mkdir()
    (tmp_path / ".gatecal-dead" / "lock").touch()
    with (
        read_metadata(identify(uvfits), Selection(), tmp_path / "one", 600.0) as live,
        read_metadata(identify(uvfits), Selection(), tmp_path / "two", 600.0),
    ):
        assert live.vis.exists()
        assert not (tmp_path / ".gatecal-dead").exists()


def test_metadata_of_a_measurement_set_are_read_in_place_without_writing(raw, tmp_path):
    before = _state(raw)
    with read_metadata(identify(raw), Selection(), tmp_path / "night", 600.0) as staged:
        assert staged.vis is None
        assert staged.summary.rows == 22653
    assert _state(raw) == before
    assert list(tmp_path.iterdir()) == []


def test_the_summary_gives_the_facts_of_the_data_set(raw):
    summary = summarise(raw)
    assert isinstance(summary, MsSummary)
    assert summary.telescope == "VLA"
    assert summary.autocorrelation_rows == 1619
    assert len(summary.antennas_with_data) == 27
    assert [antenna.name for antenna in summary.antennas if not antenna.has_data] == ["23"]
    assert summary.longest_baseline_m == pytest.approx(1031.2, abs=0.1)
    assert summary.spws[0].correlations == ("RR", "LL")
    assert (summary.spws[0].channels, summary.spws[0].channel_width_hz) == (63, pytest.approx(24414.06))
    assert [scan.field for scan in summary.scans] == [
        "1331+30500002_0",
        *["1445+09900002_0", "N5921_2", "1445+09900002_0"] * 2,
    ]
    assert set(summary.flagged_fraction.values()) == {0.0}


def test_a_selection_that_fits_nothing_is_refused(raw):
    with pytest.raises(ConfigurationError, match=r"selection\.spw: '7'"):
        summarise(raw, Selection(spw="7"))
    with pytest.raises(DataUnusable, match="no visibilities for the selection scan '99'"):
        summarise(raw, Selection(scan="99"))


@pytest.mark.parametrize("lost", ["table.f1", "ANTENNA/table.f0", "SPECTRAL_WINDOW"])
def test_a_measurement_set_with_a_lost_file_is_unusable(writable, lost):
    path = writable / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(DataUnusable, match="damaged or incomplete"):
        summarise(writable)


def test_roles_of_the_data_set_are_decided(raw):
    summary = summarise(raw)
    roles = resolve_roles("auto", summary)
    assert (roles.flux, roles.bandpass) == ("1331+30500002_0", ("1331+30500002_0",))
    assert roles.phase_reference == {"N5921_2": "1445+09900002_0"}
    assert len(choose_refant((), summary)) == 4


def test_flag_counts_equal_casas_own(writable):
    run("flagdata", vis=writable, mode="manual", antenna="3", spw="0:0~9", scan="1", flagbackup=False)
    run("flagdata", vis=writable, mode="manual", antenna="7&8", correlation="RR", flagbackup=False)
    run("flagdata", vis=writable, mode="manual", autocorr=True, flagbackup=False)
    counts = count_flags(writable)
    casa = run("flagdata", vis=writable, mode="summary", antenna="*&*", fieldcnt=True)
    scans = run("flagdata", vis=writable, mode="summary", antenna="*&*")["scan"]
    for scan in summarise(writable).scans:
        numbers = scans[str(scan.number)]
        assert scan.flagged_fraction == pytest.approx(numbers["flagged"] / numbers["total"])
    by_antenna = counts.groupby(["field", "antenna"])[["flagged", "total"]].sum()
    for name, entry in casa.items():
        if isinstance(entry, dict) and "antenna" in entry:
            for antenna, numbers in entry["antenna"].items():
                if numbers["total"]:
                    ours = by_antenna.loc[(name, antenna)]
                    assert (ours["flagged"], ours["total"]) == (numbers["flagged"], numbers["total"])
    by_correlation = counts.groupby("correlation")["flagged"].sum()
    assert by_correlation["RR"] > by_correlation["LL"]


def test_a_flagged_row_counts_as_flagged_whole(writable):
    run("tests.contract.change_ms:flag_rows_only", vis=str(writable))
    counts = count_flags(writable)
    assert (counts["flagged"] == counts["total"]).all()


def test_the_listing_is_casas_own(raw, tmp_path):
    before = _state(raw)
    listing = list_observation(raw, tmp_path / "logs" / "listobs.txt")
    assert "N5921_2" in listing.read_text()
    assert _state(raw) == before


def test_a_uvfits_cut_short_is_refused_before_casa_sees_it(uvfits, tmp_path):
    path = tmp_path / "night.fits"
    path.write_bytes(uvfits.read_bytes()[:1_000_000])
    with pytest.raises(DataUnusable, match=r"is truncated: .* bytes are missing"):
        identify(path)
    assert list(tmp_path.iterdir()) == [path]
