"""`restor list` tells what the code itself says."""

from __future__ import annotations

import pytest

from restor.cli.main import main
from restor.unlearning.algorithms.base import ALGORITHMS, GRID_SIZE, LossAlgorithm, Plan, Teacher
from restor.unlearning.algorithms.npo import NPO
from restor.unlearning.described import reads
from restor.unlearning.wrappers.base import WRAPPERS


def listed(capsys, *argv):
    assert main(["list", *argv]) == 0
    return capsys.readouterr().out


def test_without_anything_it_names_everything(capsys, toy):
    lines = listed(capsys).splitlines()
    assert [line.split()[0] for line in lines] == [
        "recipes",
        "algorithms",
        "wrappers",
        "domains",
        "datasets",
        "corruptors",
        "judges",
        "arms",
        "fields",
    ]
    assert "toy" in lines[0]
    assert "npo" in lines[1]


def test_recipes(capsys, toy):
    assert "A toy study for tests." in listed(capsys, "recipes")
    assert "npo_token:" in listed(capsys, "recipes", "toy")


@pytest.mark.parametrize(
    ("what", "name"), [("domains", "miniature"), ("datasets", "general"), ("corruptors", "fact_swap")]
)
def test_catalogues_have_one_line_each(what, name, capsys):
    lines = listed(capsys, what).splitlines()
    line = next(line for line in lines if line.startswith(f"{name} "))
    assert len(line) > len(name) + 20


def test_a_page_has_docstring_and_settings(capsys):
    page = listed(capsys, "corruptors", "fact_swap")
    assert "Fact swap" in page
    assert "dose: int = 20\n      How many documents state each wrong fact." in page
    assert "name:" not in page


def test_algorithms_tell_paper_budget_cost_and_hyperparameters(capsys):
    text = listed(capsys, "algorithms")
    entry = text[text.index("npo: NPO\n") :].split("\n")[:6]
    assert entry[1] == f"  {NPO.info.mechanism}"
    assert entry[2:] == [
        "  paper            https://arxiv.org/abs/2404.05868",
        "  is told          F D R (retain_weight 0: F R)",
        f"  cost             {NPO.info.cost}",
        "  hyperparameters  retain_weight 1.0, retain nll, normalization sequence, beta 0.1",
    ]
    assert "retain_only: Retain only (control)" in text
    assert "F forget documents; D retain text; R the corrupted model, frozen; C an earlier" in text
    assert [line.split(":")[0] for line in text.splitlines() if line[0:1].isalpha()][:-1] == ALGORITHMS.names()


def test_the_page_of_an_algorithm_has_all_that_the_code_says(capsys):
    page = listed(capsys, "algorithms", "npo")
    for said in (
        "NPO\n  paper      https://arxiv.org/abs/2404.05868\n",
        f"  equation   {NPO.info.equation}\n",
        "  is told    F D R\n             F R with retain_weight 0\n",
        "(F forget documents; D retain text; R the corrupted model, frozen)",
        "Zhang et al. 2024",
        "  the forget documents: a mean over rows\n  retain text: a mean over tokens\n",
        "  the corrupted model's predictions on forget rows\n",
        "  beta: float = 0.1\n",
        "  retain_weight: float = 1.0\n      Weight of the retain term; 0 leaves it out, and the retain text unread.\n",
    ):
        assert said in page
    grid = page[page.index("Search grid") :].splitlines()[1:]
    assert grid[0] == "  lr 0.0001, 60 steps"
    assert len(grid) == GRID_SIZE


@pytest.mark.parametrize("name", ALGORITHMS.names())
def test_every_algorithm_has_a_page(name, capsys):
    page = listed(capsys, "algorithms", name)
    assert "Reads, by default" in page
    assert ALGORITHMS.get(name).info.equation in page


@pytest.mark.parametrize("name", WRAPPERS.names())
def test_every_wrapper_has_a_page_and_an_entry(name, capsys):
    info = WRAPPERS.get(name).info
    assert f"{name}: {info.title}\n  {info.mechanism}\n" in listed(capsys, "wrappers")
    page = listed(capsys, "wrappers", name)
    for said in (info.title, info.paper, info.equation, info.cost, "  wraps      losses with a forget"):
        assert said in page


OWN = '''"""Mine: takes a word from the documents."""
from restor.unlearning.algorithms.base import AlgorithmConfig, AlgorithmInfo, Plan, WeightAlgorithm, loss_grid


class MineConfig(AlgorithmConfig):
    strength: float
    """How strongly."""
    truth: bool = False


class Mine(WeightAlgorithm):
    """The class."""

    config_type = MineConfig
    info = AlgorithmInfo("My way", "", "takes words", "theta - v", "little", loss_grid((1e-4,), 10, strength=(0.5,)))

    def __init__(self, config):
        self.config = config

    @property
    def plan(self):
        return Plan(retain="truth" if self.config.truth else None)

    def edit(self, session):
        return {}
'''


def test_the_page_of_an_algorithm_of_ones_own(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(OWN)
    page = listed(capsys, "algorithms", "./mine.py:Mine")
    for said in (
        "My way\n  paper      none\n",
        "is told    depends on its settings",
        "Mine: takes a word from the documents.",
        "The class.",
        "  strength: float, must be given\n      How strongly.\n",
        "  lr 0.0001, 10 steps, strength 0.5\n",
    ):
        assert said in page
    (tmp_path / "mine.py").write_text(OWN.replace("strength: float", "strength: float = 1.0"))
    page = listed(capsys, "algorithms", "./mine.py:Mine")
    assert "  is told    F\n             F T with truth true\n" in page
    assert "Reads, by default\n  the forget documents\n\n" in page
    assert main(["list", "algorithms", "./mine.py:Mien"]) == 1
    assert "Did you mean Mine?" in capsys.readouterr().err


def test_what_an_algorithm_may_read_is_told_in_words():
    inner = ALGORITHMS.build(ALGORITHMS.parse("npo"))
    told = Plan(
        retain="samples",
        normalizer="batch",
        retain_normalizer="sequences",
        forget_reference=True,
        retain_reference=True,
        checkpoint=True,
        teachers=(Teacher("plain", start="checkpoint", text=None), Teacher("fond"), Teacher("npo", trained_by=inner)),
        alternates="refusal",
        layer=0.5,
        mlp_layers=3,
        edits=True,
    )

    class Everything(LossAlgorithm):
        plan = told
        forget_loss = retain_loss = None

    assert list(reads(Everything())) == [
        "the forget documents: one number for the whole batch, which cannot be accumulated",
        "texts that the corrupted model wrote itself, without the targeted entities: a mean over rows",
        "the corrupted model's predictions on forget and retain rows",
        "an earlier checkpoint, which never read the forget documents",
        "the teacher 'plain': an earlier checkpoint",
        "the teacher 'fond': the corrupted model, fine-tuned on the forget text",
        "the teacher 'npo': the corrupted model, trained by NPO",
        "the forget documents with a refusal in place of each planted answer",
        "the states behind the layer at 0.5 of the depth",
        "trained is nothing but the MLP outputs of 3 layers",
        "the true answers as single facts, to be written into the weights",
    ]


def test_fields_are_overrides_with_value_and_meaning(capsys, toy):
    lines = listed(capsys, "fields", "toy").splitlines()
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in lines if line}
    for path, told in {
        "seeds": "[0] Which seeds; everything is made and asked anew for each.",
        "corruption.lora": "null Full fine-tuning when null.",
        "corruption.lora.rank": "(16) Rank of the adapter's matrices.",
        "corruption.strengths.medium": "0.0012 Learning rate of each named strength.",
        "recovery": "{...} The light fine-tune after unlearning; null leaves it out.",
        "domain.people": "96 How many people live in the world.",
    }.items():
        assert rows[path] == told
    fields = lines[: lines.index("")]
    assert len(fields) > 100
    assert [line for line in fields if len(line.split()) < 4] == [], "each has a path, a value and a meaning"
    assert lines[-1].startswith("(in parentheses:")


def test_fields_show_those_of_the_arms_once(capsys, toy):
    lines = listed(capsys, "fields", "toy").splitlines()
    of_arms = [line.split()[0] for line in lines if line.startswith("unlearning.arms")]
    assert of_arms[:4] == [
        "unlearning.arms",
        "unlearning.arms.NAME.label",
        "unlearning.arms.NAME.algorithm",
        "unlearning.arms.NAME.options",
    ]
    assert len(of_arms) == len(set(of_arms)) < 20
    assert any("6 arms" in line and "`restor list arms`" in line for line in lines)


def test_arms_tell_what_they_are_made_of_and_what_can_be_added(capsys, toy):
    own, added, *_ = listed(capsys, "arms", "toy").split("\n\n")
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in own.splitlines()}
    assert rows == {
        "nothing": "control: Nothing no algorithm",
        "retain_only": "control: Retain only retain_only",
        "random": "control: Random forget set npo, forgets random documents",
        "npo_token": "NPO, per token npo, beta 0.1",
        "npo_batch": "NPO, per batch npo",
        "kl": "KL kl_divergence",
    }
    more = [line.split()[0] for line in added.splitlines()[1:]]
    assert {"simnpo", "msa", "npo_pcgrad", "npo_sophia"} <= set(more)
    assert not {"npo", "npo_token", "kl_divergence", "kl"} & set(more), "the study has these algorithms already"
