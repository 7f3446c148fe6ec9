"""`restor evaluate`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, final

from cyclopts import Parameter

from restor.cli.arguments import (
    FLAT,
    Changes,
    DataFile,
    Json,
    Loading,
    Name,
    Quiet,
    StorePath,
    UsageError,
    check_seed,
    parse_changes,
)
from restor.cli.common import default_store, find_study, named_entities
from restor.cli.output import safe_console
from restor.cli.run import tell_failures
from restor.errors import ConfigError

if TYPE_CHECKING:
    from restor.runner.compare import ComparisonConfig
    from restor.runner.study import Outcome

NAMES = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
NO_MODEL = "Give at least one checkpoint, as in `--model clean=PATH --model corrupted=PATH`."
NO_FACTS = "Give the facts with --facts (`--facts restor` for the published ones), or a --study."

Models = Annotated[
    tuple[str, ...],
    Parameter(
        name="--model",
        help="NAME=CHECKPOINT, once per model: a folder or hub id, with @REVISION and +ADAPTER where wanted, or "
        "endpoint:URL#MODEL for one that is served, as by vLLM (answers only, no log-probs). `clean`, `corrupted` and "
        "`ideal` are what the others are measured against.",
    ),
]


@FLAT
@final
@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionOptions:
    """What is asked, and how models are prompted."""

    facts: Annotated[
        DataFile | None, Parameter(help="Facts: `restor` (after `restor data fetch restor`), a file or a folder.")
    ] = None
    forget: Annotated[
        DataFile | None,
        Parameter(
            help="The documents that were to be forgotten (a file, or `restor/k0` ... `restor/squad`): who they are "
            "about is targeted."
        ),
    ] = None
    targets: Annotated[
        tuple[str, ...],
        Parameter(
            help="Targeted entities: names with commas or by giving the option again, or a file with a list of them."
        ),
    ] = ()
    study: Path | None = None
    """A finished study of `restor run`: ask its questions again, instead of --facts."""
    seed: Annotated[int | None, Parameter(validator=check_seed)] = None
    """Which seed of the study; of random options and sampling."""
    protocol: str | None = None
    """How models are prompted: restor (default) or published."""
    store: StorePath = None

    def content(self) -> dict[str, Any]:
        """The fields of a configuration, which are not checked yet.

        Raises:
            RestorError: for facts, documents or a study that cannot be used, or neither or both of them.
        """
        from restor.data.locate import locate_documents, locate_facts
        from restor.domains.base import DOMAINS
        from restor.evaluation.ask.protocol import LONGEST_ANSWER

        study = None if self.study is None else find_study(self.study, self.store)
        content: dict[str, Any] = {
            "forget": None if self.forget is None else str(locate_documents(self.forget).absolute()),
            "evaluation": {"max_new_tokens": LONGEST_ANSWER, "asked": "listed"},
        }
        if study is not None and self.facts is not None:
            raise UsageError("Give --facts or --study, not both: a study brings its own facts.")
        if study is not None:
            content |= {"targets": list(self.targets), **_of_study(study, self.seed)}
        elif self.facts is None:
            raise UsageError(NO_FACTS)
        else:
            file, entities = locate_facts(self.facts)
            domain = {"name": "triples", "facts": str(file.absolute())}
            content["domain"] = domain if entities is None else {**domain, "entities": str(entities.absolute())}
            content["seed"] = self.seed or 0
            if self.targets:
                subjects = DOMAINS.build(DOMAINS.parse(content["domain"])).subjects
                content["targets"] = named_entities(self.targets, subjects)
        return content

    def changes(self, settings: Iterable[str]) -> dict[str, str]:
        """The changes of a configuration that are given, `settings` being `FIELD=VALUE` texts."""
        return ({"evaluation.protocol": self.protocol} if self.protocol else {}) | parse_changes(settings)


def evaluate(
    *,
    model: Models = (),
    questions: QuestionOptions = QuestionOptions(),
    judge: Annotated[
        str | None, Parameter(help="Who judges the answers: `restor list judges`. Default: alias.")
    ] = None,
    loading: Loading = Loading(),
    name: Name = None,
    out: Annotated[Path | None, Parameter(help="Folder that gets a copy of the results and the report.")] = None,
    json: Json = False,
    quiet: Quiet = False,
    changes: Changes = (),
) -> None:
    """Ask checkpoints about facts and compare them. Nothing is trained."""
    from restor.cli.progress_view import progress_view

    lacking = [*(() if model else (NO_MODEL,)), *(() if questions.study or questions.facts else (NO_FACTS,))]
    if lacking:
        raise UsageError("\n".join(lacking))
    config = build_comparison(parse_models(model), questions, loading, judge=judge, name=name, changes=changes)
    with progress_view(quiet=quiet) as progress:
        from restor.runner.compare import compare

        outcome = compare(config, store=questions.store or default_store(), progress=progress)
        if out is not None:
            from restor.store.disk import store_errors
            from restor.tasks.tabulation.publish import publish

            with store_errors(out):
                out.mkdir(parents=True, exist_ok=True)
            publish(outcome.folder, out)
    _show(outcome, json=json)
    tell_failures(outcome)


def parse_models(given: tuple[str, ...]) -> dict[str, str]:
    """Name -> checkpoint.

    Raises:
        UsageError: without a name, or for a name given twice.
    """
    refs: dict[str, str] = {}
    for text in given:
        name, equals, ref = (part.strip() for part in text.partition("="))
        if not (equals and NAMES.fullmatch(name) and ref):
            raise UsageError(
                f"--model needs NAME=CHECKPOINT, as in `--model clean=PATH`, given {text!r}. A name has letters, "
                "digits and _ . -"
            )
        near = difflib.get_close_matches(name.lower(), ("clean", "corrupted", "ideal"), n=1, cutoff=0.8)
        if near and name not in near:
            raise UsageError(f"The model {name!r} would be judged as a method. Did you mean {near[0]}? Else rename it.")
        if name in refs:
            raise UsageError(f"The model {name!r} is given twice: {refs[name]} and {ref}. Keep one, or rename it.")
        refs[name] = ref
    return refs


def build_comparison(
    models: Mapping[str, str],
    questions: QuestionOptions,
    loading: Loading,
    *,
    judge: str | None = None,
    name: str | None = None,
    changes: Iterable[str] = (),
) -> ComparisonConfig:
    """The checked configuration of a comparison of checkpoints by name, with changes such as `FIELD=VALUE`.

    Raises:
        RestorError: for facts, a study, a model's name or an option that cannot be used.
    """
    from restor.api import absolute_paths, absolute_ref, with_judge_hint
    from restor.evaluation.ask.endpoint import PREFIX, parse_endpoint
    from restor.models.model_ref import parse_model_ref
    from restor.overrides import configured
    from restor.runner.compare import ComparisonConfig

    refs, served = {}, {}
    for key, text in models.items():
        if text.startswith(PREFIX):
            served[key] = parse_endpoint(text).identity()
        else:
            refs[key] = loading.place(absolute_ref(parse_model_ref(text)))
    content = questions.content() | {"models": refs, "endpoints": served, "device": loading.device}
    if name is not None:
        content["name"] = name
    chosen = ({"evaluation.judge.name": judge} if judge else {}) | questions.changes(changes)
    try:
        return absolute_paths(configured(ComparisonConfig, content, chosen, source="The comparison"))
    except ConfigError as error:
        raise ConfigError(with_judge_hint(str(error))) from error


def _of_study(study: Path, seed: int | None) -> dict[str, Any]:
    """The questions of a finished study.

    Raises:
        ConfigError: if it did not have that seed.
    """
    from restor.api import build_config
    from restor.report.io.load import RESULTS_FILE

    folder = study.parent if study.name == RESULTS_FILE else study
    config = build_config(folder / "config.yaml" if folder.is_dir() else folder)
    chosen = config.seeds[0] if seed is None else seed
    if chosen not in config.seeds:
        raise ConfigError(f"The study {study} has no seed {chosen}; it has {', '.join(map(str, config.seeds))}.")
    return {"study": config.identity(), "seed": chosen, "evaluation": config.identity()["evaluation"]}


def _show(outcome: Outcome, *, json: bool) -> None:
    from restor.cli.run import print_json, print_paths, print_table
    from restor.report.io.load import load_facts
    from restor.report.tables.changes import moved, moved_json, moved_rich

    pairs = moved(outcome.results, load_facts(outcome.folder))
    if json:
        print_json(outcome, moved=moved_json(pairs))
        return
    print_table(outcome)
    safe_console().print(moved_rich(pairs, most=10))
    print_paths(outcome)
