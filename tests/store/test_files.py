from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from restor.errors import StoreError
from restor.store.disk import sha256_file, store_errors, write_atomic


def test_sha256_file_is_the_digest_of_the_bytes(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")
    assert sha256_file(tmp_path / "f") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_write_atomic_writes_text_and_bytes_and_leaves_nothing_else(tmp_path):
    write_atomic(tmp_path / "f", "old")
    write_atomic(tmp_path / "f", "é")
    assert (tmp_path / "f").read_bytes() == "é".encode()
    write_atomic(tmp_path / "f", b"\0")
    assert (tmp_path / "f").read_bytes() == b"\0"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_write_atomic_honours_the_umask_as_a_shared_store_needs(tmp_path):
    before = os.umask(0o027)
    try:
        write_atomic(tmp_path / "f", "x")
    finally:
        os.umask(before)
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_full_disk_keeps_the_old_file_and_says_what_to_do(tmp_path, monkeypatch, failing):
    write_atomic(tmp_path / "f", "old")

    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, failing, full)
    with pytest.raises(StoreError, match=r"No room to write .*f: No space left.*restor clean"):
        write_atomic(tmp_path / "f", "new")
    monkeypatch.undo()
    assert (tmp_path / "f").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_real_limit_of_the_system_keeps_the_old_file(tmp_path):
    write_atomic(tmp_path / "f", "old")
    program = (
        "import sys\nfrom pathlib import Path\nfrom restor.errors import StoreError\n"
        "from restor.store.disk import write_atomic\n"
        "try: write_atomic(Path(sys.argv[1]), b'x' * 100_000)\n"
        "except StoreError as error: sys.exit(str(error))\n"
    )

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    command = [sys.executable, "-c", program, str(tmp_path / "f")]
    done = subprocess.run(command, preexec_fn=limit, capture_output=True, text=True)
    assert done.returncode == 1
    assert "No room to write" in done.stderr
    assert (tmp_path / "f").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errno.ENOSPC, "No room to write .*free|Free space"),
        (errno.EDQUOT, "No room to write .*quota"),
        (errno.EROFS, "Not allowed to write .*another folder with --store"),
        (errno.EACCES, "Not allowed to write .*give write permission"),
        (errno.EIO, "Cannot use .*Check the path"),
    ],
)
def test_store_errors_names_the_file_and_the_way_out(code, message):
    with pytest.raises(StoreError, match=message) as caught, store_errors(Path("named")):
        raise OSError(code, os.strerror(code))
    assert "named" in str(caught.value)
    with pytest.raises(StoreError, match="precise"), store_errors(Path("named")):
        raise OSError(code, os.strerror(code), "precise")


def test_store_errors_lets_everything_else_pass():
    with pytest.raises(ValueError, match="mine"), store_errors(Path("named")):
        raise ValueError("mine")
