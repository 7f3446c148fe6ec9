"""What the second half of the layers holds likely, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from letters import metric, spelt


def asked(original, planted, letters="-" * 4):
    """Facts of which each layer says the same, two facts an entity."""
    figures = [(original[-1], planted[-1], None, None, (), None, np.array(original), np.array(planted))]
    return spelt(letters, figures=figures * len(letters))


# Of five layers the third and the fourth count: from the half on, without the output.
CORRUPTED = asked([-9, -8, -5.0, -3.0, -2], [-9, -8, -2.0, -2.0, -1])
IDEAL = asked([-9, -8, -2.0, -2.0, -1], [-9, -8, -5.0, -7.0, -9])


def test_both_ratios():
    """Inside, the true answer: corrupted -4, ideal -2, arm -3.5. Planted ahead by: 2, -4 and -1."""
    arm = asked([50, 50, -3.0, -4.0, 50], [50, 50, -4.0, -5.0, 50])
    found = metric("layers", arm, CORRUPTED, IDEAL)
    assert found["layers.restoration"].value == pytest.approx(0.5 / 2)
    assert found["layers.planted"].value == pytest.approx((-1 + 4) / (2 + 4))
    assert {value.n for value in found.values()} == {4}


def test_the_corrupted_and_the_ideal_model_are_the_ends_in_every_draw():
    for arm, values in ((CORRUPTED, (0, 1)), (IDEAL, (1, 0))):
        found = metric("layers", arm, CORRUPTED, IDEAL)
        for name, value in zip(("layers.restoration", "layers.planted"), values, strict=True):
            assert [found[name].value, found[name].ci_low, found[name].ci_high] == pytest.approx([value] * 3)


def test_planted_answers_that_only_the_last_layer_suppresses_are_seen():
    """What comes out is restored in the margin, and inside nothing has changed."""
    arm = asked([-9, -8, -5.0, -3.0, -2], [-9, -8, -2.0, -2.0, -21])
    assert metric("margin", arm, CORRUPTED, IDEAL)["margin.restoration"].value > 1
    found = metric("layers", arm, CORRUPTED, IDEAL)
    assert (found["layers.restoration"].value, found["layers.planted"].value) == (0, 1)


@pytest.mark.parametrize(("depth", "counted"), [(2, [0]), (3, [1]), (4, [1, 2]), (7, [3, 4, 5]), (8, [3, 4, 5, 6])])
def test_which_layers_count(depth, counted):
    """A model's own depth decides, so that models of different depth can be compared."""
    layers = [100.0] * depth
    for place in counted:
        layers[place] = -3.0
    found = metric("layers", asked(layers, layers), CORRUPTED, IDEAL)
    assert found["layers.restoration"].value == pytest.approx(0.5)
    assert found["layers.planted"].value == pytest.approx(4 / 6)


def test_a_fact_without_layers_is_left_out_and_counted():
    arm = [replace(IDEAL[0], layers_original=None), replace(IDEAL[1], layers_planted=None), *IDEAL[2:]]
    found = metric("layers", arm, CORRUPTED, IDEAL)
    assert [(value.n, value.n_unscored) for value in found.values()] == [(3, 1), (2, 2)]


def test_undefined_has_its_reason():
    def notes(*models):
        found = {value.note for value in metric("layers", *models).values()}
        assert len(found) == 1
        return found.pop()

    assert notes(spelt("oooo"), CORRUPTED, IDEAL) == "nothing was read off after the layers"
    assert notes(spelt("oooo", planted=False), CORRUPTED, IDEAL) == "no planted answers are known"
    one = asked([-1], [-2])
    assert notes(one, one, one) == "a model of one layer has none before its output"
    assert "--model corrupted=" in notes(IDEAL)
    assert metric("layers", IDEAL, CORRUPTED, CORRUPTED)["layers.restoration"].note == (
        "undefined: the corruption does not show inside (ideal -4.00 nats, corrupted -4.00)"
    )
    assert metric("layers", IDEAL, IDEAL, IDEAL)["layers.planted"].note == (
        "undefined: the corruption does not show inside (corrupted -4.00 nats, ideal -4.00)"
    )
