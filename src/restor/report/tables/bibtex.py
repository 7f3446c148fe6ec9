"""What to cite: the study itself, the RESTOR paper, and the papers of the algorithms that the study used."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from restor.report.plain import one_line
from restor.report.tables.latex import escaped
from restor.report.words.papers import ALGORITHM_PAPERS, PAPERS, RESTOR_PAPER, WRAPPER_PAPERS
from restor.results import Results


def bibtex(results: Results) -> str:
    """Entries for BibTeX and biber, ready to paste. What is not known of a work is left out, never guessed."""
    return "\n".join(_parts(results))


def joined_bibtex(studies: Iterable[Results]) -> str:
    """The entries of several studies, each work once."""
    return "\n".join(dict.fromkeys(part for results in studies for part in _parts(results)))


def _parts(results: Results) -> list[str]:
    ids, unknown = _cited(results)
    gap = [f"% No paper is known here for: {', '.join(unknown)}\n"] if unknown else []
    return [_study(results), *map(_paper, ids), *gap]


def _cited(results: Results) -> tuple[list[str], list[str]]:
    """The arXiv ids of the papers, that of RESTOR first, and the names of algorithms whose paper is not known."""
    named = {arm.algorithm: ALGORITHM_PAPERS.get(arm.algorithm) for arm in results.summary if arm.algorithm}
    wrappers = _wrappers(results)
    named |= {name: WRAPPER_PAPERS.get(name) for name in wrappers}
    ids = dict.fromkeys([RESTOR_PAPER, *(entry for entry in named.values() if entry)])
    # BibTeX reads comments too and takes an @ in them for the beginning of an entry.
    unknown = [one_line(name, 60).replace("@", " ") for name, entry in named.items() if entry is None]
    return list(ids), unknown


def _wrappers(results: Results) -> list[str]:
    """Of the arms that the results have; the configuration is foreign and may have any form."""
    arms: Any = results.study.config
    for key in ("unlearning", "arms"):
        arms = arms.get(key) if isinstance(arms, Mapping) else None
    if not isinstance(arms, Mapping):
        return []
    configs = [arms.get(arm.arm) for arm in results.summary]
    names = [each.get("wrapper") for each in configs if isinstance(each, Mapping)]
    return list(dict.fromkeys(name for name in names if isinstance(name, str)))


def _study(results: Results) -> str:
    study = results.study
    version = study.versions.get("restor")
    made = f"Made with restor {version}" if version else "Made with restor"
    seeds = f"{'seed' if len(study.seeds) == 1 else 'seeds'} {', '.join(map(str, study.seeds))}"
    note = [f"{'Comparison' if study.kind == 'comparison' else 'Study'} {study.id}", seeds, f"made {study.created}"]
    note += [f"source {study.code}"] if study.code else []
    year = re.match(r"\d{4}", study.created)
    fields = {
        "title": f"{{{_field(study.name)}}}",
        "howpublished": _field(made),
        "note": _field(", ".join(note)),
        **({"year": year[0]} if year else {}),
    }
    return _entry(f"restor-study-{re.sub(r'[^A-Za-z0-9-]+', '-', study.id).strip('-')}", fields)


def _paper(arxiv: str) -> str:
    paper = PAPERS[arxiv]
    fields = {
        "title": f"{{{paper.title}}}",
        "author": " and ".join(paper.authors),
        "year": f"20{arxiv[:2]}",  # of the first version
        "eprint": arxiv,
        "archivePrefix": "arXiv",
        "url": f"https://arxiv.org/abs/{arxiv}",
    }
    return _entry(f"arxiv-{arxiv}", fields)


def _entry(key: str, fields: Mapping[str, str]) -> str:
    width = max(map(len, fields))
    lines = [f"  {name:{width}} = {{{value}}}," for name, value in fields.items()]
    return "\n".join([f"@misc{{{key},", *lines, "}", ""])


def _field(text: str) -> str:
    """Foreign text in a field: BibTeX counts braces even where a backslash precedes them."""
    return escaped(one_line(text, 300)).replace(r"\{", r"\textbraceleft{}").replace(r"\}", r"\textbraceright{}")
