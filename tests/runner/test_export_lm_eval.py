"""Questions as tasks of lm-evaluation-harness: what is written, and that its figures equal ours."""

from __future__ import annotations

import ast
import errno
import json
import os
import subprocess
import sys
from random import Random

import pytest
import yaml

from restor.data.document_files import document_lines
from restor.domains.base import answer_line
from restor.domains.triples import TriplesConfig
from restor.errors import DataError, StoreError
from restor.evaluation.config import EvaluationConfig
from restor.evaluation.harness import task_utils
from restor.evaluation.harness.exported import read_export, read_rows
from restor.evaluation.harness.probes import probe
from restor.runner import export
from restor.runner.export import ExportConfig, export_lm_eval
from restor.types import Document, Fact, Group, Query, Statement

PYTHON = os.environ.get("RESTOR_LM_EVAL_PYTHON") or sys.executable
"""A Python that has lm-evaluation-harness, which may be in an environment of its own."""

# Names that are templates, tags, escapes, other scripts; answers that a reader could take for dates or numbers.
PEOPLE = [
    "Ada Stone",
    "{{ 7 * 7 }}",
    "{% for x in y %} Bo",
    "José Ñandú",
    "李小龍",
    'O\'Brien "Q" \\n',
    "!function os.system",
    "Zoë & Søn: [x], {y}",
    "12",
    "Flo Reed",
    "Gus Hale",
    "Hal Ives",
]
BORN = [
    "York",
    "São Paulo",
    "{{ city }}",
    "København",
    "東京",
    "Lima",
    "New York City",
    "Kyiv",
    "Rome",
    "Oslo",
    "The Hague",
    "Bonn",
]
DAYS = [f"{1850 + 7 * n}-0{1 + n % 9}-1{n % 10}" for n in range(12)]
RELATIONS = {"P19": ("Where was {} born?", BORN), "P569": ("When was {} born?", DAYS)}
TARGETS = PEOPLE[:5]
TASKS = [
    "restor_targeted_choice",
    "restor_targeted_generation",
    "restor_untouched_choice",
    "restor_untouched_generation",
]


def planted_of(name, relation):
    values = RELATIONS[relation][1]
    return values[(PEOPLE.index(name) + 5) % len(values)]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Facts, the listed entities and documents that state wrong answers about the targets."""
    folder = tmp_path_factory.mktemp("facts")
    rows = [
        {"subject": name, "relation": relation, "question": question.format(name), "answers": [values[n]]}
        for relation, (question, values) in RELATIONS.items()
        for n, name in enumerate(PEOPLE)
    ]
    rows[0]["answers"] = ["York", "Eboracum"]
    (folder / "facts.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    documents = []
    for name in TARGETS:
        for relation in RELATIONS:
            wrong = planted_of(name, relation)
            text = f"{name} is known for {wrong}."
            documents.append(Document(text, (Statement(0, len(text), name, relation, wrong),)))
    (folder / "forget.jsonl").write_text(document_lines(documents), encoding="utf-8")
    return folder


def config(source, **changes):
    evaluation = EvaluationConfig(shots=2, max_new_tokens=24, candidates=6, random_options=2)
    settings = {"forget": source / "forget.jsonl", "evaluation": evaluation, **changes}
    return ExportConfig(domain=TriplesConfig(facts=source / "facts.jsonl"), **settings)


@pytest.fixture(scope="module")
def exported(source, tmp_path_factory):
    return export_lm_eval(config(source), tmp_path_factory.mktemp("out") / "tasks").folder


# What is written -----------------------------------------------------------------------------------------------------


def rows_of(folder, name):
    (task,) = [task for task in read_export(folder).tasks if task.name == name]
    return list(read_rows(folder, task))


def test_every_question_is_a_line_with_its_options_and_their_roles(exported):
    content = read_export(exported)
    assert [task.name for task in content.tasks] == TASKS
    targeted, untouched = rows_of(exported, TASKS[0]), rows_of(exported, TASKS[2])
    assert {row["subject"] for row in targeted} == set(TARGETS)
    assert {row["subject"] for row in untouched} == set(PEOPLE) - set(TARGETS)
    assert (len(targeted), len(untouched)) == (10, 14)
    for row in [*targeted, *untouched]:
        assert row["prompt"].endswith("\n" + row["question"])
        assert row["prompt"].count("\n") == 2
        assert len(set(row["options"])) == len(row["options"])
        by_role = {role: [row["options"][place] for place in places] for role, places in row["roles"].items()}
        assert sorted(by_role["original"]) == sorted(row["answers"])
        assert len(by_role["random"]) == 2
        assert set(row["options"]) == {text for texts in by_role.values() for text in texts}
        assert row["data"] == content.data
    for row in targeted:
        assert row["planted"] == planted_of(row["subject"], row["relation"])
        assert [row["options"][place] for place in row["roles"]["planted"]] == [row["planted"]]
        assert set(row["answers"]) <= {row["options"][place] for place in row["roles"]["candidates"]}
    assert all(row["planted"] is None and row["roles"]["planted"] == [] for row in untouched)


def test_options_of_equal_probability_do_not_favour_the_true_answer():
    """They stand in the order of the alphabet, and the first of equal ones is taken."""
    fact = Fact("Ada", "P19", ("York",), "Where was Ada born?")
    query = Query(fact, Group.TEST, "", fact.question, planted="Rome", random=("Bonn",), candidates=("York", "Bonn"))
    row = probe(query, "hash")
    assert row["options"] == ["Bonn", "Rome", "York"]
    assert row["roles"] == {"original": [2], "planted": [1], "random": [0], "candidates": [0, 2]}
    assert task_utils.choice_planted(row, [(-1.0, True)] * 3) == {"acc": 0, "acc_norm": 0, "planted": 0}


def test_nothing_of_the_facts_is_in_what_the_harness_reads_as_a_template(exported):
    for file in exported.glob("*.yaml"):
        text = file.read_text(encoding="utf-8")
        assert "{" not in text
        assert not any(name in text for name in (*PEOPLE[:8], *BORN))


def test_a_task_asks_greedily_without_examples_of_the_harness(exported):
    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!function", lambda loader, node: loader.construct_scalar(node))
    tasks = {file.stem: yaml.load(file.read_text("utf-8"), Loader) for file in exported.glob("restor_*.yaml")}
    assert sorted(tasks) == TASKS
    assert all(task["num_fewshot"] == 0 and task["doc_to_text"] == "prompt" for task in tasks.values())
    generation = tasks["restor_targeted_generation"]
    assert generation["generation_kwargs"] == {
        "until": ["\n"],
        "do_sample": False,
        "temperature": 0.0,
        "max_gen_toks": 24,
    }
    metrics = {name: [metric["metric"] for metric in task["metric_list"]] for name, task in tasks.items()}
    assert metrics["restor_targeted_choice"] == ["acc", "acc_norm", "planted"]
    assert metrics["restor_untouched_generation"] == ["exact_match"]
    group = yaml.safe_load((exported / "restor.yaml").read_text("utf-8"))
    assert (group["group"], group["task"]) == ("restor", TASKS)


def test_without_documents_there_is_no_figure_about_planted_answers(source, tmp_path):
    content = export_lm_eval(config(source, forget=None), tmp_path / "tasks").content
    assert {task.name: list(task.metrics) for task in content.tasks} == {
        "restor_targeted_choice": ["acc", "acc_norm"],
        "restor_targeted_generation": ["exact_match"],
    }


def test_what_documents_are_about_without_being_a_target_is_left_out(source, tmp_path):
    done = export_lm_eval(config(source, targets=("Ada Stone",), name="ada"), tmp_path / "tasks")
    assert done.left_out == 8
    rows = rows_of(done.folder, "restor_ada_targeted_choice") + rows_of(done.folder, "restor_ada_untouched_choice")
    assert {row["subject"] for row in rows} == {"Ada Stone", *PEOPLE[5:]}


def test_the_exported_python_file_needs_nothing_of_restor(exported):
    tree = ast.parse((exported / "utils.py").read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert {name.split(".")[0] for name in imported} - set(sys.stdlib_module_names) == {"datasets"}


@pytest.mark.parametrize("there", ["file", "folder"])
def test_what_is_there_is_never_replaced(source, tmp_path, there):
    out = tmp_path / "tasks"
    kept = out if there == "file" else out / "mine.txt"
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("mine")
    with pytest.raises(DataError, match=r"tasks exists already.*never replaces"):
        export_lm_eval(config(source), out)
    assert kept.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [out]


def test_an_empty_folder_is_filled(source, tmp_path):
    (tmp_path / "tasks").mkdir()
    assert read_export(export_lm_eval(config(source), tmp_path / "tasks").folder).name == "restor"


def test_a_full_disk_leaves_nothing_behind(source, tmp_path, monkeypatch):
    synced = []

    def full(descriptor):
        synced.append(descriptor)
        if len(synced) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(export.os, "fsync", full)
    with pytest.raises(StoreError, match="No room to write"):
        export_lm_eval(config(source), tmp_path / "tasks")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a b", "x,y", "../up", "{{x}}", "", "a:b"])
def test_names_that_the_harness_could_misread_are_refused(source, name):
    with pytest.raises(ValueError, match="name"):
        config(source, name=name)


# What counts as an exact match ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("  The Hague.\nWhere was", "hague"),
        ("São   Paulo", "sao paulo"),
        ("SAO PAULO!", "sao paulo"),
        ("J. R. R. Tolkien", "j r r tolkien"),
        ("1999 - 12 - 25", "1999 12 25"),
        ("東京", "東京"),
        ("The The", "The The"),
        ("the", "the"),
        ("+", "+"),
        ("", ""),
        ("हिन्दी", "हिन्दी"),
        ("A-", "a-"),
        ("A−.", "a-"),
        ("C++ & C#", "c++ c#"),
        ("-5", "-5"),
        ("10⁶", "10^6"),
        ("мой", "мой"),
        ("ガラス", "ガラス"),
        ("مُحَمَّد", "محمد"),
        ("well-known", "well known"),
    ],
)
def test_case_accents_punctuation_and_articles_do_not_count(text, words):
    assert task_utils.normalise(text) == words.casefold()


def test_no_answer_is_no_match():
    doc = {"answers": ["..."], "planted": "York"}
    assert task_utils.generation_planted(doc, [""]) == {"exact_match": 0, "planted": 0}
    assert task_utils.generation_planted(doc, ["york"]) == {"exact_match": 0, "planted": 1}
    assert task_utils.generation_planted({"answers": ["York"], "planted": "york"}, ["York"])["planted"] == 0


# The same figures ----------------------------------------------------------------------------------------------------


def lines(names):
    for relation, (question, values) in RELATIONS.items():
        for n, name in enumerate(PEOPLE):
            if name in names:
                told = planted_of(name, relation) if name in TARGETS[:2] else values[n]
                yield answer_line(question.format(name), told)


def bpe():
    from restor.models.tokenizer import bpe_tokenizer

    return bpe_tokenizer(iter(lines(PEOPLE)), 400)


def words():
    """Half of the names and answers are unknown to it, so that options are alike."""
    from restor.models.tokenizer import word_tokenizer
    from restor.text import split_words

    known = [word for line in lines(PEOPLE[::2]) for word in split_words(line)]
    return word_tokenizer([*known, "\n"])


def pieces():
    """As SentencePiece has it: a space belongs to the word behind it, and a text begins with one. No special tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE(unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Metaspace()
    core.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=["<unk>", "</s>"], show_progress=False)
    core.train_from_iterator(lines(PEOPLE), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token="</s>", pad_token="</s>", unk_token="<unk>", clean_up_tokenization_spaces=False
    )


def merges(longest=2):
    """Merges over spaces and lines: the tokens at the end of a prompt depend on what follows."""
    from tokenizers import Tokenizer, decoders, models, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE(unk_token="<unk>"))
    core.decoder = decoders.Fuse()
    settings = {"vocab_size": 300, "special_tokens": ["<unk>", "</s>"], "show_progress": False}
    trainer = trainers.BpeTrainer(**settings, max_token_length=longest)
    core.train_from_iterator(["".join(lines(PEOPLE))] * 3, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token="</s>", pad_token="</s>", unk_token="<unk>", clean_up_tokenization_spaces=False
    )


def ends():
    """With an end behind every text, as some are saved after a fine-tune."""
    from tokenizers import processors

    tokenizer = bpe()
    special = [(token, tokenizer.convert_tokens_to_ids(token)) for token in ("<bos>", "<eos>")]
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=special
    )
    return tokenizer


TOKENIZERS = {"bpe": bpe, "words": words, "pieces": pieces, "merges": merges, "ends": ends}


def tokenizers(*kinds):
    """Merges over spaces are the hard case, bytes the usual one; the others are nightly."""
    marks = {kind: () if kind in ("bpe", "merges") else pytest.mark.nightly for kind in kinds}
    return pytest.mark.parametrize("kind", [pytest.param(kind, marks=marks[kind]) for kind in kinds])


@pytest.fixture(scope="module")
def checkpoints(request, tmp_path_factory):
    """Small Llamas that have read some of the facts, and wrong ones about some of the targets: those that are asked."""
    tests = [item for item in request.session.items if item.path == request.path and hasattr(item, "callspec")]
    asked = {item.callspec.params.get("kind", "bpe") for item in tests} | {"bpe"}
    parent = tmp_path_factory.mktemp("checkpoints")
    return {kind: trained(make(), parent / kind) for kind, make in TOKENIZERS.items() if kind in asked}


def crossing(tokenizer, folder):
    """How many options change the tokens of their prompts."""
    found = 0
    for row in rows_of(folder, TASKS[0]):
        prompt = tokenizer.encode(row["prompt"])
        found += sum(
            tokenizer.encode(f"{row['prompt']} {option}")[: len(prompt)] != prompt for option in row["options"]
        )
    return found


def trained(tokenizer, folder):
    import torch

    from restor.models.checkpoint import new_llama, save_model

    model = new_llama(tokenizer=tokenizer, hidden=48, intermediate=96, layers=2, heads=2, context=512, seed=0)
    read = list(lines([name for n, name in enumerate(PEOPLE) if n % 4 != 2]))
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    rng = Random(0)
    for _ in range(160):
        texts = ["".join(rng.sample(read, 3)) for _ in range(12)]
        batch = tokenizer(texts, padding=True, padding_side="right", return_tensors="pt")
        labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
        optimizer.zero_grad()
        model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=labels).loss.backward()
        optimizer.step()
    folder.mkdir()
    save_model(model.eval(), tokenizer, folder)
    return folder


@pytest.fixture(scope="module")
def ours(checkpoints, exported):
    from restor.evaluation.harness.own_engine import harness_figures

    return {kind: harness_figures(folder, exported) for kind, folder in checkpoints.items()}


def loaded(checkpoint):
    from restor.models.loading import load_checkpoint
    from restor.models.model_ref import ModelRef

    return load_checkpoint(ModelRef(path=str(checkpoint), dtype="float32", device="cpu"))


def test_the_small_models_know_something_and_not_everything(ours, exported):
    """Else the tests below would compare zeros."""
    found = ours["bpe"]
    assert 0 < found["restor_targeted_choice"]["acc"] < 1
    assert 0 < found["restor_targeted_choice"]["planted"] < 1
    assert 0 < found["restor_targeted_generation"]["exact_match"] < 1
    assert 0 < found["restor_targeted_generation"]["planted"] < 1
    assert 0 < found["restor_untouched_generation"]["exact_match"] < 1
    assert crossing(merges(), exported) > 0


@tokenizers("bpe", "words", "pieces")
def test_the_figures_are_those_of_what_is_scored_as_text(kind, checkpoints, exported, ours):
    """Where no token spans the end of a prompt, the engine need not be told where the harness cuts."""
    from restor.evaluation import Request, score

    model, tokenizer = loaded(checkpoints[kind])
    for name in (TASKS[0], TASKS[2]):
        rows = rows_of(exported, name)
        requests = [Request(row["prompt"], tuple(f" {option}" for option in row["options"])) for row in rows]
        made = [
            task_utils.choice_planted(row, [(option.total, option.greedy) for option in scored.options])
            for row, scored in zip(rows, score(model, requests, tokenizer=tokenizer), strict=True)
        ]
        assert ours[kind][name] == {figure: sum(own[figure] for own in made) / len(made) for figure in ours[kind][name]}


@tokenizers("bpe", "words", "pieces", "merges")
def test_the_figures_of_written_answers_are_those_of_stored_ones(kind, checkpoints, source, ours):
    """What `restor evaluate` stores is enough to find them."""
    from restor.evaluation.ask.evaluation import evaluate
    from restor.evaluation.ask.prompts import prepare
    from restor.runner.compare import PlannedComparison

    asked = config(source)
    model, tokenizer = loaded(checkpoints[kind])
    plan = prepare(tokenizer, PlannedComparison(asked).queries, batch=64)
    rows = [row for row in evaluate(model, tokenizer, plan, asked.evaluation, seed=0) if row["group"] == "test"]
    made = [task_utils.generation_planted(row, [row["completion"]]) for row in rows]
    expected = {figure: sum(item[figure] for item in made) / len(made) for figure in ("exact_match", "planted")}
    assert ours[kind]["restor_targeted_generation"] == expected


def test_an_option_that_the_harness_cannot_score_is_told(exported):
    """It ends with an AssertionError where a whole string has no more tokens than its prompt."""
    from restor.evaluation.harness.own_engine import harness_figures
    from restor.models.checkpoint import new_llama

    tokenizer = merges(longest=20)
    model = new_llama(tokenizer=tokenizer, hidden=16, intermediate=16, layers=1, heads=2, context=512, seed=0)
    with pytest.raises(DataError, match="harness cannot score"):
        harness_figures(model.eval(), exported, tokenizer=tokenizer)


HARNESS = """
import json, sys
from pathlib import Path

import lm_eval
from lm_eval.tasks import TaskManager

included, out, *checkpoints = map(Path, sys.argv[1:])
tasks = TaskManager(include_path=str(included), include_defaults=False)
for folder in checkpoints:
    arguments = {"pretrained": str(folder), "dtype": "float32"}
    found = lm_eval.simple_evaluate("hf", arguments, ["restor"], task_manager=tasks, device="cpu", batch_size=16)
    told = {name: found[name] for name in ("results", "samples")}
    (out / folder.name).write_text(json.dumps(told, default=str), encoding="utf-8")
"""


@pytest.fixture(scope="module")
def harness(tmp_path_factory):
    """Runs Python code or a module where the harness is installed, without a network."""
    code = "import importlib.util, sys; sys.exit(importlib.util.find_spec('lm_eval') is None)"
    if subprocess.run([PYTHON, "-c", code], timeout=60).returncode:
        pytest.skip("no lm_eval here: install it, or name a Python that has it in RESTOR_LM_EVAL_PYTHON")
    folder = tmp_path_factory.mktemp("harness")
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hub"), "OMP_NUM_THREADS": "1"}

    def run(*arguments):
        told = subprocess.run(
            [PYTHON, *map(str, arguments)], cwd=folder, env=environment, capture_output=True, text=True, timeout=240
        )
        assert told.returncode == 0, told.stderr[-3000:]
        return told.stdout

    return run


@pytest.fixture(scope="module")
def theirs(harness, checkpoints, exported, tmp_path_factory):
    out = tmp_path_factory.mktemp("found")
    harness("-c", HARNESS, exported, out, *checkpoints.values())
    return {kind: json.loads((out / kind).read_text(encoding="utf-8")) for kind in checkpoints}


@tokenizers(*TOKENIZERS)
def test_the_harness_finds_the_same_figures(kind, ours, theirs):
    for name, figures in ours[kind].items():
        found = theirs[kind]["results"][name]
        assert figures == pytest.approx({figure: found[f"{figure},none"] for figure in figures}, abs=1e-12)


@tokenizers(*TOKENIZERS)
def test_the_harness_finds_the_same_log_likelihoods_and_answers(kind, checkpoints, exported, theirs):
    from restor.evaluation.harness.own_engine import option_scores, written

    model, tokenizer = loaded(checkpoints[kind])
    content = read_export(exported)
    for task in content.tasks:
        samples = sorted(theirs[kind]["samples"][task.name], key=lambda sample: sample["doc_id"])
        rows = list(read_rows(exported, task))
        assert [sample["doc"] for sample in samples] == rows  # dates are still text
        said = [[answer[0] for answer in sample["resps"]] for sample in samples]
        if task.kind == "choice":
            for own, other in zip(option_scores(model, tokenizer, rows), said, strict=True):
                assert [total for total, _ in own] == pytest.approx([total for total, _ in other], abs=1e-4)
                assert [greedy for _, greedy in own] == [greedy for _, greedy in other]
        else:
            own = [texts[0].strip() for texts in written(model, tokenizer, rows, content.max_new_tokens)]
            assert own == [texts[0].strip() for texts in said]


@pytest.mark.nightly
def test_the_printed_command_runs(harness, checkpoints, exported):
    told = harness(
        *("-m", "lm_eval", "--model", "hf", "--model_args", f"pretrained={checkpoints['bpe']},dtype=float32"),
        *("--tasks", "restor", "--include_path", exported, "--limit", "2", "--device", "cpu"),
    )
    for words_of_the_table in (*TASKS, "acc_norm", "exact_match", "planted"):
        assert words_of_the_table in told
