from __future__ import annotations

from restor.domains.base import Domain
from restor.evaluation.ask.baselines import copy_demonstrations, most_frequent
from restor.types import Fact, Group, Query


class Facts(Domain):
    """A domain that knows its facts and nothing else."""

    def __init__(self, *facts):
        self.stored = facts

    facts = property(lambda self: self.stored)
    subjects = relations = targetable = property(lambda self: ())

    def facts_about(self, subject):
        raise NotImplementedError

    values = demonstrations = sentence = question = vocabulary = facts_about


def fact(subject, *answers, relation="home"):
    return Fact(subject, relation, answers, f"Where does {subject} live?")


def query(item, *shown):
    return Query(item, Group.TEST, "", item.question, shown=shown)


ADA, BO, CY, DI = fact("Ada", "York"), fact("Bo", "York", "Rome"), fact("Cy", "Rome"), fact("Di", "Oslo")


def test_copying_takes_the_commonest_demonstration_and_of_equals_the_first():
    asked = [query(ADA, "Rome", "York", "York"), query(ADA, "Oslo", "Rome", "Rome", "Oslo"), query(ADA)]
    assert copy_demonstrations(asked, Facts()) == ["York", "Oslo", ""]


def test_the_most_frequent_answer_leaves_the_asked_entity_out():
    world = Facts(ADA, BO, CY, DI)
    # York and Rome twice each: without Ada York is left once and Rome twice.
    assert most_frequent([query(ADA), query(CY), query(DI)], world) == ["Rome", "York", "York"]
    # Without Bo both are left once.
    assert most_frequent([query(BO)], world) == ["York"]


def test_a_relation_of_one_entity_has_no_frequent_answer():
    assert most_frequent([query(ADA)], Facts(ADA, fact("Bo", "York", relation="grave"))) == [""]


def test_an_entity_with_all_the_frequent_answers_is_given_the_next_one():
    world = Facts(fact("Ada", "York", "Rome"), fact("Bo", "Oslo"))
    assert most_frequent([query(world.facts[0])], world) == ["Oslo"]
