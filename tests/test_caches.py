"""Where fetched data and verdicts are kept."""

from __future__ import annotations

import sys

import pytest

from restor.caches import data_cache, verdict_cache
from restor.errors import DataError, StoreError

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="each system has a place of its own")


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    for name in ("RESTOR_DATA", "RESTOR_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_the_folders_are_those_of_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("RESTOR_DATA", "~/data")
    monkeypatch.setenv("RESTOR_CACHE", "~/cache")
    assert data_cache() == tmp_path / "data"
    assert verdict_cache() == tmp_path / "cache" / "verdicts"


def test_the_folders_are_those_of_the_platform(monkeypatch, tmp_path):
    monkeypatch.setenv("RESTOR_DATA", "")
    assert data_cache() == tmp_path / ".cache" / "restor" / "data"
    assert verdict_cache() == tmp_path / ".cache" / "restor" / "verdicts"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # which the XDG specification has ignored
    assert data_cache() == tmp_path / ".cache" / "restor" / "data"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert data_cache() == tmp_path / "xdg" / "restor" / "data"
    assert verdict_cache() == tmp_path / "xdg" / "restor" / "verdicts"


def test_without_a_home_directory_there_is_advice(monkeypatch):
    def unknown(uid):
        raise KeyError(uid)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", unknown)
    with pytest.raises(DataError, match=r"No folder to keep data in: .*[^.]\. Set RESTOR_DATA to one\."):
        data_cache()
    with pytest.raises(StoreError, match=r"No folder to keep verdicts in: .*[^.]\. Set RESTOR_CACHE to one\."):
        verdict_cache()


def test_a_home_of_nobody_is_told(monkeypatch):
    monkeypatch.setenv("RESTOR_DATA", "~no-such-user-of-this-machine/data")
    with pytest.raises(DataError, match="Set RESTOR_DATA"):
        data_cache()
