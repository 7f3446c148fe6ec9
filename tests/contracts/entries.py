"""Small entries of every catalogue, for tests that hold for all of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from random import Random

from restor.config import Config
from restor.datasets.base import DATASETS, Dataset
from restor.domains.base import DOMAINS, Domain
from restor.registry import Catalogue
from restor.text import split_words

NAMES = (
    "Ada Lovelace",
    "José Ångström",
    "O'Brien Quux",
    "Zoë {x} Kaye",
    "Ли Вэй",
    "Jean-Luc Mbeki",
    "Maud West",
    "Maud Westwood",
    "Tom Ash",
    "Ina Holm",
)
QUESTIONS = {
    "P19": "Where was {} born?",
    "P106": "What is the occupation of {}?",
    "P1412": "Which language does {} speak?",
    "X1": "What is the favourite pie of {}?",
}
VALUES = {
    "P19": ("York", "New York", "São Paulo", "Łódź"),
    "P106": ("poet", "film actor", "actor", "jeweller"),
    "P1412": ("Welsh", "Ido", "Māori", "Русский"),
    "X1": ("{o} pie", "cherry pie", "leek pie"),
}


def facts_file(folder: Path, seed: int) -> Path:
    """A facts file in the published form, with names and values that are hard to handle."""
    rng = Random(seed)
    dset: dict[str, dict[str, object]] = {}
    for subject in NAMES:
        dset[subject] = {
            relation: {"question": text.format(subject), "answers": rng.sample(VALUES[relation], rng.randint(1, 2))}
            for relation, text in QUESTIONS.items()
        }
    context = {
        "P19": [
            {"entity": name, "question": QUESTIONS["P19"].format(name), "answer": dset[name]["P19"]["answers"][0]}
            for name in (*NAMES[:3], NAMES[-1])
        ]
    }
    context["P19"].append({"entity": "Someone Else", "question": "Where was Someone Else born?", "answer": "Rome"})
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"facts-{seed}.json"
    path.write_text(json.dumps({"dset": dset, "context": context}), encoding="utf-8")
    return path


PLANTS = "aster clover fern heather iris lupin moss poppy sedge thistle".split()
PLACES = "by the old mill|on the north slope|near the ditch|under the hedge|along the towpath".split("|")


def text_file(folder: Path, seed: int) -> Path:
    """Texts of nobody and nothing that is asked, as a user may have them."""
    rng = Random(seed)

    def sentence() -> str:
        return f"{rng.choice(PLANTS).capitalize()} No. {rng.randint(1, 99)} grows {rng.choice(PLACES)}."

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"texts-{seed}.txt"
    texts = [f"A heading\n{sentence()} {sentence()}\n{sentence()} It does well there!" for _ in range(60)]
    path.write_text("\n\n".join(texts) + "\n", encoding="utf-8")
    return path


def entry_config(catalogue: Catalogue, name: str, folder: Path, seed: int) -> Config:
    """A small configuration of an entry; another `seed` is another world."""
    fields = catalogue.config_type(name).model_fields
    small = {"seed": seed, "people": 40, "values": 8, "towns": 12, "facts": facts_file(folder, seed)}
    small["path"] = str(text_file(folder, seed))
    return catalogue.parse({"name": name} | {key: value for key, value in small.items() if key in fields})


def domain(name: str, folder: Path, seed: int = 0) -> Domain:
    return DOMAINS.build(entry_config(DOMAINS, name, folder, seed))


def dataset(name: str, folder: Path, seed: int = 0) -> Dataset:
    return DATASETS.build(entry_config(DATASETS, name, folder, seed))


def mentioned(text: str, names: Iterable[str]) -> set[str]:
    """Which names stand in a text as whole words, caselessly."""
    wanted = {tuple(split_words(name.casefold())): name for name in names}
    words = split_words(text.casefold())
    lengths = {len(item) for item in wanted}
    grams = {tuple(words[i : i + n]) for n in lengths for i in range(len(words) - n + 1)}
    return {name for key, name in wanted.items() if key in grams}
