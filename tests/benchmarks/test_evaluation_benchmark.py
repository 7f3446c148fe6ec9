"""The benchmark of evaluation still runs, asks all sides the same and computes what it prints."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).parents[2] / "benchmarks" / "evaluation.py"
SHAPE = {"vocabulary": 300, "hidden": 16, "intermediate": 24, "layers": 2, "heads": 2, "kv": 1, "tied": 0}

FAKE_GENERATION = """
CALLS = []


def evaluate_model_on_fact_dataset(
    model, tokenizer, device, all_data, seed, batch_size, max_length, number_of_repeats=1, entities_list=[]
):
    CALLS.append((all_data, batch_size, max_length, entities_list, tokenizer.padding_side))
    ids = tokenizer(["a", "b c d"], return_tensors="pt", padding=True)
    drawn = [model.generate(**ids, max_length=20, do_sample=True, pad_token_id=2).tolist() for _ in range(2)]
    assert drawn[0] == drawn[1]
    return {
        who: {
            pid: {
                "prompt": "".join(f"{shown['question']} {shown['answer']}\\n" for shown in all_data["context"][pid])
                + fact["question"],
                "outputs": [f"{who} {pid}"],
            }
            for pid, fact in facts.items()
        }
        for who, facts in all_data["dset"].items()
    }
"""

FAKE_OPTIONS = """
BATCHES = []

def evaluate_model_opinion_on_fact_dataset(
    model, tokenizer, device, all_data, options, seed, entities_list=[], batch_size=1
):
    BATCHES.append(batch_size)
    qa_tokenized = tokenizer("a", return_tensors="pt")
    labels = qa_tokenized.input_ids.to(device)
    labels[:] = -100
    assert (qa_tokenized.input_ids >= 0).all()
    return {
        who: {
            pid: {kind: {"probabilty (normalized)": [-float(len(text)) for text in own]} for kind, own in kinds.items()}
            for pid, kinds in facts.items()
        }
        for who, facts in options.items()
    }
"""


@pytest.fixture(scope="module")
def script():
    """The script as a module, with models that are made in no time."""
    spec = importlib.util.spec_from_file_location("evaluation_benchmark", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules["evaluation_benchmark"] = module  # dataclasses look it up there
    spec.loader.exec_module(module)
    module.SHAPES.update(dict.fromkeys(module.SHAPES, SHAPE))
    module.MERGES.update(dict.fromkeys(module.MERGES, 300))
    module.TRAINING.update(dict.fromkeys(module.TRAINING, (1, 2, 256, 0.001)))
    module.PLAIN_SECONDS, module.PLAIN_BATCHES, module.BLOCK = 0.01, (1,), 6
    yield module
    del sys.modules["evaluation_benchmark"]


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    """A facts file in the published form: three relations of five people, one person without the last."""
    people = ["Ada Byron", "Bo Li", "Cy Young", "Di Ma", "Ed Poe"]
    relations = {"P1": ("Where was {} born?", "York"), "P2": ("Who taught {}?", "Max"), "P3": ("What is {}?", "Poet")}
    known = {
        who: {
            pid: {"question": asked.format(who), "answers": [f"{answer} {who[0]}"]}
            for pid, (asked, answer) in relations.items()
            if (who, pid) != ("Ed Poe", "P3")
        }
        for who in people
    }
    shown = {
        pid: [{"question": asked.format("Xi"), "answer": f"{answer} X", "entity": "Xi"}]
        for pid, (asked, answer) in relations.items()
    }
    path = tmp_path_factory.mktemp("facts") / "facts.json"
    path.write_text(json.dumps({"dset": known, "context": shown}))
    return path


@pytest.fixture(scope="module")
def domain(facts):
    from restor.domains.base import DOMAINS
    from restor.domains.triples import TriplesConfig

    return DOMAINS.build(TriplesConfig(facts=facts))


@pytest.fixture(scope="module")
def items(script, domain):
    return script.official_items(domain)


@pytest.fixture(scope="module")
def model(script, domain, facts, tmp_path_factory):
    return script.make_model("10M", domain, facts, tmp_path_factory.mktemp("models"))


@pytest.fixture
def job(script, facts, model, items, tmp_path):
    return script.Job("ours", "", str(model), script.write_items(tmp_path / "items.json", items), str(facts))


def checkout(folder, generation=FAKE_GENERATION, options=FAKE_OPTIONS):
    (folder / "evaluation" / "mcqa_eval").mkdir(parents=True)
    (folder / "evaluation" / "eval_utils.py").write_text(generation)
    (folder / "evaluation" / "mcqa_eval" / "mcqa_utils.py").write_text(options)
    return str(folder)


def test_facts_are_asked_in_the_published_form(items):
    item = items[0]
    assert len(items) == 14
    assert item.prompt == "Where was Xi born? York X\nWhere was Ada Byron born?"
    assert item.options[0] == "York A"
    assert sorted(item.options) == ["York A", "York B", "York C", "York D", "York E"]


def test_a_sample_has_whole_relations_and_shares_no_more_than_all(script, items):
    # Alike but for the first relation, whose prompts are longer and share more.
    many = [
        script.Item(f"{who}", f"P{pid}", "abcdef"[pid] * (90 if pid else 900), "y" * 10, ("z" * 9,) * 3)
        for pid in range(6)
        for who in range(4)
    ]
    sample = script.whole_relations(many, 8)
    assert len(sample) == 8
    assert {item.relation for item in sample} < {f"P{pid}" for pid in range(1, 6)}
    # Four prompts of 100 are 400; the beginning and the questions are 130. Behind each stand three options of 10.
    texts = script.Texts.of(many[4:8])
    assert texts == script.Texts(100, 330, 400 / 130, 12 * 110 / (130 + 120))
    assert texts.distance(script.Texts.of(many)) > 0
    assert script.Texts.of(many[:4]).distance(script.Texts.of(many)) is None
    assert script.whole_relations(items, 14) == items


def test_ours_says_what_the_naive_way_says(script, job, items):
    for what in script.PARTS:
        ours = script.measure(dataclasses.replace(job, what=what))
        naive = script.measure(dataclasses.replace(job, what=what, who=script.NAIVE))
        assert ours.cpu > 0
        if what == script.GENERATION:
            assert script.texts_equal(ours.answers, naive.answers) == 14
        else:
            assert script.largest_difference(ours.answers, naive.answers) < 1e-5
            assert [len(one) for one in ours.answers] == [len(item.options) for item in items]


def test_the_published_code_is_called_as_it_was_published(script, job, items, tmp_path):
    job = dataclasses.replace(job, who=script.RESTOR, checkout=checkout(tmp_path))
    found = script.measure(dataclasses.replace(job, what=script.GENERATION))
    assert found.answers == [f"{item.subject} {item.relation}" for item in items]
    _, (data, rows, longest, people, side) = sys.modules["eval_utils"].CALLS
    assert (rows, longest, side) == (20, 200, "left")
    assert people == ["Ada Byron", "Bo Li", "Cy Young", "Di Ma", "Ed Poe"]
    assert [len(facts) for facts in data["dset"].values()] == [3, 3, 3, 3, 2]
    found = script.measure(dataclasses.replace(job, what=script.OPTIONS))
    assert found.answers == [[-float(len(option)) for option in item.options] for item in items]
    assert sys.modules["mcqa_utils"].BATCHES == [4, 4]
    script.measure(dataclasses.replace(job, who=script.RESTOR_ONE, what=script.OPTIONS))
    assert sys.modules["mcqa_utils"].BATCHES == [1, 1]


def test_options_fill_the_kinds_evenly(script):
    assert list(script.dealt("abcdefghijkl").values()) == [list("abcd"), list("efgh"), list("ijkl")]
    assert list(script.dealt("abcd").values()) == [["a", "b"], ["c"], ["d"]]


def test_another_version_of_the_published_code_is_refused(script, job, tmp_path):
    job = dataclasses.replace(job, who=script.RESTOR, what=script.OPTIONS, checkout=str(tmp_path))
    with pytest.raises(SystemExit, match=r"mcqa_utils\.py is missing"):
        script.measure(job)
    checkout(tmp_path, options="labels = None")
    with pytest.raises(SystemExit, match="is of another version"):
        script.measure(job)


def test_arithmetic_is_counted_and_plain_passes_do_as_much(script, job):
    import torch

    model, _ = script.load(job.model)
    layers, head = script.linear_weights(model)
    # Two layers: queries and output 16 x 16, keys and values 16 x 8, three products with 24.
    assert (layers, head) == (2 * (2 * 256 + 2 * 128 + 3 * 16 * 24), 300 * 16)

    def act():
        states = model.model(torch.ones(2, 10, dtype=torch.long)).last_hidden_state
        model.lm_head(states[0, :3])

    counter = script.Counter(model)
    act()
    assert counter.take() == {"flop": 2 * (20 * layers + 3 * head), "tokens": 20, "rows": 3}
    assert counter.take() == {"flop": 0, "tokens": 0, "rows": 0}
    counter.close()
    act()
    assert counter.take()["flop"] == 0
    for what in script.PARTS:
        done = script.measure(dataclasses.replace(job, what=what)).figures
        assert 0 < done["rows"] <= done["tokens"]
        assert done["flop"] == 2 * (done["tokens"] * layers + done["rows"] * head)
    found = script.measure(dataclasses.replace(job, who=script.PLAIN, head=0.5))
    assert found.figures["rate"] > 0
    assert found.figures["tokens"] == 128


def test_made_up_facts_are_about_others_each_time(script, items, job):
    made = list(script.made_up(items, 15))
    assert len({item.subject for item in made}) == 15
    assert all(item.subject in item.question for item in made)
    assert [item.relation for item in made[6:12]] == [item.relation for item in items[:6]]
    assert made == list(script.made_up(items, 15))
    for what in script.PARTS:
        assert script.measure(dataclasses.replace(job, who=script.GROWN, what=what, count=15)).answers == [15]


def test_the_part_for_gpus_tells_where_the_time_goes(script, job):
    found = script.measure(dataclasses.replace(job, who=script.DEVICE, count=3, shape={**SHAPE, "vocabulary": 400}))
    for what in script.PARTS:
        own = found.figures[what]
        assert own["seconds"] > 0
        # Every answer has three tokens, and every option a row of the output layer at least.
        assert own["rows"] >= (14 * 3 if what == script.GENERATION else 14)
        assert any(name.startswith("aten::") for name in own["time"])
    report = script.device_report(found)
    assert "| generation | " in report
    assert "options, seconds under a profiler: " in report


def test_texts_and_log_probs_are_compared_as_they_were_asked(script):
    # The second stopped at the limit, in the middle of a character.
    ours = [(" York ", True), (" Ro\N{REPLACEMENT CHARACTER}", False), (" Ro", True)]
    assert script.texts_equal(ours, ["York", "Rome", "Rome"]) == 2
    means = [[(-1.0, 2), (-2.0, 3)]]
    assert script.largest_difference(means, [[-1.0, -2.5]]) == 0.5
    assert script.largest_difference(means, [[-2.5, -6.0]], sums=True) == 0.25


def test_ratios_are_taken_within_a_round(script, job):
    turns = []
    costs = {"ours": [1.0, 2.0, 1.0], "RESTOR": [20.0, 50.0, 22.0]}

    def run(job):
        turns.append(job.who)
        return script.Measured(costs[job.who][(len(turns) - 1) // 2], 1.0)

    jobs = {who: dataclasses.replace(job, who=who) for who in costs}
    rounds = script.in_turn(jobs, 3, run)
    assert turns == ["ours", "RESTOR", "RESTOR", "ours", "ours", "RESTOR"]
    whole = {"generation": script.Whole(4.0, 0.0, {}, 0.0, 0, None, 2.0, "")}
    found = script.Sized("10M", {}, 40, [None] * 20, (), {"generation": rounds}, whole, {}, 1)
    # On all 40 facts: 22 seconds for 20 of them are 44, against 4.
    assert found.told("generation", "RESTOR") == "**22.0x** (20.0 to 25.0); all facts **11.0x**, ours in bfloat16 22.0x"
    assert dataclasses.replace(found, whole={}).told("generation", "RESTOR") == "**22.0x** (20.0 to 25.0)"
    assert found.told("generation", "lm-eval") == "not run"


def test_the_whole_script_prints_the_table(script, facts, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(script, "Processes", lambda lm_eval: script.measure)
    monkeypatch.setattr(script, "gpu_missing", lambda: "no GPU here: not run")
    theirs = checkout(tmp_path / "restor")
    arguments = ["--facts", str(facts), "--models", str(tmp_path / "models"), "--sizes", "10M", "--sample", "14"]
    script.main([*arguments, "--restor-reference", theirs, "--rounds", "1", "--growth", "5", "10", "--gpu"])
    printed = capsys.readouterr().out
    assert "lm-eval is left out: give it with --lm-eval." in printed
    assert "14 facts, 3 beginnings, " in printed
    assert "CPU seconds of a call of ours about 2 facts: " in printed
    table = printed[printed.index("| on the same model and the official facts | at least | 10M |") :].splitlines()
    cells = {line.split(" | ")[0]: line.split(" | ")[1:] for line in table}
    assert cells["| generation against RESTOR"][0] == "20x (10M), 25x (135M)"
    assert cells["| option log-probs against lm-eval"][1] == "not run |"
    assert "The others differ from the naive way by RESTOR " in printed
    assert cells["| texts equal"][1].startswith("naive 7 of 7, RESTOR ")
    assert "x**, memory **" in cells["| growth from 5 to 10 facts, options, tiny model"][1]
    assert cells["| 8B shape, generation and options of all facts"][1] == "no GPU here: not run |"


def test_parts_can_be_left_out(script, facts, capsys):
    script.main(["--facts", str(facts), "--sizes", "--growth"])
    assert "| texts equal | all | not run |" in capsys.readouterr().out


def test_a_job_survives_the_way_to_its_process(script, job):
    assert script.Job(**json.loads(json.dumps(dataclasses.asdict(job)))) == job
