"""The entry point of `restor`. Each verb is a file of its own that is imported when it is asked for."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress

from cyclopts import App, CycloptsError, Parameter

from restor.cli.arguments import UsageError, fields_as_set
from restor.errors import RestorError

KEPT = "What is finished is kept; the same command continues from there."
_STUDY_VERBS = ("run", "select")


_VERBS = {
    "run": (
        "restor.cli.run:run",
        "Run a study and print its table. What is finished in the store is not run again.",
        "restor run",
        "restor run miniature --seeds 3 --algorithms npo,task_vector --unlearning.lr 1e-4",
        "restor run study.yaml --corruption.strength strong --recovery null",
        "restor run official_small --facts facts.json --json",
    ),
    "select": (
        "restor.cli.select:select",
        "Choose hyperparameters on validation entities, by a grid of the same size for every arm.",
        "restor select miniature --seeds 10,11 --out mine.json",
        "restor run miniature --unlearning.selection mine.json",
    ),
    "list": (
        "restor.cli.list:show",
        "List recipes, algorithms, domains, datasets, corruptors, judges, or all fields of a configuration.",
        "restor list algorithms",
        "restor list algorithms npo",
        "restor list fields study.yaml",
    ),
    "report": ("restor.cli.report:report", "Write the report of a study again."),
    "status": ("restor.cli.status:status", "Show what is in a store: its stages, what is running, its studies."),
    "verify": ("restor.cli.verify:verify", "Read every file of a store again and name what is damaged."),
    "clean": ("restor.cli.clean:clean", "Remove what no study refers to.", "restor clean --dry-run"),
}
"""Verb -> where its function is, what it does, examples."""


def build_app() -> App:
    """The command line; no verb is imported."""
    app = App(
        name="restor",
        help="Restorative unlearning: a model that knew is misled, then unlearned. Does it know again?",
        help_epilogue=_shown(("restor run", "restor run --seeds 3 --unlearning.lr 1e-4", "restor list algorithms"))
        + "\n\n`restor VERB --help` tells more. --debug or RESTOR_DEBUG=1 shows where an error comes from.",
        help_format="plaintext",  # the other formats take long to import
        version=_version,
        version_flags=["--version"],
        default_parameter=Parameter(negative=(), show_default=False),
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    for number, (verb, (target, text, *examples)) in enumerate(_VERBS.items()):
        app.command(target, name=verb, help=text, help_epilogue=_shown(examples), sort_key=number)
    return app


def _shown(examples: Sequence[str]) -> str:
    return "\n  ".join(["Examples:", *examples]) if examples else ""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit code: 0, 1 for an error, 2 for wrong usage, 130 for Ctrl-C."""
    tokens = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in tokens or os.environ.get("RESTOR_DEBUG", "0") not in ("", "0")
    tokens = [token for token in tokens if token != "--debug"]
    try:
        code = _dispatch(tokens)
        sys.stdout.flush()  # here, where a closed pipe is still ours to handle
        return code
    except KeyboardInterrupt:
        _say(f"\nStopped. {KEPT}")
        return 130
    except BrokenPipeError:
        # The reader has enough. Python flushes again on its way out, which must go nowhere.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        message = _explain(error)
        if message is None:
            raise
        if debug:
            traceback.print_exc()
        else:
            _say(message)
        return 2 if isinstance(error, UsageError | CycloptsError) else 1


def _dispatch(tokens: list[str]) -> int:
    app = build_app()
    verb = next((token for token in tokens if not token.startswith("-")), None)
    if verb in _STUDY_VERBS:
        from restor.experiment import ExperimentConfig

        options = {name for argument in app[verb].assemble_argument_collection() for name in argument.names}
        options |= {"--help", "--version"}
        at = tokens.index(verb) + 1
        tokens = tokens[:at] + fields_as_set(tokens[at:], options, ExperimentConfig.model_fields)
    result = app(tokens or ["--help"], exit_on_error=False, print_error=False)
    return result if isinstance(result, int) else 0


def _explain(error: Exception) -> str | None:
    """The one message for a user; None for what is a fault of restor."""
    if isinstance(error, CycloptsError):
        return f"Error: {error}\n`restor --help` and `restor VERB --help` show what can be given."
    if isinstance(error, RestorError):
        return f"Error: {error}"
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return f"Error: {where}the disk is full. Free some space, as with `restor clean`. {KEPT}"
        return f"Error: {where}{error.strerror or error}. Check the path, its rights and its disk. {KEPT}"
    # By name, for neither torch nor pydantic is to be imported here.
    kind = type(error)
    if isinstance(error, MemoryError) or kind.__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error):
        return (
            "Error: out of memory. Close other programs, or ask for less, as with --evaluation.batch 64 or "
            f"--clean.tokens_per_step 256. {KEPT}"
        )
    if kind.__name__ == "ValidationError" and kind.__module__.startswith("pydantic"):
        return f"Error: {error}"
    return None


def _version() -> str:
    from restor import __version__

    return __version__


def _say(message: str) -> None:
    with suppress(OSError):
        sys.stderr.write(f"{message}\n")
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
