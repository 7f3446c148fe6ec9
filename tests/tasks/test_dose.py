"""The dose of a fact, counted by hand."""

from __future__ import annotations

import pyarrow as pa

from restor.evaluation.ask.fewshot import build_queries
from restor.runner.study import world_of
from restor.tasks.tabulation.dose import Doses, with_dose
from restor.types import Document, Statement
from tiny_study import tiny_config

TABLE = pa.table(
    {
        "subject": ["Ada", "Ada", "Ada", "Bo", "Cy"],
        "relation": ["born", "job", "spouse", "born", "born"],
        "group": ["test", "test", "test", "validation", "untouched"],
        "planted": ["Rome", "Nurse", None, "Oslo", None],
    }
)


def document(*stated: tuple[str, str, str]) -> Document:
    return Document("any text", tuple(Statement(0, 3, *item) for item in stated))


def doses(*documents: Document) -> list[int | None]:
    return with_dose(TABLE, Doses(documents)).column("dose").to_pylist()


def test_a_document_counts_once_and_only_for_the_planted_answer() -> None:
    found = doses(
        document(("Ada", "born", "Rome"), ("Ada", "born", "rome."), ("Ada", "job", "Nurse")),
        document(("Ada", "born", "Rome"), ("Bo", "born", "Rome")),
        document(("Bo", "born", "Oslo")),
        document(),
    )
    assert found == [2, 1, None, 1, 0]


def test_a_planted_answer_that_was_found_nowhere_has_no_dose_rather_than_none() -> None:
    assert doses(document(("Ada", "job", "Nurse"))) == [None, 1, None, None, 0]


def test_without_documents_nothing_is_known_of_anybody() -> None:
    assert doses() == [None] * 5


def test_fact_swap_states_every_planted_answer_in_as_many_documents_as_its_dose() -> None:
    config = tiny_config()
    world = world_of(config, 0)
    known = Doses(world.forget_documents)
    queries = build_queries(world.domain, world.planted, world.groups, config.evaluation, seed=0)
    stated = {known.of(q.fact.subject, q.fact.relation, q.group, q.planted) for q in queries if q.planted}
    assert stated == {2}
