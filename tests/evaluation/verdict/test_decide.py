"""The verdict of models whose answers are known in advance, over many repetitions."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest

from restor.evaluation.metrics.base import ComparedAnswers, JudgedAnswer
from restor.evaluation.statistics.clusters import Clusters
from restor.evaluation.verdict.decide import MARGIN, decide
from restor.evaluation.verdict.evidence import Evidence, Three
from restor.results import PairedTest
from restor.tasks.tabulation.measure import ArmRow, measure
from restor.types import SCORES, Group, Judgement, Kind

REPETITIONS = 100
MINIATURE = (16, 12, 3)
ONE_SEED = (16, 12, 1)
FIVE_SEEDS = (16, 12, 5)
PUBLISHED = (20, 20, 1)
BY_ENTITY, BY_ENTITY_AND_MODEL, BY_FACT = 0.15, 0.15, 0.3
"""Of 1: the variance of answers that models share for an entity, that one model has for an entity, that models share
for a fact."""
CORRUPTED = {"o": 0.12, "p": 0.75}
IDEAL = {"o": 0.97, "p": 0.01}
REFUSES = {"o": 0.12, "p": 0.02}


class World:
    """Answers of models to the same facts; facts about an entity stand and fall together."""

    def __init__(self, size, repetition):
        entities, facts, seeds = size
        self._rng = np.random.default_rng([repetition, *size])
        self._entity = np.repeat(np.arange(entities * seeds), facts)
        self.clusters = Clusters.of(self._entity.tolist(), np.repeat(np.arange(seeds), entities * facts).tolist())
        self._shared = self._by_entity(BY_ENTITY) + self._rng.normal(0, BY_FACT**0.5, len(self._entity))

    def says(self, o, p=0.0):
        """What a model answers rightly, and where it gives the planted answer: `o` and `p` of facts."""
        own = 1 - BY_ENTITY - BY_ENTITY_AND_MODEL - BY_FACT
        noise = self._by_entity(BY_ENTITY_AND_MODEL) + self._rng.normal(0, own**0.5, len(self._entity))
        place, limit = self._shared + noise, NormalDist().inv_cdf
        right = place < limit(o)
        wrong = place > limit(1 - p) if p else np.zeros(len(place), dtype=bool)
        return right.astype(float), (~right & wrong).astype(float)

    def half(self):
        """Half of the facts of each entity."""
        return np.arange(len(self._entity)) % 2 == 0

    def _by_entity(self, variance):
        return self._rng.normal(0, variance**0.5, self._entity[-1] + 1)[self._entity]


def evidence(size, repetition, arm, *, corrupted=CORRUPTED, ideal=IDEAL, untouched=0.98, control=None):
    """A world with an arm of these shares; `arm` may be a function of the world that returns its answers."""
    world = World(size, repetition)
    models = [arm(world) if callable(arm) else world.says(**arm), world.says(**corrupted), world.says(**ideal)]
    others = World(size, repetition + 10_000)
    kept = [others.says(share)[0] for share in (untouched, 0.98, 0.98)]
    return Evidence(
        right=Three(world.clusters, *(right for right, _ in models)),
        planted=Three(world.clusters, *(planted for _, planted in models)),
        untouched=Three(others.clusters, *kept),
        controls={"Recovery only": world.says(**(control or CORRUPTED))[0]},
    )


def rates(size, arm, repetitions=REPETITIONS, **options):
    found = Counter(decide(evidence(size, place, arm, **options)).kind for place in range(repetitions))
    return {kind: count / repetitions for kind, count in found.items()}


def trained_on_half(world):
    told, others = world.says(**IDEAL), world.says(**CORRUPTED)
    return tuple(np.where(world.half(), *pair) for pair in zip(told, others, strict=True))


# Models whose verdict is known


@pytest.mark.parametrize("size", [ONE_SEED, MINIATURE, FIVE_SEEDS, PUBLISHED])
def test_the_ideal_of_another_seed_is_restored(size):
    assert rates(size, IDEAL).get("restored", 0) >= 0.95


@pytest.mark.parametrize(("size", "unit"), [((16, 4, 3), "seeds"), ((10, 6, 1), "entities")])
def test_where_that_cannot_be_shown_it_is_inconclusive_and_says_what_is_needed(size, unit):
    found = [decide(evidence(size, place, IDEAL)) for place in range(REPETITIONS)]
    rest = [verdict for verdict in found if verdict.kind != "restored"]
    assert len(rest) > 0.05 * REPETITIONS
    open_ones = [verdict for verdict in rest if verdict.kind == "inconclusive"]
    assert len(open_ones) >= len(rest) - 0.025 * REPETITIONS
    numbers = [getattr(verdict.needed, unit) for verdict in open_ones if verdict.needed is not None]
    assert len(numbers) > 0.9 * len(open_ones)
    assert min(numbers) > size[2 if unit == "seeds" else 0]


@pytest.mark.parametrize("size", [ONE_SEED, MINIATURE, PUBLISHED])
def test_one_whose_restoration_is_just_the_margin_below_the_ideal_is_hardly_ever_called_restored(size):
    """At most 5 % are meant, and 4,000 repetitions come to 4.5 to 6 %; three standard errors of 200 are allowed."""
    share = (1 - MARGIN) * IDEAL["o"] + MARGIN * CORRUPTED["o"]
    assert rates(size, {"o": share, "p": 0.02}, 200).get("restored", 0) <= 0.1


@pytest.mark.parametrize("size", [MINIATURE, ONE_SEED, PUBLISHED])
def test_the_corrupted_model_is_not_unlearned(size):
    found = rates(size, CORRUPTED)
    assert found.get("not unlearned", 0) >= 0.95
    assert "restored" not in found


@pytest.mark.parametrize("size", [MINIATURE, ONE_SEED, PUBLISHED])
def test_planted_answers_that_are_kept_from_being_said_are_only_forgotten(size):
    found = rates(size, REFUSES)
    assert found.get("only forgotten", 0) >= 0.95
    assert "restored" not in found


@pytest.mark.parametrize("size", [MINIATURE, ONE_SEED, PUBLISHED])
def test_one_trained_on_the_answers_to_half_the_facts_is_partly_restored(size):
    found = rates(size, trained_on_half)
    assert found.get("partly restored", 0) >= 0.95
    assert "restored" not in found


@pytest.mark.parametrize("size", [MINIATURE, ONE_SEED, PUBLISHED])
def test_one_that_breaks_untouched_facts_is_damaged_though_it_restores(size):
    assert rates(size, IDEAL, untouched=0.6).get("damaged", 0) >= 0.95


def test_a_corruption_that_did_not_bite_leaves_nothing_to_say():
    found = rates(PUBLISHED, IDEAL, corrupted=IDEAL)
    assert found.get("undefined", 0) >= 0.95
    assert set(found) <= {"undefined", "inconclusive"}


def test_where_the_ideal_model_knew_nothing_there_was_nothing_to_lose():
    found = decide(evidence(PUBLISHED, 0, {"o": 0.001}, corrupted={"o": 0.001}, ideal={"o": 0.01}))
    assert found.kind == "undefined"
    assert found.reason.startswith("Undefined: the ideal model answers ")
    assert "nothing to lose. Ask about facts that it knows." in found.reason


def test_few_facts_are_inconclusive_and_say_how_many_are_needed():
    found = [decide(evidence((4, 3, 1), place, {"o": 0.5, "p": 0.3})) for place in range(REPETITIONS)]
    open_ones = [verdict for verdict in found if verdict.kind == "inconclusive"]
    assert len(open_ones) > REPETITIONS / 2
    told = [verdict.needed.entities for verdict in open_ones if verdict.needed and verdict.needed.entities]
    assert len(told) > 0.8 * len(open_ones)
    assert min(told) > 4


def test_restoration_rises_with_the_way_from_the_corrupted_model_to_the_ideal():
    """The restoration that a verdict tells is that of the model, and its verdicts come in order."""
    order = ["not unlearned", "inconclusive", "only forgotten", "partly restored", "restored"]
    means, ways = [], []
    for way in np.linspace(0, 1, 6):
        between = {name: (1 - way) * CORRUPTED[name] + way * IDEAL[name] for name in ("o", "p")}
        found = [decide(evidence(MINIATURE, place, between)) for place in range(40)]
        means.append(np.mean([verdict.restoration for verdict in found]))
        ways.append(Counter(verdict.kind for verdict in found).most_common(1)[0][0])
    assert means == sorted(means)
    assert means == pytest.approx(np.linspace(0, 1, 6), abs=0.03)
    assert ways == sorted(ways, key=order.index)
    assert (ways[0], ways[3], ways[-1]) == ("not unlearned", "partly restored", "restored")


# What a control does is no merit


def test_what_a_control_restores_too_is_not_restored_by_unlearning():
    found = rates(MINIATURE, {"o": 0.5, "p": 0.02}, control={"o": 0.5})
    assert found.get("partly restored", 0) <= 0.05
    assert "restored" not in found


def test_one_as_good_as_the_ideal_beside_such_a_control_is_undecided():
    found = decide(evidence(PUBLISHED, 0, IDEAL, control=IDEAL))
    assert found.kind == "inconclusive"
    assert "'Recovery only'" in found.reason
    assert found.above_control is False


def as_control(made):
    return replace(made, controls={}, is_control=True)


def test_an_arm_without_controls_is_judged_without_them():
    made = evidence(PUBLISHED, 0, IDEAL, control=IDEAL)
    found = decide(replace(made, controls={}))
    assert found.kind == "restored"
    assert found.above_control is None


@pytest.mark.parametrize("arm", [{"o": 0.4, "p": 0.5}, {"o": 0.5, "p": 0.02}, IDEAL])
def test_a_control_after_which_true_answers_are_back_restores_whatever_it_did_to_the_planted_ones(arm):
    found = decide(as_control(evidence(PUBLISHED, 0, arm)))
    assert found.kind == "restores"
    assert found.restoration == pytest.approx((arm["o"] - 0.12) / 0.85, abs=0.06)
    assert found.reason.startswith("A control: nothing is unlearned, and yet true answers come back, ")


def test_a_control_restores_only_where_the_corrected_test_shows_it_too():
    made = as_control(evidence(PUBLISHED, 0, {"o": 0.3, "p": 0.5}))
    assert decide(made, [a_test("corrupted", 0.01)]).kind == "restores"
    found = decide(made, [a_test("corrupted", 0.2)])
    assert found.kind == "restores little"
    assert "p = 0.2, corrected for all comparisons of the table" in found.reason


@pytest.mark.parametrize("arm", [CORRUPTED, REFUSES])
def test_a_control_that_brings_nothing_back_restores_little(arm):
    found = Counter(decide(as_control(evidence(PUBLISHED, place, arm))).kind for place in range(40))
    assert found["restores little"] >= 36
    assert set(found) <= {"restores little", "restores"}


def test_a_control_that_may_have_restored_half_or_nothing_is_inconclusive():
    found = small("o---", "pppp", "oooo", is_control=True)
    assert (found.restoration, found.kind) == (0.25, "inconclusive")
    assert "how much this control brings back" in found.reason
    assert found.needed.entities > 4


def test_a_control_never_has_a_word_for_unlearning():
    ways = [{"o": o, "p": p} for o in (0.02, 0.12, 0.3, 0.6, 0.97) for p in (0.0, 0.4, 0.75) if o + p < 1]
    made = [
        evidence(size, 1, arm, untouched=kept) for size in (ONE_SEED, (4, 3, 1)) for arm in ways for kept in (0.98, 0.6)
    ]
    methods = {decide(one).kind for one in made}
    assert {"restored", "partly restored", "only forgotten", "not unlearned"} <= methods
    controls = {decide(as_control(one)).kind for one in made}
    assert controls == {"restores", "restores little", "damaged", "inconclusive"}


def test_one_that_knows_more_than_the_ideal_is_restored_and_says_so():
    found = decide(evidence(PUBLISHED, 0, {"o": 0.97, "p": 0.01}, ideal={"o": 0.6, "p": 0.02}))
    assert found.kind == "restored"
    assert "more than that model" in found.reason


# Tests beside it


def a_test(role, p, difference=0.5):
    return PairedTest(other=role, role=role, difference=difference, ci_low=0.4, ci_high=0.6, p=p / 5, p_holm=p)


def test_more_than_each_control_needs_the_corrected_tests_too():
    made = evidence(PUBLISHED, 0, {"o": 0.5, "p": 0.02})
    sure = [a_test(role, 0.01) for role in ("ideal", "corrupted")]
    assert decide(made, [a_test("control", 0.01), *sure]).kind == "partly restored"
    found = decide(made, [a_test("control", 0.06), *sure])
    assert found.above_control is False
    assert found.kind != "partly restored"
    assert "p = 0.06, corrected for all comparisons of the table" in found.reason


def test_that_anything_is_back_needs_the_test_against_the_corrupted_model_too():
    made = replace(evidence(PUBLISHED, 0, {"o": 0.3, "p": 0.02}), controls={})
    assert decide(made, [a_test("corrupted", 0.01), a_test("ideal", 0.01)]).kind == "partly restored"
    found = decide(made, [a_test("corrupted", 0.2), a_test("ideal", 0.01)])
    assert found.kind != "partly restored"
    assert "is not shown" in found.reason


def test_that_some_is_missing_needs_the_test_against_the_ideal_too():
    made = evidence(PUBLISHED, 0, {"o": 0.7, "p": 0.02})
    rest = [a_test("control", 0.01), a_test("corrupted", 0.01)]
    assert decide(made, [*rest, a_test("ideal", 0.01)]).kind == "partly restored"
    found = decide(made, [*rest, a_test("ideal", 0.3)])
    assert found.kind == "inconclusive"
    assert "not whether it is all" in found.reason


# Borders


def test_true_answers_beside_planted_ones_are_not_restored():
    """As many right as the ideal, but what is wrong are still the planted answers."""
    made = evidence(PUBLISHED, 0, {"o": 0.6, "p": 0.4}, ideal={"o": 0.6, "p": 0.01}, corrupted={"o": 0.1, "p": 0.5})
    same = replace(made, right=replace(made.right, arm=made.right.top))
    assert decide(same).kind == "partly restored"


def test_what_the_corruption_itself_broke_is_no_damage_of_the_arm():
    made = evidence(PUBLISHED, 0, CORRUPTED, untouched=0.6)
    broken = replace(made.untouched, corrupted=made.untouched.arm)
    assert decide(made).kind == "damaged"
    assert decide(replace(made, untouched=broken)).kind == "not unlearned"


def test_damage_must_be_shown_against_the_corrupted_model_too():
    """Far below the ideal model, but of what the corruption left the arm lost 2 answers of 200."""
    made = evidence(PUBLISHED, 0, CORRUPTED)
    clusters = Clusters.of(np.repeat(np.arange(20), 10).tolist())
    top, before = np.ones(200), np.where(np.arange(200) % 10 < 7, 1.0, 0.0)
    arm = before.copy()
    arm[[0, 50]] = 0
    assert decide(replace(made, untouched=Three(clusters, arm, before, top))).kind == "not unlearned"
    arm[np.arange(200) % 10 < 3] = 0
    assert decide(replace(made, untouched=Three(clusters, arm, before, top))).kind == "damaged"


def test_half_of_it_back_by_a_control_is_nothing_that_unlearning_brought_back():
    """Restoration may well be above a half, but what is more than the control brings is not."""
    made = evidence(PUBLISHED, 0, {"o": 0.6, "p": 0.02})
    found = decide(replace(made, controls={"Recovery only": made.right.arm.copy()}))
    assert found.ci_high > 0.5
    assert found.kind == "only forgotten"
    assert "no more back than a control brings them" in found.reason
    less = made.right.arm.copy()
    less[np.flatnonzero(less)[:3]] = 0
    found = decide(replace(made, controls={"Recovery only": less}))
    assert found.kind == "only forgotten"
    assert "that more is back than a control brings is not shown" in found.reason


@pytest.mark.parametrize(("arm", "told"), [(CORRUPTED, "did not come back"), (IDEAL, "true answers are back")])
def test_planted_answers_of_few_entities_that_may_be_gone_by_chance_decide_nothing(arm, told):
    """They are all there still for one of four entities, and gone for the others."""
    clusters, given = Clusters.of(np.repeat(np.arange(4), 10).tolist()), np.ones(40)
    left = np.where(np.arange(40) < 10, given, 0)
    found = decide(replace(evidence(PUBLISHED, 0, arm), planted=Three(clusters, left, given, 0 * given)))
    assert found.kind == "inconclusive"
    assert told in found.reason
    assert "25 % of the answers are the false ones, 100 % before" in found.reason
    assert found.needed.entities > 4


def test_without_known_planted_answers_forgetting_is_not_claimed():
    made = replace(evidence(PUBLISHED, 0, CORRUPTED), planted=None)
    assert decide(made).kind == "inconclusive"
    assert decide(replace(evidence(PUBLISHED, 0, IDEAL), planted=None)).kind == "restored"


def test_one_entity_says_nothing():
    found = decide(evidence((1, 40, 1), 0, IDEAL))
    assert found.kind == "inconclusive"
    assert "one entity only" in found.reason
    assert found.needed is None


def test_facts_without_a_judgement_are_left_out():
    made = evidence(PUBLISHED, 0, IDEAL)
    arm = made.right.arm.copy()
    arm[::7] = np.nan
    assert decide(replace(made, right=replace(made.right, arm=arm))).kind == "restored"
    nothing = np.full_like(arm, np.nan)
    assert decide(replace(made, right=replace(made.right, arm=nothing))).kind == "undefined"


def test_untouched_facts_that_may_be_worse_by_chance_leave_it_undecided():
    made = evidence(PUBLISHED, 0, IDEAL)
    arm, before = np.ones(40), np.ones(40)
    arm[:10] = 0
    few = Three(Clusters.of(np.repeat(np.arange(4), 10).tolist()), arm, before, before)
    found = decide(replace(made, untouched=few))
    assert found.kind == "inconclusive"
    assert "may be chance" in found.reason
    assert found.needed.entities > 4


def test_a_restored_model_is_not_blamed_for_what_the_corruption_broke():
    made = evidence(PUBLISHED, 0, IDEAL, untouched=0.6)
    broken = replace(made.untouched, corrupted=made.untouched.arm)
    assert decide(replace(made, untouched=broken)).kind == "restored"


def small(arm, corrupted, ideal, *, is_control=False):
    """Five facts about each of four entities, whose answers are one letter an entity: o right, p planted, - other."""
    clusters = Clusters.of(np.repeat(np.arange(4), 5).tolist())
    models = [np.repeat(list(model), 5) for model in (arm, corrupted, ideal)]
    right, planted = (Three(clusters, *((model == said).astype(float) for model in models)) for said in "op")
    return decide(Evidence(right=right, planted=planted, is_control=is_control))


def test_what_the_corruption_took_may_be_chance():
    found = small("oooo", "oopp", "oooo")
    assert found.kind == "inconclusive"
    assert "may be chance" in found.reason
    assert found.needed.entities > 4


def test_a_wide_interval_does_not_say_that_nothing_came_back():
    found = small("o---", "pppp", "oooo")
    assert (found.restoration, found.kind) == (0.25, "inconclusive")
    assert found.needed.entities > 4
    assert small("----", "pppp", "oooo").kind == "only forgotten"


# From stored answers

KNOWN, FAINTER, UNKNOWN = -0.2, -1.64, -5.0


def stored(judgement, true, false, *, seeds=1, shared=False):
    found = []
    for seed in range(seeds):
        for person in range(24):
            name = f"p{person}" if shared else f"p{seed}.{person}"
            for place in range(5):
                # a few facts are never known, so that entities differ
                missed = (person + place) % 11 == 0
                said = Judgement.OTHER if missed else judgement
                figures = (true, false, -9.0, 1)
                found.append(
                    JudgedAnswer(name, f"r{place}", 0, Group.TEST, False, True, *SCORES[said], *figures, seed=seed)
                )
                right = Judgement.ORIGINAL
                found.append(
                    JudgedAnswer(
                        f"u{name}", f"r{place}", 0, Group.UNTOUCHED, False, False, *SCORES[right], *figures, seed=seed
                    )
                )
    return found


def verdict_of(answers):
    """As in a table with this arm alone."""
    ids = {name: name for name in ("corrupted", "ideal", "clean", *answers.controls)}
    return measure({"arm": ArmRow(answers, ids)})["arm"].verdict


def judged_as(arm, kind=Kind.METHOD, controls=None, **world):
    corrupted = stored(Judgement.PLANTED, UNKNOWN, KNOWN, **world)
    ideal = stored(Judgement.ORIGINAL, KNOWN, UNKNOWN, **world)
    controls = {"Nothing": corrupted} if controls is None else controls
    return verdict_of(ComparedAnswers(arm, corrupted, ideal, ideal, controls, kind))


@pytest.mark.parametrize(
    ("judgement", "true", "false", "kind", "told"),
    [
        (Judgement.ORIGINAL, KNOWN, UNKNOWN, "restored", "as good as a model that never read the false documents"),
        (Judgement.ORIGINAL, UNKNOWN, KNOWN, "restored", "But inside the model the true answers are not as likely"),
        (Judgement.PLANTED, UNKNOWN, KNOWN, "not unlearned", "Most of the false answers are still there"),
        (Judgement.OTHER, UNKNOWN, KNOWN, "only forgotten", "only kept from being said"),
        (Judgement.OTHER, UNKNOWN, -25.0, "only forgotten", "not likely again either"),
        (Judgement.OTHER, UNKNOWN, FAINTER, "only forgotten", "only 30 % of what made the false answers"),
        (Judgement.OTHER, KNOWN, UNKNOWN, "only forgotten", "it keeps silent"),
        (Judgement.OTHER, None, None, "only forgotten", "did not come back"),
    ],
)
def test_the_log_probs_tell_what_is_behind_the_answers(judgement, true, false, kind, told):
    found = judged_as(stored(judgement, true, false))
    assert found.kind == kind
    assert told in found.reason


@pytest.mark.parametrize(
    ("inside", "output", "told"),
    [
        (KNOWN, UNKNOWN, "only kept from being said"),
        (KNOWN, KNOWN, "only kept from being said"),
        (-25.0, UNKNOWN, "not likely again either"),
        (-25.0, KNOWN, "it keeps silent"),
    ],
)
def test_the_layers_tell_what_the_output_hides(inside, output, told):
    """The planted answers are unlikely in what comes out; before that they may be as they were.

    An output filter can make the true answer likely in what comes out, and nothing came back.
    """

    def layered(model, true, false):
        layers = {"layers_original": np.array([true, 0.0]), "layers_planted": np.array([false, 0.0])}
        return [replace(item, **layers) if item.group is Group.TEST else item for item in model]

    arm = layered(stored(Judgement.OTHER, output, -25.0), UNKNOWN, inside)
    corrupted = layered(stored(Judgement.PLANTED, UNKNOWN, KNOWN), UNKNOWN, KNOWN)
    ideal = layered(stored(Judgement.ORIGINAL, KNOWN, UNKNOWN), KNOWN, UNKNOWN)
    found = verdict_of(ComparedAnswers(arm, corrupted, ideal, ideal, {"Nothing": corrupted}, Kind.METHOD))
    assert found.kind == "only forgotten"
    assert told in found.reason
    assert ("(100 % of what it did)" in found.reason) == (inside == KNOWN)


@pytest.mark.parametrize("kind", [Kind.REFERENCE, Kind.BASELINE])
def test_references_and_baselines_have_none(kind):
    assert judged_as(stored(Judgement.ORIGINAL, KNOWN, UNKNOWN), kind) is None


def test_without_a_corrupted_model_it_is_undefined_and_says_what_is_missing():
    ideal = stored(Judgement.ORIGINAL, KNOWN, UNKNOWN)
    found = verdict_of(ComparedAnswers(ideal, [], ideal))
    assert found.kind == "undefined"
    assert "corrupted" in found.reason


def test_a_control_that_failed_is_left_out_and_named():
    found = judged_as(stored(Judgement.ORIGINAL, KNOWN, UNKNOWN), controls={"Nothing": []})
    assert found.kind == "restored"
    assert "no control" in found.reason
    assert found.reason.endswith("Not compared with 'Nothing', which failed for some seed.")


@pytest.mark.parametrize(("people", "told"), [(1, ""), (6, " 30 of 120 facts are not counted: not all models")])
def test_a_control_without_judgements_takes_facts_from_the_verdict_which_says_so(people, told):
    control = [
        replace(item, score=None, planted_score=None)
        if item.entity in {f"p0.{place}" for place in range(people)}
        else item
        for item in stored(Judgement.PLANTED, UNKNOWN, KNOWN)
    ]
    found = judged_as(stored(Judgement.ORIGINAL, KNOWN, UNKNOWN), controls={"Nothing": control})
    assert found.kind == "restored"
    assert ("not counted" in found.reason) is bool(told)
    assert told in found.reason


def test_planted_answers_count_where_they_are_known():
    """A judge cannot call an answer to the other facts planted."""

    def known_for_some(judgement, *figures):
        return [
            replace(item, planted=False, planted_score=0.0) if item.relation in ("r0", "r1") else item
            for item in stored(judgement, *figures)
        ]

    corrupted, ideal = (known_for_some(said, None, None) for said in (Judgement.PLANTED, Judgement.ORIGINAL))
    found = verdict_of(ComparedAnswers(corrupted[:], corrupted, ideal, ideal, {"Nothing": corrupted}, Kind.METHOD))
    assert found.kind == "not unlearned"
    assert "92 % of the answers are the false ones, 92 % before" in found.reason


def test_log_probs_that_the_corruption_did_not_lower_add_nothing():
    """The ideal holds the true answers a little less likely than the corrupted model does."""
    arm = stored(Judgement.ORIGINAL, -0.3, UNKNOWN)
    corrupted, ideal = stored(Judgement.PLANTED, -0.1, KNOWN), stored(Judgement.ORIGINAL, -0.8, UNKNOWN)
    found = verdict_of(ComparedAnswers(arm, corrupted, ideal, ideal, {"Nothing": corrupted}, Kind.METHOD))
    assert found.kind == "restored"
    assert "inside the model" not in found.reason.lower()


def test_models_asked_different_facts_are_refused():
    arm = stored(Judgement.ORIGINAL, KNOWN, UNKNOWN)
    with pytest.raises(ValueError, match="different facts"):
        judged_as([item for item in arm if item.relation != "r1"])


def test_a_sentence_needs_no_knowledge_of_the_field():
    found = judged_as(stored(Judgement.OTHER, UNKNOWN, KNOWN))
    assert found.reason == (
        "Most of the false answers are gone (0 % of the answers are the false ones, 91 % before), but the true answers "
        "did not come back, 0 % of what the false documents took (95 % interval -2 to 2). Inside the model the false "
        "answers are about as likely as before: they are only kept from being said."
    )


def test_seeds_that_ask_about_the_same_people_share_them():
    """Of two seeds with people of their own, only the seeds are independent: one degree of freedom."""
    widths = []
    for shared in (True, False):
        arm = stored(Judgement.ORIGINAL, KNOWN, UNKNOWN, seeds=2, shared=shared)
        for place, item in enumerate(arm):
            if item.seed == 1 and item.relation == "r3" and item.entity.endswith(("1", "2")) and item.entity[0] == "p":
                arm[place] = replace(item, score=0.0, planted_score=0.0)
        found = judged_as(arm, seeds=2, shared=shared)
        widths.append(found.ci_high - found.ci_low)
    assert widths[1] > 1.5 * widths[0]
