"""The entry point of `restor`. Each verb is a file of its own that is imported when it is asked for."""

from __future__ import annotations

import logging
import os
import re
import sys
import traceback
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress

from cyclopts import App, CycloptsError, Parameter

from restor.cli.arguments import UsageError, check_numbers, fields_as_set
from restor.cli.environment import unusable
from restor.cli.output import safe_streams
from restor.cli.usage import Verbs, usage_message
from restor.errors import CheckpointWarning, CodeError, RestorError
from restor.faults import is_shortage, one_line, own_code_error, what_was_read

KEPT = "What is finished is kept; the same command continues from there."
_MEND = "Mend it there; the same command with --debug shows the traceback."
_LONG = re.compile(r"\S{300,}")
_CHECKPOINT_VERBS = ("corrupt", "unlearn", "recover")


_VERBS: Verbs = {
    "run": (
        "Run a study and print its table. What is finished in the store is not run again.",
        "restor run",
        "restor run miniature --seeds 3 --algorithms npo,task_vector --unlearning.lr 1e-4",
        "restor run study.yaml --corruption.strength strong --recovery null",
        "restor run official_small --facts facts.json --json",
    ),
    "select": (
        "Choose hyperparameters on validation entities, by a grid of the same size for every arm.",
        "restor select miniature --seeds 10,11 --out mine.json",
        "restor run miniature --unlearning.selection mine.json",
    ),
    "evaluate": (
        "Ask checkpoints about facts and compare them. Nothing is trained.",
        "restor evaluate --model clean=A --model corrupted=B --model unlearned=C --facts restor --forget restor/k0",
        "restor evaluate --model mine=meta-llama/Meta-Llama-3-8B@main --facts facts.json --protocol published",
        "restor evaluate --model mine=PATH --study restor-store/studies/miniature-1a2b3c4d",
    ),
    "corrupt": (
        "Continue the pretraining of a checkpoint on documents that state wrong facts.",
        "restor corrupt --model CLEAN --forget restor/k4 --out corrupted",
        "restor corrupt --model CLEAN --forget forget.jsonl --out corrupted --lr 1e-4 --lora null",
    ),
    "unlearn": (
        "Apply an unlearning algorithm to a checkpoint.",
        "restor unlearn --model CORRUPTED --algorithm npo --forget restor/k4 --retain c4 --out unlearned",
        "restor unlearn --model CORRUPTED --algorithm msa --forget forget.jsonl --checkpoint CLEAN --out unlearned",
        "restor unlearn --model CORRUPTED --algorithm npo --algorithm.beta 0.5 --forget F --retain R.txt --out OUT",
        "restor unlearn --model CORRUPTED --algorithm undial --forget restor/k4 --facts restor --select --out OUT",
    ),
    "recover": (
        "Give an unlearned checkpoint its fluency back by a light fine-tune.",
        "restor recover --model UNLEARNED --text lima --out recovered",
    ),
    "judge": (
        "Judge the stored answers of results again, or compare two judges.",
        "restor judge RESULTS --judge llm --model gpt-4o-mini",
        "restor judge --agreement RESULTS_A RESULTS_B",
    ),
    "export": (
        "Write the questions as tasks of lm-evaluation-harness.",
        "restor export lm-eval tasks --facts restor --forget restor/k4",
        "restor export lm-eval tasks --study restor-store/studies/miniature-1a2b3c4d --name mini",
    ),
    "list": (
        "List recipes, arms, algorithms, wrappers, domains, datasets, corruptors, judges or the fields of a study.",
        "restor list arms",
        "restor list algorithms npo",
        "restor list algorithms ./my_loss.py:MyLoss",
        "restor list fields study.yaml",
    ),
    "report": (
        "Write the report of a study again.",
        "restor report --format html",
        "restor report STUDY --format latex --out table.tex",
    ),
    "compare": (
        "Show arms of several studies side by side.",
        "restor compare miniature-1a2b3c4d miniature-5e6f7a8b --arms npo_token,msa",
        "restor compare STUDY_A STUDY_B --format csv --out compared.csv",
    ),
    "plot": (
        "Draw static figures for a paper: png, svg or pdf.",
        "restor plot",
        "restor plot STUDY --figure restoration --width single --out restoration.pdf",
        "restor plot STUDY_A STUDY_B --figure against --arms npo_token,msa",
    ),
    "view": (
        "Show the studies of a store in a browser, with live progress, on this machine only.",
        "restor view",
        "restor view restor-store --port 8765 --no-open",
    ),
    "status": ("Show what is in a store: its stages, what is running, its studies.",),
    "verify": ("Read every file of a store again and name what is damaged.",),
    "clean": ("Remove what no study refers to.", "restor clean --dry-run"),
}
"""Verb -> what it does, then examples. Its file and its function have its name; `list` is no name for a function."""

_DATA_VERBS: Verbs = {
    "list": ("Show which data sets are known, and which files are there.",),
    "fetch": (
        "Download the published data, or take them from a copy; every file is checked.",
        "restor data fetch restor",
        "restor data fetch restor --from ~/restor-clone --only facts,entities,k0",
    ),
    "check": (
        "Check files of facts, entities and documents, and name every bad record.",
        "restor data check facts.jsonl",
    ),
    "build": (
        "Write documents that state wrong facts, from a facts file.",
        "restor data build fact_swap --facts restor --k 2 --out forget.jsonl",
    ),
    "overlap": (
        "Tell what a retain text says about that which is to be forgotten.",
        "restor data overlap --forget forget.jsonl --retain retain.txt --facts restor",
    ),
    "wikidata": (
        "Fetch true facts about people from Wikidata.",
        "restor data wikidata --entity Q8023 --entity Q937 --out facts.json",
    ),
}
"""The same for the verbs of `restor data`."""


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
        default_parameter=Parameter(negative=(), show_default=False, validator=check_numbers),
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    _add_verbs(app, _VERBS, "restor.cli")
    data = App(
        name="data",
        help="Published and own data: fetch, check, build, compare.",
        help_epilogue=_shown(
            (
                "restor data check facts.csv",
                'restor data build fact_swap --facts facts.csv --targets "Ada Low,Bob Roy" --out forget.jsonl',
                "restor data fetch restor",
            )
        ),
        sort_key=len(_VERBS),
    )
    _add_verbs(data, _DATA_VERBS, "restor.cli.data")
    app.command(data)
    return app


def _add_verbs(app: App, verbs: Verbs, package: str) -> None:
    for number, (verb, (text, *examples)) in enumerate(verbs.items()):
        target = f"{package}.{verb}:{'show' if verb == 'list' else verb}"
        app.command(target, name=verb, help=text, help_epilogue=_shown(examples), sort_key=number)


def _shown(examples: Sequence[str]) -> str:
    return "\n  ".join(["Examples:", *examples]) if examples else ""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit code: 0, 1 for an error, 2 for wrong usage, 130 for Ctrl-C."""
    tokens = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in tokens or os.environ.get("RESTOR_DEBUG", "0") not in ("", "0")
    # For whoever types a command, what libraries deprecate is noise; `python -W` and --debug show it.
    if argv is None and not debug and not sys.warnoptions:
        warnings.simplefilter("ignore")
        warnings.simplefilter("once", CheckpointWarning)
        warnings.showwarning = lambda message, *_, **__: _say(f"Note: {message}")
    with safe_streams(), _debugging() if debug else nullcontext():
        return _run([token for token in tokens if token != "--debug"], debug=debug)


def _run(tokens: list[str], *, debug: bool) -> int:
    try:
        several = os.environ.get("WORLD_SIZE", "1") not in ("", "1")
        code = _dispatch_in_launch(tokens) if several else _dispatch(tokens)
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
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 a panic of a library in Rust is no Exception
        if debug:
            traceback.print_exc()
        else:
            _say(_explain(error))
        return 2 if isinstance(error, UsageError | CycloptsError) else 1


@contextmanager
def _debugging() -> Iterator[None]:
    """Within the block, what restor logs, such as why an arm failed, is shown."""
    logger, handler = logging.getLogger("restor"), logging.StreamHandler()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.setLevel(before)
        logger.removeHandler(handler)


def _dispatch_in_launch(tokens: list[str]) -> int:
    """The same where torchrun has started several processes: one does what is asked, the others help."""
    from restor.processes import Processes, launched

    if not launched(os.environ):
        return _dispatch(tokens)
    with Processes.join(os.environ) as processes:
        if not processes.rank:
            return _dispatch(tokens)
        from restor.runner.launchers.local import serve

        return serve(processes)


def _dispatch(tokens: list[str]) -> int:
    app = build_app()
    verb = next((token for token in tokens if not token.startswith("-")), None)
    if verb in _CHECKPOINT_VERBS and not {"--help", "-h"}.isdisjoint(tokens):
        from restor.cli.checkpoint_verbs import settings_of

        app[verb].help_epilogue = f"{settings_of(verb)}\n\n{app[verb].help_epilogue}"
    sections = _sections(verb)
    if verb is not None and sections:
        options = {name for argument in app[verb].assemble_argument_collection() for name in argument.names}
        options |= {"--help", "--version"}
        at = tokens.index(verb) + 1
        tokens = tokens[:at] + fields_as_set(tokens[at:], options, sections)
    result = app(tokens or ["--help"], exit_on_error=False, print_error=False)
    return result if isinstance(result, int) else 0


def _sections(verb: str | None) -> Collection[str]:
    """First words of the fields that a verb takes as options; none for the verbs that take none."""
    if verb in ("run", "select"):
        from restor.experiment import ExperimentConfig

        return ExperimentConfig.model_fields
    if verb == "evaluate":
        return ("evaluation", "threads")
    if verb == "export":
        return ("evaluation",)
    if verb in _CHECKPOINT_VERBS:
        from restor.cli.checkpoint_verbs import SECTIONS

        return SECTIONS
    return ()


def _explain(error: BaseException) -> str:
    """The one message for a user."""
    if isinstance(error, CycloptsError):
        return f"Error: {_shortened(usage_message(error, _VERBS, _DATA_VERBS))}"
    if isinstance(error, UsageError):
        return f"Error: {_shortened(str(error))}"
    if isinstance(error, CodeError):
        return f"Error: {error} {_MEND}"
    if isinstance(error, RestorError):
        return f"Error: {error}"
    if is_shortage(error) and isinstance(error, OSError):
        return f"Error: {_file(error)}the disk is full. Free some space, as with `restor clean`. {KEPT}"
    if is_shortage(error):
        return (
            "Error: out of memory. Close other programs, or ask for less: fewer tokens a step, an "
            f"adapter (lora) instead of all weights. {KEPT}"
        )
    if (user_error := own_code_error(error)) is not None:
        return f"Error: {user_error} {_MEND}"
    if isinstance(error, OSError):
        return f"Error: {_file(error)}{error.strerror or error}. Check the path, its rights and its disk. {KEPT}"
    # By name, for pydantic is not to be imported here.
    if type(error).__name__ == "ValidationError" and type(error).__module__.startswith("pydantic"):
        return f"Error: {error}"
    return _unexpected(error)


def _shortened(message: str) -> str:
    """A message without all of a word that is longer than a screen is wide, such as a number of 5,000 digits."""
    return _LONG.sub(lambda word: f"{word[0][:60]}...{word[0][-3:]}", message)


def _file(error: OSError) -> str:
    return f"{error.filename}: " if error.filename else ""


def _unexpected(error: BaseException) -> str:
    """What nobody has foreseen: of the environment, of what was being read, or a fault of restor."""
    if (problem := unusable()) is not None:
        return f"Error: {problem} Correct or unset it."
    said = one_line(error)
    if not (read := what_was_read(error)):
        return (
            f"Error: this is a fault of restor: {said}. The same command with --debug shows where; please report it "
            f"with what that prints. {KEPT}"
        )
    return (
        f"Error: {read} cannot be used: reading it ends with {said}. Check that it is what it should be, and whole. If "
        "it is, this is a fault of restor: please report it with what the same command with --debug prints."
    )


def _version() -> str:
    from restor import __version__

    return __version__


def _say(message: str) -> None:
    with suppress(OSError):
        sys.stderr.write(f"{message}\n")
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
