"""Measures what an unlearning step costs here and in the published trainers: CPU time and peak memory, in pairs.

    python benchmarks/unlearning_step.py --restor-reference RESTOR --open-unlearning OPEN_UNLEARNING

RESTOR and OPEN_UNLEARNING are checkouts of github.com/k1rezaei/restor and github.com/locuslab/open-unlearning; either
may be left out. A random Llama unlearns the same documents in all three, in as many steps, in float32 on one thread.
Every measurement is a process of its own. A round measures all of one loss one after the other, the next round in the
opposite order, and ratios are those of one round.

Ours is `restor.unlearning.unlearn.unlearn` as it is: a step reads as many tokens as make the same number of steps over
the same documents. Of the others it is the `compute_loss` and the batches of their own code: four forget and four
retain documents, padded to the longest allowed (RESTOR) or to the longest of the batch (OpenUnlearning), with a copied
reference model. What their trainers do around that is left out, and they get our optimiser, which is in their favour.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import math
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from types import ModuleType
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from restor.unlearning.wrappers.base import Wrapper

Rows = list[list[int]]

PAD = 0
PER_BATCH = 4
"""Documents of each kind in a step of the others."""
LR = 1e-5
CLIP = 1.0
RESTOR, OPEN_UNLEARNING = "RESTOR", "OpenUnlearning"
LIMITS = {RESTOR: 0.6, OPEN_UNLEARNING: 1.0}
"""What our share may be at most."""


@dataclass(frozen=True)
class Loss:
    """A loss by its name in each of the three; where it is missing, None."""

    title: str
    ours: str
    ours_options: Mapping[str, Any]
    restor: str | None
    """MODULE.CLASS below unlearning/unlearn."""
    open_unlearning: str | None
    """MODULE.CLASS below src/trainer/unlearn."""
    attributes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Of their trainer."""


LOSSES = {
    "ga": Loss("GA + retain", "gradient_ascent", {}, "GA.GA_FT", "grad_diff.GradDiff"),
    "kl": Loss("KL + retain", "kl_divergence", {}, "KL.KL_FT", None),
    "ga-kl": Loss(
        "GA + KL retain",
        "gradient_ascent",
        {"retain": "kl"},
        "GA.GA_KL",
        "grad_diff.GradDiff",
        {"retain_loss_type": "KL"},
    ),
    "npo": Loss("NPO + retain", "npo", {}, "NPO.NPO", "npo.NPO"),
}


@dataclass(frozen=True)
class Job:
    """One measurement: who, which loss, which model, which documents."""

    who: str
    """`ours`, or one of the others."""
    checkout: str
    loss: str
    steps: int
    shape: Mapping[str, int]
    longest: int
    forget: Rows
    retain: Rows


@dataclass(frozen=True)
class Cost:
    """What it took. Seconds of CPU time; megabytes."""

    step: float
    """Per step: the eight documents that a step of the others reads, forward, backward and AdamW."""
    once: float
    """Before the first step: ours reads each document once with the reference, theirs copy the model."""
    memory: float
    """Peak above the loaded libraries: model, reference, optimiser and activations."""
    process: float
    """Peak of the whole process."""


# Documents -----------------------------------------------------------------------------------------------------------


def draw_documents(count: int, mean: int, spread: float, longest: int, vocabulary: int, seed: int) -> Rows:
    """Random tokens; lengths are log-normal, as are those of RESTOR's documents."""
    rng = Random(f"documents/{mean}/{seed}")
    found = []
    for _ in range(count):
        length = round(rng.lognormvariate(math.log(mean) - spread**2 / 2, spread))
        found.append([rng.randrange(1, vocabulary) for _ in range(min(max(length, 8), longest))])
    return found


def read_rows(path: Path, count: int, longest: int, vocabulary: int) -> Rows:
    """The first documents of a file, with a tokenizer made from it."""
    from restor.data.document_files import read_documents
    from restor.models.tokenizer import bpe_tokenizer, encode_rows

    texts = [document.text for document in read_documents(path)]
    if len(texts) < count:
        raise SystemExit(f"{path} has {len(texts)} documents and {count} are needed. Lower --steps.")
    tokenizer = bpe_tokenizer(iter(texts), vocabulary)
    if len(tokenizer) > vocabulary:
        raise SystemExit(f"The tokenizer has {len(tokenizer)} tokens, more than --vocabulary {vocabulary}. Raise it.")
    Random(0).shuffle(texts)
    return [row[:longest] for row in encode_rows(tokenizer, texts[:count])]


def tokens_per_step(rows: Rows, name: str, steps: int, seed: int) -> tuple[int, int]:
    """How many tokens a step of ours reads so that `steps` steps read every row once, and how many rows they read."""
    from restor.training.batching import SetRows

    longest = max(len(row) for row in rows)
    best = (len(rows) + 1, 0, 0)
    for tokens in range(longest, longest * len(rows) + 1):
        source = SetRows(rows, tokens=tokens, name=name, seed=seed)
        read = sum(len(source.rows(step).ids) for step in range(steps))
        best = min(best, (abs(read - len(rows)), tokens, read))
        if source.steps_per_epoch <= steps:
            break
    return best[1:]


# One measurement -----------------------------------------------------------------------------------------------------


def cpu_seconds() -> float:
    """Of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def memory_mb(kind: str) -> float:
    """Resident memory now (`VmRSS`) or at its peak (`VmHWM`). Linux only: elsewhere the peak is inherited."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("Peak memory is read from /proc/self/status, which only Linux has.")


def new_model(shape: Mapping[str, int], longest: int) -> PreTrainedModel:
    """The same random Llama for all, in float32."""
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
            num_key_value_heads=shape["heads"],
            max_position_embeddings=max(longest, 64),
            tie_word_embeddings=False,
            pad_token_id=PAD,
        )
    )


TINY = {"vocabulary": 32, "hidden": 16, "intermediate": 16, "layers": 1, "heads": 2}
TINY_ROWS = [[3, 4, 5, 6, 7, 8]] * PER_BATCH


def measure(job: Job) -> Cost:
    """Run a job in this process."""
    run = ours if job.who == "ours" else theirs
    # What libraries load at their first use counts for nobody.
    run(dataclasses.replace(job, steps=1, shape=TINY, longest=8, forget=TINY_ROWS, retain=TINY_ROWS))
    before = memory_mb("VmRSS")
    step, once = run(job)
    peak = memory_mb("VmHWM")
    return Cost(step, once, peak - before, peak)


def ours(job: Job) -> tuple[float, float]:
    """CPU seconds per step, and before the first one."""
    import torch

    from restor.models.checkpoint import place
    from restor.training.config import LoopConfig, OptimizerConfig
    from restor.unlearning.algorithms.base import ALGORITHMS
    from restor.unlearning.unlearn import EncodedTexts, unlearn

    seed = 0
    loss = LOSSES[job.loss]
    algorithm = ALGORITHMS.build(ALGORITHMS.parse({"name": loss.ours, **loss.ours_options}))
    (forget_tokens, forget_read), (retain_tokens, retain_read) = (
        tokens_per_step(rows, name, job.steps, seed) for rows, name in ((job.forget, "forget"), (job.retain, "retain"))
    )
    texts = EncodedTexts(job.forget, job.retain, forget_tokens, retain_tokens)
    model = place(new_model(job.shape, job.longest), torch.device("cpu"))
    config = LoopConfig(steps=job.steps, lr=LR, optimizer=OptimizerConfig(clip=CLIP), precision="float32")
    began = cpu_seconds()
    begun, watch = watched()
    unlearn(model, algorithm, texts, config, pad=PAD, seed=seed, wrapper=watch)
    once, steps = begun[0] - began, cpu_seconds() - begun[0]
    return steps * 2 * PER_BATCH / (forget_read + retain_read), once


def watched() -> tuple[list[float], Wrapper]:
    """When steps were begun, in CPU seconds, told by a wrapper that does what is done without one."""
    from restor.training.rules import Memory, Step, SumOfTerms
    from restor.unlearning.wrappers.base import Wrapper, WrapperInfo

    begun: list[float] = []

    @final
    class Watch(Wrapper):
        info = WrapperInfo("Watch", "", "", "", "", needs_forget=False)

        def gradient(self, step: Step, memory: Memory) -> dict[str, float]:
            begun.append(cpu_seconds())
            return SumOfTerms().gradient(step, memory)

    return begun, Watch()


def theirs(job: Job) -> tuple[float, float]:
    """The same by the losses and batches of another project."""
    import torch

    loss = LOSSES[job.loss]
    model = new_model(job.shape, job.longest)
    began = cpu_seconds()
    if job.who == RESTOR:
        trainer, batch_of = restor_trainer(Path(job.checkout), loss, model), restor_batches(job)
    else:
        trainer, batch_of = open_unlearning_trainer(Path(job.checkout), loss, model), open_unlearning_batches(job)
    once = cpu_seconds() - began
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    began = cpu_seconds()
    for step in range(job.steps):
        model.train()
        value = trainer.compute_loss(model, batch_of(range(step * PER_BATCH, (step + 1) * PER_BATCH)))
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        model.zero_grad()
    return (cpu_seconds() - began) / job.steps, once


# What is theirs ------------------------------------------------------------------------------------------------------


def package(name: str, folder: Path) -> None:
    """A package of that name whose modules are the files of a folder, its own `__init__` unread."""
    module = ModuleType(name)
    module.__path__ = [str(folder)]
    sys.modules[name] = module


def stand_in(name: str, **contents: Any) -> None:
    """A module of that name in place of one that needs much and does nothing for the loss."""
    module = ModuleType(name)
    vars(module).update(contents)
    sys.modules[name] = module


def trainer_class(prefix: str, folder: Path, name: str) -> type[Any]:
    """A class of theirs, `name` being MODULE.CLASS."""
    module, class_name = name.split(".")
    path = folder / f"{module}.py"
    if not path.is_file():
        raise SystemExit(f"{path} is missing: this is no checkout of the project, or of another version.")
    found: type[Any] = getattr(importlib.import_module(f"{prefix}.{module}"), class_name)
    return found


def trainer_of(kind: type[Any], attributes: Mapping[str, Any]) -> Any:
    """One of their trainers with what its loss reads, without what the Trainer's own constructor asks for."""
    trainer = object.__new__(kind)
    vars(trainer).update(attributes)
    return trainer


def copied(model: PreTrainedModel) -> PreTrainedModel:
    """Their reference model."""
    from copy import deepcopy

    return deepcopy(model).eval()


def restor_trainer(checkout: Path, loss: Loss, model: PreTrainedModel) -> Any:
    """The trainer of the published RESTOR code."""
    assert loss.restor is not None, "it has this loss"
    folder = checkout / "unlearning" / "unlearn"
    package("restor_reference", folder)
    stand_in("restor_reference.base", BaseTrainer=type("BaseTrainer", (), {}))
    kind = trainer_class("restor_reference", folder, loss.restor)
    reference = {} if loss.restor == "GA.GA_FT" else {"infer_model": copied(model)}
    return trainer_of(kind, {"model": model, "gamma": 1.0, **reference})


def open_unlearning_trainer(checkout: Path, loss: Loss, model: PreTrainedModel) -> Any:
    """The trainer of OpenUnlearning."""
    assert loss.open_unlearning is not None, "it has this loss"
    folder = checkout / "src" / "trainer"
    package("trainer", folder)
    package("trainer.unlearn", folder / "unlearn")
    stand_in("trainer.unlearn.base", UnlearnTrainer=type("UnlearnTrainer", (), {}))
    package("data", checkout / "src" / "data")
    stand_in("data.utils", IGNORE_INDEX=-100)
    kind = trainer_class("trainer.unlearn", folder / "unlearn", loss.open_unlearning)
    attributes: dict[str, Any] = {"gamma": 1.0, "alpha": 1.0, "beta": 0.1, "retain_loss_type": "NLL", **loss.attributes}
    compares = loss.open_unlearning == "npo.NPO" or attributes["retain_loss_type"] == "KL"
    reference = copied(model) if compares else None
    return trainer_of(kind, {"model": model, "ref_model": reference, **attributes})


Batches = Callable[[Sequence[int]], dict[str, Any]]


def restor_batches(job: Job) -> Batches:
    """Every document padded to the longest allowed, as (tokens, mask, labels)."""
    import torch

    def padded(row: list[int]) -> tuple[Tensor, ...]:
        rest = job.longest - len(row)
        lists = (row + [PAD] * rest, [1] * len(row) + [0] * rest, row + [-100] * rest)
        return tuple(torch.tensor(part) for part in lists)

    stored = {"forget": [padded(row) for row in job.forget], "retain": [padded(row) for row in job.retain]}

    def batch(numbers: Sequence[int]) -> dict[str, Any]:
        return {
            kind: tuple(torch.stack(parts) for parts in zip(*(rows[number] for number in numbers), strict=True))
            for kind, rows in stored.items()
        }

    return batch


def open_unlearning_batches(job: Job) -> Batches:
    """Documents as their own collator pads them: to the longest of the batch."""
    import torch

    collators = importlib.import_module("data.collators")
    tokenizer = type("Tokenizer", (), {"pad_token_id": PAD})()
    collate = collators.DataCollatorForSupervisedDataset(tokenizer)

    def stored(row: list[int]) -> dict[str, Tensor]:
        return {"input_ids": torch.tensor(row), "labels": torch.tensor([-100, *row[1:]])}

    forget, retain = ([stored(row) for row in rows] for rows in (job.forget, job.retain))

    def batch(numbers: Sequence[int]) -> dict[str, Any]:
        made: dict[str, Any] = collate([{"forget": forget[number], "retain": retain[number]} for number in numbers])
        return made

    return batch


# All measurements ----------------------------------------------------------------------------------------------------


def in_process(job: Job) -> Cost:
    """Run a job in a process of its own, on one thread."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, __file__, "--worker"],
        input=json.dumps(dataclasses.asdict(job)),
        env={**os.environ, **threads},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{job.who}, {job.loss}, ended with status {done.returncode}; what it said is above.")
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def worker() -> None:
    """Read a job, run it and write what it cost."""
    import torch

    torch.set_num_threads(1)
    print(json.dumps(dataclasses.asdict(measure(Job(**json.load(sys.stdin))))))


Round = dict[str, Cost]
"""What one round measured, by who."""


def measured(
    name: str, checkouts: Mapping[str, str], rounds: int, job: Job, run: Callable[[Job], Cost] = in_process
) -> list[Round]:
    """All rounds of one loss."""
    loss = LOSSES[name]
    has = {"ours": True, RESTOR: loss.restor is not None, OPEN_UNLEARNING: loss.open_unlearning is not None}
    order = [who for who in ("ours", *checkouts) if has[who]]
    found = []
    for number in range(rounds):
        turn = order if number % 2 == 0 else order[::-1]
        print(f"{loss.title}, round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        found.append(
            {who: run(dataclasses.replace(job, who=who, checkout=checkouts.get(who, ""), loss=name)) for who in turn}
        )
    return found


def ratio(rounds: Sequence[Round], who: str, value: Callable[[Cost], float]) -> str:
    """Ours as a share of theirs: the median of the rounds, and their range."""
    shares = [value(one["ours"]) / value(one[who]) for one in rounds]
    return f"**{statistics.median(shares):.2f}** ({min(shares):.2f} to {max(shares):.2f})"


def table(
    title: str, found: Mapping[str, Sequence[Round]], others: Sequence[str], value: Callable[[Cost], float], digits: int
) -> str:
    """One quantity: medians, and ours as a share of each of the others."""
    heads = [title, "ours", *others, *(f"ours / {who}" for who in others)]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for name, rounds in found.items():
        cells = [LOSSES[name].title]
        for who in ("ours", *others):
            values = [value(one[who]) for one in rounds if who in one]
            cells.append(f"{statistics.median(values):.{digits}f}" if values else "has none")
        cells += [ratio(rounds, who, value) if who in rounds[0] else "" for who in others]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def report(found: Mapping[str, Sequence[Round]], others: Sequence[str], steps: int) -> str:
    """All tables."""

    def whole(cost: Cost) -> float:
        return cost.step + cost.once / steps

    return "\n\n".join(
        (
            table("CPU seconds per step", found, others, lambda cost: cost.step, 3),
            table(
                "the same with what comes before the first step, where every document is read once",
                found,
                others,
                whole,
                3,
            ),
            table("peak memory above the libraries, MB", found, others, lambda cost: cost.memory, 0),
            table("peak memory of the process, MB", found, others, lambda cost: cost.process, 0),
        )
    )


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--restor-reference", type=Path, help="checkout of github.com/k1rezaei/restor")
    parser.add_argument("--open-unlearning", type=Path, help="checkout of github.com/locuslab/open-unlearning")
    parser.add_argument("--losses", default=",".join(LOSSES), help="which of %(default)s")
    parser.add_argument("--text", type=Path, action="append", help="a file of documents; several are measured in turn")
    parser.add_argument("--lengths", default="43,160", help="without --text: mean tokens of drawn documents")
    parser.add_argument("--spread", type=float, default=0.25, help="standard deviation of the logarithm of the lengths")
    parser.add_argument("--longest", type=int, default=256, help="most tokens of a document, to which RESTOR pads")
    parser.add_argument("--steps", type=int, default=8, help="of four forget and four retain documents (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3)
    for name, value in (("vocabulary", 8192), ("hidden", 256), ("intermediate", 688), ("layers", 8), ("heads", 8)):
        parser.add_argument(f"--{name}", type=int, default=value, help="of the model (%(default)s)")
    given = parser.parse_args(arguments)
    given.losses = given.losses.split(",")
    if unknown := [name for name in given.losses if name not in LOSSES]:
        parser.error(f"unknown loss {unknown[0]!r}; known: {', '.join(LOSSES)}")
    if min(given.steps, given.rounds) < 1:
        parser.error("--steps and --rounds are at least 1")
    return given


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure everything and print the tables."""
    given = parse(arguments)
    paths = {RESTOR: given.restor_reference, OPEN_UNLEARNING: given.open_unlearning}
    checkouts = {who: str(path) for who, path in paths.items() if path is not None}
    shape = {name: getattr(given, name) for name in TINY}
    count = given.steps * PER_BATCH
    for who in (who for who in paths if who not in checkouts):
        option = "--restor-reference" if who == RESTOR else "--open-unlearning"
        print(f"{who} is left out: give a checkout of it with {option}.\n")
    corpora: list[tuple[str, Callable[[], Rows]]] = [
        (str(path), partial(read_rows, path, 2 * count, given.longest, given.vocabulary)) for path in given.text or ()
    ] or [
        (
            f"drawn documents, mean {mean} tokens",
            partial(draw_documents, 2 * count, int(mean), given.spread, given.longest, given.vocabulary, 0),
        )
        for mean in given.lengths.split(",")
    ]
    for title, make in corpora:
        rows = make()
        job = Job("ours", "", "ga", given.steps, shape, given.longest, rows[:count], rows[count:])
        mean = statistics.mean(len(row) for row in rows)
        print(
            f"{title}: {count} forget and {count} retain documents of {mean:.0f} tokens on average, up to "
            f"{max(len(row) for row in rows)}; {given.steps} steps, {given.rounds} rounds.\n"
        )
        found = {name: measured(name, checkouts, given.rounds, job) for name in given.losses}
        print(report(found, list(checkouts), given.steps), flush=True)
        print()
    if checkouts:
        limits = ", ".join(f"{LIMITS[who]:g} times {who}" for who in checkouts)
        print(f"The promise is at most {limits}. Ratios are the median of the rounds and their range.")


if __name__ == "__main__":
    if sys.argv[1:] == ["--worker"]:
        worker()
    else:
        main()
