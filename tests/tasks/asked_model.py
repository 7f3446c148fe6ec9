"""A tiny model, what it is asked, and the task that asks it: the subject of tests that kill and share evaluations."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

from restor.evaluation.config import EvaluationConfig
from restor.models.checkpoint import new_llama, save_model
from restor.models.tokenizer import word_tokenizer
from restor.processes import Call
from restor.progress import Progress
from restor.tasks.ask import Ask
from restor.tasks.asking import batches as asking
from restor.tasks.base import Context, Made, Ref
from restor.tasks.inputs.products import write_questions
from restor.types import Fact, Group, Query
from tiny_study import FileProgress

BATCH = 8
PLACES = ("york", "rome", "oslo", "bonn")


def questions(count: int) -> list[Query]:
    """Some people and where they were born."""
    queries = []
    for number in range(count):
        answer = PLACES[number % 4]
        fact = Fact(f"p{number}", "born", (answer,), f"where was p{number} born ?")
        planted = PLACES[(number + 1) % 4] if number % 2 else None
        queries.append(
            Query(fact, Group.TEST, "where was bo born ? york\n", fact.question, planted, (PLACES[2],), PLACES)
        )
    return queries


def make_model(folder: Path, count: int) -> None:
    """Write a random model that knows all words of `count` questions."""
    words = [f"p{number}" for number in range(count)]
    tokenizer = word_tokenizer([*words, *PLACES, *"where was bo born ? in the".split()])
    model = new_llama(tokenizer=tokenizer, hidden=32, intermediate=48, layers=2, heads=2, context=64, seed=0)
    for parameter in model.parameters():
        if parameter.ndim == 2:
            parameter.data *= 5
    save_model(model, tokenizer, folder / "model")


def build(place: Path, progress: Progress, count: int, call: Call | None = None, **evaluation: Any) -> Made:
    """Ask the model in `place / "artifact"` in small batches."""
    asking.BATCH = BATCH
    torch.set_num_threads(1)
    for name in ("out", "asked"):
        (place / name).mkdir(exist_ok=True)
    write_questions(place / "asked", questions(count))
    task = Ask(
        model=Ref(kind="checkpoint", key="model"),
        questions=Ref(kind="questions", key="questions"),
        asking=EvaluationConfig(max_new_tokens=5, **evaluation).asking,
        seed=0,
    )
    context = Context(
        inputs={"model": place / "artifact", "questions": place / "asked"},
        directory=place / "out",
        resume=place / "out" / "resume",
        device="cpu",
        progress=progress,
        save_every=20.0,
        call=call,
    )
    return task.run(context)


if __name__ == "__main__":
    build(Path(sys.argv[1]), FileProgress(Path(sys.argv[2])), int(sys.argv[3]))
