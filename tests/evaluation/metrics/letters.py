"""Worlds of a few facts, spelt by one letter a fact: o original, p planted, - other, ? unscored."""

from __future__ import annotations

from restor.evaluation.metrics.base import METRICS_CATALOGUE, ComparedAnswers, JudgedAnswer
from restor.types import SCORES, Group, Judgement, Kind

J = {"o": Judgement.ORIGINAL, "p": Judgement.PLANTED, "-": Judgement.OTHER, "?": Judgement.UNSCORED}
NONE = (None,) * 4


def spelt(letters, untouched="", *, facts=2, planted=True, figures=None, run=0):
    """Answers to targeted test facts and to untouched ones, `facts` an entity; `figures` are those of the former."""
    found = []
    for group, word in ((Group.TEST, letters), (Group.UNTOUCHED, untouched)):
        for place, letter in enumerate(word.replace(" ", "")):
            own = figures[place] if figures and group is Group.TEST else NONE
            known = planted and group is Group.TEST
            entity, relation = f"{group}{place // facts}", f"r{place % facts}"
            found.append(JudgedAnswer(entity, relation, run, group, False, known, *SCORES[J[letter]], *own))
    return found


def likely(originals, planted, ranks=None):
    """Log-probs of the true and the planted answer, and ranks of the true one."""
    ranks = ranks or [1] * len(originals)
    return [(own, wrong, -9.0, rank) for own, wrong, rank in zip(originals, planted, ranks, strict=True)]


def metric(name, arm, corrupted=(), ideal=(), clean=(), controls=None, kind=Kind.METHOD):
    """The figures of one metric."""
    return METRICS_CATALOGUE.get(name)().compute(ComparedAnswers(arm, corrupted, ideal, clean, controls or {}, kind))
