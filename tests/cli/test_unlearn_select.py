"""`restor unlearn --select`: the choice on facts about some of the targets, as a user types it."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
from commands import FAST, Place, command, done, environment, restor

STEPS = ("--steps", "12", "--tokens", "256", "--lr", "1e-3", *FAST)


@pytest.fixture(scope="module")
def place(finished_study, tmp_path_factory):
    return Place(finished_study, tmp_path_factory.mktemp("user"))


def arguments(place, out, *more, algorithm="npo"):
    given = ("--model", place.corrupted, "--algorithm", algorithm, "--forget", place.forget, "--out", out, *STEPS)
    return ("unlearn", *given, "--retain", "retain.txt", "--facts", place.facts, "--select", *more)


def lineage(folder: Path) -> dict:
    return json.loads((folder / "restor.json").read_text(encoding="utf-8"))


def forget_subjects(place) -> set[str]:
    lines = [json.loads(line) for line in place.forget.read_text(encoding="utf-8").splitlines()]
    return {item["subject"] for line in lines for item in line["statements"]}


@pytest.fixture(scope="module")
def chosen(place):
    """The output of a selection, and what it told on the way."""
    told = restor(
        *[word for word in arguments(place, "chosen", "--select.untouched", "20") if word != "--quiet"],
        cwd=place.folder,
    )
    assert told.returncode == 0, told.stderr
    return place.folder / "chosen", told


def test_restor_json_tells_who_decided_what_was_chosen_and_the_whole_trace(place, chosen):
    written = lineage(chosen[0])
    selection = written["findings"]["selection"]
    targets = forget_subjects(place)
    assert len(targets) == 6
    assert len(selection["validation"]) == len(selection["test"]) == 3
    assert set(selection["validation"]) | set(selection["test"]) == targets
    assert len(selection["trace"]) == 6
    rates = [trial["lr"] for trial in selection["trace"]]
    # Around --lr 1e-3, as far apart as in the grid: its lowest and highest rate are equally far from the middle.
    assert min(rates) * max(rates) == pytest.approx(1e-6, rel=1e-3)
    for trial in selection["trace"]:
        assert trial["steps"] == 12
        assert [mark["step"] for mark in trial["marks"]] == [2, 4, 6, 8, 10, 12][: len(trial["marks"])]
        assert trial["ended"] == ("complete" if len(trial["marks"]) == 6 else "early")
    best = max(mark["score"] for trial in selection["trace"] for mark in trial["marks"])
    assert selection["chosen"]["score"] == best
    assert "validation" in selection["score"]
    assert written["config"]["lr"] == selection["chosen"]["lr"]
    assert written["config"]["stop"] == selection["chosen"]["stop"]
    records = (chosen[0] / "training.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(records) == (selection["chosen"]["stop"] or 12)
    assert written["findings"]["forget_documents"] > 0, "what the unlearning found stands beside it"
    assert "facts" in written["data"]


def test_every_attempt_has_its_line(chosen):
    lines = chosen[1].stderr.splitlines()
    assert len([line for line in lines if "score" in line and "lr" in line]) == 6, chosen[1].stderr
    assert not list(chosen[0].parent.glob(".chosen*"))


def test_what_too_few_targets_cannot_show_is_told(chosen):
    for of in ("deciding", "test"):
        assert f"3 {of} entities with 36 facts cannot show a difference below 44 points" in chosen[1].stderr


def test_the_model_is_that_of_the_same_command_with_what_was_chosen(place, chosen):
    setting = lineage(chosen[0])["findings"]["selection"]["chosen"]
    stop = () if setting["stop"] is None else ("--stop", setting["stop"])
    given = [word for word in arguments(place, "plain") if word != "--select"]
    given[given.index("--lr") + 1] = setting["lr"]
    done(*given, *stop, cwd=place.folder)
    weights = [(place.folder / name / "model.safetensors").read_bytes() for name in ("plain", "chosen")]
    assert weights[0] == weights[1]


def test_an_evaluation_on_those_who_decided_says_so(place, chosen):
    selection = lineage(chosen[0])["findings"]["selection"]
    done("recover", "--model", "chosen", "--text", "retain.txt", "--out", "recovered", *STEPS, cwd=place.folder)

    def notes(out, *targets):
        given = ("evaluate", "--facts", place.facts, "--forget", place.forget, "--model", "mine=recovered")
        done(*given, *targets, "--evaluation.max_new_tokens", 3, "--out", out, *FAST, cwd=place.folder)
        return json.loads((place.folder / out / "results.json").read_text(encoding="utf-8"))["study"]["notes"]

    told = [note for note in notes("all") if "too good" in note]
    assert len(told) == 1
    assert "mine were chosen on facts about 3 of the targeted entities" in told[0]
    assert not any("too good" in note for note in notes("others", "--targets", ",".join(selection["test"])))


def test_the_same_command_finds_it_and_another_split_does_not(place, chosen):
    told = done(*arguments(place, "chosen", "--select.untouched", "20"), cwd=place.folder)
    assert "already" in told
    other = restor(*arguments(place, "chosen", "--select.untouched", "20", "--select.seed", "1"), cwd=place.folder)
    assert other.returncode == 1
    assert "chosen exists" in other.stderr


def test_a_weight_algorithm_with_a_fixed_option_and_a_larger_share(place):
    given = list(arguments(place, "negated", "--select.validation", "0.8", algorithm="task_vector"))
    done(*given, "--algorithm.alpha", "0.3", cwd=place.folder)
    written = lineage(place.folder / "negated")
    selection = written["findings"]["selection"]
    assert (len(selection["validation"]), len(selection["test"])) == (5, 1)
    assert all(len(trial["marks"]) == 1 for trial in selection["trace"])
    assert all("alpha" not in trial["options"] for trial in selection["trace"]), "what the user set is not searched"
    assert written["config"]["algorithm"]["alpha"] == 0.3
    assert written["config"]["stop"] is None


@pytest.mark.nightly
def test_a_killed_selection_goes_on_and_chooses_the_same(place, chosen):
    given = arguments(place, "killed", "--select.untouched", "20")
    process = subprocess.Popen(command(*given), cwd=place.folder, env=environment(place.folder))
    work = place.folder / ".killed.restor-work"
    deadline = time.monotonic() + 150
    while len(list(work.glob("artifacts/trial-*/DONE"))) < 2 and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = {path: path.stat().st_mtime_ns for path in work.glob("artifacts/trial-*/DONE")}
    assert len(kept) >= 2
    assert not (place.folder / "killed").exists()
    process = subprocess.Popen(command(*given), cwd=place.folder, env=environment(place.folder))
    while process.poll() is None:
        for path, time_made in kept.items():
            if path.exists():
                assert path.stat().st_mtime_ns == time_made, "what was finished is not made again"
        time.sleep(0.05)
    assert process.returncode == 0
    ours, theirs = lineage(place.folder / "killed"), lineage(chosen[0])
    assert (place.folder / "killed" / "model.safetensors").read_bytes() == (
        chosen[0] / "model.safetensors"
    ).read_bytes()
    assert ours["findings"] == theirs["findings"]


def test_what_cannot_decide_is_told_before_any_work(place):
    folder = place.folder
    lines = [json.loads(line) for line in place.forget.read_text(encoding="utf-8").splitlines()]
    one = sorted(forget_subjects(place))[0]
    alone = [line for line in lines if {item["subject"] for item in line["statements"]} == {one}]
    assert alone
    (folder / "one.jsonl").write_text("".join(json.dumps(line) + "\n" for line in alone))
    (folder / "about.txt").write_text("\n\n".join(f"{name} was here." for name in sorted(forget_subjects(place))))
    facts = [json.loads(line) for line in place.facts.read_text(encoding="utf-8").splitlines()]
    own = [fact for fact in facts if fact["subject"] in forget_subjects(place)]
    (folder / "targets.jsonl").write_text("".join(json.dumps(fact) + "\n" for fact in own))
    (folder / "others.jsonl").write_text("".join(json.dumps(fact) + "\n" for fact in facts if fact not in own))

    def refused(*, forget=place.forget, facts=place.facts, more=()):
        given = ("unlearn", "--model", place.corrupted, "--algorithm", "npo", "--forget", forget, "--out", "x")
        with_facts = () if facts is None else ("--facts", facts)
        told = restor(*given, "--retain", "retain.txt", *with_facts, "--select", *more, *STEPS, cwd=folder)
        assert told.returncode == 1, told.stdout
        assert "Traceback" not in told.stderr
        assert not (folder / "x").exists()
        assert not list(folder.glob(".x*"))
        return told.stderr

    assert "--facts" in refused(facts=None)
    assert f"only about {one}" in refused(forget="one.jsonl")
    assert "about none of the" in refused(facts="others.jsonl")
    assert "nothing wrong that is known" in refused(forget="about.txt")
    assert "nobody but the 6 targeted entities" in refused(facts="targets.jsonl")
    assert "less than 1" in refused(more=("--select.validation", "1.5"))
