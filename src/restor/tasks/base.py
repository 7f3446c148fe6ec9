"""Tasks: one file is one kind of work. A task is a frozen value that says what is to be made, and can make it.

Its fields are its settings and its inputs, each a `Ref` to what another task makes. Its key follows from them, from the
content of the files that it names, and from the code: its own module with all that this imports, and the modules of the
catalogue entries among its settings. So a task can be read from a manifest and run in another process.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import json
import pkgutil
import sys
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar, final

from pydantic import PrivateAttr, ValidationError

from restor.config import Config, validation_message
from restor.errors import DataError
from restor.faults import OWN_MODULE
from restor.processes import Call
from restor.progress import Progress
from restor.registry import short_name
from restor.results import Cost
from restor.store.keys import ArtifactId, code_version

if TYPE_CHECKING:
    import torch


# What tasks make -----------------------------------------------------------------------------------------------------


class Product(ABC):
    """What a task makes. Its classes are never built: they tell a type checker which artifact is which."""

    @abstractmethod
    def __init__(self) -> None: ...


class Model(Product):
    """`model/`, or `ref.json` in its place where the checkpoint is elsewhere."""


class Texts(Product):
    """`texts.json`: documents, with what they state where that is known."""


class Planted(Texts):
    """Who is targeted and what is planted: `targets.json`, `planted.json`, and the forget documents as `Texts`."""


class Questions(Product):
    """`questions.json`: what models are asked."""


class Answers(Product):
    """`answers.parquet`: one row per question and run, not yet judged."""


class Verdicts(Product):
    """`verdicts.parquet`: one row per answer, in their order."""


class Trace(Product):
    """`trace.json`: what a model in training answered on the way."""


class Tables(Product):
    """`results.json`, `facts.parquet` and the page."""


ProductT = TypeVar("ProductT", bound=Product, covariant=True)


@final
class Ref(Config, Generic[ProductT]):
    """What another task makes."""

    kind: str
    """Kind of that task."""
    key: str
    """Of its artifact."""
    _task: Task | None = PrivateAttr(None)

    if not TYPE_CHECKING:

        def __class_getitem__(cls, product: type[Product]) -> type[Self]:
            # What is referred to is for type checkers. At run time all references are of one class, so that pydantic
            # takes each as it is.
            return cls

    @property
    def task(self) -> Task:
        """The task, where the reference was planned in this process and not read from a manifest."""
        assert self._task is not None, "read from a manifest: only its artifact is known"
        return self._task

    @property
    def label(self) -> str:
        """Name of the artifact's folder in a store."""
        return f"{self.kind}-{self.key}"


# Making --------------------------------------------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class Context:
    """Where a task reads and writes, on which device, and who hears how far it is."""

    inputs: Mapping[str, Path]
    """Key -> folder of the finished artifact."""
    directory: Path
    """Where the task writes."""
    resume: Path
    """Where a training run keeps what it needs to continue after a kill."""
    device: str
    """`auto`, `cpu`, `cuda` or `cuda:N`."""
    progress: Progress
    save_every: float
    """Seconds between a training run's own checkpoints."""
    memo: MutableMapping[str, Any] = field(default_factory=dict)
    """What tasks of one seed share within a process; whatever is not there is worked out again."""
    call: Call | None = None
    """What connects the processes that work on the task together; None: this one is alone."""

    def folder(self, ref: Ref[Product]) -> Path:
        """The folder of an input."""
        return self.inputs[ref.key]

    @property
    def place(self) -> torch.device:
        """The device as torch names it.

        Raises:
            ConfigError: if this machine has none of that name.
        """
        from restor.models.device import pick_device

        return pick_device(self.device)


@final
@dataclass(frozen=True, slots=True)
class Made:
    """What a task reports when its files are written."""

    cost: Cost
    info: Mapping[str, Any] = field(default_factory=dict)
    """Further facts, JSON values."""


class Task(Config, ABC):
    """The base of every kind of work."""

    kind: ClassVar[str]
    """What it is called in a store and where progress is told, the same for all tasks of the class."""
    makes: ClassVar[type[Product]]
    """What it makes."""
    needs_torch: ClassVar[bool] = True
    """Whether models are computed with; False: any core of any machine will do."""
    shared: ClassVar[bool] = False
    """Whether the processes of a launch can work on it together: `run` is then called in all of them, see
    `Context.call`."""
    outside_key: ClassVar[frozenset[str]] = frozenset()
    """Fields that say how it is made and on which the result does not depend, such as where a served model is."""

    seed: int

    @abstractmethod
    def run(self, context: Context) -> Made:
        """Make the artifact.

        Raises:
            RestorError: if that is not possible, with what to do.
        """

    @functools.cached_property
    def inputs(self) -> Mapping[str, Ref[Product]]:
        """Field -> what is read, in the order of the fields; of a nested setting the path, with dots."""
        return dict(_refs(self))

    @property
    def parents(self) -> Mapping[str, Task]:
        """Field -> the task that makes what is read; only of tasks that were planned in this process."""
        return {role: ref.task for role, ref in self.inputs.items()}

    @functools.cached_property
    def artifact(self) -> ArtifactId:
        """Everything that the result depends on, and so its key.

        Raises:
            DataError: if a file that is read cannot be.
        """
        return ArtifactId(
            kind=self.kind,
            settings=_content(self, leave_out={"seed", *self.outside_key}),
            inputs={role: ref.key for role, ref in self.inputs.items()},
            seed=self.seed,
            code=_code_of(self),
        )

    @property
    def detail(self) -> str:
        """What tells it from others of its kind where progress is told and no arm does."""
        return f"seed {self.seed}"

    @property
    def key(self) -> str:
        """Of the artifact."""
        return self.artifact.key

    @property
    def label(self) -> str:
        """Name of the artifact's folder in a store."""
        return self.artifact.label

    @property
    def found_by_name(self) -> frozenset[str]:
        """Modules whose code runs and that neither imports nor settings name, such as all entries of a catalogue."""
        return frozenset()

    @property
    def own_files(self) -> tuple[Path, ...]:
        """Files of the user's own whose classes are among the settings."""
        return tuple(sorted(_modules(self)[1]))

    @property
    def code_changed(self) -> bool:
        """Whether a file of the user's own has been edited since the key was worked out."""
        return bool(self.own_files) and _code_of(self) != self.artifact.code

    def written(self) -> dict[str, Any]:
        """JSON values from which `read_task` makes the task again; what is outside the key is left out."""
        return {"kind": self.kind, **self.model_dump(mode="json", exclude=set(self.outside_key))}

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A task of its own: what was worked out from the fields is worked out again."""
        copied = super().model_copy(update=update, deep=deep)
        for name in ("inputs", "artifact"):
            copied.__dict__.pop(name, None)
        return copied


def ref_to(task: Task, product: type[ProductT]) -> Ref[ProductT]:
    """A reference to what a task makes; `product` tells a type checker what that is."""
    assert issubclass(task.makes, product), f"{task.kind} makes no {product.__name__}"
    ref: Ref[ProductT] = Ref(kind=task.kind, key=task.key)
    ref._task = task
    return ref


def read_task(values: Mapping[str, Any]) -> Task:
    """A task from what `Task.written` gave, as it stands in a manifest.

    Raises:
        DataError: if there is no such kind of work, or its settings are not what this version knows.
    """
    kinds = task_kinds()
    settings = {name: value for name, value in values.items() if name != "kind"}
    try:
        return kinds[values["kind"]].model_validate(settings)
    except KeyError:
        raise DataError(
            f"There is no kind of work {values.get('kind')!r}. Known: {', '.join(sorted(kinds))}."
        ) from None
    except ValidationError as error:
        raise DataError(validation_message(error, f"The task {values['kind']!r} cannot be read")) from error


@functools.cache
def task_kinds() -> Mapping[str, type[Task]]:
    """Every kind of work by its name."""
    package = importlib.import_module("restor.tasks")
    for module in pkgutil.iter_modules(package.__path__, "restor.tasks."):
        importlib.import_module(module.name)
    return {cls.kind: cls for cls in _leaves(Task) if cls.__module__.startswith(f"{package.__name__}.")}


def _leaves(cls: type[Task]) -> Iterator[type[Task]]:
    for derived in cls.__subclasses__():
        if "kind" in vars(derived):
            yield derived
        yield from _leaves(derived)


# What a key is made of -----------------------------------------------------------------------------------------------


def content(settings: Config | Mapping[str, Any]) -> dict[str, Any]:
    """What settings mean, as JSON values: what files hold counts, not where they are, nor where a class of a file is.

    Raises:
        DataError: if a file cannot be read.
    """
    values = _content(settings)
    assert isinstance(values, dict)
    return values


def _content(value: Any, leave_out: Collection[str] = ()) -> Any:
    if isinstance(value, Config):
        known = {name: item for name, item in value.identity().items() if name not in leave_out}
        for name in type(value).model_fields:
            item = getattr(value, name)
            if isinstance(item, Ref):
                known.pop(name, None)
            elif name in known and isinstance(item, Config | Path | tuple | dict):
                known[name] = _content(item)
        return known | ({"name": short_name(known["name"])} if isinstance(known.get("name"), str) else {})
    if isinstance(value, Path):
        return {"sha256": _digest_of(value)}
    if isinstance(value, Mapping):
        named = {"name": short_name(value["name"])} if isinstance(value.get("name"), str) else {}
        return {str(key): _content(item) for key, item in value.items() if not isinstance(item, Ref)} | named
    if isinstance(value, list | tuple):
        return [_content(item) for item in value if not isinstance(item, Ref)]
    return value


def _digest_of(path: Path) -> str:
    try:
        return _digest(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Give the path of an existing file.") from error


def _digest(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents of a folder's files. Raises OSError."""
    if not path.is_dir():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    sha = hashlib.sha256()
    for file in sorted(item for item in path.iterdir() if item.is_file()):
        sha.update(json.dumps([file.name, _digest(file)]).encode())
    return sha.hexdigest()


def _refs(value: Any, path: str = "") -> Iterator[tuple[str, Ref[Product]]]:
    if isinstance(value, Ref):
        yield path, value
        return
    items: Iterable[tuple[str, Any]] = ()
    if isinstance(value, Config):
        items = ((name, getattr(value, name)) for name in type(value).model_fields)
    elif isinstance(value, Mapping):
        items = ((str(key), item) for key, item in value.items())
    elif isinstance(value, list | tuple):
        items = ((str(place), item) for place, item in enumerate(value))
    for name, item in items:
        yield from _refs(item, f"{path}.{name}" if path else name)


def _modules(task: Task) -> tuple[frozenset[str], frozenset[Path]]:
    """The modules whose code decides the result, without what they import; and the files of the user's own."""
    classes = {type(task), *map(type, _configs(task))}
    names = {cls.__module__ for cls in classes} | task.found_by_name
    user_modules = {name for name in names if name.startswith(OWN_MODULE)}
    return frozenset(names - user_modules), frozenset(Path(str(sys.modules[name].__file__)) for name in user_modules)


def _configs(value: Any) -> Iterator[Config]:
    items: Iterable[Any] = ()
    if isinstance(value, Config):
        items = [getattr(value, name) for name in type(value).model_fields]
    elif isinstance(value, Mapping):
        items = value.values()
    elif isinstance(value, list | tuple):
        items = value
    for item in items:
        if isinstance(item, Config) and not isinstance(item, Ref):
            yield item
        if not isinstance(item, Ref):
            yield from _configs(item)


def _code_of(task: Task) -> str:
    return code_version(*_modules(task))
