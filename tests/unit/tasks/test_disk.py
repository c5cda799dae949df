"""A full disk is told from other failures, and said in words."""

from __future__ import annotations

import errno
import shutil
from collections import namedtuple

import pytest

from schemas.errors import CasaCrashed, CasaError, DiskFull
from tasks.disk import watched

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def free(monkeypatch):
    def is_free(size):
        monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(10**9, 10**9 - size, size))

    return is_free


def failing(folder, error):
    with watched(folder, "gains"):
        raise error


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_write_without_space_is_a_full_disk(tmp_path, number):
    with pytest.raises(DiskFull, match="the disk is full in step gains"):
        failing(tmp_path, OSError(number, "no"))


def test_the_file_system_that_is_full_is_named_where_the_error_names_a_file(tmp_path):
    place = tmp_path / "elsewhere"
    place.mkdir()
    with pytest.raises(DiskFull, match=f"on which {place} lies"):
        failing(tmp_path, OSError(errno.ENOSPC, "no", str(place / "x" / "file")))


def test_casa_that_says_so_met_a_full_disk(tmp_path, free):
    free(10**9)
    with pytest.raises(DiskFull, match="gaincal: it failed"):
        failing(tmp_path, CasaError("it failed", "gaincal", {}, "FilebufIO: No space left on device"))


@pytest.mark.parametrize("kind", [CasaError, CasaCrashed])
def test_casa_that_fails_for_whatever_reason_with_no_space_left_met_a_full_disk(tmp_path, free, kind):
    free(1000)
    with pytest.raises(DiskFull, match=r"0\.0 MB free of 1\.00 GB") as caught:
        failing(tmp_path, kind("its process was ended by SIGBUS.", "gaincal", {}, ""))
    assert isinstance(caught.value.__cause__, kind)


@pytest.mark.parametrize(
    "error",
    [CasaError("bad selection", "gaincal", {}, ""), PermissionError(errno.EACCES, "no"), ValueError("x")],
)
def test_other_failures_stay_what_they_are(tmp_path, free, error):
    free(10**9)
    with pytest.raises(type(error)) as caught:
        failing(tmp_path, error)
    assert caught.value is error


def test_a_folder_that_is_not_there_yet_is_looked_for_above(tmp_path):
    with pytest.raises(DiskFull, match=f"on which {tmp_path} lies"):
        failing(tmp_path / "not" / "yet", OSError(errno.ENOSPC, "no"))
