"""`restor plot`: which files it writes, and what it says where it writes none."""

from __future__ import annotations

import subprocess
import sys

import pytest
from synthetic_study import make_study, write_study

from restor.cli.main import main
from restor.report.figures.base import PLOTS

ARMS = ["--arms", "msa,nothing"]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    place = tmp_path_factory.mktemp("store")
    for name, sparse in (("new", False), ("sparse", True)):
        results, facts = make_study(people=2, untouched=1, sparse=sparse)
        study = results.study.model_copy(update={"id": name})
        write_study(place / "studies" / name, results.model_copy(update={"study": study}), facts)
    return place


def plot(store, *arguments):
    return main(["plot", *arguments, "--store", str(store)])


def test_all_figures_with_their_captions(store, tmp_path, capsys):
    out = tmp_path / "figures"
    assert plot(store, "new", *ARMS, "--out", str(out), "--format", "svg") == 0
    said = capsys.readouterr()
    drawn = sorted(path.stem for path in out.glob("*.svg"))
    assert drawn == [name for name in PLOTS.names() if name != "against"]
    assert said.out.splitlines() == [str(out / f"{name}.svg") for name in drawn]
    assert "Not drawn: against, as the study has no two arms" in said.err
    every = PLOTS.names()
    for place, name in enumerate(every, 1):
        assert f"Drawing {name} ({place} of {len(every)})" in said.err, "it takes a while and says where it is"
    assert sorted(path.stem for path in out.glob("*.txt")) == drawn
    caption = (out / "restoration.txt").read_text(encoding="utf-8")
    assert "95 % intervals" in caption
    assert "n = 8 targeted test facts about 2 entities" in caption
    assert len(list(out.iterdir())) == 2 * len(drawn), "nothing else is left"


def test_a_sparse_study_says_what_it_lacks(store, tmp_path, capsys):
    assert plot(store, "sparse", *ARMS, "--out", str(tmp_path / "figures"), "--format", "svg") == 0
    said = capsys.readouterr().err
    for name, reason in (
        ("layers", "no log-probs by layer"),
        ("curves", "no arm has losses by step"),
        ("verdicts", "no arm has a verdict"),
        ("dose", "no arm has a restoration by dose"),
    ):
        assert f"Not drawn: {name}, as " in said
        assert reason in said
    assert (tmp_path / "figures" / "restoration.svg").is_file()


def test_the_default_is_pdf_beside_the_study(store, capsys):
    assert plot(store, "new", *ARMS, "--figure", "answers,cost") == 0
    folder = store / "studies" / "new" / "plots"
    assert capsys.readouterr().out.splitlines() == [str(folder / "answers.pdf"), str(folder / "cost.pdf")]
    assert (folder / "answers.pdf").read_bytes().startswith(b"%PDF")


def test_one_file_has_the_format_of_its_name(store, tmp_path):
    file = tmp_path / "deep" / "mine.png"
    assert plot(store, "new", *ARMS, "--figure", "cost", "--out", str(file), "--dpi", "50", "--width", "single") == 0
    data = file.read_bytes()
    assert data.startswith(b"\x89PNG")
    assert int.from_bytes(data[16:20], "big") == 165, "3.3 inches of 50 dots"
    assert file.with_suffix(".txt").read_text(encoding="utf-8").startswith("Restoration against cost: ")


def test_a_figure_of_ones_own(store, tmp_path):
    code = """
from matplotlib.figure import Figure
from restor.report.figures.base import Drawn, Plot

class Mine(Plot):
    title = "Mine"

    def draw(self, material, width):
        figure = Figure(figsize=(3, 2))
        figure.text(0.5, 0.5, material.results.study.id)
        return Drawn(figure, "My caption.")
"""
    (tmp_path / "mine.py").write_text(code)
    out = tmp_path / "figures"
    assert plot(store, "new", "--figure", f"{tmp_path}/mine.py:Mine", "--format", "svg", "--out", str(out)) == 0
    assert ">new<" in (out / "Mine.svg").read_text()


def test_several_studies_fit_one_figure_only(store, tmp_path, capsys):
    assert plot(store, "new", "sparse", "--figure", "restoration") == 2
    assert "restoration shows one study; several fit into against" in capsys.readouterr().err
    assert plot(store, "new", "sparse", "--out", str(tmp_path / "figures")) == 1
    assert "these studies have no two arms with a restoration that differ" in capsys.readouterr().err
    assert not (tmp_path / "figures").exists()
    assert plot(store, "new", str(store / "studies" / "new")) == 1
    assert "is the same study as new" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["new", "--figure", "restorations"], 1, "Unknown figure 'restorations'. Did you mean 'restoration'? Known: a"),
        (["new", "--figure", "all,cost"], 2, "--figure takes all, or some of against, answers"),
        (["new", "--figure", ","], 2, "--figure takes all"),
        (["new", "--format", "jpg"], 2, "jpg"),
        (["new", "--out", "a.jpg"], 2, "ends in no known format: pdf, png, svg"),
        (["new", "--out", "a.png"], 2, "name one figure for it"),
        (["new", "--figure", "cost", "--out", "a.png", "--format", "pdf"], 2, "--format pdf does not fit"),
        (["new", "--figure", "cost", "--dpi", "300"], 2, "--dpi is for png"),
        (["new", "--format", "png", "--dpi", "5"], 2, "--dpi is 50 to 1200; given 5"),
        (["new", "--arms", ","], 2, "--arms is empty"),
        (["new", "--arms", "nothing_such"], 1, "No study here has the arm 'nothing_such'. Known: clean"),
        (["nowhere"], 1, "There is no study 'nowhere'"),
        (["sparse", "--figure", "restoration,layers"], 1, "The figure layers cannot be drawn: facts.parquet has no"),
        (["new", "--width", "wide"], 2, "wide"),
    ],
)
def test_bad_arguments(store, tmp_path, capsys, monkeypatch, arguments, code, said):
    monkeypatch.chdir(tmp_path)
    before = sorted(store.rglob("*"))
    assert plot(store, *arguments) == code
    message = capsys.readouterr().err
    assert said in message
    assert "Traceback" not in message
    assert list(tmp_path.iterdir()) == []
    assert sorted(store.rglob("*")) == before, "nothing half-written"


def test_results_that_are_cut_short(store, tmp_path, capsys):
    whole = (store / "studies" / "new" / "results.json").read_text(encoding="utf-8")
    (tmp_path / "results.json").write_text(whole[: len(whole) // 2], encoding="utf-8")
    assert main(["plot", str(tmp_path)]) == 1
    assert "is cut short" in capsys.readouterr().err


def test_facts_that_are_damaged_or_gone_leave_the_other_figures(store, tmp_path, capsys):
    (tmp_path / "results.json").write_bytes((store / "studies" / "new" / "results.json").read_bytes())
    for damage in (None, b"PAR1 is not all that a file needs"):
        if damage:
            (tmp_path / "facts.parquet").write_bytes(damage)
        assert main(["plot", str(tmp_path), *ARMS, "--format", "svg"]) == 0
        said = capsys.readouterr()
        assert "Not drawn: transitions" in said.err
        assert "restoration.svg" in said.out
        assert "transitions.svg" not in said.out


def test_without_matplotlib(store, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert plot(store, "new") == 1
    said = capsys.readouterr().err
    assert "run `pip install -e '.[plot]'` in the clone of restor" in said
    assert "Traceback" not in said


def test_matplotlib_is_imported_only_to_draw():
    code = (
        "import sys, restor.cli.plot; print([name for name in ('matplotlib', 'torch', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_names_every_figure(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    main(["plot", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert all(name in said for name in PLOTS.names())
