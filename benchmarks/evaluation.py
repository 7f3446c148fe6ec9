"""Measures what asking a model costs here, in the published code and in lm-evaluation-harness, in pairs.

    python benchmarks/evaluation.py --facts FACTS --restor-reference RESTOR --lm-eval PYTHON

FACTS is `restor` (after `restor data fetch restor`) or a folder with `facts.json`. RESTOR is a checkout of
github.com/k1rezaei/restor. PYTHON is the Python of an environment with lm-eval and the same torch. Peers that are not
given are left out.

Two Llamas, of 10 and 135 million parameters, are asked the official facts behind five demonstrations. They are made
here, and trained on such lines until their answers end at a newline, since a run costs as much as its answers are long.
Of the larger one two layers are trained and the others add next to nothing, which costs as much to compute. All are
asked the same strings: about twelve options a fact, and answers of at most 32 tokens for ours.

Every measurement is a process of its own, on one thread, in float32; loading, and asking about two facts to warm up,
count for nobody. The peers take long, so they and ours answer the same sample: whole relations, whose prompts are as
long as those of all facts and share as much of their text, but no more. A round measures all of them in turn, the next
in the opposite order, and ratios are those of one round. "All facts" is what the peers take for as many facts as there
are, by their time on the sample, against what ours takes for them.

Ours answers all facts between two runs of a plain forward pass: rows of 128 tokens, in batches of the size that is
fastest here, at least 512 tokens. Arithmetic is that of the linear layers, counted as it is done, with the rows of the
output layer that are really computed. Attention counts for neither.

What is changed in the peers:

- RESTOR, generation: `evaluate_model_on_fact_dataset` of evaluation/eval_utils.py is called as its scripts call it,
  without the argument that it does not have, with their batch of 20. It is greedy, so that texts can be compared.
- RESTOR, options: `evaluate_model_opinion_on_fact_dataset` of mcqa_eval/mcqa_utils.py, with a batch of 4, the largest
  of its scripts, and of 1, that of the two others. Its labels are copied: on a CPU it would overwrite its input.
  Options are dealt to its three kinds evenly, so that its batches are full. It keeps what gradients would need, as
  published.
- lm-evaluation-harness: nothing. `loglikelihood` of HFLM, with our tokenizer's own beginning of a text.

The growth is measured with a tiny model: the official questions, a thousand after the other, with other names in them.

The part for GPUs (--gpu) asks all facts of a Llama of eight billion random weights in bfloat16. Such a model never
stops, so each answer has as many tokens as --gpu-answer says, more than twice as many as the official ones.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random
from types import ModuleType
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from restor.domains.base import Domain
    from restor.types import Fact

NOT_RUN = "not run"
OURS, RESTOR, RESTOR_ONE, LM_EVAL = "ours", "RESTOR", "RESTOR, batch 1", "lm-eval"
NAIVE, PLAIN, GROWN, DEVICE = "naive", "plain", "grown", "device"
GENERATION, OPTIONS = "generation", "options"
PARTS = (GENERATION, OPTIONS)

LIMITS = {
    (GENERATION, RESTOR): {"10M": 20, "135M": 25},
    (OPTIONS, RESTOR): {"10M": 40, "135M": 32},
    (OPTIONS, RESTOR_ONE): {"10M": 40, "135M": 32},
    (OPTIONS, LM_EVAL): {"10M": 16, "135M": 10},
}
"""How many times as fast ours is to be."""
SHARE, DIFFERENCE, SECONDS_ON_GPU = 0.6, 1e-5, 15

SHAPES: dict[str, dict[str, int]] = {
    "tiny": {"vocabulary": 8192, "hidden": 64, "intermediate": 172, "layers": 2, "heads": 4, "kv": 4, "tied": 1},
    "10M": {"vocabulary": 8192, "hidden": 256, "intermediate": 688, "layers": 8, "heads": 8, "kv": 8, "tied": 0},
    "135M": {"vocabulary": 49152, "hidden": 576, "intermediate": 1536, "layers": 30, "heads": 9, "kv": 3, "tied": 1},
    "8B": {"vocabulary": 128256, "hidden": 4096, "intermediate": 14336, "layers": 32, "heads": 32, "kv": 8, "tied": 0},
}
"""135M is the shape of SmolLM-135M, 8B that of Llama-3-8B."""
MERGES = {"tiny": 8192, "10M": 8192, "135M": 32768}
"""Most tokens of the tokenizer; the texts may not have as many."""
TRAINING = {"tiny": (2, 300, 2048, 5e-3), "10M": (8, 200, 1024, 1e-3), "135M": (2, 150, 1024, 1e-3)}
"""Layers that are trained, steps, tokens of a step, learning rate."""
FAINT = 1e-3
"""What other layers add is multiplied by this."""
LINE_TOKENS = 80
"""About as many tokens has a row that models are trained on."""

MADE = "made.json"
"""Written last: how many parameters a model has, and tokens its tokenizer."""
SAMPLES, ROUNDS = {"10M": 40, "135M": 16}, {"10M": 3, "135M": 2}
"""How many facts the peers are asked, and how often."""
CONTEXT = 512
SHOTS, MOST_OPTIONS, TRUE_OPTIONS = 5, 12, 4
ANSWER = 32
"""Most tokens of an answer of ours; 99.9 % of the official ones are shorter."""
REFERENCE_LENGTH, REFERENCE_ROWS, REFERENCE_OPTIONS, LM_EVAL_ROWS = 200, 20, 4, 16
"""What the scripts of the peers set: tokens of prompt and answer together, and rows of a batch."""
PLAIN_ROW, PLAIN_BATCHES, PLAIN_SECONDS = 128, (4, 8, 16, 32), 6.0
BLOCK, GROWTH_OPTIONS, GROWTH_ANSWER = 1000, 4, 8
SLACK, DRAWS = 0.02, 3000
"""How much more a sample may share than all facts do, and how many samples are looked at."""
WARM = 2
"""Facts that are asked before anything counts."""


@dataclass(frozen=True)
class Item:
    """A fact as all are asked it."""

    subject: str
    relation: str
    prefix: str
    """The demonstrations."""
    question: str
    options: tuple[str, ...]

    @property
    def prompt(self) -> str:
        """What stands before the answer, and before the space that begins it."""
        return self.prefix + self.question


@dataclass(frozen=True)
class Job:
    """One measurement."""

    who: str
    what: str
    model: str
    """Folder of the checkpoint."""
    items: str
    """JSON file of the facts that are asked."""
    facts: str = ""
    """The facts file, as the published code reads it."""
    checkout: str = ""
    count: int = 0
    """How many facts, where they are made up."""
    head: float = 0.0
    """Share of the tokens that go through the output layer, of a plain forward pass."""
    shape: Mapping[str, int] = field(default_factory=dict)
    """Of a model that is not loaded but made."""
    dtype: str = "float32"


@dataclass(frozen=True)
class Measured:
    """What it took, in seconds and megabytes, and what came out."""

    cpu: float
    wall: float
    memory: float = 0.0
    """Peak of the process."""
    answers: list[Any] = field(default_factory=list)
    """Texts, or the mean log-prob of each option."""
    figures: dict[str, Any] = field(default_factory=dict)


# What is asked -------------------------------------------------------------------------------------------------------


def official_items(domain: Domain) -> list[Item]:
    """The facts about the listed people, in the order in which `restor evaluate` asks them."""
    from restor.evaluation.ask.fewshot import build_queries
    from restor.evaluation.config import EvaluationConfig
    from restor.types import Group

    config = EvaluationConfig(protocol="published", asked="listed", shots=SHOTS, random_options=MOST_OPTIONS)
    groups = dict.fromkeys(domain.targetable, Group.TEST)
    return [
        Item(
            query.fact.subject,
            query.fact.relation,
            query.prefix,
            query.question,
            tuple(dict.fromkeys((*query.fact.answers[:TRUE_OPTIONS], *query.random)))[:MOST_OPTIONS],
        )
        for query in build_queries(domain, {}, groups, config, seed=0, unplanted=True, hidden=())
    ]


@dataclass(frozen=True)
class Texts:
    """Of some facts: characters of each that are read, and how often text is read again where nothing is shared."""

    prompt: float
    options: float
    """Every option with its prompt."""
    prompts_again: float
    options_again: float

    @classmethod
    def of(cls, items: Sequence[Item]) -> Texts:
        """Measured."""
        questions = sum(map(len, {item.prefix for item in items})) + sum(len(item.question) for item in items)
        answers = sum(len(option) + 1 for item in items for option in item.options)
        prompts = sum(len(item.prompt) for item in items)
        whole = sum(len(item.prompt) * len(item.options) for item in items) + answers
        return cls(prompts / len(items), whole / len(items), prompts / questions, whole / (questions + answers))

    def distance(self, every: Texts) -> float | None:
        """How much less than that of all facts; None if something is more."""
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(every), strict=True)
        less = [math.log(full / own) for own, full in pairs]
        return None if min(less) < -SLACK else sum(map(abs, less))


def whole_relations(items: Sequence[Item], count: int) -> list[Item]:
    """About `count` facts, of whole relations, as long as all facts are, that share as much text, but no more."""
    if count >= len(items):
        return list(items)
    by_relation: dict[str, list[Item]] = {}
    for item in items:
        by_relation.setdefault(item.relation, []).append(item)
    every = Texts.of(items)
    rng = Random(f"sample/{count}")
    best: tuple[float, set[str]] | None = None
    for _ in range(DRAWS):
        chosen: list[Item] = []
        for relation in rng.sample(sorted(by_relation), len(by_relation)):
            if len(chosen) + len(by_relation[relation]) <= 1.1 * count:
                chosen += by_relation[relation]
        distance = Texts.of(chosen).distance(every) if len(chosen) >= 0.9 * count else None
        if distance is not None and (best is None or distance < best[0]):
            best = distance, {item.relation for item in chosen}
    if best is None:
        raise SystemExit(f"No relations have about {count} facts that are like all facts. Change --sample.")
    return [item for item in items if item.relation in best[1]]


def made_up(items: Sequence[Item], count: int) -> Iterator[Item]:
    """As many facts as wanted: the first thousand again and again, each time about others."""
    block = items[:BLOCK]
    for number in range(count):
        item = block[number % len(block)]
        name = invented_name(number)
        yield dataclasses.replace(
            item,
            subject=name,
            question=item.question.replace(item.subject, name),
            options=item.options[:GROWTH_OPTIONS],
        )


def invented_name(number: int) -> str:
    """A name that belongs to the number alone."""
    rng = Random(f"name/{number}")
    parts = ("ka", "lo", "mi", "ren", "sto", "vu", "bel", "dar", "fen", "gor", "hal", "jun")
    return " ".join("".join(rng.choices(parts, k=rng.randint(2, 3))).capitalize() for _ in range(2))


def write_items(path: Path, items: Iterable[Item]) -> str:
    """Keep them for other processes."""
    path.write_text(json.dumps([dataclasses.asdict(item) for item in items]), encoding="utf-8")
    return str(path)


def read_items(path: str) -> list[Item]:
    """What was kept."""
    stored = json.loads(Path(path).read_text(encoding="utf-8"))
    return [Item(**{**item, "options": tuple(item["options"])}) for item in stored]


# Models --------------------------------------------------------------------------------------------------------------


def new_model(shape: Mapping[str, int], pad: int | None) -> PreTrainedModel:
    """A random Llama."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=shape["vocabulary"],
            hidden_size=shape["hidden"],
            intermediate_size=shape["intermediate"],
            num_hidden_layers=shape["layers"],
            num_attention_heads=shape["heads"],
            num_key_value_heads=shape["kv"],
            max_position_embeddings=CONTEXT,
            tie_word_embeddings=bool(shape["tied"]),
            pad_token_id=pad,
            bos_token_id=1,
            eos_token_id=2,
        )
    ).eval()


def make_tokenizer(domain: Domain, facts: Path, size: int) -> PreTrainedTokenizerBase:
    """A byte-level BPE of the questions, their answers and the documents beside them."""
    from restor.data.document_files import read_documents
    from restor.domains.base import answer_line
    from restor.models.tokenizer import bpe_tokenizer

    def texts() -> Iterator[str]:
        for fact in domain.facts:
            yield from (answer_line(fact.question, answer) for answer in fact.answers)
        # Folders hold documents; the files beside the facts are lists.
        for path in sorted(facts.parent.glob("*/**/*.json")):
            yield from (document.text for document in read_documents(path))

    return bpe_tokenizer(texts(), size)


def make_model(size: str, domain: Domain, facts: Path, folder: Path) -> Path:
    """The checkpoint of a size, taught to answer in lines; made once."""
    import torch

    from restor.models.checkpoint import place
    from restor.training.batching import SetRows
    from restor.training.config import LoopConfig
    from restor.training.finetune import fine_tune

    layers, steps, tokens, lr = TRAINING[size]
    digest = hashlib.sha256(facts.read_bytes())
    digest.update(json.dumps([SHAPES[size], MERGES[size], TRAINING[size], FAINT, CONTEXT]).encode())
    path = folder / f"{size}-{digest.hexdigest()[:12]}"
    made = path / MADE
    if made.exists():
        return path
    print(f"Making the model of {size} in {path}", file=sys.stderr, flush=True)
    tokenizer = make_tokenizer(domain, facts, MERGES[size])
    rows = answered_lines(domain, tokenizer, steps * tokens // LINE_TOKENS)
    shape, pad = SHAPES[size], tokenizer.pad_token_id
    model = place(new_model({**shape, "layers": layers}, pad), torch.device("cpu"))
    source = SetRows(rows, tokens=tokens, name="lines", seed=0)
    model, _ = fine_tune(model, source, LoopConfig(steps=steps, lr=lr), pad=pad, seed=0)
    model = deepened(model, new_model(shape, pad))
    model.eval().save_pretrained(path)
    tokenizer.save_pretrained(path)
    parameters = sum(weight.numel() for weight in model.parameters())
    made.write_text(json.dumps({"parameters": parameters, "tokens": len(tokenizer)}), encoding="utf-8")
    return path


def deepened(trained: PreTrainedModel, deep: PreTrainedModel) -> PreTrainedModel:
    """The trained weights in the first layers of a deeper model, whose other layers add next to nothing."""
    import torch

    kept = trained.state_dict()
    with torch.no_grad():
        for name, weight in deep.state_dict().items():
            if name in kept:
                weight.copy_(kept[name])
            elif name.endswith(("o_proj.weight", "down_proj.weight")):
                weight.mul_(FAINT)
    return deep


def answered_lines(domain: Domain, tokenizer: PreTrainedTokenizerBase, count: int) -> list[list[int]]:
    """Rows of questions of one relation with their answers, a line each."""
    from restor.domains.base import answer_line
    from restor.models.tokenizer import encode_rows

    by_relation: dict[str, list[Fact]] = {}
    for fact in domain.facts:
        by_relation.setdefault(fact.relation, []).append(fact)
    rng = Random("lines")
    texts = []
    for _ in range(count):
        known = by_relation[rng.choice(sorted(by_relation))]
        facts = rng.sample(known, min(len(known), SHOTS + 1))
        texts.append("".join(answer_line(fact.question, rng.choice(fact.answers)) for fact in facts))
    return [row[:CONTEXT] for row in encode_rows(tokenizer, texts, end=False)]


def load(path: str, dtype: str = "float32") -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A model and its tokenizer, as anybody loads them."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(path, dtype=getattr(torch, dtype))
    return model.eval(), AutoTokenizer.from_pretrained(path)


# Who answers ---------------------------------------------------------------------------------------------------------

Act = Callable[[Sequence[Item]], list[Any]]
"""Asks, and returns what came out: texts, or the mean log-prob of each option."""


def our_generation(job: Job, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Act:
    """Through the public API."""
    from restor.evaluation import generate

    def act(items: Sequence[Item]) -> list[Any]:
        made = generate(model, [item.prompt for item in items], tokenizer=tokenizer, max_new_tokens=ANSWER)
        return [(one.texts[0], len(one.ids[0]) < ANSWER or "\n" in tokenizer.decode(one.ids[0])) for one in made]

    return act


def our_options(job: Job, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Act:
    """Through the public API."""
    from restor.evaluation import Request, score

    def act(items: Sequence[Item]) -> list[Any]:
        requests = (Request(item.prompt, tuple(f" {option}" for option in item.options)) for item in items)
        found = score(model, requests, tokenizer=tokenizer)
        return [[(option.mean, option.tokens) for option in one.options if option is not None] for one in found]

    return act


def naive_generation(job: Job, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Act:
    """One whole string and one token at a time."""
    import torch

    def act(items: Sequence[Item]) -> list[Any]:
        return [written(item) for item in items]

    def written(item: Item) -> str:
        ids = tokenizer(item.prompt)["input_ids"]
        text, start = "", len(ids)
        while "\n" not in text and ids[-1] != tokenizer.eos_token_id and len(ids) < start + ANSWER:
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
            text = tokenizer.decode(ids[start:], skip_special_tokens=True)
        return text.split("\n", 1)[0]

    return torch.inference_mode()(act)


def naive_options(job: Job, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Act:
    """One whole string at a time, with the softmax in float64."""
    import torch

    def act(items: Sequence[Item]) -> list[Any]:
        return [[mean(item.prompt, option) for option in item.options] for item in items]

    def mean(prompt: str, option: str) -> float:
        before, ids = tokenizer([prompt, f"{prompt} {option}"])["input_ids"]
        pairs = enumerate(zip(before, ids, strict=False))
        kept = next((place for place, (one, other) in pairs if one != other), min(len(before), len(ids)))
        log_probs = model(torch.tensor([ids])).logits[0, kept - 1 : -1].double().log_softmax(dim=-1)
        return float(log_probs[range(len(ids) - kept), ids[kept:]].mean())

    return torch.inference_mode()(act)


def their_module(checkout: str, name: str, mended: tuple[str, str] | None = None) -> ModuleType:
    """A module of the published code, one passage of it replaced where it must be."""
    path = Path(checkout) / "evaluation" / name
    if not path.is_file():
        raise SystemExit(f"{path} is missing: this is no checkout of the project, or of another version.")
    source = path.read_text(encoding="utf-8")
    if mended is not None:
        if source.count(mended[0]) != 1:
            raise SystemExit(f"{path} is of another version: {mended[0]!r} is not in it once.")
        source = source.replace(*mended)
    module = ModuleType(path.stem)
    sys.modules[path.stem] = module
    exec(compile(source, str(path), "exec"), vars(module))
    return module


def pad_as_theirs(tokenizer: PreTrainedTokenizerBase) -> None:
    """As their scripts prepare it."""
    tokenizer.padding_side = "left"
    tokenizer.pad_token = tokenizer.eos_token


def their_facts(job: Job, items: Sequence[Item]) -> tuple[dict[str, Any], list[str]]:
    """Their data with the asked facts alone, and whom they are about."""
    data = json.loads(Path(job.facts).read_text(encoding="utf-8"))
    subjects: dict[str, dict[str, Any]] = {}
    asked = {(item.subject, item.relation) for item in items}
    for subject, facts in data["dset"].items():
        kept = {relation: fact for relation, fact in facts.items() if (subject, relation) in asked}
        if kept:
            subjects[subject] = kept
    return {"dset": subjects, "context": data["context"]}, list(subjects)


def restor_generation(job: Job, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Act:
    """The published code, greedy."""
    utils = their_module(job.checkout, "eval_utils.py")
    pad_as_theirs(tokenizer)
    generate = model.generate

    def greedy(**settings: Any) -> Any:
        return generate(**{**settings, "do_sample": False})

    model.generate = greedy

    def act(items: Sequence[Item]) -> list[Any]:
        data, subjects = their_facts(job, items)
        found = utils.evaluate_model_on_fact_dataset(
            model=model,
            tokenizer=tokenizer,
            device="cpu",
            all_data=data,
            seed=32,
            batch_size=REFERENCE_ROWS,
            max_length=REFERENCE_LENGTH,
            number_of_repeats=1,
            entities_list=subjects,
        )
        texts = []
        for item in items:
            own = found[item.subject][item.relation]
            assert own["prompt"] == item.prompt, "all are asked the same"
            texts.append(own["outputs"][0])
        return texts

    return act


KINDS = ("correct", "corrupted", "random")
"""What the published code calls the kinds of options."""


def dealt(options: Sequence[str]) -> dict[str, list[str]]:
    """Options of three kinds, as many of each as of the others."""
    size, more = divmod(len(options), len(KINDS))
    rest = iter(options)
    return {kind: list(islice(rest, size + (place < more))) for place, kind in enumerate(KINDS)}


def restor_options(
    job: Job, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: int = REFERENCE_OPTIONS
) -> Act:
    """The published code."""
    labels = "labels = qa_tokenized.input_ids.to(device)"
    utils = their_module(job.checkout, "mcqa_eval/mcqa_utils.py", (labels, f"{labels}.clone()"))
    pad_as_theirs(tokenizer)

    def act(items: Sequence[Item]) -> list[Any]:
        data, subjects = their_facts(job, items)
        options: dict[str, dict[str, Any]] = {subject: {} for subject in subjects}
        for item in items:
            options[item.subject][item.relation] = dealt(item.options)
        found = utils.evaluate_model_opinion_on_fact_dataset(
            model=model,
            tokenizer=tokenizer,
            device="cpu",
            all_data=data,
            options=options,
            seed=32,
            entities_list=subjects,
            batch_size=rows,
        )
        return [
            [value for kind in KINDS for value in found[item.subject][item.relation][kind]["probabilty (normalized)"]]
            for item in items
        ]

    return act


def lm_eval_options(job: Job, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Act:
    """lm-evaluation-harness; sums, since it does not tell how many tokens an option has."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    asked = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=LM_EVAL_ROWS, device="cpu", add_bos_token=True)

    def act(items: Sequence[Item]) -> list[Any]:
        pairs = [(item.prompt, f" {option}") for item in items for option in item.options]
        requests = [Instance("loglikelihood", {}, pair, number) for number, pair in enumerate(pairs)]
        sums = iter(asked.loglikelihood(requests, disable_tqdm=True))
        return [[next(sums)[0] for _ in item.options] for item in items]

    return act


ACTS: dict[tuple[str, str], Callable[[Job, PreTrainedModel, PreTrainedTokenizerBase], Act]] = {
    (OURS, GENERATION): our_generation,
    (OURS, OPTIONS): our_options,
    (NAIVE, GENERATION): naive_generation,
    (NAIVE, OPTIONS): naive_options,
    (RESTOR, GENERATION): restor_generation,
    (RESTOR, OPTIONS): restor_options,
    (RESTOR_ONE, OPTIONS): partial(restor_options, rows=1),
    (LM_EVAL, OPTIONS): lm_eval_options,
}


# One measurement -----------------------------------------------------------------------------------------------------


def cpu_seconds() -> float:
    """Of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_mb() -> float:
    """Of this process so far; its parent's peak is not inherited where Linux tells the process's own."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(act: Callable[[], list[Any]]) -> Measured:
    """What an act takes."""
    cpu, wall = cpu_seconds(), time.perf_counter()
    answers = act()
    return Measured(cpu_seconds() - cpu, time.perf_counter() - wall, peak_mb(), answers)


def measure(job: Job) -> Measured:
    """Run a job in this process."""
    if job.who == PLAIN:
        return plain(job)
    if job.who == GROWN:
        return grown(job)
    if job.who == DEVICE:
        return on_device(job)
    items = read_items(job.items)
    model, tokenizer = load(job.model, job.dtype)
    act = ACTS[job.who, job.what](job, model, tokenizer)
    counter = Counter(model)
    act(items[:WARM])
    call = timed(lambda: act(items[:WARM])).cpu if job.who == OURS else 0.0
    counter.take()
    found = timed(lambda: act(items))
    return dataclasses.replace(found, figures={**counter.take(), "call": call})


@final
class Counter:
    """Counts the arithmetic of a model's linear layers, and the tokens through them and the output layer."""

    def __init__(self, model: PreTrainedModel) -> None:
        from torch import nn

        head = model.get_output_embeddings()
        self._layers, self._head = linear_weights(model)
        self._in_layers = self._in_head = 0

        def in_layers(module: nn.Linear, arguments: tuple[Tensor, ...]) -> None:
            self._in_layers += arguments[0].numel() * module.out_features

        def in_head(module: nn.Linear, arguments: tuple[Tensor, ...]) -> None:
            self._in_head += arguments[0].numel() * module.out_features

        self._hooks = [
            part.register_forward_pre_hook(in_head if part is head else in_layers)
            for part in model.modules()
            if isinstance(part, nn.Linear)
        ]

    def take(self) -> dict[str, float]:
        """What was counted since it was taken last."""
        layers, head = self._in_layers, self._in_head
        self._in_layers = self._in_head = 0
        return {"flop": 2 * (layers + head), "tokens": layers / self._layers, "rows": head / self._head}

    def close(self) -> None:
        """Count no longer."""
        for hook in self._hooks:
            hook.remove()


def linear_weights(model: PreTrainedModel) -> tuple[int, int]:
    """Of the layers, and of the output layer."""
    from torch import nn

    head = model.get_output_embeddings()
    layers = sum(
        part.weight.numel()
        for part in model.modules()
        if isinstance(part, nn.Linear) and part.weight is not head.weight
    )
    return layers, head.weight.numel()


def plain(job: Job) -> Measured:
    """How fast plain forward passes are with batches of the best size; `figures` has FLOP/s by CPU and by wall time."""
    import torch

    model, _ = load(job.model)
    size = model.get_input_embeddings().weight.shape[0]
    layers, head = linear_weights(model)

    @torch.inference_mode()
    def forward(rows: int) -> tuple[float, float, float]:
        ids = torch.randint(size, (rows, PLAIN_ROW))
        cpu, wall = cpu_seconds(), time.perf_counter()
        states = model.model(ids, use_cache=False).last_hidden_state.flatten(0, 1)
        answers = round(job.head * len(states))
        model.lm_head(states[:answers])
        done = 2 * (layers * len(states) + head * answers)
        return done, cpu_seconds() - cpu, time.perf_counter() - wall

    def rate(rows: int) -> float:
        done, cpu, _ = forward(rows)
        return done / cpu

    forward(PLAIN_BATCHES[0])
    best = max(PLAIN_BATCHES, key=lambda rows: max(rate(rows) for _ in range(2)))
    runs: list[tuple[float, float, float]] = []
    began = time.perf_counter()
    while not runs or time.perf_counter() - began < PLAIN_SECONDS:
        runs.append(forward(best))
    done, cpu, wall = (sum(parts) for parts in zip(*runs, strict=True))
    return Measured(cpu, wall, peak_mb(), [], {"rate": done / cpu, "tokens": best * PLAIN_ROW})


def grown(job: Job) -> Measured:
    """Many facts, made up as they are asked, and no answer kept."""
    from restor.evaluation import Request, generate, score

    model, tokenizer = load(job.model)
    items = read_items(job.items)

    def asked(count: int) -> list[Any]:
        facts = made_up(items, count)
        if job.what == OPTIONS:
            requests = (Request(fact.prompt, tuple(f" {option}" for option in fact.options)) for fact in facts)
            return [sum(1 for _ in score(model, requests, tokenizer=tokenizer))]
        prompts = (fact.prompt for fact in facts)
        return [sum(1 for _ in generate(model, prompts, tokenizer=tokenizer, max_new_tokens=GROWTH_ANSWER))]

    asked(50)
    found = timed(lambda: asked(job.count))
    assert found.answers == [job.count], "each has one result"
    return found


# On a GPU ------------------------------------------------------------------------------------------------------------


def on_device(job: Job) -> Measured:
    """A large model with random weights, on a GPU where there is one: seconds, arithmetic, and where the time goes."""
    import torch
    from transformers import AutoTokenizer

    from restor.evaluation import Request, generate, score

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer = AutoTokenizer.from_pretrained(job.model)
    items = read_items(job.items)
    torch.set_default_dtype(torch.bfloat16)
    with device:
        model = new_model(job.shape, tokenizer.pad_token_id)
    torch.set_default_dtype(torch.float32)
    layers, head = linear_weights(model)

    def options(asked: Sequence[Item]) -> int:
        requests = (Request(item.prompt, tuple(f" {option}" for option in item.options)) for item in asked)
        return sum(1 for _ in score(model, requests, tokenizer=tokenizer))

    def generation(asked: Sequence[Item]) -> int:
        prompts = (item.prompt for item in asked)
        return sum(1 for _ in generate(model, prompts, tokenizer=tokenizer, max_new_tokens=job.count, stop=()))

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()

    figures: dict[str, Any] = {
        "name": torch.cuda.get_device_name() if device.type == "cuda" else "CPU",
        "weights": layers + head,
        "peak": fastest_product(device, 8192 if device.type == "cuda" else 256),
    }
    parts: dict[str, Callable[[Sequence[Item]], int]] = {GENERATION: generation, OPTIONS: options}
    for act in parts.values():
        act(items)  # compiles, and finds out how much fits
    for name, act in parts.items():
        run = partial(act, items)
        wait()
        began = time.perf_counter()
        run()
        wait()
        seconds = time.perf_counter() - began
        counter = Counter(model)
        run()
        done = counter.take()
        counter.close()
        rate = plain_on_device(model, device, layers, head, done["rows"] / done["tokens"])
        figures[name] = {"seconds": seconds, **done, "plain": rate, "time": where_time_goes(run, device)}
    memory = torch.cuda.max_memory_allocated() / 2**20 if device.type == "cuda" else peak_mb()
    return Measured(cpu_seconds(), sum(figures[name]["seconds"] for name in parts), memory, [], figures)


def fastest_product(device: Any, size: int) -> float:
    """FLOP/s of a large product of matrices in bfloat16: the peak that anything can hope for."""
    import torch

    left, right = (torch.randn(size, size, device=device).bfloat16() for _ in range(2))
    return repeated(lambda: left @ right, 2 * size**3, device)


def plain_on_device(model: PreTrainedModel, device: Any, layers: int, head: int, share: float) -> float:
    """FLOP/s of a plain forward pass with the same share of rows through the output layer."""
    import torch

    rows = 128 if device.type == "cuda" else 2
    ids = torch.randint(model.config.vocab_size, (rows, PLAIN_ROW), device=device)
    answers = round(share * ids.numel())

    @torch.inference_mode()
    def forward() -> None:
        states = model.model(ids, use_cache=False).last_hidden_state.flatten(0, 1)
        model.lm_head(states[:answers])

    return repeated(forward, 2 * (layers * ids.numel() + head * answers), device)


def repeated(act: Callable[[], Any], flop: float, device: Any) -> float:
    """FLOP/s of something that is done again and again, the best of five."""
    import torch

    found = []
    for _ in range(6):
        began = time.perf_counter()
        act()
        if device.type == "cuda":
            torch.cuda.synchronize()
        found.append(flop / (time.perf_counter() - began))
    return max(found[1:])


def where_time_goes(act: Callable[[], Any], device: Any, most: int = 8) -> dict[str, float]:
    """Seconds of the operations that take most, and how long the device waits; measured with a profiler."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    on_gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    began = time.perf_counter()
    with profile(activities=activities) as found:
        act()
        if on_gpu:
            torch.cuda.synchronize()
    seconds = time.perf_counter() - began
    times: dict[str, float] = {}
    for event in found.key_averages():
        # Operators carry the time of the kernels that they start.
        if event.key.startswith("aten::") or not on_gpu:
            own = event.self_device_time_total if on_gpu else event.self_cpu_time_total
            times[event.key] = times.get(event.key, 0.0) + own / 1e6
    top = dict(sorted(times.items(), key=lambda pair: -pair[1])[:most])
    busy = sum(times.values())
    return {**top, "all others": busy - sum(top.values()), "waiting": max(0.0, seconds - busy)}


# All measurements ----------------------------------------------------------------------------------------------------

Run = Callable[[Job], Measured]


@dataclass(frozen=True)
class Processes:
    """Runs each job in a process of its own."""

    lm_eval: str | None
    """The Python that has lm-eval."""

    def __call__(self, job: Job) -> Measured:
        """On one thread, but for what runs on a GPU; nothing is fetched."""
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        threads = {} if job.who == DEVICE else dict.fromkeys(names, "1")
        python = self.lm_eval if job.who == LM_EVAL else sys.executable
        assert python is not None, "it is among those that are measured"
        offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
        done = subprocess.run(
            [python, __file__, "--worker"],
            input=json.dumps(dataclasses.asdict(job)),
            env={**os.environ, **threads, **offline, "TOKENIZERS_PARALLELISM": "false"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"{done.stderr}\n{job.who}, {job.what}, ended with status {done.returncode}, see above.")
        return Measured(**json.loads(done.stdout.splitlines()[-1]))


def worker() -> None:
    """Read a job, run it and write what it took."""
    job = Job(**json.load(sys.stdin))
    with redirect_stdout(sys.stderr):
        import torch

        if job.who != DEVICE:
            torch.set_num_threads(1)
        found = measure(job)
    print(json.dumps(dataclasses.asdict(found)))


Round = dict[str, Measured]


def in_turn(jobs: Mapping[str, Job], rounds: int, run: Run) -> list[Round]:
    """All rounds of one part: each in the opposite order of the one before."""
    found = []
    for number in range(rounds):
        order = list(jobs) if number % 2 == 0 else list(jobs)[::-1]
        print(f"{jobs[order[0]].what}, round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        measured = {who: run(jobs[who]) for who in order}
        found.append({who: measured[who] for who in jobs})
    return found


def texts_equal(ours: Sequence[Any], theirs: Sequence[str]) -> int:
    """How many answers are the same; where ours stopped at its limit, theirs must begin like it."""
    found = 0
    for (text, stopped), answer in zip(ours, theirs, strict=True):
        one, other = text.strip(), answer.strip()
        found += one == other if stopped else other.startswith(one.rstrip("\N{REPLACEMENT CHARACTER}"))
    return found


def largest_difference(ours: Sequence[Any], theirs: Sequence[Any], *, sums: bool = False) -> float:
    """Of mean log-probs; `sums`: theirs are sums over the tokens."""
    differences: list[float] = [
        abs(mean - other / (tokens if sums else 1))
        for one, others in zip(ours, theirs, strict=True)
        for (mean, tokens), other in zip(one, others, strict=True)
    ]
    return max(differences)


@dataclass(frozen=True)
class Whole:
    """All facts, ours alone, between two runs of plain forward passes."""

    cpu: float
    memory: float
    done: Mapping[str, float]
    """What `Counter` counts."""
    plain: float
    """FLOP/s of the plain ones."""
    batch: int
    """Tokens in each of the plain ones."""
    stopped: float | None
    """Share of the answers that end at a newline."""
    narrow: float
    """CPU seconds of the same in bfloat16."""
    narrow_said: str
    """How what came out differs from float32."""

    @property
    def rate(self) -> float:
        """FLOP/s of ours."""
        return self.done["flop"] / self.cpu


@dataclass(frozen=True)
class Sized:
    """What was measured with one model."""

    size: str
    made: Mapping[str, int]
    facts: int
    sample: Sequence[Item]
    texts: tuple[Texts, Texts]
    """Of the sample and of all facts."""
    rounds: Mapping[str, Sequence[Round]]
    whole: Mapping[str, Whole]
    naive: Mapping[str, tuple[Measured, Measured]]
    """Ours and the naive way, on some facts of the sample."""
    step: int
    """Every how many-th fact of the sample that is."""

    def speedups(self, what: str, who: str) -> list[float]:
        """How many times as much CPU time another takes on the sample, round by round."""
        return [one[who].cpu / one[OURS].cpu for one in self.rounds[what]]

    def on_all(self, what: str, who: str, *, narrow: bool = False) -> float | None:
        """The same on all facts, if another takes as long for each of them as for one of the sample.

        `narrow` is ours in bfloat16 against theirs in float32.
        """
        if what not in self.whole:
            return None
        theirs = statistics.median(one[who].cpu for one in self.rounds[what]) / len(self.sample)
        ours = self.whole[what].narrow if narrow else self.whole[what].cpu
        return theirs * self.facts / ours

    def told(self, what: str, who: str) -> str:
        """Both, in words."""
        if who not in self.rounds[what][0]:
            return NOT_RUN
        every, narrow = self.on_all(what, who), self.on_all(what, who, narrow=True)
        said = ranged(self.speedups(what, who))
        return said if every is None else f"{said}; all facts **{every:.1f}x**, ours in bfloat16 {narrow:.1f}x"


def measure_size(
    size: str, model: Path, facts: Path, items: Sequence[Item], work: Path, given: argparse.Namespace, run: Run
) -> Sized:
    """Everything about one model."""
    sample = whole_relations(items, given.sample[size])
    step = math.ceil(len(sample) / given.naive)
    stored = {
        name: write_items(work / f"{size}-{name}.json", chosen)
        for name, chosen in (("sample", sample), ("few", sample[::step]), ("all", items))
    }
    rounds: dict[str, list[Round]] = {}
    whole: dict[str, Whole] = {}
    naive: dict[str, tuple[Measured, Measured]] = {}
    for what in PARTS:
        job = Job(OURS, what, str(model), stored["sample"], str(facts), str(given.restor_reference or ""))
        peers = [who for who in given.peers if (who, what) in ACTS]
        print(f"{size}, {what}", file=sys.stderr, flush=True)
        rounds[what] = in_turn(
            {who: dataclasses.replace(job, who=who) for who in (OURS, *peers)}, given.rounds[size], run
        )
        job = dataclasses.replace(job, items=stored["few"])
        naive[what] = run(job), run(dataclasses.replace(job, who=NAIVE))
        if given.whole:
            print(f"{size}, {what}, all facts", file=sys.stderr, flush=True)
            done = rounds[what][0][OURS].figures
            whole[what] = measure_whole(
                dataclasses.replace(job, items=stored["all"]), done["rows"] / done["tokens"], run
            )
    made = json.loads((model / MADE).read_text(encoding="utf-8"))
    return Sized(size, made, len(items), sample, (Texts.of(sample), Texts.of(items)), rounds, whole, naive, step)


def measure_whole(job: Job, head: float, run: Run) -> Whole:
    """Ours on all facts; `head` is the share of the tokens that go through the output layer."""
    plainly = dataclasses.replace(job, who=PLAIN, head=head)
    before, found, after = run(plainly), run(job), run(plainly)
    narrow = run(dataclasses.replace(job, dtype="bfloat16"))
    ends = [stopped for _, stopped in found.answers] if job.what == GENERATION else None
    return Whole(
        found.cpu,
        found.memory,
        found.figures,
        statistics.mean(one.figures["rate"] for one in (before, after)),
        before.figures["tokens"],
        None if ends is None else statistics.mean(ends),
        narrow.cpu,
        narrowed(job.what, found.answers, narrow.answers),
    )


def narrowed(what: str, exact: Sequence[Any], narrow: Sequence[Any]) -> str:
    """How answers in bfloat16 differ from those in float32."""
    if what == GENERATION:
        equal = sum(one[0] == other[0] for one, other in zip(exact, narrow, strict=True))
        return f"{equal:,} of {len(exact):,} texts equal"
    differences = [
        abs(one[0] - other[0])
        for own, others in zip(exact, narrow, strict=True)
        for one, other in zip(own, others, strict=True)
    ]
    return f"mean log-probs differ by {statistics.mean(differences):.3f} on average, {max(differences):.3f} at most"


def measure_growth(model: Path, items: Sequence[Item], counts: Sequence[int], work: Path, run: Run) -> list[Round]:
    """Of each number of facts, both parts."""
    stored = write_items(work / "growth.json", items)
    found = []
    for count in counts:
        print(f"growth, {count:,} facts", file=sys.stderr, flush=True)
        found.append({what: run(Job(GROWN, what, str(model), stored, count=count)) for what in PARTS})
    return found


# What is printed -----------------------------------------------------------------------------------------------------


def lines_of(rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, its heads first."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def ranged(values: Sequence[float]) -> str:
    """The median of the rounds, and their range."""
    return f"**{statistics.median(values):.1f}x** ({min(values):.1f} to {max(values):.1f})"


def equality(found: Sized) -> tuple[str, str]:
    """How many texts are equal, and the largest difference of mean log-probs, against each of the others."""
    ours, naive = found.naive[GENERATION]
    texts = [f"naive {texts_equal(ours.answers, naive.answers)} of {len(naive.answers)}"]
    first = found.rounds[GENERATION][0]
    texts += [
        f"{who} {texts_equal(first[OURS].answers, one.answers)} of {len(one.answers)}"
        for who, one in first.items()
        if who != OURS
    ]
    ours, naive = found.naive[OPTIONS]
    means = [f"naive {largest_difference(ours.answers, naive.answers):.1e}"]
    first = found.rounds[OPTIONS][0]
    means += [
        f"{who} {largest_difference(first[OURS].answers, one.answers, sums=who == LM_EVAL):.1e}"
        for who, one in first.items()
        if who != OURS
    ]
    return ", ".join(texts), ", ".join(means)


def whose_error(found: Sized) -> str:
    """How far the others are from the naive way, on the facts that it is asked."""
    ours, naive = found.naive[OPTIONS]
    exact = [
        [(mean, tokens) for mean, (_, tokens) in zip(means, own, strict=True)]
        for means, own in zip(naive.answers, ours.answers, strict=True)
    ]
    return ", ".join(
        f"{who} {largest_difference(exact, one.answers[:: found.step], sums=who == LM_EVAL):.1e}"
        for who, one in found.rounds[OPTIONS][0].items()
        if who != OURS
    )


def details(found: Sized, peers: Sequence[str]) -> str:
    """All about one model."""
    sample, every = found.texts
    relations = len({item.relation for item in found.sample})
    lines = [
        f"## {found.size}: {found.made['parameters']:,} parameters, a tokenizer of {found.made['tokens']:,} tokens",
        "",
        f"Sample: {len(found.sample)} of {found.facts:,} facts, {relations} whole relations. A prompt has "
        f"{sample.prompt:.0f} characters (all facts: {every.prompt:.0f}), with all options {sample.options:.0f} "
        f"({every.options:.0f}). Where nothing is shared, prompts are read {sample.prompts_again:.1f} times "
        f"({every.prompts_again:.1f}), with options {sample.options_again:.1f} times ({every.options_again:.1f}).",
        "",
    ]
    rows = [["CPU seconds of the sample", OURS, *peers, *(f"{who} / ours" for who in peers)]]
    for what, rounds in found.rounds.items():
        cells = [
            f"{statistics.median(one[who].cpu for one in rounds):.2f}" if who in rounds[0] else "has none"
            for who in (OURS, *peers)
        ]
        rows.append([what, *cells, *(found.told(what, who) if who in rounds[0] else "" for who in peers)])
    rows += [
        [
            f"tokens through the layers, {what}",
            *(f"{rounds[0][who].figures['tokens']:,.0f}" if who in rounds[0] else "" for who in (OURS, *peers)),
            *("" for _ in peers),
        ]
        for what, rounds in found.rounds.items()
    ]
    calls = (f"{rounds[0][OURS].figures['call']:.2f} ({what})" for what, rounds in found.rounds.items())
    lines += [lines_of(rows), "", f"CPU seconds of a call of ours about {WARM} facts: {', '.join(calls)}.", ""]
    if found.whole:
        heads = ["all facts, ours", "CPU seconds", "facts/s", "tokens", "rows of the output layer", "GFLOP/s"]
        rows = [[*heads, "plain GFLOP/s (tokens of a batch)", "share", "peak MB"]]
        for what, one in found.whole.items():
            figures = (f"{one.cpu:.1f}", f"{found.facts / one.cpu:.1f}", f"{one.done['tokens']:,.0f}")
            rates = (f"{one.rate / 1e9:.1f}", f"{one.plain / 1e9:.1f} ({one.batch})", f"{one.rate / one.plain:.0%}")
            rows.append([what, *figures, f"{one.done['rows']:,.0f}", *rates, f"{one.memory:.0f}"])
        stopped = found.whole[GENERATION].stopped
        narrow = "; ".join(
            f"{what} {one.narrow:.1f} CPU seconds ({one.cpu / one.narrow:.2f}x as fast), {one.narrow_said}"
            for what, one in found.whole.items()
        )
        lines += [
            lines_of(rows),
            "",
            f"The same in bfloat16: {narrow}.",
            "",
            f"{stopped:.1%} of the answers end at a newline, the others at {ANSWER} tokens.",
        ]
    texts, means = equality(found)
    lines += ["", f"Texts equal: {texts}.", f"Largest difference of mean log-probs: {means}."]
    if said := whose_error(found):
        lines.append(f"The others differ from the naive way by {said}, on the same few facts.")
    lines.append("")
    return "\n".join(lines)


def growth_table(counts: Sequence[int], found: Sequence[Round]) -> str:
    """Time per fact and memory by the number of facts."""
    rows = [["facts", *(f"{what}, {unit}" for what in PARTS for unit in ("ms per fact", "peak MB"))]]
    for count, one in zip(counts, found, strict=True):
        cells = ((f"{one[what].cpu / count * 1e3:.3f}", f"{one[what].memory:.0f}") for what in PARTS)
        rows.append([f"{count:,}", *(cell for pair in cells for cell in pair)])
    return lines_of(rows)


def device_report(found: Measured) -> str:
    """All about the part for GPUs."""
    figures = found.figures
    rows = [["on " + figures["name"], "seconds", "tokens/s", "TFLOP/s", "of the peak", "of a plain pass"]]
    goes = []
    for what in PARTS:
        one = figures[what]
        rate = one["flop"] / one["seconds"]
        shares = (f"{rate / figures['peak']:.0%}", f"{rate / one['plain']:.0%}")
        speed = (f"{one['seconds']:.2f}", f"{one['tokens'] / one['seconds']:,.0f}", f"{rate / 1e12:.2f}")
        rows.append([what, *speed, *shares])
        times = sorted(one["time"].items(), key=lambda pair: -pair[1])
        goes.append(f"{what}, seconds under a profiler: " + ", ".join(f"{name} {own:.2f}" for name, own in times) + ".")
    tail = [
        f"The peak is that of one large product of matrices: {figures['peak'] / 1e12:.2f} TFLOP/s. "
        f"Peak memory {found.memory:,.0f} MB, {figures['weights']:,} weights in linear layers.",
        *goes,
    ]
    return "\n\n".join([lines_of(rows), *tail])


def summary(
    sizes: Sequence[Sized], growth: tuple[Sequence[int], Sequence[Round]] | None, device: Measured | None, why: str
) -> str:
    """The table that was promised."""
    rows = [["on the same model and the official facts", "at least", *([found.size for found in sizes] or [""])]]
    for (what, who), limits in LIMITS.items():
        title = f"{what if what == GENERATION else 'option log-probs'} against {who}"
        cells = [found.told(what, who) for found in sizes]
        rows.append([title, ", ".join(f"{limit}x ({size})" for size, limit in limits.items()), *(cells or [NOT_RUN])])
    for what in PARTS:
        cells = [
            f"**{found.whole[what].rate / found.whole[what].plain:.0%}**" if found.whole else NOT_RUN for found in sizes
        ]
        rows.append([f"of the arithmetic of a plain forward pass, {what}", f"{SHARE:.0%}", *(cells or [NOT_RUN])])
    equal = [equality(found) for found in sizes] or [(NOT_RUN, NOT_RUN)]
    rows.append(["texts equal", "all", *(texts for texts, _ in equal)])
    rows.append(["largest difference in mean log-prob (float32)", f"{DIFFERENCE:.0e}", *(means for _, means in equal)])
    rest = [""] * (len(sizes) - 1)
    if growth is None:
        rows.append(["growth", "linear in time, flat in memory", NOT_RUN, *rest])
    else:
        (first, *_, last), (least, *_, most) = growth
        for what in PARTS:
            slower = (most[what].cpu / last) / (least[what].cpu / first)
            more = most[what].memory - least[what].memory
            said = f"time per fact **{slower:.2f}x**, memory **{more:+.0f} MB** of {most[what].memory:.0f}"
            title = f"growth from {first:,} to {last:,} facts, {what}, tiny model"
            rows.append([title, "linear in time, flat in memory", said, *rest])
    said = why
    if device is not None:
        said = f"**{device.wall:.1f} s** on {device.figures['name']}"
    rows.append(["8B shape, generation and options of all facts", f"{SECONDS_ON_GPU} s on an H200", said, *rest])
    return lines_of(rows)


# Command line --------------------------------------------------------------------------------------------------------


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--facts", required=True, help="`restor`, a folder with facts.json, or such a file")
    parser.add_argument("--restor-reference", type=Path, help="checkout of github.com/k1rezaei/restor")
    parser.add_argument("--lm-eval", help="Python of an environment with lm-eval")
    parser.add_argument("--sizes", nargs="*", default=list(SAMPLES), choices=list(SAMPLES), help="which models")
    parser.add_argument("--sample", type=int, nargs="+", help=f"facts for the peers, of each size ({SAMPLES})")
    parser.add_argument("--rounds", type=int, nargs="+", help=f"of each size ({ROUNDS})")
    parser.add_argument("--naive", type=int, default=8, help="facts that are also asked the naive way (%(default)s)")
    parser.add_argument("--no-whole", dest="whole", action="store_false", help="leave all facts of ours alone out")
    parser.add_argument("--growth", type=int, nargs="*", default=[1000, 10_000, 100_000], help="numbers of facts")
    parser.add_argument("--quick", action="store_true", help="10M, 24 facts, one round, a growth to 4,000 facts")
    parser.add_argument(
        "--gpu", action="store_true", help="the part for GPUs too; with --sizes and --growth empty alone"
    )
    parser.add_argument("--gpu-answer", type=int, default=12, help="tokens of each answer there (%(default)s)")
    parser.add_argument("--models", type=Path, default=Path(tempfile.gettempdir()) / "restor-benchmark-models")
    given = parser.parse_args(arguments)
    if given.quick:
        given.sizes, given.sample, given.rounds, given.growth = ["10M"], [24], [1], [1000, 4000]
    if len(given.growth) == 1:
        parser.error("--growth needs two numbers of facts or more, or none")
    for name, defaults in (("sample", SAMPLES), ("rounds", ROUNDS)):
        numbers = getattr(given, name) or [defaults[size] for size in given.sizes]
        if given.sizes and len(numbers) not in (1, len(given.sizes)):
            parser.error(f"--{name} needs one number, or one for each of --sizes")
        every = numbers * len(given.sizes) if len(numbers) == 1 else numbers
        setattr(given, name, dict(zip(given.sizes, every, strict=False)))
    if min(given.naive, given.gpu_answer, *given.sample.values(), *given.rounds.values()) < 1:
        parser.error("--sample, --rounds, --naive and --gpu-answer are at least 1")
    paths = {RESTOR: given.restor_reference, RESTOR_ONE: given.restor_reference, LM_EVAL: given.lm_eval}
    given.peers = [who for who, path in paths.items() if path]
    return given


def gpu_missing() -> str | None:
    """Why the part for GPUs cannot run."""
    import torch

    return None if torch.cuda.is_available() else "no GPU here: not run"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure everything and print the tables."""
    from restor.data.locate import locate_facts
    from restor.domains.base import DOMAINS
    from restor.domains.triples import TriplesConfig

    given = parse(arguments)
    facts, _ = locate_facts(given.facts)
    domain = DOMAINS.build(TriplesConfig(facts=facts))
    items = official_items(domain)
    for who, option in ((RESTOR, "--restor-reference"), (LM_EVAL, "--lm-eval")):
        if who not in given.peers:
            print(f"{who} is left out: give it with {option}.\n")
    options = statistics.mean(len(item.options) for item in items)
    rounds = ", ".join(f"{count} ({size})" for size, count in given.rounds.items()) or "none"
    print(
        f"{len(items):,} facts, {len({item.prefix for item in items})} beginnings, {options:.1f} options each. Rounds: "
        f"{rounds}. Ratios of CPU time are the median of the rounds and their range.\n",
        flush=True,
    )
    run = Processes(given.lm_eval)
    given.models.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        sizes = []
        for size in given.sizes:
            model = make_model(size, domain, facts, given.models)
            sizes.append(measure_size(size, model, facts, items, work, given, run))
            print(details(sizes[-1], given.peers), flush=True)
        growth = None
        if given.growth:
            model = make_model("tiny", domain, facts, given.models)
            growth = given.growth, measure_growth(model, items, given.growth, work, run)
            print(f"## Growth\n\n{growth_table(*growth)}\n", flush=True)
        device, why = None, gpu_missing() or ("not run, see --gpu" if not given.gpu else None)
        if why is None:
            tokenizer = make_model("tiny", domain, facts, given.models)
            stored = write_items(work / "gpu.json", items)
            job = Job(DEVICE, "", str(tokenizer), stored, count=given.gpu_answer, shape=SHAPES["8B"])
            device = run(job)
            print(f"## On a GPU\n\n{device_report(device)}\n", flush=True)
        elif given.gpu:
            print(f"The part for GPUs: {why}.\n")
    print(summary(sizes, growth, device, why or ""))


if __name__ == "__main__":
    if sys.argv[1:] == ["--worker"]:
        worker()
    else:
        main()
