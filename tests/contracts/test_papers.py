"""What BibTeX knows of the catalogues is what their entries say."""

from __future__ import annotations

from restor.report.words.papers import ALGORITHM_PAPERS, PAPERS, WRAPPER_PAPERS
from restor.unlearning.algorithms.base import ALGORITHMS
from restor.unlearning.wrappers.base import WRAPPERS


def ids(catalogue):
    return {name: catalogue.get(name).info.paper.removeprefix("https://arxiv.org/abs/") for name in catalogue.names()}


def test_every_entry_of_the_catalogues_has_its_paper_in_the_bibliography():
    """A new algorithm with another paper needs its title and authors in report/words/papers.py."""
    assert ids(ALGORITHMS) == ALGORITHM_PAPERS
    assert ids(WRAPPERS) == WRAPPER_PAPERS
    assert set(PAPERS) == {*ALGORITHM_PAPERS.values(), *WRAPPER_PAPERS.values()}
