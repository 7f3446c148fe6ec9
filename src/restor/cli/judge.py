"""`restor judge`: stored answers judged again by another judge, and how far two judges agree."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from restor.cli.arguments import ChatOptions, Json, Quiet, StorePath, UsageError, given_options, parse_changes
from restor.cli.common import count, find_study, home_of
from restor.cli.output import put_json, safe_console
from restor.errors import ConfigError

if TYPE_CHECKING:
    from restor.chat import ChatUsage
    from restor.evaluation.judges._agreement import Agreement
    from restor.evaluation.judges.base import JudgeConfig
    from restor.results import Value
    from restor.runner.rejudge import Rejudged


def judge(
    results: Annotated[Path | None, Parameter(help="Folder of results, or the id of a study within the store.")] = None,
    /,
    *,
    judge: Annotated[str, Parameter(help="Who judges: `restor list judges`.")] = "llm",
    model: Annotated[str | None, Parameter(help="Model of the llm judge, as its endpoint calls it.")] = None,
    local: Annotated[
        str | None,
        Parameter(help="Model of the llm judge on this machine instead: a folder or hub id, with @REVISION, +ADAPTER."),
    ] = None,
    chat: ChatOptions = ChatOptions(),
    structured: Annotated[
        str | None,
        Parameter(help="How JSON is asked for: json_schema (default), json_object or text, as the endpoint can."),
    ] = None,
    per_request: Annotated[int | None, Parameter(help="Answers in one request. Default: 10.")] = None,
    cache: Annotated[
        Path | None, Parameter(help="Folder that keeps verdicts. Default: RESTOR_CACHE, else the user's cache.")
    ] = None,
    changes: Annotated[
        tuple[str, ...],
        Parameter(name="--set", help="FIELD=VALUE, any setting of the judge: `restor list judges llm`."),
    ] = (),
    out: Annotated[
        Path | None, Parameter(help="Folder of the new results. Default: RESULTS-judged-by-JUDGE, beside the old.")
    ] = None,
    agreement: Annotated[
        tuple[Path, Path] | None,
        Parameter(help="Two folders of results: how far their judges agree on the answers that both have."),
    ] = None,
    store: StorePath = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Judge the stored answers of results again, without the models that gave them, or compare two judges.

    The new results are a folder of their own; the old ones stay. Verdicts of the llm judge are kept, so a run that was
    stopped goes on, and a second one costs nothing.
    """
    from restor.cli.progress_view import progress_view

    if agreement is not None:
        if results is not None:
            raise UsageError("--agreement takes two folders of results and judges nothing. Leave RESULTS out.")
        _compare(find_study(agreement[0], store), find_study(agreement[1], store), json=json)
        return
    if results is None:
        raise UsageError("Which results? `restor judge RESULTS --judge llm --model MODEL` judges them again.")
    source = find_study(results, store)
    settings = {f"chat.{name}": value for name, value in given_options(chat).items()}
    settings |= {"chat.model": model, "chat.structured": structured, "per_request": per_request, "cache": cache}
    settings |= _local(local)
    chosen = {path: str(value) for path, value in settings.items() if value is not None}
    config = judge_config(judge, chosen | parse_changes(changes))
    with progress_view(quiet=quiet) as progress:
        from restor.runner.rejudge import judged_folder, rejudge

        outcome = rejudge(source, config, out or judged_folder(source, config), progress)
    _print_json(source, outcome) if json else _print_table(source, outcome)


def _local(model: str | None) -> dict[str, str | None]:
    """The settings of a judge on this machine."""
    if model is None:
        return {}
    from restor.models.model_ref import parse_model_ref

    ref = parse_model_ref(model)
    return {"local.model.path": ref.path, "local.model.revision": ref.revision, "local.model.adapter": ref.adapter}


def judge_config(name: str, changes: Mapping[str, str]) -> JudgeConfig:
    """A judge's configuration from values by dotted path.

    Raises:
        ConfigError: for an unknown judge or setting, a value that does not fit, or one that is missing.
    """
    from pydantic import ValidationError

    from restor.api import absolute_paths
    from restor.config import validation_message
    from restor.evaluation.judges.base import JUDGES, JudgeConfig
    from restor.overrides import apply_overrides, paths

    schema = JUDGES.config_type(name)
    data = apply_overrides({"name": name}, changes, schema)
    try:
        config = JUDGES.parse(data)
    except ValidationError as error:
        message = validation_message(error, f"Judge {name!r}", paths(schema, data))
        named = name != "llm" or any(path.startswith(("chat.model", "local.model")) for path in changes)
        hint = "" if named else "\nName the model with --model, or one on this machine with --local."
        raise ConfigError(f"{message}{hint}") from None
    assert isinstance(config, JudgeConfig)
    return absolute_paths(config)


def _print_table(source: Path, outcome: Rejudged) -> None:
    from restor.report.tables.arm_table import arm_table
    from restor.report.tables.terminal_table import to_rich

    safe_console().print(to_rich(arm_table(outcome.results)))
    lines = [f"report   {outcome.folder / 'report.html'}", f"results  {outcome.folder / 'results.json'}"]
    lines += [f"facts    {outcome.folder / 'facts.parquet'}"]
    compared = _agreement(source, outcome.folder)
    if compared.share.value is not None:
        lines.append(
            f"The former judge gave the same verdict to {100 * compared.share.value:.1f} % of "
            f"{count(compared.share.n, 'answer', 'answers')}; kappa {_figure(compared.kappa)}."
        )
    if outcome.unscored:
        lines.append(
            f"{count(outcome.unscored, 'answer', 'answers')} got no verdict and count as unscored; facts.parquet has "
            "the reasons. To ask about them again, remove the new folder and run the same command."
        )
    if outcome.usage is not None:
        lines.append(usage_line(outcome.usage))
    sys.stdout.write("\n".join(lines) + "\n")


def _print_json(source: Path, outcome: Rejudged) -> None:
    from dataclasses import asdict

    from restor.report.tables.arm_table import arm_table, to_json_rows

    content = {
        "folder": str(outcome.folder),
        "unscored": outcome.unscored,
        "usage": asdict(outcome.usage) if outcome.usage is not None else None,
        "agreement": agreement_json(_agreement(source, outcome.folder)),
        "table": to_json_rows(arm_table(outcome.results)),
    }
    put_json(content)


def usage_line(usage: ChatUsage) -> str:
    """What verdicts took, for people."""
    sent = f"{count(usage.requests, 'request', 'requests')} ({usage.retries:,} repeated)"
    tokens = f"{usage.prompt_tokens:,} + {usage.completion_tokens:,} tokens"
    cost = f", cost {usage.cost:.4f}" if usage.cost is not None else ""
    return f"{sent}, {tokens}{cost}; {count(usage.cached, 'verdict', 'verdicts')} kept from before."


# Agreement -----------------------------------------------------------------------------------------------------------


def _agreement(first: Path, second: Path) -> Agreement:
    from restor.evaluation.judges._agreement import agreement, verdicts_of
    from restor.report.io.load import load_facts

    return agreement(*(verdicts_of(load_facts(home_of(study))) for study in (first, second)))


def _compare(first: Path, second: Path, *, json: bool) -> None:
    compared = _agreement(first, second)
    if json:
        content = {"first": str(first), "second": str(second), **agreement_json(compared)}
        put_json(content)
        return
    from rich.table import Table

    from restor.types import Judgement

    table = Table(title="Verdicts: first judge down, second across", title_justify="left")
    table.add_column("")
    for judgement in Judgement:
        table.add_column(judgement.value, justify="right")
    for row in Judgement:
        table.add_row(row.value, *(f"{compared.confusion[row, column]:,}" for column in Judgement))
    safe_console().print(table)
    sys.stdout.write("\n".join([f"first   {first}", f"second  {second}", *_compared_lines(compared)]) + "\n")


def _compared_lines(compared: Agreement) -> list[str]:
    share, kappa = compared.share, compared.kappa
    if share.value is None:
        lines = [f"Nothing to compare: {share.note}."]
    else:
        low, high = share.ci_low, share.ci_high
        within = f" [{100 * low:.1f}, {100 * high:.1f}]" if low is not None and high is not None else ""
        lines = [
            f"Equal verdicts {100 * share.value:.1f} %{within} of {count(share.n, 'answer', 'answers')} about "
            f"{count(share.n_entities, 'entity', 'entities')}",
            f"Cohen's kappa {_figure(kappa)}",
        ]
    if share.n_unscored:
        lines.append(f"Left out: {count(share.n_unscored, 'answer', 'answers')} that one or both could not judge")
    if compared.only_first or compared.only_second:
        lines.append(f"Only in the first: {compared.only_first:,}; only in the second: {compared.only_second:,}")
    if compared.other_answers:
        lines.append(f"Not compared: {count(compared.other_answers, 'answer', 'answers')} of another wording")
    return lines


def agreement_json(compared: Agreement) -> dict[str, Any]:
    """Agreement as JSON values."""
    from restor.types import Judgement

    return {
        "confusion": {a.value: {b.value: compared.confusion[a, b] for b in Judgement} for a in Judgement},
        "share": compared.share.model_dump(mode="json"),
        "kappa": compared.kappa.model_dump(mode="json"),
        "only_first": compared.only_first,
        "only_second": compared.only_second,
        "other_answers": compared.other_answers,
    }


def _figure(value: Value) -> str:
    if value.value is None:
        return f"undefined: {value.note}"
    if value.ci_low is None or value.ci_high is None:
        return f"{value.value:.3f}"
    return f"{value.value:.3f} [{value.ci_low:.3f}, {value.ci_high:.3f}]"
