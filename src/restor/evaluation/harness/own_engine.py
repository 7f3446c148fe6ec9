"""The figures of exported tasks from our own engine: what lm-evaluation-harness must find for the same model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import tee
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from restor.errors import ConfigError, DataError
from restor.evaluation import Request, generate, score
from restor.evaluation.ask.engine.items import Option
from restor.evaluation.harness import task_utils
from restor.evaluation.harness.exported import ExportedTask, read_export, read_rows
from restor.evaluation.harness.probes import Row
from restor.models.loading import load_checkpoint
from restor.models.model_ref import ModelRef, parse_model_ref
from restor.models.tokenizer import token_ids

Figures = dict[str, float]


def harness_figures(
    model: PreTrainedModel | ModelRef | str | Path,
    folder: Path,
    *,
    tokenizer: PreTrainedTokenizerBase | None = None,
) -> dict[str, Figures]:
    """By task of an exported folder: the figures that the harness must find, but for rounding.

    Args:
        model: a checkpoint, or a model in evaluation mode on its device.
        folder: where the questions were exported to.
        tokenizer: of a model given as such.

    Raises:
        ConfigError: for a model given without its tokenizer, or a checkpoint that cannot be loaded.
        DataError: for a folder that is no export, or a question that does not fit the model's context.
    """
    content = read_export(folder)
    if not isinstance(model, PreTrainedModel):
        # In float32 on a CPU, as the harness is compared with.
        model, tokenizer = load_checkpoint(model if isinstance(model, ModelRef) else parse_model_ref(str(model)))
    if tokenizer is None:
        raise ConfigError("The model was given without its tokenizer. Give both, or the path of the checkpoint.")
    figures = {}
    for task in content.tasks:
        rows, again = tee(read_rows(folder, task))
        make = getattr(task_utils, task.function)
        said: Iterator[Sequence[object]]
        if task.kind == "choice":
            said = option_scores(model, tokenizer, rows)
        else:
            said = written(model, tokenizer, rows, content.max_new_tokens)
        figures[task.name] = _means(task, (make(row, results) for row, results in zip(again, said, strict=True)))
    return figures


def option_scores(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: Iterable[Row]
) -> Iterator[list[tuple[float, bool]]]:
    """By question: the log-likelihood of each option, and whether each of its tokens was the most probable one."""
    requests = (_request(tokenizer, row["prompt"], row["options"]) for row in rows)
    for scored in score(model, requests, tokenizer=tokenizer):
        # Whatever has no score was refused by `_request`.
        yield [(option.total, option.greedy) for option in scored.options if option is not None]


def written(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: Iterable[Row], max_new_tokens: int
) -> Iterator[list[str]]:
    """By question: the greedy answer up to the newline.

    As in the harness, what a tokenizer puts behind a text stands behind the prompt.
    """
    prompts = (tuple(token_ids(tokenizer, [row["prompt"]])[0]) for row in rows)
    for answer in generate(model, prompts, tokenizer=tokenizer, max_new_tokens=max_new_tokens):
        yield list(answer.texts)


def _request(tokenizer: PreTrainedTokenizerBase, prompt: str, options: Sequence[str]) -> Request:
    """Prompt and options cut where the harness cuts them: behind as many tokens as the prompt has by itself.

    White space at the end of the prompt belongs to the options there. Where the prompt's last token depends on what
    follows, the harness runs the prompt's own tokens and then what the whole string has behind as many.
    """
    start = prompt.rstrip()
    context, *wholes = token_ids(tokenizer, [start, *(f"{prompt} {option}" for option in options)])
    cut = tuple(tuple(whole[len(context) :]) for whole in wholes)
    for option, ids in zip(options, cut, strict=True):
        if not Option(len(context), ids).scored:
            raise DataError(
                f"The harness cannot score {option!r} behind a prompt that ends with {start[-40:]!r}: with this "
                "tokenizer both have no more tokens than the prompt alone, and it stops there. Use `restor evaluate`."
            )
    return Request(tuple(context), cut)


def _means(task: ExportedTask, figures: Iterable[Figures]) -> Figures:
    sums = dict.fromkeys(task.metrics, 0.0)
    for row in figures:
        for name in sums:
            sums[name] += row[name]
    return {name: total / task.questions for name, total in sums.items()}
