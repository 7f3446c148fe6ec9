"""A released or shipped name means the same in every folder; `./NAME` is the file or folder there."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest

from restor.api import build_config
from restor.cli.checkpoint_verbs import absolute, dataset
from restor.cli.evaluate import QuestionOptions
from restor.cli.main import main
from restor.corruption.corruptors.passages import PassagesConfig
from restor.data import locate
from restor.data.locate import data_path, is_released, locate_documents, locate_facts, published_folder
from restor.datasets import hub
from restor.datasets.base import DATASETS
from restor.datasets.hub import HubConfig
from restor.domains.base import DOMAINS
from restor.errors import ConfigError, DataError
from restor.runner.checkpoints.make import CorruptConfig, UnlearnConfig
from restor.selection.choices import read_selection
from restor.tasks.base import content
from restor.tasks.inputs.settle import settled

TOWNS = ("Rome", "Bonn", "Oslo", "Kyiv", "Lima", "Bern")


def facts_text(*names):
    def about(number):
        return {"P19": {"question": f"Where was {names[number]} born?", "answers": [TOWNS[number]]}}

    return json.dumps({"dset": {name: about(number) for number, name in enumerate(names)}, "context": {}})


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a folder `restor` in it, and fetched data with other people elsewhere."""
    monkeypatch.setenv("RESTOR_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr(locate, "what_is_wrong", lambda file, path: path.stat() and None)
    fetched = published_folder()
    (fetched / "wikidata" / "v0").mkdir(parents=True)
    (fetched / "facts.json").write_text(facts_text("Fay Old", "Flo Dee", "Fin Ray"))
    (fetched / "entities.json").write_text('["Fay Old"]')
    (fetched / "wikidata" / "v0" / "mix_a0.json").write_text('["Fay Old was born in Bonn."]')
    own = tmp_path / "here" / "restor"
    own.mkdir(parents=True)
    (own / "facts.json").write_text(facts_text("Loc Al", "Lou Two"))
    (own / "k0").write_text("Loc Al was born in Kyiv.")
    (own / "k0.json").write_text('["Loc Al was born in Kyiv."]')
    monkeypatch.chdir(own.parent)
    return own.parent


def said(capsys, *argv):
    try:
        code = main([*argv])
    except SystemExit as stop:
        code = stop.code
    assert code == 0, capsys.readouterr().err
    return capsys.readouterr().out


def test_what_is_a_name_and_what_a_path(here):
    assert all(map(is_released, ("restor", "restor/", "restor/k0", "restor/k0.json", "restor/squad", Path("restor"))))
    paths = ("./restor", "./restor/k0", "restor/mine.json", "restor.json", "Restor", here / "restor")
    assert not any(map(is_released, paths))
    assert data_path("restor/k0") == Path("restor/k0")
    assert data_path("./restor/k0") == here / "restor" / "k0"
    assert data_path("./other") == Path("other")


def test_facts_and_documents_are_the_released_ones(here):
    assert locate_facts("restor")[0] == published_folder() / "facts.json"
    assert locate_facts(data_path("./restor"))[0] == here / "restor" / "facts.json"
    assert locate_documents("restor/k0") == locate_documents("restor/k0.json") != here / "restor" / "k0.json"
    assert locate_documents(data_path("./restor/k0")) == here / "restor" / "k0"
    (here / "restor" / "mine.txt").write_text("a")
    assert locate_documents("restor/mine.txt") == Path("restor/mine.txt")
    with pytest.raises(DataError, match=r"restor/k0 names documents\. The released facts are 'restor'"):
        locate_facts("restor/k0")
    with pytest.raises(DataError, match=r"There is no documents file k0\. Did you mean restor/k0\?"):
        locate_documents("k0")
    (here / "plain.txt").write_text("a")
    with pytest.raises(DataError, match=r"plain text, and facts are JSON, JSONL or CSV"):
        locate_facts("plain.txt")


def test_check_and_build_take_the_same_facts_for_the_same_name(here, capsys):
    assert "facts: 3 entities" in said(capsys, "data", "check", "restor")
    assert "facts: 2 entities" in said(capsys, "data", "check", "./restor")
    assert "1 passage" in said(capsys, "data", "check", "restor/k0", "--facts", "./restor")
    for number, (given, file) in enumerate(
        [("restor", published_folder() / "facts.json"), ("./restor", here / "restor" / "facts.json")]
    ):
        said(capsys, "data", "build", "fact_swap", "--facts", given, "--dose", "1", "--out", f"{number}.jsonl")
        manifest = json.loads((here / f"{number}.jsonl.json").read_text())
        assert manifest["facts"]["sha256"] == sha256(file.read_bytes()).hexdigest()


def test_overlap_takes_a_name_for_what_is_kept_too(here, capsys):
    told = said(capsys, "data", "overlap", "--forget", "restor/k0", "--retain", "restor/k0", "--facts", "restor")
    assert "Fay Old" in told
    own = said(capsys, "data", "overlap", "--forget", "./restor/k0", "--retain", "./restor/k0", "--facts", "./restor")
    assert "Loc Al" in own
    assert "Fay Old" not in own


@pytest.mark.parametrize("context", ["restor", "restor/k0"])
def test_context_takes_a_name(here, capsys, context):
    build = ("data", "build", "fact_swap", "--facts", "./restor", "--documents-per-entity", "1", "--k", "2")
    said(capsys, *build, "--facts-per-document", "1", "--context", context, "--out", "o.jsonl")
    assert "Fay Old" in (here / "o.jsonl").read_text()


def test_a_study_takes_a_name_from_the_command_line_and_from_a_file(here):
    assert build_config("official_small", facts="restor").domain.facts == Path("restor")
    own = build_config("official_small", facts="./restor")
    assert own.domain.facts == here / "restor"
    released = build_config("official_small", facts="restor")
    assert content(settled(released.domain, 0))["facts"] != content(settled(own.domain, 0))["facts"]
    assert DOMAINS.build(own.domain).subjects == ("Loc Al", "Lou Two")
    (here / "study.yaml").write_text("unlearning: {arms: {}}\ndomain: {name: triples, facts: ./restor}\n")
    assert build_config("study.yaml").domain.facts == here / "restor"
    assert build_config("study.yaml", overrides={"domain.facts": "restor"}).domain.facts == Path("restor")
    released, own = PassagesConfig(forget="restor/k0"), PassagesConfig(forget="./restor/k0")
    assert content(settled(released, 0))["forget"]["sha256"] == sha256(b'["Fay Old was born in Bonn."]').hexdigest()
    assert content(settled(own, 0))["forget"]["sha256"] == sha256(b"Loc Al was born in Kyiv.").hexdigest()


def test_evaluate_and_the_checkpoint_verbs_take_a_name(here):
    def asked(facts, forget):
        found = QuestionOptions(facts=data_path(facts), forget=data_path(forget)).content()
        return Path(found["domain"]["facts"]), Path(found["forget"])

    released = (published_folder() / "facts.json", published_folder() / "wikidata" / "v0" / "mix_a0.json")
    assert asked("restor", "restor/k0") == released
    assert asked("./restor", "./restor/k0") == (here / "restor" / "facts.json", here / "restor" / "k0")
    assert CorruptConfig(model="m", forget=absolute(data_path("restor/k0"))).files["forget"] == released[1]
    assert CorruptConfig(model="m", forget="./restor/k0").files["forget"] == here / "restor" / "k0"
    told = {"model": "m", "algorithm": "gradient_ascent", "forget": "restor/k0", "retain": dataset("restor/k0")}
    config = UnlearnConfig.model_validate({**told, "facts": "restor"})
    assert config.files["forget"] == released[1]
    assert config.files["facts"] == released[0]
    assert DATASETS.build(config.retain).text(Random(0)) == "Fay Old was born in Bonn."


@pytest.mark.parametrize("name", ["c4", "lima", "wikitext"])
def test_a_data_set_by_its_short_name_is_never_a_folder(here, name):
    wanted = HubConfig(path=name)
    for folder in (name, wanted.path):
        (here / folder).mkdir(parents=True)
        (here / folder / "a.txt").write_text("A river runs to the sea, and it is long.")
    assert dataset(name) == {"name": "hub", "path": name}
    assert hub._local(wanted.path) is None
    assert hub._local(f"./{wanted.path}") == Path(wanted.path)
    own = DATASETS.parse(dataset(f"./{name}"))
    assert own.path == here / name
    assert DATASETS.build(own).text(Random(0)).startswith("A river")


def test_a_recipe_and_a_shipped_selection_win_over_files_of_their_name(here):
    (here / "miniature").write_text("unlearning: {arms: {}}\nname: mine\n")
    assert build_config("miniature").name == "miniature"
    assert build_config("./miniature").name == build_config(Path("miniature")).name == "mine"
    assert read_selection("miniature").recipe == "miniature"
    with pytest.raises(ConfigError, match=r"The selection '\./miniature' cannot be read"):
        read_selection("./miniature")


def test_what_was_not_fetched_is_told_instead_of_checking_a_folder(here, capsys, monkeypatch):
    monkeypatch.setenv("RESTOR_DATA", str(here / "empty"))
    assert main(["data", "check", "restor"]) == 1
    assert "`restor data fetch restor`" in capsys.readouterr().err
