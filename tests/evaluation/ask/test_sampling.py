"""The random numbers of sampled answers belong to the question."""

from __future__ import annotations

from random import Random

from restor.evaluation.ask.sampling import Sampling
from restor.types import Fact, Group, Query


def settings(**changes):
    return Sampling(**({"temperature": 1.0, "top_p": 1.0, "seed": 0} | changes))


def test_every_answer_has_a_stream_of_its_own():
    def query(name, prefix=""):
        return Query(Fact(name, "r", ("x",), "Who?"), Group.TEST, prefix, "Who?")

    streams = [
        settings(seed=seed).stream(asked, run).random()
        for seed in (0, 1)
        for asked in (query("a"), query("b"), query("a", "Who? x\n"))
        for run in (0, 1)
    ]
    assert len(set(streams)) == len(streams)
    # By its words alone, on every machine.
    assert streams[0] == Random("sampling/0/0/a|r/Who?").random()
