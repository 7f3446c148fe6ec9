"""A tiny model, what it is asked, and the stage that asks it: the subject of tests that kill and share evaluations."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import torch

from restor.domains.base import Domain
from restor.evaluation.config import EvaluationConfig
from restor.models.checkpoint import new_llama, save_model
from restor.models.tokenizer import word_tokenizer
from restor.progress import Progress
from restor.tasks import ask as evaluate
from restor.tasks.context import Built, Job
from restor.tasks.world import Asked
from restor.types import Document, Fact, Group, Query
from tiny_study import FileProgress

BATCH = 8
PLACES = ("york", "rome", "oslo", "bonn")


@final
class Questions(Asked):
    """Some people and where they were born."""

    def __init__(self, count: int) -> None:
        self.count = count

    @property
    def domain(self) -> Domain:
        raise NotImplementedError

    @property
    def queries(self) -> Sequence[Query]:
        found = []
        for number in range(self.count):
            answer = PLACES[number % 4]
            fact = Fact(f"p{number}", "born", (answer,), f"where was p{number} born ?")
            planted = PLACES[(number + 1) % 4] if number % 2 else None
            found.append(
                Query(fact, Group.TEST, "where was bo born ? york\n", fact.question, planted, (PLACES[2],), PLACES)
            )
        return found

    @property
    def forget_documents(self) -> Sequence[Document]:
        return ()

    def digest(self) -> str:
        return str(self.count)


def make_model(folder: Path, count: int) -> None:
    """Write a random model that knows all words of `count` questions."""
    words = [f"p{number}" for number in range(count)]
    tokenizer = word_tokenizer([*words, *PLACES, *"where was bo born ? in the".split()])
    model = new_llama(tokenizer=tokenizer, hidden=32, intermediate=48, layers=2, heads=2, context=64, seed=0)
    for parameter in model.parameters():
        if parameter.ndim == 2:
            parameter.data *= 5
    save_model(model, tokenizer, folder / "model")


def job(place: Path, progress: Progress, count: int, **evaluation: Any) -> Job:
    """The stage that asks the model in `place / "artifact"`."""
    (place / "out").mkdir(exist_ok=True)
    return Job(
        config={"evaluation": EvaluationConfig(max_new_tokens=5, **evaluation).model_dump(mode="json")},
        seed=0,
        parents={"model": place / "artifact"},
        directory=place / "out",
        resume=place / "out" / "resume",
        asked=Questions(count),
        device=torch.device("cpu"),
        progress=progress,
        save_every=20.0,
    )


def build(place: Path, progress: Progress, count: int, **evaluation: Any) -> Built:
    """Ask in small batches."""
    evaluate.BATCH = BATCH
    torch.set_num_threads(1)
    return evaluate.build(job(place, progress, count, **evaluation))


if __name__ == "__main__":
    build(Path(sys.argv[1]), FileProgress(Path(sys.argv[2])), int(sys.argv[3]))
