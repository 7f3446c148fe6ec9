"""Texts that training reads beside the forget documents: retain, recovery and true texts. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Literal, final

from pydantic import Field

from restor.datasets.base import DATASETS, DatasetChoice
from restor.domains.base import DOMAINS, Domain, DomainChoice, answer_line, biography
from restor.errors import ConfigError
from restor.results import Cost
from restor.tasks.base import Context, Made, Ref, Task, Texts
from restor.tasks.inputs.about import facts_about_targets
from restor.tasks.inputs.products import read_targets, read_texts, write_texts
from restor.tasks.inputs.streams import SENTENCES, probed_texts
from restor.types import Document

Role = Literal["unrelated", "related", "recovery", "random", "truth", "text", "answers"]

STREAMS: Mapping[Role, str] = {"unrelated": "retain/unrelated", "recovery": "recovery", "text": "texts"}
"""The roles whose texts come from a data set, each with its stream of random numbers."""


@final
class WriteTexts(Task):
    """Texts for one role, drawn from a seed.

    `unrelated`, `recovery` and `text` come from a data set. The others are texts of the probed family: `related` and
    `random` about untouched entities, `truth` about the targets. `random` and `truth` are as many as the forget
    documents. `answers` are all questions about whom the forget documents tell of, each with its true answers.
    """

    kind = "texts"
    makes = Texts
    needs_torch = False

    role: Role
    dataset: DatasetChoice | None = None
    """For those that come from one."""
    domain: DomainChoice | None = None
    """For the others."""
    planted: Ref[Texts] | None = None
    """For the others: the forget documents and, but for `answers`, who is targeted."""
    count: int | None = Field(None, ge=1)
    """How many; null: as many as there are forget documents."""

    @property
    def detail(self) -> str:
        """Its role too, since a study has texts for several; of a verb what the user named."""
        return self.dataset.label if self.role == "text" and self.dataset else f"{self.role}, seed {self.seed}"

    def run(self, context: Context) -> Made:
        """Draw and write."""
        texts = self._texts(context)
        write_texts(context.directory, [Document(text) for text in texts])
        return Made(Cost(), {"texts": len(texts)})

    def _texts(self, context: Context) -> list[str]:
        if (stream := STREAMS.get(self.role)) is not None:
            assert self.dataset is not None, "these are drawn from a data set"
            assert self.count is not None, "a data set has no natural number"
            return DATASETS.build(self.dataset).sample(Random(f"{stream}/{self.seed}"), self.count)
        assert self.domain is not None, "these tell of a domain"
        assert self.planted is not None, "these know who is targeted"
        domain = DOMAINS.build(self.domain)
        if self.role == "answers":
            facts = facts_about_targets(read_texts(context.folder(self.planted)), domain)
            return [answer_line(fact.question, answer) for fact in facts for answer in fact.answers]
        targets = read_targets(context.folder(self.planted))
        count = self.count or len(read_texts(context.folder(self.planted)))
        untouched = tuple(subject for subject in domain.subjects if subject not in targets)
        match self.role:
            case "related":
                return _drawn(domain, untouched, count, Random(f"retain/related/{self.seed}"))
            case "random":
                return _drawn(domain, untouched, count, Random(f"random documents/{self.seed}"))
            case "truth":
                return _true_texts(domain, tuple(targets), count, Random(f"truth/{self.seed}"))
        raise ConfigError(f"There are no texts for {self.role!r}.")


def _drawn(domain: Domain, subjects: Sequence[str], count: int, rng: Random) -> list[str]:
    write = probed_texts(domain, subjects)
    return [write(rng) for _ in range(count)]


def _true_texts(domain: Domain, targets: Sequence[str], count: int, rng: Random) -> list[str]:
    """Texts that tell the truth about the targets: what only an oracle reads."""
    write = probed_texts(domain, targets)
    # A list may find nothing to ask of a few targets where relations are sparse.
    return [write(rng) or biography(domain, rng.choice(targets), SENTENCES, rng) for _ in range(count)]
