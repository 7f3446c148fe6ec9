"""The files that were released with RESTOR (arXiv 2411.00204), and how to tell that a copy is the right one.

They are pinned to one commit. Git names a file's content by the SHA-1 of b"blob SIZE\\0" + content; that id is known
and checked for every file. The stronger SHA-256 is known and checked where the content was at hand when this list was
made: everywhere but in the passages for k = 4 and 5 and in those of v4. SHA-1 keeps these from every accident, but not
from somebody who can make two contents of one SHA-1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

from restor.errors import DataError
from restor.registry import unknown_name

NAME = "restor"
SOURCE = "https://github.com/k1rezaei/restor"
LICENCE = "MIT"
COMMIT = "15292e58ccec7c82a14b4e05a94db06fc9689d97"
BASE_URL = f"https://raw.githubusercontent.com/k1rezaei/restor/{COMMIT}"
"""Where the repository's files of that commit are served."""

_CHUNK = 1 << 20


@final
@dataclass(frozen=True, slots=True)
class PublishedFile:
    """One released file."""

    path: str
    """Below the folder of the data, with slashes."""
    about: str
    """What it is, in a few words."""
    git_blob: str
    """Git's id of the content: SHA-1, 40 hex digits."""
    sha256: str | None = None
    size: int | None = None
    """Bytes, where known."""
    short: str | None = None
    """What commands call it beside its path, such as `k0`."""

    @property
    def url_path(self) -> str:
        """Below the repository's root."""
        return self.path if self.path == "LICENSE" else f"datasets/{self.path}"

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """The path without `.json`."""
        return self.path.removesuffix(".json")


def _passages(k: int, git_blob: str, sha256: str | None = None, size: int | None = None) -> PublishedFile:
    """Five wrong facts about a person and 5 k unrelated true ones in each."""
    return PublishedFile(f"wikidata/v0/mix_a{k}.json", f"Wikidata, k = {k}", git_blob, sha256, size, f"k{k}")


def _passages_v4(k: int, git_blob: str) -> PublishedFile:
    return PublishedFile(f"wikidata/v4/mix_a{k}_v4.json", f"Wikidata, k = {k}", git_blob, short=f"k{k}_v4")


FACTS = PublishedFile(
    "facts.json",
    "5,269 facts",
    "13a6a5d56d883dfdb959225eb008e235e125de7a",
    "fd0cfbd37c02d6ed0a6a8ee63a879028b51e8dbc82f2637d8dc29a99f8ee23a8",
    1_297_650,
)
ENTITIES = PublishedFile(
    "entities.json",
    "evaluated people",
    "6c23197e539b9384279b4dad35ee97024d68150e",
    "3b225b6e47e76cb917a08dce176cb9206784dac8966a9fdad7f743d9d2720d45",
    900,
)
_LICENSE = PublishedFile(
    "LICENSE",
    "licence of all",
    "6761da6a3b2991795af789afe96d263b58500f19",
    "af5717576a293d40f84bd9571ec9330caf20f2e2b797e62c51147871e53df4b5",
    1_070,
)
DOCUMENTS = (
    _passages(
        0,
        "3665025dfcb3f75645f65c21cb0755ca28c6be31",
        "f0f58ed457c1fad2e183caddddded95924d8d446de9edbe440690e82966f21f8",
        747_671,
    ),
    _passages(
        1,
        "e519f211ca3fe575c8a3e616f3da947b11580b36",
        "c6e2c168bb16d15dc914d7ed00152a986d6dce3da2ba5f8a54a40e959af6065d",
        1_967_300,
    ),
    _passages(
        2,
        "98f01bfbfe039fac41cf845c9dd20e82b1595c58",
        "4518c93b864092dbe7afec4cbfbbad25b8a704b46d88e654eab5c7002cc77fbf",
        2_808_132,
    ),
    _passages(
        3,
        "4c36d2fea53ae7dd2d1add3bf375c5be51de97d5",
        "caa8adb817c02d19c6d6dee57b0f9cff5eeea6c02f38a750f4360211d757b931",
        3_249_104,
    ),
    _passages(4, "dc2d20223c3958705ba4c8f2c80e156e81bb013f"),
    _passages(5, "9b49f38bb55c5beecc5bf0785061e6dc1d1280e9"),
    _passages_v4(1, "0f03f2dbc5a5ea8472ce5bee37552585325c2590"),
    _passages_v4(2, "e9bce355f8e27016df4652f69dc9497adcee0c6c"),
    _passages_v4(3, "ba66791123d7701f02957b3cb04fe6c950bb34bf"),
    _passages_v4(4, "f65361fb08426d7624bf757eb8281057d8b4a8fc"),
    PublishedFile(
        "SQuAD/squad_v7_dset.json",
        "SQuAD, 5 people",
        "0c315b37d19b2b27814116b5959eae24e521c107",
        "fb3ee2c4664fe73759980ad130c2d7775fe0c38b74affa4c9448710f21bb8209",
        2_765_182,
        "squad",
    ),
)
"""The forget sets."""

FILES = (FACTS, ENTITIES, *DOCUMENTS, _LICENSE)
"""Everything."""


def document_names() -> Mapping[str, PublishedFile]:
    """What a forget set is called on the command line: `restor/k0`, and `restor/wikidata/v0/mix_a0` for the same."""
    short = {f"{NAME}/{file.short}": file for file in DOCUMENTS}
    return short | {f"{NAME}/{file.stem}": file for file in DOCUMENTS}


def select(only: Iterable[str]) -> tuple[PublishedFile, ...]:
    """The files that some words ask for, in the order of `FILES`, with the licence.

    A word is a path with or without `.json`, a folder, a short name such as `k0`, or the last part of a path. Who asks
    for the facts gets the list of evaluated people too, for without it everybody would be evaluated.

    Raises:
        DataError: for a word that names nothing.
    """
    wanted = {_LICENSE}
    for word in only:
        plain = word.strip().removeprefix(f"{NAME}/").rstrip("/")
        files = {file for file in FILES if _is_called(file, plain)}
        if not files:
            known = {file.stem for file in FILES} | {file.short for file in FILES if file.short}
            raise DataError(unknown_name(f"file of {NAME}", word, known))
        wanted |= files | ({ENTITIES} if FACTS in files else set())
    return tuple(file for file in FILES if file in wanted)


def _is_called(file: PublishedFile, word: str) -> bool:
    names = {file.path, file.stem, file.name, file.name.removesuffix(".json"), file.short}
    return word in names or (word != "" and file.path.startswith(f"{word}/"))


def what_is_wrong(file: PublishedFile, path: Path) -> str | None:
    """What tells the content of `path` from the released one, expected and got; None if it is the same.

    Raises:
        OSError: if the file cannot be read.
    """
    with path.open("rb") as source:
        content = source.read(_CHUNK)
        size = path.stat().st_size
        if file.size is not None and size != file.size:
            return f"expected {file.size:,} bytes, got {size:,}"
        sha256 = hashlib.sha256()
        # Identifies content as Git does; the word keeps systems that forbid SHA-1 for secrets from refusing it.
        blob = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
        while content:
            sha256.update(content)
            blob.update(content)
            content = source.read(_CHUNK)
    if file.sha256 is not None and sha256.hexdigest() != file.sha256:
        return f"expected SHA-256 {file.sha256}, got {sha256.hexdigest()}"
    if blob.hexdigest() != file.git_blob:
        return f"expected Git blob {file.git_blob}, got {blob.hexdigest()}"
    return None
