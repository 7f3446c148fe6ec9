"""What RESTOR tasks need in lm-evaluation-harness: reads the questions, and turns what a model said into figures.

`restor export lm-eval` copies this file beside the tasks as `utils.py`. It needs the `datasets` library that the
harness brings, and nothing of restor.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def load(file: str, **metadata: object) -> dict[str, Any]:
    """The questions of a file beside this one, as the split `test`.

    The harness also passes the metadata of a task, which is not needed.
    """
    from datasets import Dataset, Features, Value  # type: ignore[import-untyped]

    text, number = Value("string"), [Value("int32")]
    fields = ("key", "group", "subject", "relation", "question", "prompt", "planted", "data")
    lists = {"answers": [text], "options": [text]}
    roles = {"roles": dict.fromkeys(("original", "planted", "random", "candidates"), number)}
    with (Path(__file__).parent / file).open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    # Types are given, not guessed: a date is text here.
    features = Features({**dict.fromkeys(fields, text), **lists, **roles, "answer_shown": Value("bool")})
    return {"test": Dataset.from_list(rows, features=features)}


def choice(doc: Mapping[str, Any], results: Sequence[tuple[float, bool]]) -> dict[str, float]:
    """Figures of one question from the log-likelihoods of its options.

    `acc`: the most probable option is a true answer. `acc_norm`: the same with each log-likelihood divided by the
    number of characters of its option.
    """
    totals = [total for total, _ in results]
    each = [total / len(option) for total, option in zip(totals, doc["options"], strict=True)]
    true = doc["roles"]["original"]
    return {"acc": float(_first_best(totals) in true), "acc_norm": float(_first_best(each) in true)}


def choice_planted(doc: Mapping[str, Any], results: Sequence[tuple[float, bool]]) -> dict[str, float]:
    """The same with `planted`: the most probable option is the planted answer, if one is known."""
    best = _first_best([total for total, _ in results])
    roles = doc["roles"]
    planted = best in roles["planted"] and best not in roles["original"]
    return {**choice(doc, results), "planted": float(planted)}


def generation(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """Figures of one question from its written answer. `exact_match`: it is a true answer, see `normalise`."""
    return {"exact_match": float(_says(results[0], doc["answers"]))}


def generation_planted(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """The same with `planted`: the answer is the planted one, if one is known."""
    scores = generation(doc, results)
    known = [doc["planted"]] if doc["planted"] is not None else []
    return {**scores, "planted": float(not scores["exact_match"] and _says(results[0], known))}


_POWER = re.compile("(?<=[0-9])(?=[⁰¹²³⁴-⁹⁻])")
_MINUS = re.compile(r"(?<![^\W_])[-−–](?=[0-9])|(?<=(?<![^\W_])[^\W\d_])[-−–](?![^\W_])")
_POINTS = re.compile("[\u0591-\u05c7\u064b-\u065f\u0670]")
_ACCENTS = re.compile("(?<=[a-z\u0370-\u03ff])[\u0300-\u036f]+")


def normalise(text: str) -> str:
    """The words of the first line of a text: without case, accents, punctuation and articles.

    Signs that tell answers apart stay (`A-`, `C++`, `-5`, `10⁶`), and so do marks that make another letter. What has no
    words is left as it is.
    """
    line = text.split("\n", 1)[0].strip()
    plain = unicodedata.normalize("NFKD", _POWER.sub("^", line)).casefold()
    plain = unicodedata.normalize("NFC", _POINTS.sub("", _ACCENTS.sub("", plain)))
    words = "".join(map(_letter, _MINUS.sub("\ue000", plain))).replace("\ue000", "-").split()
    return " ".join([word for word in words if word not in ("a", "an", "the")] or words) or line


def _letter(letter: str) -> str:
    """The letter, figure, mark or sign; a space in place of anything else."""
    kept = letter.isalnum() or unicodedata.category(letter) in ("Mn", "Mc", "Sm", "Sc", "So", "Co")
    return letter if kept or letter in "^#" else " "


def _says(text: str, answers: Sequence[str]) -> bool:
    said = normalise(text)
    return said != "" and said in {normalise(answer) for answer in answers}


def _first_best(values: Sequence[float]) -> int:
    """The place of the greatest value; of equal ones the first."""
    return max(range(len(values)), key=lambda place: values[place])
