"""Our losses against what the published codes compute: same numbers, same gradients, in float64.

Where a published code deviates from its paper, our function is given the positions and weights of that code, so that
the deviation itself is pinned down; see each case.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from restor.models.labelled import Labelled
from restor.unlearning.algorithms.gradient_ascent import ascent_loss
from restor.unlearning.algorithms.kl_divergence import forget_divergence
from restor.unlearning.algorithms.npo import npo_loss
from restor.unlearning.algorithms.simnpo import simnpo_loss
from restor.unlearning.algorithms.undial import undial_loss
from restor.unlearning.losses import cross_entropy_of, kl_divergence, mean_nll, retain_term, sequence_nll

TESTS = Path(__file__).parent.parent
GOLDEN = json.loads((TESTS / "golden" / "losses.json").read_text(encoding="utf-8"))
FULL = TESTS.parent.parent / "shared" / "golden" / "golden.json"

VOCABULARY, WIDTH, LONGEST = 120, 8, 9
LENGTHS, PROMPTS = (9, 6, 4), (3, 2, 2)
MODEL_SEED, REFERENCE_SEED = 1, 2
BATCH_SEEDS = {"forget": 11, "retain": 12}


# The inputs, from their recipe ---------------------------------------------------------------------------------------


def tiny_model(seed):
    """Parameters by name, drawn in order from one generator."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {
        "embed": (VOCABULARY, WIDTH, 1.0),
        "layers.0.W": (WIDTH, WIDTH, 0.5),
        "layers.1.W": (WIDTH, WIDTH, 0.5),
        "head": (WIDTH, VOCABULARY, 0.8),
    }
    return {
        name: (torch.randn(*shape, generator=generator, dtype=torch.float64) * scale).requires_grad_()
        for name, (*shape, scale) in shapes.items()
    }


def logits_of(parameters, ids):
    """(B, T, V): two residual layers on the running mean of the states, which looks at earlier tokens only."""
    states = parameters["embed"][ids]
    position = torch.arange(1, ids.shape[1] + 1, dtype=torch.float64)[:, None]
    for layer in ("layers.0.W", "layers.1.W"):
        states = states + torch.tanh(states.cumsum(dim=1) / position @ parameters[layer])
    return states @ parameters["head"]


def token_ids(part):
    """Random tokens, rows of several lengths, 0 behind them; and which tokens are kept."""
    generator = torch.Generator().manual_seed(BATCH_SEEDS[part])
    ids = torch.randint(2, VOCABULARY, (len(LENGTHS), LONGEST), generator=generator)
    kept = torch.arange(LONGEST) < torch.tensor(LENGTHS)[:, None]
    return ids * kept, kept


def labels_of(part, style):
    """`doc`: every token is a label; `qa`: those behind the prompt."""
    ids, kept = token_ids(part)
    if style == "qa":
        kept = kept & (torch.arange(LONGEST) >= torch.tensor(PROMPTS)[:, None])
    return torch.where(kept, ids, -100)


def checksum(values):
    values = values.detach().double().flatten()
    return [float(values.sum()), float(values @ torch.cos(torch.arange(len(values), dtype=torch.float64)))]


class Inputs:
    """Predictions of model and reference on the positions that our functions see, and on those that the peers see."""

    def __init__(self, style):
        self.style = style
        self.parameters = tiny_model(MODEL_SEED)
        self.reference_parameters = tiny_model(REFERENCE_SEED)

    def _logits(self, part, reference):
        return logits_of(self.reference_parameters if reference else self.parameters, token_ids(part)[0])

    def at_labels(self, part, reference=False):
        """What `predict` would give."""
        labels = labels_of(part, self.style)[:, 1:]
        row, place = (labels != -100).nonzero(as_tuple=True)
        logits = self._logits(part, reference)[row, place]
        return Labelled(logits.detach() if reference else logits, labels[row, place], row, len(labels))

    def everywhere(self, part, reference=False):
        """All B x T positions: prompt, padding and the last token, which predicts nothing, included."""
        logits = self._logits(part, reference).flatten(0, 1)
        row = torch.arange(len(LENGTHS)).repeat_interleave(LONGEST)
        targets = torch.zeros(len(logits), dtype=torch.long)
        return Labelled(logits.detach() if reference else logits, targets, row, len(LENGTHS))

    def wrapped(self, part, reference=False):
        """All B x (T - 1) predicting positions; an ignored label, -100, counts from the end of the vocabulary."""
        labels = labels_of(part, self.style)[:, 1:]
        logits = self._logits(part, reference)[:, :-1].flatten(0, 1)
        row = torch.arange(len(LENGTHS)).repeat_interleave(LONGEST - 1)
        targets = labels.flatten() % VOCABULARY
        return Labelled(logits.detach() if reference else logits, targets, row, len(LENGTHS))

    def unpadded(self, part, reference=False):
        """Every token that is no padding, as if each predicted itself."""
        ids, kept = token_ids(part)
        row, place = kept.nonzero(as_tuple=True)
        return Labelled(self._logits(part, reference)[row, place], ids[row, place], row, len(ids))

    def with_first_token(self, part):
        """A certain prediction more in every row that begins with a label: it adds to the length, not to the NLL."""
        known = self.at_labels(part)
        first = (labels_of(part, self.style)[:, 0] != -100).nonzero().flatten()
        certain = torch.full((len(first), VOCABULARY), -1000.0, dtype=torch.float64)
        certain[:, 0] = 0.0
        return Labelled(
            torch.cat([known.logits, certain]),
            torch.cat([known.targets, torch.zeros_like(first)]),
            torch.cat([known.row, first]),
            known.n_rows,
        )


def floored(reference):
    """The reference with the 1e-12 that the RESTOR code adds to its probabilities."""
    return Labelled(
        torch.log(torch.softmax(reference.logits, dim=-1) + 1e-12), reference.targets, reference.row, reference.n_rows
    )


FLOOR = torch.log1p(torch.tensor(VOCABULARY * 1e-12, dtype=torch.float64))
"""By how much our function, which normalises the reference again, lies above the RESTOR code with its floor."""


def restor_divergence(inputs, part):
    """What the RESTOR code calls KL: a cross-entropy, and a mean over all positions."""
    reference = floored(inputs.everywhere(part, reference=True))
    return forget_divergence("cross_entropy", inputs.everywhere(part), reference) - FLOOR


def pair(inputs, where, part="forget"):
    make = getattr(inputs, where)
    return make(part), make(part, reference=True)


def retain_nll(inputs):
    return retain_term("nll", inputs.at_labels("retain"), None)


# (peer, its name): the same loss from our functions.
CASES = {
    ("restor", "GA[gamma=1.0]"): lambda i: ascent_loss(i.at_labels("forget")),
    ("restor", "FT[gamma=1.0]"): retain_nll,
    ("restor", "GA_FT[gamma=1.0]"): lambda i: ascent_loss(i.at_labels("forget")) + retain_nll(i),
    ("restor", "GA_FT[gamma=0.3]"): lambda i: ascent_loss(i.at_labels("forget")) + 0.3 * retain_nll(i),
    ("restor", "KL[gamma=1.0]"): lambda i: -restor_divergence(i, "forget") + restor_divergence(i, "retain"),
    ("restor", "KL[gamma=0.3]"): lambda i: -0.3 * restor_divergence(i, "forget") + restor_divergence(i, "retain"),
    ("restor", "KL_FT[gamma=1.0]"): lambda i: -restor_divergence(i, "forget") + retain_nll(i),
    ("restor", "KL_FT[gamma=0.3]"): lambda i: -0.3 * restor_divergence(i, "forget") + retain_nll(i),
    ("restor", "KL_GA[gamma=1.0]"): lambda i: ascent_loss(i.at_labels("forget")) + restor_divergence(i, "retain"),
    ("restor", "KL_GA[gamma=0.3]"): lambda i: 0.3 * ascent_loss(i.at_labels("forget")) + restor_divergence(i, "retain"),
    ("restor", "NPO[gamma=1.0]"): lambda i: npo_loss(*pair(i, "at_labels"), 0.1, "batch") + retain_nll(i),
    ("restor", "NPO[gamma=0.3]"): lambda i: npo_loss(*pair(i, "at_labels"), 0.1, "batch") + 0.3 * retain_nll(i),
    ("restor", "kl_loss(P_model,P_ref)[forget]"): lambda i: restor_divergence(i, "forget"),
    ("restor", "own: true KL(P||Q) mean over non-pad positions[forget]"): lambda i: forget_divergence(
        "kl", *pair(i, "unpadded")
    ),
    ("restor", "own: CE(P,Q) mean over non-pad positions[forget]"): lambda i: forget_divergence(
        "cross_entropy", *pair(i, "unpadded")
    ),
    ("open_unlearning", "GradAscent"): lambda i: ascent_loss(i.at_labels("forget")),
    ("open_unlearning", "GradDiff[NLL,gamma=1,alpha=0.5]"): lambda i: (
        ascent_loss(i.at_labels("forget")) + 0.5 * retain_nll(i)
    ),
    # Its KL retain term is ours, but for the mean over all positions.
    ("open_unlearning", "compute_kl_divergence[retain]"): lambda i: retain_term("kl", *pair(i, "everywhere", "retain")),
    ("open_unlearning", "GradDiff[KL,gamma=1,alpha=0.5]"): lambda i: (
        ascent_loss(i.at_labels("forget")) + 0.5 * retain_term("kl", *pair(i, "everywhere", "retain"))
    ),
    ("open_unlearning", "compute_batch_nll.sum[forget]"): lambda i: sequence_nll(i.at_labels("forget")).sum(),
    ("open_unlearning", "NPO[beta=0.1,alpha=0]"): lambda i: npo_loss(*pair(i, "at_labels"), 0.1, "sequence"),
    ("open_unlearning", "NPO[beta=1.0,alpha=0]"): lambda i: npo_loss(*pair(i, "at_labels"), 1.0, "sequence"),
    ("open_unlearning", "NPO[beta=0.1]"): lambda i: npo_loss(*pair(i, "at_labels"), 0.1, "sequence") + retain_nll(i),
    ("open_unlearning", "NPO[beta=1.0]"): lambda i: npo_loss(*pair(i, "at_labels"), 1.0, "sequence") + retain_nll(i),
    # It counts the first label of a document, which nothing predicts, and its margin is ours over beta.
    ("open_unlearning", "SimNPO[beta=4.5,delta=0,gamma=0.125,alpha=1]"): lambda i: (
        0.125 * simnpo_loss(i.with_first_token("forget"), 4.5, 0.0) + retain_nll(i)
    ),
    ("open_unlearning", "SimNPO[beta=2.5,delta=1,gamma=1,alpha=0]"): lambda i: simnpo_loss(
        i.with_first_token("forget"), 2.5, 2.5 * 1
    ),
    # It averages over prompt and padding too, where the teacher's logit of token V - 100 is lowered.
    ("open_unlearning", "compute_undial_loss[beta=1.0]"): lambda i: undial_loss(*pair(i, "wrapped"), 1.0),
    ("open_unlearning", "compute_undial_loss[beta=10.0]"): lambda i: undial_loss(*pair(i, "wrapped"), 10.0),
    ("open_unlearning", "UNDIAL[beta=10.0]"): lambda i: undial_loss(*pair(i, "wrapped"), 10.0) + retain_nll(i),
}


# The tests -----------------------------------------------------------------------------------------------------------


def close(expected):
    return pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("style", ["qa", "doc"])
def test_the_inputs_are_those_of_the_recipe(style):
    expected = GOLDEN["inputs_checksums"]
    for name, seed in (("model", MODEL_SEED), ("ref", REFERENCE_SEED)):
        for parameter, value in tiny_model(seed).items():
            assert checksum(value) == close(expected[f"{name}.{parameter}"]), parameter
    for part in BATCH_SEEDS:
        ids, kept = token_ids(part)
        assert ids.tolist() == GOLDEN["input_ids"][part]
        assert checksum(ids) == close(expected[f"{style}.{part}.input_ids"])
        assert checksum(kept) == close(expected[f"{style}.{part}.attention_mask"])
        assert checksum(labels_of(part, style)) == close(expected[f"{style}.{part}.labels"])


@pytest.mark.parametrize("style", ["qa", "doc"])
@pytest.mark.parametrize(("peer", "name"), CASES, ids=["/".join(case) for case in CASES])
def test_value_and_gradient_equal_the_published_codes(peer, name, style):
    expected = GOLDEN["losses"][f"{peer}/{style}"][name]
    inputs = Inputs(style)
    loss = CASES[peer, name](inputs)
    assert float(loss.detach()) == close(expected["loss"])
    if "grad_norm" in expected:
        gradients = torch.autograd.grad(loss, list(inputs.parameters.values()))
        assert float(torch.cat([item.flatten() for item in gradients]).norm()) == close(expected["grad_norm"])
        assert checksum(gradients[0]) == close(expected["grad_checksum_embed"])


def test_every_golden_loss_is_checked():
    named = {(section.split("/")[0], name) for section, losses in GOLDEN["losses"].items() for name in losses}
    assert named == set(CASES)


@pytest.mark.parametrize("style", ["qa", "doc"])
def test_the_sums_over_each_row_equal_open_unlearnings(style):
    expected = GOLDEN["losses"][f"open_unlearning/{style}"]["compute_batch_nll.sum[forget]"]["per_sequence"]
    assert sequence_nll(Inputs(style).at_labels("forget")).tolist() == close(expected)


@pytest.mark.parametrize("style", ["qa", "doc"])
def test_the_mean_over_all_positions_is_ours_times_the_counts_plus_the_rest(style):
    """What a KL retain term over padding adds: the mean of the labelled positions is one addend of the sum."""
    inputs = Inputs(style)
    policy, reference = pair(inputs, "at_labels", "retain")
    total = (
        GOLDEN["losses"][f"open_unlearning/{style}"]["compute_kl_divergence[retain]"]["loss"] * len(LENGTHS) * LONGEST
    )
    labels = labels_of("retain", style)
    elsewhere = torch.ones(len(LENGTHS), LONGEST, dtype=torch.bool)
    elsewhere[:, :-1] = labels[:, 1:] == -100
    left = logits_of(inputs.reference_parameters, token_ids("retain")[0])[elsewhere]
    right = logits_of(inputs.parameters, token_ids("retain")[0])[elsewhere]
    ours = retain_term("kl", policy, reference) * len(policy.targets)
    assert float((ours + kl_divergence(left, right).sum()).detach()) == close(total)


def test_open_unlearnings_length_is_ours_where_the_prompt_is_no_label():
    """Its count of labels is off by one on documents only, which is why documents get another loss from it."""
    by_prompt, by_document = Inputs("qa"), Inputs("doc")
    assert torch.equal(by_prompt.with_first_token("forget").logits, by_prompt.at_labels("forget").logits)
    ours = simnpo_loss(by_document.at_labels("forget"), 2.5, 2.5)
    theirs = GOLDEN["losses"]["open_unlearning/doc"]["SimNPO[beta=2.5,delta=1,gamma=1,alpha=0]"]["loss"]
    assert abs(float(ours.detach()) - theirs) > 1e-5


def test_cross_entropy_is_the_divergence_plus_the_entropy():
    policy, reference = pair(Inputs("doc"), "at_labels")
    entropy = cross_entropy_of(policy.logits, policy.logits).mean()
    divergence = forget_divergence("kl", policy, reference)
    assert float((divergence + entropy - forget_divergence("cross_entropy", policy, reference)).detach()) == close(0.0)
    assert float(mean_nll(policy).detach()) == close(-GOLDEN["losses"]["open_unlearning/doc"]["GradAscent"]["loss"])


@pytest.mark.skipif(not FULL.exists(), reason="the full golden file is not beside this checkout")
def test_the_committed_values_are_those_of_the_full_golden_file():
    full = json.loads(FULL.read_text(encoding="utf-8"))
    assert GOLDEN["versions"] == full["versions"]
    for section in ("inputs_checksums", "input_ids"):
        for name, value in GOLDEN[section].items():
            assert value == full[section][name], name
    for section, losses in GOLDEN["losses"].items():
        for name, values in losses.items():
            source = full["losses"][section][name]
            source = source if isinstance(source, dict) else {"loss": source}
            assert values == {key: source[key] for key in values}, (section, name)
