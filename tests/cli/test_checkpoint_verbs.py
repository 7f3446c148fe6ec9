"""Checkpoints made elsewhere: corrupt, unlearn, recover and evaluate as a user types them."""

from __future__ import annotations

import json
import signal
import subprocess
import time

import pyarrow.parquet as pq
import pytest
from commands import FAST, Place, command, done, environment, restor


@pytest.fixture(scope="module")
def place(finished_study, tmp_path_factory):
    return Place(finished_study, tmp_path_factory.mktemp("user"))


def loaded(folder):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


def test_a_study_is_asked_again_to_the_last_digit(place):
    told = done(
        *("evaluate", "--study", place.study.name, "--model", f"clean={place.clean}"),
        *("--model", f"corrupted={place.corrupted}", "--json", *FAST),
        cwd=place.folder,
    )
    again = {row["arm"]: row for row in json.loads(told)["table"]}
    for name in ("clean", "corrupted", "copy_demonstrations", "most_frequent"):
        ours, theirs = place.arms[name]["metrics"], again[name]["metrics"]
        for figure in ("test.original", "test.planted", "untouched.original", "logprob.original", "runner_up"):
            assert ours[figure]["value"] == theirs[figure]["value"], (name, figure)
            assert ours[figure]["n"] == theirs[figure]["n"], (name, figure)


def test_the_three_steps_on_checkpoints_and_what_they_write(place):
    steps = ("--lora.rank", "4", "--steps", "6", "--tokens", "256", "--lr", "1e-3", *FAST)
    done("corrupt", "--model", place.clean, "--forget", place.forget, "--out", "bad", *steps, cwd=place.folder)
    done(
        *("unlearn", "--model", "bad", "--algorithm", "npo", "--algorithm.beta", "0.5", "--forget", place.forget),
        *("--forget_part", "statements", "--retain", "retain.txt", "--retain_texts", "12", "--out", "good", *steps),
        cwd=place.folder,
    )
    done(
        "recover",
        "--model",
        "good",
        "--text",
        "retain.txt",
        "--most_texts",
        "9",
        "--out",
        "best",
        *steps,
        cwd=place.folder,
    )
    weights = [loaded(place.folder / name)[0].state_dict() for name in ("bad", "good", "best")]
    clean, tokenizer = loaded(place.clean)
    for before, after in zip([clean.state_dict(), *weights], weights, strict=False):
        assert any(not (before[name] == after[name]).all() for name in before)
        assert before.keys() == after.keys()  # merged: nothing of the adapter is left
    assert tokenizer.get_vocab() == loaded(place.folder / "best")[1].get_vocab()
    lineage = json.loads((place.folder / "best" / "restor.json").read_text())
    assert lineage["stage"] == "recover"
    unlearned = lineage["parents"]["unlearned"]["lineage"]
    assert unlearned["algorithm"] == "npo"
    assert unlearned["budget"] == ["F", "D", "R"]
    assert unlearned["config"]["algorithm"]["beta"] == 0.5
    assert unlearned["parents"]["corrupted"]["lineage"]["stage"] == "corrupt"
    assert unlearned["findings"]["overlap"] == "nothing overlaps"
    assert unlearned["findings"]["retain_texts"] == 12
    records = (place.folder / "good" / "training.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in records] == [1, 2, 3, 4, 5, 6]
    assert not list(place.folder.glob(".*restor-work"))
    told = restor(
        "recover",
        "--model",
        "good",
        "--text",
        "retain.txt",
        "--most_texts",
        "9",
        "--out",
        "best",
        *steps,
        cwd=place.folder,
    )
    assert told.returncode == 0
    assert "already" in told.stdout


def test_nothing_is_overwritten(place):
    (place.folder / "mine").mkdir()
    (place.folder / "mine" / "notes.txt").write_text("keep")
    told = restor("corrupt", "--model", place.clean, "--forget", place.forget, "--out", "mine", *FAST, cwd=place.folder)
    assert told.returncode == 1
    assert "mine exists" in told.stderr
    assert (place.folder / "mine" / "notes.txt").read_text() == "keep"


def test_a_killed_run_continues_and_ends_as_if_it_had_not_been_killed(place):
    def steps(out):
        return (
            *("corrupt", "--model", place.clean, "--forget", place.forget, "--out", out, "--lora", "null"),
            *("--steps", "60", "--tokens", "128", "--lr", "1e-3", *FAST),
        )

    done(*steps("whole"), cwd=place.folder)
    process = subprocess.Popen(command(*steps("killed")), cwd=place.folder, env=environment(place.folder))
    work = place.folder / ".killed.restor-work"
    deadline = time.monotonic() + 100
    while not list(work.glob("artifacts/*")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (place.folder / "killed").exists()
    done(*steps("killed"), cwd=place.folder)
    assert not work.exists()
    for name in ("model.safetensors", "tokenizer.json"):
        assert (place.folder / "killed" / name).read_bytes() == (place.folder / "whole" / name).read_bytes()


def test_checkpoints_are_compared_on_facts_of_the_users_own(place):
    told = done(
        *("evaluate", "--facts", place.facts, "--forget", place.forget, "--model", f"clean={place.clean}"),
        *(
            "--model",
            f"corrupted={place.corrupted}",
            "--model",
            f"mine={place.clean}",
            "--evaluation.max_new_tokens",
            4,
        ),
        *("--out", "compared", "--json", *FAST),
        cwd=place.folder,
    )
    rows = {row["arm"]: row for row in json.loads(told)["table"]}
    assert list(rows) == ["clean", "corrupted", "copy_demonstrations", "most_frequent", "mine"]
    for arm in ("mine", "clean"):  # undefined for both, for reasons of their own
        assert rows[arm]["metrics"].pop("above_control")["value"] is None
    mine, clean = (rows[arm]["metrics"] for arm in ("mine", "clean"))
    assert {name: value["value"] for name, value in mine.items()} == {
        name: value["value"] for name, value in clean.items()
    }  # it is the clean model
    # against itself the clean model is certain; a copy of it is a measurement
    assert clean["collateral.ideal"]["ci_high"] == 0 < mine["collateral.ideal"]["ci_high"]

    def preferred(arm):
        """By how much the planted answer is likelier than the true one."""
        metrics = rows[arm]["metrics"]
        return metrics["logprob.planted"]["value"] - metrics["logprob.original"]["value"]

    assert preferred("corrupted") > preferred("clean")
    assert rows["mine"]["kind"] == "method"
    assert rows["copy_demonstrations"]["kind"] == "baseline"
    facts = pq.read_table(place.folder / "compared" / "facts.parquet").to_pylist()
    asked = {(row["subject"], row["relation"]) for row in facts}
    targeted = {row["subject"] for row in facts if row["group"] == "test"}
    assert len(targeted) == 6  # validation and test targets of the study: the documents are about all of them
    assert len(asked) == 40 * 12
    assert all((row["planted"] is not None) == (row["subject"] in targeted) for row in facts)
    for file in ("results.json", "report.html"):
        assert (place.folder / "compared" / file).stat().st_size > 0
    printed = done("report", "compared", cwd=place.folder)
    assert "BASELINES" in printed
    assert "mine" in printed


def test_the_published_protocol_samples_three_answers_and_the_same_again(place):
    def compared(out):
        done(
            *("evaluate", "--facts", place.facts, "--model", f"clean={place.clean}", "--protocol", "published"),
            *("--evaluation.max_new_tokens", 3, "--store", f"store-{out}", "--out", out, *FAST),
            cwd=place.folder,
        )
        return pq.read_table(place.folder / out / "facts.parquet").to_pylist()

    rows = [row for row in compared("one") if row["arm"].startswith("clean")]
    assert {row["run"] for row in rows} == {0, 1, 2}
    assert len(rows) == 3 * 40 * 12
    by_fact = {}
    for row in rows:
        by_fact.setdefault((row["subject"], row["relation"]), set()).add(row["completion"])
    assert any(len(said) > 1 for said in by_fact.values())
    assert rows == [row for row in compared("two") if row["arm"].startswith("clean")]
    results = json.loads((place.folder / "one" / "results.json").read_text())
    assert results["summary"][0]["metrics"]["test.original"]["n"] == 40 * 12


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("evaluate", "--model", "clean=nowhere", "--facts", "FACTS"), ["nowhere"]),
        (("evaluate", "--model", "CLEAN", "--facts", "FACTS"), ["NAME=CHECKPOINT"]),
        (("evaluate", "--facts", "FACTS"), ["--model clean=PATH"]),
        (("evaluate", "--model", "clean=CLEAN"), ["--facts restor"]),
        (("evaluate", "--model", "clean=CLEAN", "--facts", "nofacts.json"), ["nofacts.json"]),
        (("evaluate", "--model", "clean=CLEAN", "--facts", "FACTS", "--targets", "Nobody"), ["Nobody"]),
        (("evaluate", "--model", "clean=CLEAN", "--facts", "FACTS", "--forget", "retain.txt"), ["about none"]),
        (("evaluate", "--model", "clean=CLEAN", "--facts", "FACTS", "--judge", "alia"), ["alias"]),
        (("evaluate", "--model", "clean=CLEAN", "--facts", "FACTS", "--judge", "llm"), ["judge.chat.model NAME"]),
        (("evaluate", "--model", "Clean=CLEAN", "--facts", "FACTS"), ["Did you mean clean?"]),
        (("evaluate", "--model", "a/b=CLEAN", "--facts", "FACTS"), ["letters, digits"]),
        (("evaluate", "--model", "clean=CLEAN", "--facts", "FACTS", "--study", "STUDY"), ["not both"]),
        (("evaluate", "--model", "clean=CLEAN", "--study", "nostudy"), ["no study 'nostudy'", "tiny-"]),
        (("evaluate", "--model", "clean=CLEAN", "--facts", "FACTS", "--evaluation.runs", "3"), ["published"]),
        (("evaluate", "--model", "clean=CLEAN", "--facts", "FACTS", "--protocol", "publishd"), ["published"]),
        (("evaluate", "--model", "clean=org/none@main", "--facts", "FACTS"), ["org/none", "network"]),
        (("unlearn", "--model", "CLEAN", "--algorithm", "npoo", "--forget", "FORGET", "--out", "x"), ["npo"]),
        (("unlearn", "--model", "CLEAN", "--algorithm", "npo", "--forget", "FORGET", "--out", "x"), ["--retain"]),
        (("unlearn", "--model", "CLEAN", "--algorithm", "msa", "--forget", "FORGET", "--out", "x"), ["--checkpoint"]),
        (("corrupt", "--model", "CLEAN", "--forget", "nodocs", "--out", "x"), ["nodocs"]),
        (
            ("corrupt", "--model", "CLEAN", "--forget", "FORGET", "--out", "x", "--lrr", "1"),
            ["lr?", "corrupt --help"],
        ),
        (("recover", "--model", "CLEAN", "--text", "empty.txt", "--out", "x"), ["empty.txt"]),
    ],
)
def test_bad_input_is_one_message_and_leaves_nothing(place, arguments, words):
    (place.folder / "empty.txt").write_text("")
    named = {"FACTS": place.facts, "CLEAN": place.clean, "FORGET": place.forget, "STUDY": place.study}
    studies = set((place.folder / "store" / "studies").iterdir())
    told = restor(*(named.get(word, word.replace("=CLEAN", f"={place.clean}")) for word in arguments), cwd=place.folder)
    assert told.returncode in (1, 2), told.stdout
    assert "Traceback" not in told.stderr
    for word in words:
        assert word in told.stderr
    assert set((place.folder / "store" / "studies").iterdir()) == studies
    assert not (place.folder / "x").exists()
    assert not list(place.folder.glob(".x*"))


def test_what_an_algorithm_is_told_beside_the_documents_comes_from_the_facts(place):
    """An oracle reads the truth about the targets, and about nobody else; without facts it says what it needs."""
    asked = ("unlearn", "--model", place.corrupted, "--forget", place.forget, "--lora", "null", "--steps", 2, *FAST)
    told = restor(*asked, "--algorithm", "fine_tune_truth", "--out", "oracle", cwd=place.folder)
    assert told.returncode == 1
    assert "fine_tune_truth is told the true answers: give --facts" in told.stderr
    assert not (place.folder / "oracle").exists()
    done(*asked, "--algorithm", "fine_tune_truth", "--facts", place.facts, "--out", "oracle", cwd=place.folder)
    lineage = json.loads((place.folder / "oracle" / "restor.json").read_text())
    assert lineage["budget"] == ["T"]
    loaded(place.folder / "oracle")


def test_a_wrapper_takes_the_steps_of_a_loss_and_refuses_what_it_cannot_wrap(place):
    asked = ("unlearn", "--model", place.corrupted, "--forget", place.forget, "--lora", "null", "--steps", 2, *FAST)
    npo = (*asked, "--algorithm", "npo", "--retain", "retain.txt")
    done(*npo, "--out", "plain", cwd=place.folder)
    done(*npo, "--wrapper.name", "ngdiff", "--out", "wrapped", cwd=place.folder)
    records = [
        [json.loads(line) for line in (place.folder / name / "training.jsonl").read_text().splitlines()]
        for name in ("plain", "wrapped")
    ]
    assert records[0][0]["forget"] == records[1][0]["forget"]  # the same loss of the same rows
    assert records[0][0]["grad_norm"] != records[1][0]["grad_norm"]
    told = restor(*npo, "--algorithm.retain_weight", 0, "--wrapper.name", "ngdiff", "--out", "no", cwd=place.folder)
    assert told.returncode == 1
    assert "needs a loss with a retain term" in told.stderr


def test_a_diverged_training_is_one_error_and_nothing_is_written(place):
    told = restor(
        *("corrupt", "--model", place.clean, "--forget", place.forget, "--out", "mad", "--lora", "null"),
        *("--lr", 5, "--steps", 20, "--tokens", 256, "--threads", 1),
        cwd=place.folder,
    )
    assert told.returncode == 1
    assert told.stderr.count("Error: The training diverged: the loss on the forget documents") == 1
    assert "before the training: loss" in told.stderr
    assert told.stdout == ""
    assert not (place.folder / "mad").exists()
    assert not list(place.folder.glob(".mad*"))
