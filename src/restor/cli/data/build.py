"""`restor data build`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from restor.cli.arguments import DataFile, Quiet, UsageError, check_seed
from restor.cli.common import count, named_entities
from restor.errors import DataError

if TYPE_CHECKING:
    from restor.corruption.build import Built, Counts
    from restor.corruption.corruptors.base import CorruptorConfig
    from restor.corruption.paraphrase import Paraphrased
    from restor.datasets.base import Dataset
    from restor.domains.base import Domain

FORMAT = 1
"""Of the file that tells how a set was built."""
PER_ENTITY, PER_DOCUMENT = 300, 5
"""Documents about each entity and wrong facts in each, as published."""

Several = tuple[str, ...]
_FACT_SWAP = ("documents_per_entity", "dose", "facts_per_document", "k", "question_share", "context")
_SUBSTITUTION = ("passages", "pair", "form")
_PARAPHRASE = ("base_url", "key_variable", "structured", "concurrency", "requests_per_minute")


def build(
    corruptor: Literal["fact_swap", "entity_substitution"],
    /,
    *,
    facts: DataFile,
    out: Path,
    targets: Several = (),
    documents_per_entity: int | None = None,
    dose: int | None = None,
    facts_per_document: int | None = None,
    k: float | None = None,
    question_share: float | None = None,
    context: str | None = None,
    passages: DataFile | None = None,
    pair: Several = (),
    form: Several = (),
    seed: Annotated[int, Parameter(validator=check_seed)] = 0,
    simplified: Path | None = None,
    paraphrase: Annotated[str | None, Parameter(name="--paraphrase")] = None,
    base_url: str | None = None,
    key_variable: str | None = None,
    structured: Literal["json_schema", "json_object", "text"] | None = None,
    concurrency: int | None = None,
    requests_per_minute: float | None = None,
    force: bool = False,
    quiet: Quiet = False,
) -> None:
    """Write forget documents: wrong facts about chosen entities, with the places where each is stated.

    `fact_swap` writes documents from templates, in prose and as question lines, with wrong answers that are true of
    none of the entities where a relation has enough others. `entity_substitution` takes passages about other people
    and puts the entities' names in. A file OUT.json beside the documents tells how they were made. The same seed gives
    the same bytes.

    Parameters
    ----------
    corruptor
        fact_swap or entity_substitution.
    facts
        Facts file (published JSON, JSONL or CSV), a folder with facts.json, or `restor` for the fetched official one.
    out
        Where the documents are written, as JSONL.
    targets
        Targeted entities: names with commas or by giving the option again, or a file with a list of them. Default: the
        entities.json beside the facts, else all; for entity_substitution those of the pairs.
    documents_per_entity
        fact_swap: documents about each targeted entity. Default: 300.
    dose
        fact_swap: instead, how many documents state each wrong fact.
    facts_per_document
        fact_swap: wrong facts in a document. Default: 5.
    k
        fact_swap: unrelated sentences for each wrong fact. Default: 0.
    question_share
        fact_swap: share of the documents that are question lines, the others are prose. Default: 0.5.
    context
        fact_swap: where unrelated sentences come from: general (generated towns), facts (true facts of the same file
        about entities that are neither targeted nor listed), `restor`, or a file of facts or documents. Default:
        general.
    passages
        entity_substitution: documents about the donors, or a file in the form of SQuAD.
    pair
        entity_substitution: "TARGET=DONOR", whose name takes whose place; once for each target.
    form
        entity_substitution: "DONOR=NAME", another full name that the passages call a donor by.
    seed
        Decides every draw.
    simplified
        Also write the statements alone, without context, to this file.
    paraphrase
        Have each document rewritten by this chat model. Documents in which a false fact does not survive stay as they
        are, and are counted.
    base_url
        Where the chat model is, such as http://localhost:8000/v1. Default: OPENAI_BASE_URL, else the hosted one.
    key_variable
        Environment variable with the key. Default: OPENAI_API_KEY.
    structured
        How the chat model is asked for JSON: json_schema, json_object or text. Default: json_schema.
    concurrency
        Requests to the chat model at a time. Default: 8.
    requests_per_minute
        Most requests to the chat model. Default: no limit.
    force
        Write over files that are there.
    """
    given = {name: value for name, value in locals().items() if value not in (None, ())}
    _fits(corruptor, given)
    _writable([out, *([simplified] if simplified is not None else [])], _manifest_path(out), force=force)

    from restor.cli.progress_view import progress_view
    from restor.corruption.build import build as run
    from restor.corruption.corruptors.base import CORRUPTORS
    from restor.data.document_files import document_lines
    from restor.data.document_files import simplified as simple

    domain, facts_file = _domain(facts)
    config = _config(corruptor, given)
    targeted = _targets(domain, targets, config)
    context_file = _context_file(context)
    built = run(domain, _context(context_file, seed), CORRUPTORS.build(config), targeted, seed)
    done = None
    if paraphrase is not None:
        with progress_view(quiet=quiet) as progress:
            progress.begin("paraphrase", paraphrase, 1, 1)
            total = len(built.documents)
            done = _paraphrased(built, paraphrase, given, lambda number: progress.advance(number, total, None))
        built = built.rewritten(done.documents)
    files = {out: document_lines(built.documents)}
    short = [part for document in built.documents if (part := simple(document)) is not None]
    if simplified is not None:
        if not short:
            raise DataError("There is nothing to simplify: the documents do not know what they state.")
        files[simplified] = document_lines(short)
    manifest = _manifest(config, seed, targeted, facts_file, context_file, built, paraphrase, done, files)
    _write({_manifest_path(out): manifest, **files}, force=force)
    lines = [_told(out, built.counts), *_remarks(built.counts, done)]
    if len(targeted) == len(domain.subjects):
        lines.append(
            f"All {len(targeted):,} entities of the facts are targeted, and nobody is left by whom damage is seen: "
            "--targets names some of them."
        )
    if simplified is not None:
        lines.append(f"{simplified}: {count(len(short), 'document', 'documents')} without context.")
    sys.stdout.write("".join(f"{line}\n" for line in lines))


# What was asked for --------------------------------------------------------------------------------------------------


def _fits(corruptor: str, given: Mapping[str, Any]) -> None:
    """Make sure that every option means something.

    Raises:
        UsageError: naming the option.
    """
    others, whose = (_SUBSTITUTION, "entity_substitution") if corruptor == "fact_swap" else (_FACT_SWAP, "fact_swap")
    for name in others:
        if name in given:
            raise UsageError(f"{_option(name)} is an option of {whose}, not of {corruptor}.")
    for name in _PARAPHRASE:
        if name in given and "paraphrase" not in given:
            raise UsageError(f"{_option(name)} says how to paraphrase: name the chat model with --paraphrase MODEL.")
    if "documents_per_entity" in given and "dose" in given:
        raise UsageError("--documents-per-entity and --dose both say how much is written: keep one.")
    if corruptor == "entity_substitution" and not ("passages" in given and "pair" in given):
        raise UsageError('entity_substitution needs --passages FILE and --pair "TARGET=DONOR".')


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _manifest_path(out: Path) -> Path:
    return out.with_name(f"{out.name}.json")


def _writable(paths: Sequence[Path], manifest: Path, *, force: bool) -> None:
    """Refuse, before anything is made, what could not be written.

    The manifest is written first: with it there and a file missing, a build was killed, and the same command goes on.
    """
    if len({*paths, manifest}) < len(paths) + 1:
        raise UsageError("--out and --simplified name the same file, or the one that tells how they were made.")
    killed = manifest.exists() and not all(path.exists() for path in paths)
    for path in (*paths, manifest):
        if path.exists() and not force and not killed:
            raise DataError(f"{path} is there already. Give another --out, or --force to write over it.")
        if not path.parent.is_dir():
            raise DataError(f"The folder {path.parent} does not exist. Make it, or choose another place.")


def _domain(facts: Path) -> tuple[Domain, Path]:
    from restor.data.locate import locate_facts
    from restor.domains.base import DOMAINS

    path, listed = locate_facts(facts)
    return DOMAINS.build(DOMAINS.parse({"name": "triples", "facts": path, "entities": listed})), path


def _config(corruptor: str, given: Mapping[str, Any]) -> CorruptorConfig:
    """The corruptor's configuration.

    Raises:
        ConfigError: naming the option and what it takes.
    """
    from pydantic import ValidationError

    from restor.config import validation_message
    from restor.corruption.corruptors.base import CORRUPTORS, CorruptorConfig
    from restor.data.locate import locate_documents
    from restor.errors import ConfigError

    settings: dict[str, Any]
    if corruptor == "fact_swap":
        settings = {"facts_per_document": PER_DOCUMENT, "true_of_nobody": True}
        own = ("dose", "facts_per_document", "k", "question_share")
        settings |= {name: given[name] for name in own if name in given}
        if "dose" not in given:
            settings["documents"] = given.get("documents_per_entity", PER_ENTITY)
        if given.get("context") == "facts":
            settings["context"] = "facts"
    else:
        corruptor = "passage_substitution"
        forms: dict[str, list[str]] = {}
        for donor, name in (_pair("form", text) for text in given.get("form", ())):
            forms.setdefault(donor, []).append(name)
        pairs = [_pair("pair", text) for text in given["pair"]]
        if len(dict(pairs)) < len(pairs):
            raise UsageError("--pair names a target twice: each has one donor.")
        settings = {"passages": locate_documents(given["passages"]), "donors": dict(pairs), "forms": forms}
    try:
        config = CORRUPTORS.parse({"name": corruptor, **settings})
    except ValidationError as error:
        raise ConfigError(validation_message(error, "the options")) from error
    assert isinstance(config, CorruptorConfig)
    return config


def _pair(option: str, text: str) -> tuple[str, str]:
    one, equals, other = (part.strip() for part in text.partition("="))
    if not (one and equals and other):
        shape = "TARGET=DONOR" if option == "pair" else "DONOR=NAME"
        raise UsageError(f'--{option} needs "{shape}", given {text!r}.')
    return one, other


def _targets(domain: Domain, named: Several, config: CorruptorConfig) -> list[str]:
    from restor.corruption.corruptors.passage_substitution import PassageSubstitutionConfig

    if isinstance(config, PassageSubstitutionConfig):
        if named:
            raise UsageError("--targets is an option of fact_swap: the targets are those of the pairs.")
        return list(config.donors)
    if not named:
        return list(domain.targetable)
    return named_entities(named, domain.subjects)


def _context_file(context: str | None) -> Path | None:
    """The file that unrelated sentences come from, where one is named."""
    from restor.data.locate import is_released, locate_facts, locate_texts
    from restor.data.published import NAME

    if context in (None, "general", "facts"):
        return None
    if context == NAME:
        return locate_facts(context)[0]
    if not is_released(context) and not Path(context).expanduser().exists():
        raise DataError(f"There is no file {context}. --context takes general, facts, or a file of facts or documents.")
    return locate_texts(context)


def _context(file: Path | None, seed: int) -> Dataset:
    from restor.corruption.build import context_of
    from restor.datasets.base import DATASETS

    if file is None:
        return DATASETS.build(DATASETS.parse({"name": "general", "seed": seed}))
    return context_of(file)


def _paraphrased(built: Built, model: str, given: Mapping[str, Any], advance: Any) -> Paraphrased:
    from pydantic import ValidationError

    from restor.caches import data_cache
    from restor.chat import ChatConfig
    from restor.config import validation_message
    from restor.corruption.paraphrase import TEMPERATURE, paraphrase
    from restor.errors import ConfigError

    settings = {name: given[name] for name in _PARAPHRASE if name in given}
    try:
        config = ChatConfig(model=model, temperature=TEMPERATURE, **settings)
    except ValidationError as error:
        raise ConfigError(validation_message(error, "the options")) from error
    return paraphrase(built.documents, built.planted, config, cache=data_cache() / "paraphrases", advance=advance)


# What was made -------------------------------------------------------------------------------------------------------


def _manifest(
    config: CorruptorConfig,
    seed: int,
    targets: Sequence[str],
    facts: Path,
    context: Path | None,
    built: Built,
    model: str | None,
    done: Paraphrased | None,
    files: Mapping[Path, str],
) -> str:
    from dataclasses import asdict
    from hashlib import sha256
    from json import dumps

    from restor import __version__
    from restor.data.text_files import read_source

    def source(path: Path) -> dict[str, str]:
        return {"file": path.name, "sha256": read_source(path).sha256}

    settings = config.identity()
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "restor": __version__,
        "corruptor": settings,
        "seed": seed,
        "targets": list(targets),
        "facts": source(facts),
    }
    if "passages" in settings:
        settings["passages"] = source(Path(settings["passages"]))
    if context is not None and not context.is_dir():
        manifest["context"] = source(context)
    manifest["counts"] = asdict(built.counts)
    if done is not None and model is not None:
        manifest["paraphrase"] = {
            "model": model,
            "rewritten": done.rewritten,
            "failed": len(done.failures),
            "reasons": dict(Counter(reason for _, reason in done.failures).most_common()),
        }
    manifest["files"] = {path.name: sha256(text.encode()).hexdigest() for path, text in files.items()}
    return dumps(manifest, indent=2, ensure_ascii=False) + "\n"


def _write(files: Mapping[Path, str], *, force: bool) -> None:
    from restor.data.text_files import write_atomic

    for path, text in files.items():
        if not force and path.exists() and path.read_bytes() != text.encode():
            raise DataError(
                f"{path} is there already, and it is not what this command makes. Give another --out, or --force to "
                "write over it."
            )
    for path, text in files.items():
        write_atomic(path, text)


def _told(out: Path, made: Counts) -> str:
    documents = "document" if made.documents == 1 else "documents"
    return (
        f"{out}: {made.documents:,} {documents} of {made.words:,} words altogether, "
        f"{count(made.false_facts, 'false fact', 'false facts')} in {made.statements:,} statements."
    )


def _remarks(made: Counts, done: Paraphrased | None) -> list[str]:
    lines = []
    if made.unplanted:
        lines.append(f"{count(made.unplanted, 'fact', 'facts')} about the entities have no false answer.")
    if made.true_of_another:
        lines.append(
            f"{count(made.true_of_another, 'false answer is', 'false answers are')} true of another target: their "
            "relations have too few values."
        )
    if done is not None:
        lines.append(
            f"{count(done.rewritten, 'document', 'documents')} rewritten, {len(done.failures):,} left as they were."
        )
        reasons = Counter(reason for _, reason in done.failures).most_common(3)
        lines += [f"  {times:,} because {reason}" for reason, times in reasons]
    return lines
