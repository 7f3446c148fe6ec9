"""`restor evaluate`."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from restor.cli.arguments import Changes, DataFile, Name, Quiet, StorePath, UsageError, check_seed, parse_changes
from restor.cli.common import default_store, named_entities
from restor.cli.output import safe_console
from restor.cli.report import find_study
from restor.cli.run import tell_failures

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

Facts = Annotated[
    DataFile | None, Parameter(help="Facts: `restor` (after `restor data fetch restor`), a file or a folder.")
]
Forget = Annotated[
    DataFile | None,
    Parameter(
        help="The documents that were to be forgotten (a file, or `restor/k0` ... `restor/squad`): who they are about "
        "is targeted."
    ),
]
Targets = Annotated[
    tuple[str, ...],
    Parameter(
        help="Targeted entities: names with commas or by giving the option again, or a file with a list of them."
    ),
]
Study = Annotated[
    Path | None, Parameter(help="A finished study of `restor run`: ask its questions again, instead of --facts.")
]
Seed = Annotated[
    int | None, Parameter(validator=check_seed, help="Which seed of the study; of random options and sampling.")
]
Protocol = Annotated[str | None, Parameter(help="How models are prompted: restor (default) or published.")]


def evaluate(
    *,
    model: Models = (),
    facts: Facts = None,
    forget: Forget = None,
    targets: Targets = (),
    study: Study = None,
    seed: Seed = None,
    protocol: Protocol = None,
    judge: Annotated[
        str | None, Parameter(help="Who judges the answers: `restor list judges`. Default: alias.")
    ] = None,
    dtype: Annotated[str, Parameter(help="Of the weights: auto, float32, bfloat16 or float16.")] = "auto",
    device: Annotated[str, Parameter(help="auto, cpu, cuda or cuda:N.")] = "auto",
    trust_remote_code: Annotated[bool, Parameter(help="Run code that a checkpoint brings along.")] = False,
    name: Name = None,
    store: StorePath = None,
    out: Annotated[Path | None, Parameter(help="Folder that gets a copy of the results and the report.")] = None,
    json: Annotated[bool, Parameter(help="Print one JSON object with the paths and the table.")] = False,
    quiet: Quiet = False,
    changes: Changes = (),
) -> None:
    """Ask checkpoints about facts and compare them. Nothing is trained."""
    from restor.cli.progress_view import progress_view

    lacking = [*(() if model else (NO_MODEL,)), *(() if study or facts else (NO_FACTS,))]
    if lacking:
        raise UsageError("\n".join(lacking))
    config = build_comparison(
        models=parse_models(model),
        facts=facts,
        forget=forget,
        targets=targets,
        study=None if study is None else find_study(study, store),
        seed=seed,
        protocol=protocol,
        judge=judge,
        dtype=dtype,
        device=device,
        trust_remote_code=trust_remote_code,
        name=name,
        changes=parse_changes(changes),
    )
    with redirect_stdout(sys.stderr), progress_view(quiet=quiet) as progress:
        from restor.runner.compare import compare

        outcome = compare(config, store=store or default_store(), progress=progress)
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
    found: dict[str, str] = {}
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
        if name in found:
            raise UsageError(f"The model {name!r} is given twice: {found[name]} and {ref}. Keep one, or rename it.")
        found[name] = ref
    return found


def build_comparison(
    *,
    models: dict[str, str],
    facts: Path | None,
    forget: Path | None,
    targets: Sequence[str],
    study: Path | None,
    seed: int | None,
    protocol: str | None,
    judge: str | None,
    dtype: str,
    device: str,
    trust_remote_code: bool,
    name: str | None,
    changes: dict[str, str],
) -> ComparisonConfig:
    """The checked configuration of a comparison.

    Raises:
        RestorError: for facts, a study, a model's name or an option that cannot be used.
    """
    from pydantic import ValidationError

    from restor.api import absolute_paths, absolute_ref, with_judge_hint
    from restor.config import validation_message
    from restor.errors import ConfigError
    from restor.evaluation.endpoint import PREFIX, parse_endpoint
    from restor.models.reference import parse_model_ref
    from restor.overrides import apply_overrides, paths
    from restor.runner.compare import ComparisonConfig

    refs = {
        key: absolute_ref(parse_model_ref(text)).model_copy(
            update={"dtype": dtype, "trust_remote_code": trust_remote_code}
        )
        for key, text in models.items()
        if not text.startswith(PREFIX)
    }
    served = {key: parse_endpoint(text) for key, text in models.items() if text.startswith(PREFIX)}
    content = questions(facts=facts, forget=forget, targets=targets, study=study, seed=seed)
    content |= {
        "models": {key: ref.identity() for key, ref in refs.items()},
        "endpoints": {key: ref.identity() for key, ref in served.items()},
        "device": device,
    }
    if name is not None:
        content["name"] = name
    set_by_option = {"evaluation.protocol": protocol, "evaluation.judge.name": judge}
    content = apply_overrides(
        content, {key: value for key, value in set_by_option.items() if value} | changes, ComparisonConfig
    )
    try:
        return absolute_paths(ComparisonConfig.model_validate(content))
    except ValidationError as error:
        known = paths(ComparisonConfig, content)
        raise ConfigError(with_judge_hint(validation_message(error, "The comparison", known))) from error


def questions(
    *, facts: Path | None, forget: Path | None, targets: Sequence[str], study: Path | None, seed: int | None
) -> dict[str, Any]:
    """What is asked, as the fields of a configuration that are not checked yet.

    Raises:
        RestorError: for facts, documents or a study that cannot be used, or neither or both of them.
    """
    from restor.data.locate import locate_documents, locate_facts
    from restor.domains.base import DOMAINS
    from restor.evaluation.protocol import LONGEST_ANSWER

    content: dict[str, Any] = {
        "forget": None if forget is None else str(locate_documents(forget).absolute()),
        "evaluation": {"max_new_tokens": LONGEST_ANSWER, "asked": "listed"},
    }
    if study is not None and facts is not None:
        raise UsageError("Give --facts or --study, not both: a study brings its own facts.")
    if study is not None:
        content["targets"] = list(targets)
        content |= _of_study(study, seed)
    elif facts is None:
        raise UsageError(NO_FACTS)
    else:
        file, entities = locate_facts(facts)
        domain = {"name": "triples", "facts": str(file.absolute())}
        content["domain"] = domain if entities is None else {**domain, "entities": str(entities.absolute())}
        content["seed"] = seed or 0
        if targets:
            content["targets"] = named_entities(targets, DOMAINS.build(DOMAINS.parse(content["domain"])).subjects)
    return content


def _of_study(study: Path, seed: int | None) -> dict[str, Any]:
    """The questions of a finished study.

    Raises:
        ConfigError: if it did not have that seed.
    """
    from restor.api import build_config
    from restor.errors import ConfigError
    from restor.report.load import RESULTS_FILE

    folder = study.parent if study.name == RESULTS_FILE else study
    config = build_config(folder / "config.yaml" if folder.is_dir() else folder)
    chosen = config.seeds[0] if seed is None else seed
    if chosen not in config.seeds:
        raise ConfigError(f"The study {study} has no seed {chosen}; it has {', '.join(map(str, config.seeds))}.")
    return {"study": config.identity(), "seed": chosen, "evaluation": config.identity()["evaluation"]}


def _show(outcome: Outcome, *, json: bool) -> None:
    from restor.cli.run import print_json, print_paths, print_table
    from restor.report.load import load_facts
    from restor.report.moved import moved, moved_json, moved_rich

    pairs = moved(outcome.results, load_facts(outcome.folder))
    if json:
        print_json(outcome, moved=moved_json(pairs))
        return
    print_table(outcome)
    safe_console().print(moved_rich(pairs, most=10))
    print_paths(outcome)
