"""Telling input formats apart by content, and refusing what is none, is cut short, or would escape."""

import io
import os
import tarfile

import numpy as np
import pytest

from schemas.errors import ConfigurationError, DataUnusable
from tasks.ingest import DISK_FACTOR, check_disk, disk_needed
from tasks.ingest_ids_casa import overlapping_fields, scans_by_visits, unique_scans
from tasks.ingest_source import identify
from tasks.ingest_tar import unpack
from tests.unit.tasks.fits_files import fitsidi, uvfits

MS_FILES = ("table.dat", "table.lock", "ANTENNA/table.dat", "DATA_DESCRIPTION/table.dat", "FIELD/table.dat", "table.f1")


def make_ms(folder, leave_out=()):
    for name in MS_FILES:
        if name not in leave_out:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(name.encode() * 10)
    return folder


def make_tar(path, folder, name, mode="w"):
    with tarfile.open(path, mode) as archive:
        archive.add(folder, arcname=name)
    return path


def refusal(path, kind=ConfigurationError):
    with pytest.raises(kind) as caught:
        identify(path)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_a_measurement_set_is_told_by_its_tables(tmp_path):
    source = identify(make_ms(tmp_path / "night.ms"))
    assert (source.kind, source.files) == ("measurement set", (tmp_path / "night.ms",))
    assert source.size_bytes == sum(len(name) * 10 for name in MS_FILES)


def test_the_name_says_nothing_about_the_kind(tmp_path):
    path = tmp_path / "night.ms"
    path.write_bytes(uvfits())
    assert identify(path).kind == "uvfits"


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2"])
def test_a_tar_of_a_measurement_set_is_told_by_its_members(tmp_path, mode):
    folder = make_ms(tmp_path / "night.ms")
    source = identify(make_tar(tmp_path / "night.dat", folder, "deep/down/night.ms", mode))
    assert source.kind == "tar"
    assert source.size_bytes == sum(len(name) * 10 for name in MS_FILES)


@pytest.mark.parametrize("inside", ["deep/down/night.ms", "."])
def test_unpacking_gives_the_measurement_set_and_nothing_else(tmp_path, inside):
    folder = make_ms(tmp_path / "night.ms")
    path = make_tar(tmp_path / "night.tar", folder, inside)
    (tmp_path / "out").mkdir()
    unpack(path, tmp_path / "out" / "work.ms")
    assert [entry.name for entry in (tmp_path / "out").iterdir()] == ["work.ms"]
    assert (tmp_path / "out/work.ms/FIELD/table.dat").read_bytes() == (folder / "FIELD/table.dat").read_bytes()


def test_fits_idi_is_told_by_its_tables(tmp_path):
    path = tmp_path / "night.fits"
    path.write_bytes(fitsidi())
    assert identify(path).kind == "fits-idi"


def test_a_folder_of_fits_idi_files_is_one_source_of_all_its_files(tmp_path):
    for name in ("b.fits", "a.fits"):
        (tmp_path / name).write_bytes(fitsidi())
    (tmp_path / "notes.txt").write_text("observed in rain")
    source = identify(tmp_path)
    assert source.kind == "fits-idi"
    assert [path.name for path in source.files] == ["a.fits", "b.fits"]


def test_a_missing_path_names_the_nearest_folder_that_exists(tmp_path):
    message = refusal(tmp_path / "gone" / "night.ms")
    assert f"there is nothing at {tmp_path}/gone/night.ms" in message
    assert f"nearest folder that exists is {tmp_path}" in message


def test_a_folder_without_tables_is_not_a_measurement_set(tmp_path):
    assert "is not a MeasurementSet (no table.dat)" in refusal(tmp_path)


def test_a_folder_that_holds_a_measurement_set_names_it(tmp_path):
    make_ms(tmp_path / "night.ms")
    assert "Inside it are night.ms" in refusal(tmp_path)


def test_a_calibration_table_is_not_a_measurement_set(tmp_path):
    table = make_ms(tmp_path / "night.G", leave_out=("DATA_DESCRIPTION/table.dat",))
    assert "not a MeasurementSet: it has no DATA_DESCRIPTION table" in refusal(table)


def test_a_text_file_is_refused_with_how_it_begins(tmp_path):
    path = tmp_path / "night.ms"
    path.write_text("observed in rain")
    assert "begins with b'observed in rain'" in refusal(path)


def test_an_empty_file_is_unusable(tmp_path):
    path = tmp_path / "night.fits"
    path.touch()
    assert "is empty" in refusal(path, DataUnusable)


def test_a_truncated_uvfits_says_how_many_bytes_are_missing(tmp_path):
    path = tmp_path / "night.fits"
    path.write_bytes(uvfits()[: 2880 + 4800 - 123])
    message = refusal(path, DataUnusable)
    assert "is truncated" in message
    assert "123 bytes are missing" in message


def test_a_uvfits_cut_within_a_later_table_is_truncated(tmp_path):
    path = tmp_path / "night.fits"
    path.write_bytes(uvfits()[: -2880 + 100])
    assert "its AIPS AN should end at byte" in refusal(path, DataUnusable)


def test_a_uvfits_cut_within_a_header_is_truncated(tmp_path):
    path = tmp_path / "night.fits"
    path.write_bytes(uvfits()[: 2880 + 2 * 2880 + 500])
    assert "ends within the header" in refusal(path, DataUnusable)


def test_a_uvfits_cut_between_its_parts_lacks_its_antennas(tmp_path):
    path = tmp_path / "night.fits"
    path.write_bytes(uvfits(antennas=False))
    assert "without an antenna table" in refusal(path, DataUnusable)


def test_a_uvfits_without_final_padding_is_whole(tmp_path):
    path = tmp_path / "night.fits"
    path.write_bytes(uvfits()[: -(2880 - 28 * 8)])
    assert identify(path).kind == "uvfits"


def test_a_fits_idi_without_visibilities_is_incomplete(tmp_path):
    path = tmp_path / "night.fits"
    path.write_bytes(fitsidi("ARRAY_GEOMETRY"))
    assert "has no UV_DATA table" in refusal(path, DataUnusable)


def test_a_fits_image_is_refused(tmp_path):
    path = tmp_path / "night.fits"
    path.write_bytes(fitsidi("AIPS CC"))
    assert "neither UVFITS (random groups) nor FITS-IDI" in refusal(path)


def test_a_tar_without_measurement_set_says_what_it_holds(tmp_path):
    (tmp_path / "plots").mkdir()
    path = make_tar(tmp_path / "night.tar", tmp_path / "plots", "plots")
    assert "without a MeasurementSet in it; it holds plots" in refusal(path)


def test_a_tar_of_two_measurement_sets_names_them(tmp_path):
    folder = make_ms(tmp_path / "night.ms")
    with tarfile.open(tmp_path / "night.tar", "w") as archive:
        archive.add(folder, arcname="one.ms")
        archive.add(folder, arcname="two.ms")
    assert "2 MeasurementSets (one.ms, two.ms)" in refusal(tmp_path / "night.tar")


@pytest.mark.parametrize("name", ["/etc/passwd", "../outside", "a/../../outside"])
def test_a_tar_member_that_would_leave_its_folder_is_refused(tmp_path, name):
    with tarfile.open(tmp_path / "night.tar", "w") as archive:
        archive.add(make_ms(tmp_path / "night.ms"), arcname="night.ms")
        archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    assert "leaves the folder it is unpacked into" in refusal(tmp_path / "night.tar")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_a_tar_member_that_is_no_plain_file_is_refused(tmp_path, kind):
    with tarfile.open(tmp_path / "night.tar", "w") as archive:
        archive.add(make_ms(tmp_path / "night.ms"), arcname="night.ms")
        member = tarfile.TarInfo("night.ms/table.f9")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    assert "is refused: its member 'night.ms/table.f9'" in refusal(tmp_path / "night.tar")


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_truncated_tar_is_unusable(tmp_path, mode):
    folder = make_ms(tmp_path / "night.ms")
    (folder / "table.f1").write_bytes(np.random.default_rng(1).bytes(100_000))
    path = make_tar(tmp_path / "night.tar", folder, "night.ms", mode)
    path.write_bytes(path.read_bytes()[:50_000])
    assert "fetch it again" in refusal(path, DataUnusable)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused(tmp_path):
    path = tmp_path / "night.fits"
    path.write_bytes(uvfits())
    path.chmod(0)
    assert "may not be read by this user" in refusal(path)


def test_the_fingerprint_is_the_same_for_the_same_content(tmp_path):
    folder = make_ms(tmp_path / "night.ms")
    first = identify(folder)
    (folder / "table.lock").write_bytes(b"another reader was here")
    assert identify(folder).fingerprint == first.fingerprint


def test_the_fingerprint_changes_with_one_byte_of_the_data(tmp_path):
    path = tmp_path / "night.fits"
    content = bytearray(uvfits())
    path.write_bytes(content)
    status = path.stat()
    first = identify(path).fingerprint
    content[3000] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert identify(path).fingerprint != first


def test_the_fingerprint_changes_with_the_time_of_change(tmp_path):
    path = tmp_path / "night.fits"
    path.write_bytes(uvfits())
    first = identify(path).fingerprint
    os.utime(path, ns=(0, 0))
    assert identify(path).fingerprint != first


def test_too_little_disk_says_how_much_is_needed_and_there_is(tmp_path, monkeypatch):
    path = tmp_path / "night.fits"
    path.write_bytes(uvfits())
    source = identify(path).evolve(size_bytes=10_000_000_000)
    assert disk_needed(source) == int(DISK_FACTOR * 10_000_000_000)
    monkeypatch.setattr("tasks.ingest.shutil.disk_usage", lambda _path: _Usage(2 * 10**9))
    with pytest.raises(ConfigurationError, match=r"needs 33\.00 GB of disk .* 2\.00 GB are free at") as caught:
        check_disk(source, tmp_path / "not" / "yet")
    assert caught.value.exit_code == 2


def test_what_an_earlier_run_left_in_the_workspace_counts_as_free(tmp_path, monkeypatch):
    path = tmp_path / "night.fits"
    path.write_bytes(uvfits())
    source = identify(path).evolve(size_bytes=1000)
    monkeypatch.setattr("tasks.ingest.shutil.disk_usage", lambda _path: _Usage(2000))
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    with pytest.raises(ConfigurationError):
        check_disk(source, workspace)
    (workspace / "old").write_bytes(bytes(1500))
    check_disk(source, workspace)


class _Usage:
    def __init__(self, free):
        self.free = free


def test_a_field_under_two_observation_ids_at_once_overlaps():
    fields, observations = np.array([0, 0, 0, 0, 1]), np.array([0, 0, 1, 1, 2])
    assert overlapping_fields(fields, observations, np.array([0.0, 10.0, 5.0, 15.0, 7.0])) == [0]


def test_a_field_under_one_observation_id_after_the_other_does_not_overlap():
    fields, observations = np.array([0, 0, 0, 0]), np.array([0, 0, 1, 1])
    assert overlapping_fields(fields, observations, np.array([0.0, 10.0, 11.0, 15.0])) == []


def test_different_fields_at_the_same_time_do_not_overlap():
    # e-MERLIN delivers one file per source: each has an observation ID of its own.
    fields, observations = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1])
    assert overlapping_fields(fields, observations, np.array([0.0, 10.0, 5.0, 15.0])) == []


def test_scan_numbers_used_by_two_observations_are_made_unique_in_order_of_time():
    scans, observations = np.array([1, 2, 1, 2]), np.array([0, 0, 1, 1])
    assert list(unique_scans(scans, observations, np.array([0.0, 20.0, 10.0, 30.0]))) == [1, 3, 2, 4]


def test_one_scan_seen_under_two_observation_ids_stays_one():
    scans, observations = np.array([5, 5, 5, 5]), np.array([0, 0, 1, 1])
    assert unique_scans(scans, observations, np.array([0.0, 10.0, 5.0, 15.0])) is None


def test_scan_numbers_that_are_unique_already_stay():
    scans, observations = np.array([1, 3, 2]), np.array([0, 0, 1])
    assert unique_scans(scans, observations, np.array([0.0, 20.0, 10.0])) is None


def test_scans_are_numbered_in_order_of_time():
    times = np.array([0.0, 4.0, 100.0, 104.0, 50.0, 54.0])
    assert list(scans_by_visits(np.array([0, 0, 0, 0, 1, 1]), times)) == [1, 1, 3, 3, 2, 2]


def test_all_baselines_of_one_time_are_in_one_scan():
    times = np.array([4.0, 0.0, 4.0, 0.0])
    assert list(scans_by_visits(np.array([3, 3, 3, 3]), times)) == [1, 1, 1, 1]


def test_a_gap_starts_a_new_scan_of_the_same_field():
    times = np.array([0.0, 4.0, 8.0, 12.0, 40.0, 44.0, 48.0])
    assert list(scans_by_visits(np.zeros(7, dtype=int), times)) == [1, 1, 1, 1, 2, 2, 2]


def test_long_integrations_are_no_gaps():
    times = np.array([0.0, 60.0, 120.0, 600.0, 660.0])
    assert list(scans_by_visits(np.zeros(5, dtype=int), times)) == [1, 1, 1, 2, 2]


def test_one_integration_a_visit_is_one_scan_a_visit():
    times = np.array([0.0, 10.0, 20.0, 30.0])
    assert list(scans_by_visits(np.array([0, 1, 0, 1]), times)) == [1, 2, 3, 4]
