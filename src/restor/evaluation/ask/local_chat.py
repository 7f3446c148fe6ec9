"""The model on this machine that a judge asks: loaded when it is first needed, and asked by the engine."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, final

from restor.chat import ChatRequest
from restor.errors import DataError
from restor.evaluation.judges._local import LocalJudge, LocalJudgeConfig, Written
from restor.evaluation.judges.base import JUDGES, Judge, JudgeConfig
from restor.models.model_ref import ModelRef, fingerprint, pinned

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

WINDOW = 128
"""Requests that are read ahead and begin alike. What a kill loses is less than that."""

RENDERED = 1000
"""Requests whose chat template is rendered together."""


def local_model(config: JudgeConfig) -> ModelRef | None:
    """The checkpoint that a judge asks on this machine, if it does."""
    return config.local.model if isinstance(config, LocalJudgeConfig) and config.local is not None else None


def build_judge(
    config: JudgeConfig, *, device: torch.device | None = None, content: Mapping[str, Any] | None = None
) -> Judge:
    """A judge, with its model if it asks one on this machine.

    Args:
        config: which judge.
        device: where such a model goes, unless its configuration says so; None chooses.
        content: what identifies its weights; None reads them.

    Raises:
        RestorError: if the checkpoint is not there.
    """
    judge = JUDGES.build(config)
    ref = local_model(config)
    if ref is not None and isinstance(judge, LocalJudge):
        content = fingerprint(ref) if content is None else content
        judge.use(LocalChat(pinned(ref, content), device), content)
    return judge


@final
class LocalChat:
    """Writes to chat requests with a model on this machine, greedily, up to the end of text."""

    def __init__(self, ref: ModelRef, device: torch.device | None = None) -> None:
        self.ref = ref
        self._device = device
        self._loaded: tuple[PreTrainedModel, PreTrainedTokenizerBase] | None = None

    def __call__(self, requests: Sequence[ChatRequest], max_tokens: int) -> Iterator[Written]:
        """The replies in the order of the requests; one that does not fit the model's context has a problem.

        Raises:
            RestorError: if the checkpoint cannot be loaded, or its logits are not numbers.
        """
        if not requests:
            return
        # Imported here: answers that were judged before need no model.
        from restor.evaluation import EngineSettings, generate
        from restor.models.families import context_of, ends_of

        model, tokenizer = self._load()
        context, ends = context_of(model), ends_of(model, tokenizer)
        asked: deque[Written] = deque()

        def prompts() -> Iterator[tuple[int, ...]]:
            for text in _texts(tokenizer, requests):
                problem: str | None = None
                ids: tuple[int, ...] = ()
                try:
                    ids = _ids(tokenizer, text)
                except DataError as error:  # what is judged may have any token in it
                    problem = str(error)
                if context is not None and len(ids) + max_tokens > context:
                    problem = (
                        f"the request of {len(ids)} tokens and a reply of {max_tokens} do not fit the model's context "
                        f"of {context}"
                    )
                asked.append(Written(prompt_tokens=len(ids), problem=problem))
                if problem is None:
                    yield ids

        settings = EngineSettings(window=WINDOW)
        for item in generate(
            model, prompts(), tokenizer=tokenizer, max_new_tokens=max_tokens, stop=(), settings=settings
        ):
            while asked[0].problem is not None:
                yield asked.popleft()
            (ids,), (text,) = item.ids, item.texts
            cut = len(ids) >= max_tokens and ids[-1] not in ends
            yield Written(
                text,
                prompt_tokens=asked.popleft().prompt_tokens,
                completion_tokens=len(ids),
                problem=f"its reply was cut at {max_tokens} tokens; raise local.max_tokens" if cut else None,
            )
        yield from asked

    def _load(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        if self._loaded is None:
            from restor.models.loading import load_checkpoint

            place = self._device if self.ref.device == "auto" else None
            self._loaded = load_checkpoint(self.ref, device=place, to_ask=True)
        return self._loaded


def _texts(tokenizer: PreTrainedTokenizerBase, requests: Sequence[ChatRequest]) -> Iterator[str]:
    """The requests as the tokenizer's chat template has them, else as plain text."""
    from restor.models.chat_template import render

    for start in range(0, len(requests), RENDERED):
        part = requests[start : start + RENDERED]
        if tokenizer.chat_template:
            yield from render(tokenizer, [_forms(request) for request in part])
        else:
            yield from (f"{request.system}\n\n{request.user}\n" for request in part)


def _forms(request: ChatRequest) -> list[list[dict[str, str]]]:
    """A request with a system message, and without, for families that have no such role."""
    system, user = (
        {"role": role, "content": text} for role, text in (("system", request.system), ("user", request.user))
    )
    return [[system, user], [{"role": "user", "content": f"{request.system}\n\n{request.user}"}]]


def _ids(tokenizer: PreTrainedTokenizerBase, text: str) -> tuple[int, ...]:
    """Token ids of a text; a template has put around it what belongs there."""
    from restor.models.tokenizer import added_behind, token_ids

    if tokenizer.chat_template:
        return tuple(token_ids(tokenizer, [text], special=False)[0])
    (ids,) = token_ids(tokenizer, [text])
    return tuple(ids[: len(ids) - added_behind(tokenizer)])
