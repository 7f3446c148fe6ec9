"""A checkpoint as a frozen value: a local folder or a hub id, with revision, adapter, dtype and device. Torch-free."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, final

from pydantic import ValidationError, field_validator, model_validator

from restor.config import Config
from restor.errors import ConfigError
from restor.faults import reading
from restor.models.files import CODE_FILES, HUB_ID, find_folder, hash_folder


@final
class ModelRef(Config):
    """Which checkpoint, and how to load it. A text `PATH_OR_HUB_ID[@REVISION][+ADAPTER]` is read as one too."""

    path: str
    """A local folder or a hub id; a folder of that name wins."""
    revision: str | None = None
    """Branch, tag or commit of a hub id."""
    adapter: str | None = None
    """An adapter of peft to merge, such as LoRA: a local folder, or a hub id with `@REVISION` where wanted."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Of the weights; auto is the checkpoint's own on a GPU and float32 on a CPU. A checkpoint stored in bfloat16 that
    is only asked stays it on a CPU where a short measurement finds that clearly faster."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N; auto takes a GPU where there is one."""
    trust_remote_code: bool = False
    """Whether to run Python code that comes with the checkpoint."""

    @model_validator(mode="before")
    @classmethod
    def _read_text(cls, given: Any) -> Any:
        return _split(given) if isinstance(given, str) else given

    @field_validator("path", "adapter")
    @classmethod
    def _expand(cls, value: str | None) -> str | None:
        if value is not None and not value.strip():
            raise ValueError("it is empty; give a folder or a hub id")
        return str(Path(value).expanduser()) if value is not None and value.startswith("~") else value

    @model_validator(mode="after")
    def _revision_of_a_hub_id(self) -> ModelRef:
        if self.revision is not None and self.folder is not None:
            raise ValueError(
                f"{self.path} is a local folder, which has no revisions; leave {self.revision!r} out, or give a hub id"
            )
        return self

    @property
    def folder(self) -> Path | None:
        """The local folder, or None for a hub id."""
        path = Path(self.path)
        return path if path.exists() or not HUB_ID.fullmatch(self.path) else None

    @property
    def label(self) -> str:
        """Short, for people: the last part of the path or id, with revision and adapter."""
        name = self.path
        if self.folder is not None:
            parts = Path(self.path).resolve().parts
            # What studies make is always called `model`; the folder it is in tells more.
            name = "/".join(parts[-2:]) if parts[-1] == "model" else parts[-1]
        revision = f"@{self.revision}" if self.revision else ""
        return name + revision + (f"+{_adapter_label(self.adapter)}" if self.adapter else "")


def parse_model_ref(text: str) -> ModelRef:
    """Read `PATH_OR_HUB_ID[@REVISION][+ADAPTER]`.

    A local path may itself hold `@` and `+`: the longest beginning that exists on the disk is the path. `~` is the
    home folder.

    Raises:
        ConfigError: for an empty part, or a revision of a local folder.
    """
    try:
        return ModelRef.model_validate(text)
    except ValidationError as error:
        reason = str(error.errors()[0]["msg"]).split(", ", 1)[-1]
        raise ConfigError(
            f"Cannot read {text!r} as a model: {reason}. Write PATH_OR_HUB_ID, with @REVISION or +ADAPTER behind it "
            "where wanted."
        ) from error


def _split(text: str) -> dict[str, Any]:
    base, rest = _base(text.strip())
    revision, plus, adapter = rest, "", ""
    if rest.startswith("@"):
        revision, plus, adapter = rest[1:].partition("+")
        if not revision:
            raise ValueError("nothing follows the @; give a branch, tag or commit")
    elif rest.startswith("+"):
        revision, plus, adapter = "", "+", rest[1:]
    if plus and not adapter:
        raise ValueError("nothing follows the +; give the folder or hub id of an adapter")
    return {"path": base, "revision": revision or None, "adapter": adapter or None}


def _base(text: str) -> tuple[str, str]:
    """The part that names folder or hub id, and what is behind it."""
    cuts = [match.start() for match in re.finditer(r"[@+]", text)]
    for cut in (len(text), *reversed(cuts)):
        if text[:cut] and Path(text[:cut]).expanduser().exists():
            return text[:cut], text[cut:]
    cut = cuts[0] if cuts else len(text)
    return text[:cut], text[cut:]


def adapter_source(adapter: str) -> tuple[str, str | None]:
    """An adapter's local path, or its hub id and revision."""
    base, rest = _base(adapter)
    return base, rest.removeprefix("@") or None


def _adapter_label(adapter: str) -> str:
    base, _ = adapter_source(adapter)
    return Path(base).name if Path(base).exists() else adapter


def fingerprint(ref: ModelRef) -> dict[str, Any]:
    """What identifies the content: SHA-256 of every file of a local folder that decides the model, a hub id's commit.

    Where and when a folder was written, its lineage, and how the model is loaded do not count. Reading is the cost:
    about a second for a gigabyte and core, shards side by side. For a hub id only a small file is fetched.

    Raises:
        RestorError: if the checkpoint is not there, or the hub cannot be asked.
    """
    adapter = None
    if ref.adapter is not None:
        base, revision = adapter_source(ref.adapter)
        adapter = _content(base, revision, adapter=True, code=False)
    return {"model": _content(ref.path, ref.revision, adapter=False, code=ref.trust_remote_code), "adapter": adapter}


def pinned(ref: ModelRef, content: Mapping[str, Any]) -> ModelRef:
    """The reference with hub ids at the commits of its fingerprint: what is loaded is then what was identified."""
    changes: dict[str, str] = {}
    if commit := content["model"].get("commit"):
        changes["revision"] = commit
    if ref.adapter is not None and (commit := content["adapter"].get("commit")):
        changes["adapter"] = f"{adapter_source(ref.adapter)[0]}@{commit}"
    return ref.model_copy(update=changes)


def _content(path: str, revision: str | None, *, adapter: bool, code: bool) -> dict[str, Any]:
    with reading(path):
        folder = find_folder(path, revision, adapter=adapter, only_config=True)
        if folder.commit is not None:
            return {"hub": path, "commit": folder.commit}
        return {"files": hash_folder(folder.folder, adapter=adapter, also=CODE_FILES if code else ())}
