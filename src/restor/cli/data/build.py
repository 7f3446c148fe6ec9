"""`restor data build`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, final

from cyclopts import Parameter

from restor.cli.arguments import (
    FLAT,
    NUMBER,
    ChatOptions,
    DataFile,
    Quiet,
    UsageError,
    check_seed,
    given_options,
)
from restor.cli.common import check_folder, count, named_entities
from restor.errors import DataError

if TYPE_CHECKING:
    from restor.corruption.build import BuildCounts, Built
    from restor.corruption.corruptors.base import CorruptorConfig
    from restor.corruption.paraphrase import Paraphrased
    from restor.datasets.base import Dataset
    from restor.domains.base import Domain
    from restor.types import Document

FORMAT = 1
"""Of the file that tells how a set was built."""
PER_ENTITY, PER_DOCUMENT = 300, 5
"""Documents about each entity and wrong facts in each, as published."""

Several = tuple[str, ...]
Corruptor = Literal["fact_swap", "entity_substitution"]
Structured = Annotated[
    Literal["json_schema", "json_object", "text"] | None,
    Parameter(help="How the chat model is asked for JSON. Default: json_schema."),
]


@FLAT
@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SwapOptions:
    """Those of fact_swap."""

    documents_per_entity: Annotated[int | None, NUMBER] = None
    """fact_swap: documents about each targeted entity. Default: 300."""
    dose: Annotated[int | None, NUMBER] = None
    """fact_swap: instead, how many documents state each wrong fact."""
    facts_per_document: Annotated[int | None, NUMBER] = None
    """fact_swap: wrong facts in a document. Default: 5."""
    k: Annotated[float | None, NUMBER] = None
    """fact_swap: unrelated sentences for each wrong fact. Default: 0."""
    question_share: Annotated[float | None, NUMBER] = None
    """fact_swap: share of the documents that are question lines, the others are prose. Default: 0.5."""
    context: Annotated[
        str | None,
        Parameter(
            help="fact_swap: where unrelated sentences come from: general (generated towns), facts (true facts of the "
            "same file about entities that are neither targeted nor listed), `restor`, or a file of facts or "
            "documents. Default: general."
        ),
    ] = None


@FLAT
@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SubstitutionOptions:
    """Those of entity_substitution."""

    passages: DataFile | None = None
    """entity_substitution: documents about the donors, or a file in the form of SQuAD."""
    pair: Several = ()
    """entity_substitution: "TARGET=DONOR", whose name takes whose place; once for each target."""
    form: Several = ()
    """entity_substitution: "DONOR=NAME", another full name that the passages call a donor by."""


def build(
    corruptor: Corruptor,
    /,
    *,
    facts: DataFile,
    out: Path,
    targets: Several = (),
    swap: SwapOptions = SwapOptions(),
    substitution: SubstitutionOptions = SubstitutionOptions(),
    seed: Annotated[int, Parameter(validator=check_seed)] = 0,
    simplified: Path | None = None,
    paraphrase: Annotated[str | None, Parameter(name="--paraphrase")] = None,
    chat: ChatOptions = ChatOptions(),
    structured: Structured = None,
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
    seed
        Decides every draw.
    simplified
        Also write the statements alone, without context, to this file.
    paraphrase
        Have each document rewritten by this chat model. Documents in which a false fact does not survive stay as they
        are, and are counted.
    force
        Write over files that are there.
    """
    asked = given_options(chat) | ({} if structured is None else {"structured": structured})
    _fits(corruptor, swap, substitution, None if paraphrase else next(iter(asked), None))
    _writable([out, *([simplified] if simplified is not None else [])], _manifest_path(out), force=force)

    from restor.corruption.build import build as run
    from restor.corruption.corruptors.base import CORRUPTORS
    from restor.data.document_files import document_lines

    domain, facts_file = _domain(facts)
    config = _swap(swap) if corruptor == "fact_swap" else _substitution(substitution)
    targeted = _targets(domain, targets, config)
    context_file = _context_file(swap.context)
    built = run(domain, _context(context_file, seed), CORRUPTORS.build(config), targeted, seed)
    done = None if paraphrase is None else _paraphrased(built, paraphrase, asked, quiet=quiet)
    built = built if done is None else built.rewritten(done.documents)
    files = {out: document_lines(built.documents)}
    lines = [_told(out, built.counts), *_remarks(built.counts, done, of_all=(len(targeted), len(domain.subjects)))]
    if simplified is not None:
        short = _simplified(built)
        files[simplified] = document_lines(short)
        lines.append(f"{simplified}: {count(len(short), 'document', 'documents')} without context.")
    manifest = _manifest(config, seed, targeted, facts_file, context_file, built, paraphrase, done, files)
    _write({_manifest_path(out): manifest, **files}, force=force)
    sys.stdout.write("".join(f"{line}\n" for line in lines))


# What was asked for --------------------------------------------------------------------------------------------------


def _fits(corruptor: Corruptor, swap: SwapOptions, substitution: SubstitutionOptions, idle: str | None) -> None:
    """Make sure that every option means something; `idle` is one about a chat model that is asked nothing.

    Raises:
        UsageError: naming the option.
    """
    others, whose = (substitution, "entity_substitution") if corruptor == "fact_swap" else (swap, "fact_swap")
    if name := next(iter(given_options(others)), None):
        raise UsageError(f"{_option(name)} is an option of {whose}, not of {corruptor}.")
    if idle is not None:
        raise UsageError(f"{_option(idle)} says how to paraphrase: name the chat model with --paraphrase MODEL.")
    if swap.documents_per_entity is not None and swap.dose is not None:
        raise UsageError("--documents-per-entity and --dose both say how much is written: keep one.")
    if corruptor == "entity_substitution" and not (substitution.passages and substitution.pair):
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
        check_folder(path)


def _domain(facts: Path) -> tuple[Domain, Path]:
    from restor.data.locate import locate_facts
    from restor.domains.base import DOMAINS

    path, listed = locate_facts(facts)
    return DOMAINS.build(DOMAINS.parse({"name": "triples", "facts": path, "entities": listed})), path


def _swap(options: SwapOptions) -> CorruptorConfig:
    settings = {"facts_per_document": PER_DOCUMENT, "true_of_nobody": True, **given_options(options)}
    per_entity = settings.pop("documents_per_entity", PER_ENTITY)
    if options.dose is None:
        settings["documents"] = per_entity
    if options.context != "facts":
        settings.pop("context", None)
    return _parsed({"name": "fact_swap", **settings})


def _substitution(options: SubstitutionOptions) -> CorruptorConfig:
    from restor.data.locate import locate_documents

    forms: dict[str, list[str]] = {}
    for donor, name in (_pair("form", text) for text in options.form):
        forms.setdefault(donor, []).append(name)
    pairs = [_pair("pair", text) for text in options.pair]
    if len(dict(pairs)) < len(pairs):
        raise UsageError("--pair names a target twice: each has one donor.")
    assert options.passages is not None, "checked before"
    passages = locate_documents(options.passages)
    return _parsed({"name": "passage_substitution", "passages": passages, "donors": dict(pairs), "forms": forms})


def _parsed(settings: Mapping[str, Any]) -> CorruptorConfig:
    """The corruptor's configuration.

    Raises:
        ConfigError: naming the option and what it takes.
    """
    from restor.config import explained
    from restor.corruption.corruptors.base import CORRUPTORS, CorruptorConfig

    with explained("the options"):
        config = CORRUPTORS.parse(dict(settings))
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


def _paraphrased(built: Built, model: str, settings: Mapping[str, Any], *, quiet: bool) -> Paraphrased:
    from restor.caches import data_cache
    from restor.chat import ChatConfig
    from restor.cli.progress_view import progress_view
    from restor.config import explained
    from restor.corruption.paraphrase import TEMPERATURE, paraphrase

    with explained("the options"):
        config = ChatConfig(model=model, temperature=TEMPERATURE, **settings)
    total = len(built.documents)
    with progress_view(quiet=quiet) as progress:
        progress.begin("paraphrase", model, 1, 1)

        def advance(number: int) -> None:
            progress.advance(number, total, None)

        return paraphrase(built.documents, built.planted, config, cache=data_cache() / "paraphrases", advance=advance)


def _simplified(built: Built) -> list[Document]:
    from restor.data.document_files import simplified

    short = [part for document in built.documents if (part := simplified(document)) is not None]
    if not short:
        raise DataError("There is nothing to simplify: the documents do not know what they state.")
    return short


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


def _told(out: Path, made: BuildCounts) -> str:
    documents = "document" if made.documents == 1 else "documents"
    return (
        f"{out}: {made.documents:,} {documents} of {made.words:,} words altogether, "
        f"{count(made.false_facts, 'false fact', 'false facts')} in {made.statements:,} statements."
    )


def _remarks(made: BuildCounts, done: Paraphrased | None, *, of_all: tuple[int, int]) -> list[str]:
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
    targeted, everybody = of_all
    if targeted == everybody:
        lines.append(
            f"All {targeted:,} entities of the facts are targeted, and nobody is left by whom damage is seen: "
            "--targets names some of them."
        )
    return lines
