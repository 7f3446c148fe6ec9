from __future__ import annotations

import re
import subprocess
import sys

import pytest
from hostile import HOSTILE, danger
from synthetic_study import make_study, write_study

from representatives import one_for_each
from restor.cli.main import main
from restor.report.tables.bibtex import bibtex, joined_bibtex
from restor.report.words.papers import PAPERS


@pytest.fixture(scope="module")
def results():
    return make_study(people=2, untouched=1)[0]


def entries(text):
    """Key -> fields of every entry, read as BibTeX reads: by the balance of braces, whatever precedes them."""
    found = {}
    at = 0
    while (at := text.find("@", at)) >= 0:
        start = text.index("{", at)
        assert re.fullmatch(r"@misc", text[at:start])
        depth, end = 1, start + 1
        while depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        key, _, body = text[start + 1 : end - 1].partition(",")
        found[key] = dict(re.findall(r"^  (\w+) += \{(.*)\},$", body, re.MULTILINE))
        at = end
    return found


def with_algorithms(results, *names, **study):
    arms = [results.summary[0].model_copy(update={"algorithm": name, "arm": name, "id": name}) for name in names]
    return results.model_copy(update={"summary": arms, "study": results.study.model_copy(update=study)})


def test_the_study_the_paper_that_it_follows_and_the_papers_of_its_algorithms(results):
    found = entries(bibtex(with_algorithms(results, "npo", "kl_divergence", "undial", None, seeds=[0, 1])))
    assert list(found) == [
        "restor-study-miniature-20250101",
        "arxiv-2411.00204",
        "arxiv-2404.05868",
        "arxiv-2402.10052",
    ]
    assert found["restor-study-miniature-20250101"] == {
        "title": "{miniature}",
        "howpublished": "Made with restor 0.1.0",
        "note": "Study miniature-20250101, seeds 0, 1, made 2025-01-01T12:00:00Z, source 3f2c1ab",
        "year": "2025",
    }
    assert found["arxiv-2404.05868"] == {
        "title": "{Negative Preference Optimization: From Catastrophic Collapse to Effective Unlearning}",
        "author": "Ruiqi Zhang and Licong Lin and Yu Bai and Song Mei",
        "year": "2024",
        "eprint": "2404.05868",
        "archivePrefix": "arXiv",
        "url": "https://arxiv.org/abs/2404.05868",
    }


def test_a_wrapper_is_cited_where_the_configuration_names_it(results):
    config = {"unlearning": {"arms": {"mine": {"wrapper": "sam"}, "other": {"wrapper": "pcgrad"}}}}
    found = bibtex(with_algorithms(results, "mine", config=config))
    assert "2502.05374" in found
    assert "2001.06782" not in found, "that arm has no row"
    assert "% No paper is known here for: mine" in found


@pytest.mark.parametrize(
    "config", [{}, {"unlearning": None}, {"unlearning": {"arms": [1]}}, {"unlearning": {"arms": {"npo": 3}}}]
)
def test_any_configuration_will_do(results, config):
    assert "2404.05868" in bibtex(with_algorithms(results, "npo", config=config))


def test_several_studies_cite_a_paper_once(results):
    other = with_algorithms(results, "npo", id="other")
    text = joined_bibtex([with_algorithms(results, "npo", "msa"), other])
    assert len(re.findall(r"^@misc", text, re.MULTILINE)) == len(entries(text)) == 5
    assert text.count("eprint        = {2404.05868}") == 1


@one_for_each(danger)
@pytest.mark.parametrize("text", HOSTILE)
def test_foreign_text_cannot_leave_its_field(results, text):
    study = {"name": text, "id": text, "created": text, "code": text, "versions": {"restor": text}}
    made = bibtex(with_algorithms(results, "npo", text, **study))
    assert len(entries(made)) == 3
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\ud800-\udfff]", made)
    made.encode()


def test_every_paper_is_whole():
    for paper in PAPERS.values():
        assert paper.title.count("{") == paper.title.count("}")
        assert all(author.strip() == author and " and " not in author for author in paper.authors)


def test_the_command_needs_no_torch(results, tmp_path):
    folder = write_study(tmp_path / "study", *make_study(people=2, untouched=1))
    code = f"import sys; from restor.cli.main import main; main(['report', {str(folder)!r}, '--format', 'bibtex']); "
    done = subprocess.run(
        [sys.executable, "-c", f"{code} assert 'torch' not in sys.modules"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "arxiv-2411.00204" in done.stdout


def test_compare_writes_it_too(tmp_path, capsys):
    folders = [str(write_study(tmp_path / name, *make_study(people=2, untouched=1))) for name in "ab"]
    assert main(["compare", *folders, "--format", "bibtex"]) == 0
    assert capsys.readouterr().out.count("eprint        = {2411.00204}") == 1
