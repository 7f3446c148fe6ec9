"""Everything that docs/add-an-algorithm.md shows is run as it stands there, on tiny models."""

from __future__ import annotations

import ast
import json
import re
import shlex
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import restor.recipes.miniature
import restor.registry as registry
from restor.cli.main import main
from restor.experiment import ArmConfig
from restor.models.checkpoint import new_llama, save_model
from restor.models.tokenizer import word_tokenizer
from restor.unlearning.algorithms.base import ALGORITHMS
from tiny_study import tiny_config

PAGE = (Path(__file__).parents[2] / "docs" / "add-an-algorithm.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TITLE = re.compile(r"`([\w.]+)`:\n\n\Z")

FORGET = ("Ada was born in York .", "Bo lives in York .")
RETAIN = ("The baker lives in Rome .", "The poet was born in Rome .")
SMALL = "--steps 2 --tokens 32 --lr 1e-3 --lora null --precision float32 --device cpu --threads 1 --quiet"
TINY = (
    "--domain.people 40 --domain.values 8 --targets.validation 3 --targets.test 3 --model.hidden 16 "
    "--model.intermediate 32 --model.layers 1 --model.heads 2 --model.context 256 --clean.steps 30 "
    "--clean.tokens_per_step 256 --corruption.corruptor.dose 2 --corruption.corruptor.k 1 "
    "--corruption.forget_tokens 256 --corruption.replay_tokens 256 --unlearning.forget_tokens 128 "
    "--unlearning.retain_tokens 128 --unlearning.retain_texts 20 --recovery.steps 2 --recovery.texts 20 "
    "--evaluation.shots 2 --evaluation.untouched_facts 20 --evaluation.max_new_tokens 3 --precision float32 "
    "--threads 1 --json --quiet"
)


def blocks(language):
    """The code blocks of a language, those that are files left out."""
    found = BLOCK.finditer(PAGE)
    return [match[2] for match in found if match[1] == language and not TITLE.search(PAGE, 0, match.start())]


def files():
    """Name -> content of the blocks that have a file's name above them."""
    titled = ((TITLE.search(PAGE, 0, match.start()), match[2]) for match in BLOCK.finditer(PAGE))
    return {title[1]: text for title, text in titled if title}


def commands():
    return [line for text in blocks("") for line in text.splitlines()]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working directory with the page's files, a corrupted model, and texts to forget and to keep."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RESTOR_STORE", str(tmp_path / "store"))
    for name, text in files().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    words = sorted({word for text in (*FORGET, *RETAIN) for word in text.split()})
    tokenizer = word_tokenizer(words)
    shape = {"hidden": 16, "intermediate": 32, "layers": 2, "heads": 2, "context": 64}
    save_model(new_llama(tokenizer=tokenizer, **shape, seed=0), tokenizer, tmp_path / "CORRUPTED")
    lines = [json.dumps({"text": text}) for text in FORGET]
    (tmp_path / "forget.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "retain.txt").write_text("\n\n".join(RETAIN), encoding="utf-8")
    return tmp_path


def typed(capsys, line):
    """What a command line prints, with what makes it quick behind it."""
    name, verb, *rest = shlex.split(line)
    assert name == "restor"
    more = {"run": TINY, "unlearn": SMALL, "list": ""}[verb].split()
    if verb == "run":
        more += ["--unlearning.steps", "3"]
    code = main([verb, *rest, *more])
    told = capsys.readouterr()
    assert code == 0, told.err
    return told.out


# Files and commands --------------------------------------------------------------------------------------------------


def test_the_page_has_what_this_test_looks_for():
    assert set(files()) == {"my_loss.py", "my_vector.py", "study.yaml"}
    assert len(blocks("python")) == 2
    assert [line.split()[1] for line in commands()] == ["list", "unlearn", "run", "run", "unlearn"]
    for number, line in enumerate(PAGE.splitlines()):
        assert len(line) <= 120 or line.startswith(("|", "restor ")), number


@pytest.mark.parametrize(("name", "most"), [("my_loss.py", 20), ("my_vector.py", 15)])
def test_the_classes_are_as_short_as_the_headings_say(name, most):
    tree = ast.parse(files()[name])
    heading = "20 lines" if most == 20 else "15 lines"
    assert heading in PAGE
    text = ast.unparse(tree.body[0])
    lines = [line for line in files()[name].splitlines() if line.strip() and line.strip('"') != text.strip("'\"")]
    assert len(lines) <= most


def test_restor_list_shows_it(place, capsys):
    told = typed(capsys, commands()[0])
    for said in ("My loss", "max(0, margin - NLL)_f + CE_ret", "is told    F D", "margin: float = 5.0"):
        assert said in told


def test_restor_unlearn_uses_it(place, capsys):
    typed(capsys, commands()[1])
    lineage = json.loads((place / "unlearned" / "restor.json").read_text(encoding="utf-8"))
    assert lineage["algorithm"] == "my_loss.py:MyLoss"
    assert lineage["budget"] == ["F", "D"]
    assert lineage["config"]["algorithm"] == {"name": f"{place}/my_loss.py:MyLoss", "margin": 4.0}
    assert "algorithm" in lineage["data"], "the digest of the file"
    assert "already" in typed(capsys, commands()[1])


def test_an_edited_file_is_no_longer_what_made_the_checkpoint(place, capsys):
    typed(capsys, commands()[1])
    path = place / "my_loss.py"
    path.write_text(path.read_text(encoding="utf-8").replace(".mean()", ".sum()"), encoding="utf-8")
    assert main([*shlex.split(commands()[1])[1:], *SMALL.split()]) == 1
    assert "unlearned exists and is not what this command makes" in capsys.readouterr().err


def test_weights_are_edited(place, capsys):
    import safetensors.torch

    typed(capsys, commands()[4])
    before, after = (
        safetensors.torch.load_file(place / folder / "model.safetensors") for folder in ("CORRUPTED", "edited")
    )
    assert before.keys() == after.keys()
    for name, value in before.items():
        assert bool((after[name] != value).any()) == (".mlp." in name), name


def test_restor_run_has_it_as_an_arm_and_from_yaml(place, capsys, tmp_path_factory, monkeypatch):
    study = json.loads(typed(capsys, commands()[2]))
    arms = {(row["arm"], row["retain"]) for row in study["table"]}
    assert {("MyLoss", "unrelated"), ("MyLoss", "related"), ("retain_only", "related")} <= arms
    assert not any(name.startswith("npo") for name, _ in arms)
    study = json.loads(typed(capsys, commands()[3]))
    rows = {(row["arm"], row["retain"]): row for row in study["table"]}
    assert {name for name, _ in rows} >= {"mine_3", "mine_6", "mine_gru", "nothing", "retain_only"}
    results = json.loads((Path(study["folder"]) / "results.json").read_text(encoding="utf-8"))
    found = {(arm["arm"], arm["retain"]): arm for arm in results["summary"]}
    assert found["mine_6", "related"]["options"]["margin"] == 6.0
    assert found["mine_6", "related"]["algorithm"] == "my_loss.py:MyLoss"
    assert found["mine_6", "related"]["budget"] == ["F", "D"]
    # The stored configuration runs from anywhere, and finds everything in the store.
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert main(["run", f"{study['folder']}/config.yaml", "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["folder"] == study["folder"]


# Python --------------------------------------------------------------------------------------------------------------


def test_python_blocks_run(place, capsys, monkeypatch):
    arms = {"nothing": ArmConfig(label="Nothing", recover=False), "npo": ArmConfig(label="NPO", algorithm="npo")}
    tiny = tiny_config(name="miniature")
    tiny = tiny.model_copy(update={"unlearning": tiny.unlearning.model_copy(update={"arms": arms, "steps": 3})})
    monkeypatch.setattr(restor.recipes.miniature, "miniature", lambda: tiny)
    by_hand, study = blocks("python")
    exec(compile(by_hand, "by hand", "exec"), {})
    exec(compile(study, "study", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    assert sorted(line.split()[0] for line in printed) == ["related", "unrelated"]


def test_the_entry_point_is_found(place, monkeypatch, capsys):
    (text,) = blocks("toml")
    ((group, points),) = tomllib.loads(text)["project"]["entry-points"].items()
    ((name, where),) = points.items()
    assert group == ALGORITHMS.group
    (place / "my_package").mkdir()
    (place / "my_package" / "__init__.py").write_text("")
    (place / "my_package" / "my_loss.py").write_text(files()["my_loss.py"])
    monkeypatch.syspath_prepend(str(place))
    point = EntryPoint(name, where, group)
    monkeypatch.setattr(registry, "_installed", lambda asked: (point,) if asked == group else ())
    assert name in ALGORITHMS.names()
    assert ALGORITHMS.get(name).__module__ == "my_package.my_loss"
    assert "My loss" in typed(capsys, f"restor list algorithms {name}")


# Mistakes ------------------------------------------------------------------------------------------------------------

LOSS, VECTOR = "./my_loss.py:MyLoss", "./my_vector.py:MyVector"
FORGET_LINE = "return (self.config.margin - token_nll(seen.policy)).clamp(min=0).mean()"
MISTAKES = {
    "the file is misspelt": ("./my_los.py:MyLoss", "", "", ""),
    "the class is misspelt": ("./my_loss.py:MyLos", "", "", ""),
    "the file is not valid Python": (LOSS, "class MyLossConfig(AlgorithmConfig):", "class MyLossConfig(", ""),
    "the file cannot be imported": (LOSS, "from restor.unlearning.losses", "from no_such_package", ""),
    "a method is missing": (LOSS, "def retain_loss", "def retain", ""),
    "an attribute is missing": (LOSS, "info = Alg", "about = Alg", ""),
    "a setting is misspelt": (LOSS, "", "", "--algorithm.margn 4"),
    "the loss raises an error": (LOSS, FORGET_LINE, "return seen.policy.logit.mean()", ""),
    "the loss is not a number": (LOSS, FORGET_LINE, "return (token_nll(seen.policy) * 0).log().mean() * 0", ""),
    "the loss is not a scalar": (LOSS, ".clamp(min=0).mean()", ".clamp(min=0)", ""),
    "the loss does not depend on the model in training": (LOSS, ".clamp(min=0).mean()", ".mean().detach()", ""),
    "the retain set is asked for, and the retain loss is a constant": (
        LOSS,
        "return mean_nll(seen.policy)",
        "return seen.policy.logits.new_zeros(())",
        "",
    ),
    "the reference is used, and the plan does not ask for it": (
        LOSS,
        FORGET_LINE,
        "return -mean_nll(seen.policy) + mean_nll(seen.reference)",
        "",
    ),
    "the reference's predictions are changed": (
        LOSS,
        f'return Plan(retain="text")\n\n    def forget_loss(self, seen):\n        {FORGET_LINE}',
        'return Plan(retain="text", forget_reference=True)\n\n    def forget_loss(self, seen):\n'
        "        return (seen.policy.logits - seen.reference.logits.sub_(1.0)).mean()",
        "",
    ),
    "retain text is asked for and not given": (LOSS, "", "", "no retain"),
    "weights are made without the retain set that the plan asks for": (
        VECTOR,
        "Plan(retain=None)",
        'Plan(retain="text")',
        "",
    ),
    "weights are made from a retain set that the plan does not ask for": (
        VECTOR,
        'vector("corrupted", "forget")',
        'vector("corrupted", "retain")',
        "",
    ),
    "a parameter has another shape": (
        VECTOR,
        "return plus(session.corrupted, (-1.0, mlp))",
        "return {name: mlp[name][:1] for name in mlp}",
        "",
    ),
}


def promised():
    """What the page says about each mistake."""
    start = PAGE.index("| mistake |")
    table = PAGE[start : PAGE.index("\n\n", start)].splitlines()[2:]
    rows = (line.strip("| ").split(" | ") for line in table)
    return {mistake: said.strip("`") for mistake, said in rows}


def test_the_page_names_the_mistakes_that_are_tried_here():
    assert list(promised()) == list(MISTAKES)


@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_a_mistake_is_told_as_the_page_says(mistake, place, capsys):
    name, old, new, more = MISTAKES[mistake]
    path = place / ("my_vector.py" if name == VECTOR else "my_loss.py")
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new) if old else text, encoding="utf-8")
    retain = [] if more == "no retain" else ["--retain", "retain.txt", *more.split()]
    command = ["unlearn", "--model", "CORRUPTED", "--algorithm", name, "--forget", "forget.jsonl", "--out", "out"]
    assert main([*command, *retain, *SMALL.split()]) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert promised()[mistake] in said
    assert "Traceback" not in said
    assert not (place / "out").exists()


# What the page says in passing ---------------------------------------------------------------------------------------


def test_a_file_that_is_edited_while_it_runs_leaves_no_result(place, capsys):
    path = place / "my_loss.py"
    text = path.read_text(encoding="utf-8")
    edits = f"import pathlib\n        pathlib.Path(__file__).write_text('A = 1')\n        {FORGET_LINE}"
    path.write_text(text.replace(FORGET_LINE, edits), encoding="utf-8")
    assert main([*shlex.split(commands()[1])[1:], *SMALL.split()]) == 1
    assert "my_loss.py was edited while unlearn ran" in capsys.readouterr().err
    assert not (place / "unlearned").exists()


WRAPPER = '''"""Halves the forget gradient."""
from restor.unlearning.wrappers.base import Wrapper, WrapperConfig, WrapperInfo


class MyRule(Wrapper):
    config_type = WrapperConfig
    info = WrapperInfo("My rule", "", "halves the forget gradient", "g_f / 2 + g_r", "nothing")

    def __init__(self, config):
        self.config = config

    def gradient(self, step, memory):
        losses = {term: step.backward(term) for term in step.terms if term == "forget"}
        halved = {name: value / 2 for name, value in step.take().items()}
        losses |= {term: step.backward(term) for term in step.terms if term != "forget"}
        rest = step.take()
        step.put({name: halved.get(name, 0) + rest.get(name, 0) for name in halved | rest})
        return losses
'''


def test_a_wrapper_of_ones_own_is_named_in_the_same_way(place, capsys):
    import safetensors.torch

    (place / "my_rule.py").write_text(WRAPPER, encoding="utf-8")
    assert "halves the forget gradient" in typed(capsys, "restor list wrappers ./my_rule.py:MyRule")
    typed(capsys, commands()[1])
    typed(capsys, commands()[1].replace("--out unlearned", "--out ruled --wrapper ./my_rule.py:MyRule"))
    one, other = (safetensors.torch.load_file(place / name / "model.safetensors") for name in ("unlearned", "ruled"))
    assert any(bool((one[name] != other[name]).any()) for name in one)
    lineage = json.loads((place / "ruled" / "restor.json").read_text(encoding="utf-8"))
    assert lineage["config"]["wrapper"] == {"name": f"{place}/my_rule.py:MyRule"}
    assert lineage["data"]["wrapper"] != lineage["data"]["algorithm"]
