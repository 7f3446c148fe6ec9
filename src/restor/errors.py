"""What can go wrong for a user, each with a message that says what was given, what is allowed and what to do."""

from __future__ import annotations


class RestorError(Exception):
    """An error the user can act on. The command line prints its message and exits with 1, without a traceback."""


class ConfigError(RestorError):
    """A recipe, a YAML file or an override that cannot be used."""


class DataError(RestorError):
    """A facts or documents file that is missing, unreadable, malformed or too small for what was asked."""


class StoreError(RestorError):
    """A store that cannot be read or written: read-only, full, damaged or of another version."""


class TrainingError(RestorError):
    """A training run that cannot go on, such as a loss that is not a number."""


class ChatError(RestorError):
    """A chat model that cannot be reached or refuses."""


class CodeError(RestorError):
    """Code of the user's own, or of a package that adds entries, that fails or breaks a rule."""


class CheckpointWarning(UserWarning):
    """What the user of a checkpoint should know of it: the command line shows these warnings, and no others."""


NEGATIVE_SEED = "a seed is a whole number from 0 up"


def to_install(extra: str) -> str:
    """What to type for one of restor's extras. There is no release on an index yet: the clone has them."""
    return f"run `pip install -e '.[{extra}]'` in the clone of restor"
