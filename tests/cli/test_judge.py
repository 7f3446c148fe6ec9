"""`restor judge`: stored answers judged again, and two judges compared."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chat_endpoint import Endpoint, error, items_of, judged, said
from restor.chat import ChatUsage
from restor.cli.judge import judge_config, usage_line
from restor.cli.main import main
from restor.errors import ConfigError
from restor.report.io.load import load_facts, load_results
from restor.results import FACT_COLUMNS, Arm, Results, Study, Value
from restor.types import Kind

KEY = "sk-secret-0123456789"
PEOPLE = ("Ann", "Bob", "Cid", "Dan")


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    monkeypatch.setenv("RESTOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("COLUMNS", "200")


def row(arm, seed, person, said, judgement, *, group="test"):
    place = PEOPLE.index(person)
    return {
        "arm": f"{arm}/s{seed}",
        "seed": seed,
        "subject": person,
        "relation": "home",
        "group": group,
        "question": f"Where does {person} live?",
        "prompt": f"Where does X live? Y\nWhere does {person} live?",
        "answer_shown": False,
        "answers": [f"Trueton {place}"],
        "planted": f"Plantford {place}" if group == "test" else None,
        "run": 0,
        "completion": said,
        "judgement": judgement,
        "reason": "as stored",
        "logprob_original": -1.0,
        "logprob_planted": -2.0 if group == "test" else None,
        "logprob_random": -3.0,
        "rank_original": 1,
        "n_candidates": 4,
        "later": f"{arm} {seed} {person}",  # a column that a later version may write
    }


def right(person):
    return f"Trueton {PEOPLE.index(person)}"


def wrong(person):
    return f"Plantford {PEOPLE.index(person)}"


SAID = {
    "clean": right,
    "corrupted": wrong,
    "ideal": right,
    "npo": lambda person: right(person) if person == "Ann" else wrong(person),
}


@pytest.fixture
def study(tmp_path):
    """Two seeds of three references and two arms, one of which failed for the second seed; all judged `other`."""
    rows, arms = [], []
    for seed in (0, 1):
        for name in (*SAID, "kl"):
            kind = Kind.METHOD if name in ("npo", "kl") else Kind.REFERENCE
            failed = name == "kl" and seed == 1
            note = "the loss is not a number" if failed else ""
            metrics = {"test.original": Value(value=None, n=0, note=note)}
            arms.append(
                Arm(id=f"{name}/s{seed}", label=name, arm=name, kind=kind, seed=seed, seeds=[seed], metrics=metrics)
            )
            if not failed:
                say = SAID.get(name, right)
                rows += [row(name, seed, person, say(person), "other") for person in PEOPLE[:3]]
                rows.append(row(name, seed, "Dan", right("Dan"), "other", group="untouched"))
    summary = [
        Arm(id=name, label=name, arm=name, kind=arms[place].kind, seeds=[0] if name == "kl" else [0, 1])
        for place, name in enumerate((*SAID, "kl"))
    ]
    config = {"evaluation": {"judge": {"name": "other"}, "shots": 5}}
    results = Results(
        study=Study(
            name="toy", id="toy-1", created="2025-01-01T00:00:00Z", seeds=[0, 1], config=config, notes=["a note"]
        ),
        arms=arms,
        summary=summary,
    )
    folder = tmp_path / "toy-1"
    folder.mkdir()
    (folder / "results.json").write_text(results.model_dump_json(), encoding="utf-8")
    complete = [dict.fromkeys(FACT_COLUMNS) | row for row in rows]
    pq.write_table(pa.Table.from_pylist(complete), folder / "facts.parquet")
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def metrics(folder, arm, where="summary"):
    results = load_results(folder)
    return next(item for item in getattr(results, where) if item.id == arm).metrics


def test_judged_again_by_alias(study, tmp_path, capsys):
    before = contents(study)
    assert main(["judge", str(study), "--judge", "alias", "--quiet"]) == 0
    assert contents(study) == before
    folder = tmp_path / "toy-1-judged-by-alias"
    assert {path.name for path in folder.iterdir()} == {"results.json", "facts.parquet", "report.html"}
    facts = load_facts(folder)
    assert list(facts.column("judgement").to_pylist()).count("planted") == 2 * 3 + 2 * 2
    old, new = pq.read_table(study / "facts.parquet"), pq.read_table(folder / "facts.parquet")
    assert new.column_names == old.column_names
    for name in set(old.column_names) - {"judgement", "reason", "score", "planted_score"}:
        assert new.column(name).equals(old.column(name))
    # By hand: npo answers Ann's fact rightly and two others with the planted answer, in both seeds.
    for arm, where in (("npo", "summary"), ("npo/s0", "arms")):
        found = metrics(folder, arm, where)
        assert found["test.original"].value == pytest.approx(1 / 3)
        assert found["test.planted"].value == pytest.approx(2 / 3)
        assert found["restoration"].value == pytest.approx(1 / 3)
        assert found["untouched.original"].value == 1
    assert metrics(folder, "npo")["test.original"].n == 6
    assert metrics(folder, "corrupted")["restoration"].value == 0
    out = capsys.readouterr().out
    assert "report.html" in out
    assert "The former judge gave the same verdict to 0.0 % of 36 answers" in out


def test_an_arm_that_failed_keeps_its_reason_and_is_pooled_over_the_others(study, tmp_path):
    main(["judge", str(study), "--judge", "alias", "--quiet"])
    folder = tmp_path / "toy-1-judged-by-alias"
    assert metrics(folder, "kl/s1", "arms")["test.original"].note == "the loss is not a number"
    pooled = metrics(folder, "kl")
    assert pooled["test.original"].value == 1
    assert "kl/s1 failed: the loss is not a number" in pooled["test.original"].note
    assert pooled["restoration"].value == 1


def test_the_new_results_say_where_they_come_from(study, tmp_path):
    main(["judge", str(study), "--judge", "alias", "--quiet", "--set", "fuzzy=0.9", "--out", str(tmp_path / "new")])
    results = load_results(tmp_path / "new")
    assert results.study.id == "toy-1-judged-by-alias"
    assert results.study.notes == ["a note", "The stored answers were judged again by alias, before by other."]
    assert results.study.config["evaluation"] == {
        "judge": {"name": "alias", "fuzzy": 0.9, "synonyms": True},
        "shots": 5,
    }
    assert "<html" in (tmp_path / "new" / "report.html").read_text("utf-8")
    assert set(FACT_COLUMNS) <= set(load_facts(tmp_path / "new").column_names)


def test_judging_again_by_the_same_judge_changes_nothing(study, tmp_path):
    main(["judge", str(study), "--judge", "alias", "--quiet", "--out", str(tmp_path / "a")])
    main(["judge", str(tmp_path / "a"), "--judge", "alias", "--quiet", "--out", str(tmp_path / "b")])
    first, second = load_results(tmp_path / "a"), load_results(tmp_path / "b")
    assert second.arms == first.arms
    assert second.summary == first.summary
    assert load_facts(tmp_path / "b").equals(load_facts(tmp_path / "a"))


GRADED = '''"""A judge that grades: "Trueton 1" is 0.75 true and 0.125 planted, "Plantford 1" 0.375 true."""
from restor.evaluation.judges.base import Judge, JudgeConfig
from restor.types import Judgement, Verdict

SCORES = {"Plantford 0": (0.125, 0.75), "Plantford 1": (0.375, 0.5), "Plantford 2": (0.125, 0.75)}


class Graded(Judge):
    config_type = JudgeConfig
    usage = None

    def __init__(self, config):
        self.config = config

    def judge(self, completions, advance=None):
        return [Verdict(Judgement.OTHER, "graded", *SCORES.get(item.text, (0.75, 0.125))) for item in completions]
'''


def test_a_judge_of_the_users_own_that_grades_needs_no_other_change(study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "graded.py").write_text(GRADED)
    assert main(["judge", str(study), "--judge", "graded.py:Graded", "--quiet"]) == 0
    folder = tmp_path / "toy-1-judged-by-Graded"
    # By hand: npo answers Ann's fact rightly and two others with the planted answer, in both seeds.
    found = metrics(folder, "npo")
    assert found["test.original"].value == pytest.approx((0.75 + 0.375 + 0.125) / 3)
    assert found["test.planted"].value == pytest.approx((0.125 + 0.5 + 0.75) / 3)
    assert found["test.other"].value == pytest.approx((0.125 + 0.125 + 0.125) / 3)
    assert found["untouched.original"].value == 0.75
    assert found["restoration"].value == pytest.approx((1.25 - 0.625) / (2.25 - 0.625))
    assert found["residual"].value == pytest.approx(1.375 / 2)
    assert found["transition.restored"].value == pytest.approx(1 / 3)
    facts = load_facts(folder)
    assert set(facts.column("judgement").to_pylist()) == {"other"}
    assert set(facts.column("score").to_pylist()) == {0.125, 0.375, 0.75}
    # The stored scores say nothing to the next judge.
    main(["judge", str(folder), "--judge", "alias", "--quiet", "--out", str(tmp_path / "back")])
    main(["judge", str(study), "--judge", "alias", "--quiet", "--out", str(tmp_path / "direct")])
    assert load_results(tmp_path / "back").summary == load_results(tmp_path / "direct").summary
    assert set(load_facts(tmp_path / "back").column("score").to_pylist()) == {0.0, 1.0}


@pytest.mark.parametrize(
    ("scores", "told"),
    [
        ("(1.5, 0)", "must give scores between 0 and 1: Verdict(judgement=<Judgement.OTHER: 'other'>"),
        ("(float('nan'), 0)", "must give scores between 0 and 1"),
        ("('much', 0)", "must give scores between 0 and 1"),
    ],
)
def test_a_score_that_is_none_leaves_nothing_behind(study, tmp_path, monkeypatch, capsys, scores, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "graded.py").write_text(GRADED.replace("(0.125, 0.75)", scores))
    assert main(["judge", str(study), "--judge", "graded.py:Graded", "--quiet"]) == 1
    err = capsys.readouterr().err
    assert f"Graded.judge {told}" in err
    assert "about the answer 'Plantford" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["graded.py", "toy-1"]


def test_nothing_is_overwritten(study, tmp_path, capsys):
    main(["judge", str(study), "--judge", "alias", "--quiet"])
    folder = tmp_path / "toy-1-judged-by-alias"
    made = contents(folder)
    others = ["--judge", "alias", "--set", "synonyms=false"]
    for options in (["--judge", "alias", "--out", str(study)], others):
        assert main(["judge", str(study), "--quiet", *options]) == 1
        assert "results are never overwritten" in capsys.readouterr().err
    (folder / "results.json").write_text("{}")
    assert main(["judge", str(study), "--judge", "alias", "--quiet"]) == 1
    (folder / "results.json").write_bytes(made["results.json"])
    assert contents(folder) == made


def test_the_same_command_again_ends_as_before(study, tmp_path, capsys):
    """So does one that was killed when all was written and nothing told."""
    assert main(["judge", str(study), "--judge", "alias", "--quiet"]) == 0
    told = capsys.readouterr()
    made = contents(tmp_path / "toy-1-judged-by-alias")
    assert main(["judge", str(study), "--judge", "alias", "--quiet"]) == 0
    assert capsys.readouterr() == told
    assert contents(tmp_path / "toy-1-judged-by-alias") == made


def llm(study, endpoint, *more):
    return main(["judge", str(study), "--model", "m", "--base-url", endpoint.url, "--quiet", *more])


def test_judged_again_by_a_chat_model(study, tmp_path, capsys):
    with Endpoint(judged) as endpoint:
        prices = ["--set", "chat.price_input=1000", "--set", "chat.price_output=0"]
        assert llm(study, endpoint, "--per-request", "4", *prices) == 0
        # 5 arms ask about 4 people; equal answers to one question are asked about once: 4 true, 3 planted.
        assert sum(len(items_of(body)) for body in endpoint.bodies) == 7
        assert len(endpoint.bodies) == 2
        out = capsys.readouterr().out
        assert "2 requests (0 repeated), 200 + 20 tokens, cost 0.2000; 0 verdicts kept from before." in out
        assert llm(study, endpoint, "--out", str(tmp_path / "again"), "--json") == 0
        assert len(endpoint.bodies) == 2
    shown = json.loads(capsys.readouterr().out)
    assert shown["usage"]["cached"] == 7
    assert shown["usage"]["requests"] == 0
    assert shown["unscored"] == 0
    folder = tmp_path / "toy-1-judged-by-llm"
    assert metrics(folder, "npo")["restoration"].value == pytest.approx(1 / 3)
    everything = b"".join(contents(folder).values()) + b"".join(
        p.read_bytes() for p in (tmp_path / "cache").rglob("*.*")
    )
    assert KEY.encode() not in everything
    assert KEY not in out + json.dumps(shown)


def test_answers_without_a_verdict_are_unscored_counted_and_told(study, tmp_path, capsys):
    def answer(body, number):
        return said("no idea") if any("Plantford 1" in item["reply"] for item in items_of(body)) else judged(body)

    with Endpoint(answer) as endpoint:
        assert llm(study, endpoint, "--set", "chat.attempts=1") == 0
    assert "4 answers got no verdict and count as unscored" in capsys.readouterr().out
    found = metrics(tmp_path / "toy-1-judged-by-llm", "npo")["test.original"]
    assert (found.n, found.n_unscored) == (4, 2)
    assert found.value == pytest.approx(1 / 2)
    reasons = [
        r for r in load_facts(tmp_path / "toy-1-judged-by-llm").column("reason").to_pylist() if "no verdict" in r
    ]
    assert len(reasons) == 4


def test_a_wrong_key_leaves_nothing_behind(study, tmp_path, capsys):
    with Endpoint(lambda body, number: error(401, f"Incorrect key {KEY}")) as endpoint:
        assert llm(study, endpoint) == 1
    err = capsys.readouterr().err
    assert "refuses the key in OPENAI_API_KEY" in err
    assert KEY not in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "toy-1"]


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["judge"], "Which results?"),
        (["judge", "nowhere", "--judge", "alias"], "There is no study 'nowhere'"),
        (["judge", "{study}"], "Name the model with --model"),
        (["judge", "{study}", "--judge", "alyas"], "Did you mean 'alias'?"),
        (["judge", "{study}", "--judge", "alias", "--model", "m"], "Unknown field 'chat.model'"),
        (["judge", "{study}", "--model", "m", "--set", "chat.modle=x"], "Did you mean chat.model"),
        (["judge", "{study}", "--model", "m", "--per-request", "0"], "per_request: given 0"),
        (["judge", "{study}", "--model", "m", "--base-url", "localhost"], "it must be an address"),
        (["judge", "{study}", "--agreement", "a", "b"], "Leave RESULTS out"),
    ],
)
def test_bad_input_has_one_clear_message(argv, words, study, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main([item.format(study=study) for item in argv]) in (1, 2)
    assert words in capsys.readouterr().err


def test_a_key_given_for_its_variable_is_not_repeated(study, capsys):
    assert main(["judge", str(study), "--model", "m", "--key-variable", KEY]) == 1
    err = capsys.readouterr().err
    assert "name of an environment variable" in err
    assert KEY not in err
    with pytest.raises(ConfigError):
        judge_config("llm", {"chat.model": "m", "chat.key_variable": KEY})


def test_agreement_of_two_judges(study, tmp_path, capsys):
    main(["judge", str(study), "--judge", "alias", "--quiet", "--out", str(tmp_path / "a")])

    def lenient(body, number):  # takes Bob's planted answers for something else
        replies = json.loads(json.loads(judged(body).body)["choices"][0]["message"]["content"])
        for item, verdict in zip(items_of(body), replies["verdicts"], strict=True):
            if item["reply"] == "Plantford 1":
                verdict["verdict"] = "neither"
        return said(json.dumps(replies))

    with Endpoint(lenient) as endpoint:
        llm(study, endpoint, "--out", str(tmp_path / "b"))
    capsys.readouterr()
    assert main(["judge", "--agreement", str(tmp_path / "a"), str(tmp_path / "b"), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    # 36 answers. Planted: 3 of corrupted and 2 of npo, in two seeds; Bob's 4 of them are `other` for the second.
    assert shown["confusion"]["planted"] == {"original": 0, "planted": 6, "other": 4, "unscored": 0}
    assert shown["confusion"]["original"]["original"] == 26
    assert shown["share"]["value"] == pytest.approx(32 / 36)
    chance = (26 * 26 + 10 * 6) / 36**2
    assert shown["kappa"]["value"] == pytest.approx((32 / 36 - chance) / (1 - chance))
    assert shown["kappa"]["n"] == 36
    assert shown["kappa"]["n_entities"] == 8
    assert main(["judge", "--agreement", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    out = capsys.readouterr().out
    assert "Equal verdicts 88.9 %" in out
    assert f"Cohen's kappa {shown['kappa']['value']:.3f}" in out
    assert "of 36 answers about 8 entities" in out


def test_what_verdicts_took_in_words():
    usage = ChatUsage(requests=1, retries=0, cached=1200, prompt_tokens=5000, completion_tokens=7)
    assert usage_line(usage) == "1 request (0 repeated), 5,000 + 7 tokens; 1200 verdicts kept from before."
