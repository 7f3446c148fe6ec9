"""Chat templates, rendered in a process of their own: they are programs, which may loop or fill the memory."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

from restor.errors import DataError
from restor.models.apart import Refused, answer, ask

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Messages: TypeAlias = Sequence[dict[str, str]]

LONGEST = 2**20
"""Most characters that a template may put around what is said."""


def render(tokenizer: PreTrainedTokenizerBase, chats: Sequence[Sequence[Messages]]) -> list[str]:
    """Each chat as the tokenizer's template has it, up to where the model goes on.

    A chat is given in several forms: the first that the template takes counts, since some take no system message.

    Raises:
        DataError: if the template takes no form of one, or needs too much time or memory.
    """
    given = {"template": tokenizer.get_chat_template(), "tokens": tokenizer.special_tokens_map, "chats": chats}
    try:
        texts: list[str] = ask(__name__, given)
    except (Refused, ValueError, TypeError) as error:
        raise DataError(
            f"The chat template of the tokenizer ({type(tokenizer).__name__}) cannot be used: {str(error)[:300]}. Mend "
            "chat_template.jinja or chat_template in tokenizer_config.json, or remove it to ask in plain text."
        ) from error
    return texts


def _render(given: Any) -> list[str]:
    return [_first(given["template"], given["tokens"], forms) for forms in given["chats"]]


def _first(template: str, tokens: dict[str, Any], forms: Sequence[Messages]) -> str:
    from jinja2 import TemplateError

    for messages in forms[:-1]:
        with suppress(TemplateError):
            return _one(template, tokens, messages)
    return _one(template, tokens, forms[-1])


def _one(template: str, tokens: dict[str, Any], messages: Messages) -> str:
    from transformers.utils.chat_template_utils import render_jinja_template

    # Templates that know no thinking ignore the word.
    settings = {**tokens, "add_generation_prompt": True, "enable_thinking": False}
    (text,), _ = render_jinja_template(conversations=[list(messages)], chat_template=template, **settings)
    if len(text) > LONGEST + 10 * sum(len(message["content"]) for message in messages):
        raise ValueError(f"it makes {len(text):,} characters of a short chat")
    return str(text)


if __name__ == "__main__":
    answer(_render)
