"""Our losses against what the published codes compute: same numbers, same gradients, in float64.

Where a published code deviates from its paper, our function is given the positions and weights of that code, so that
the deviation itself is pinned down; see each case.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from representatives import one_for_each
from restor.models.labelled import Labelled
from restor.unlearning.algorithms.ceu import ceu_loss
from restor.unlearning.algorithms.gradient_ascent import ascent_loss
from restor.unlearning.algorithms.kl_divergence import forget_divergence
from restor.unlearning.algorithms.npo import npo_loss
from restor.unlearning.algorithms.pdu import PDU, PDUConfig, dual_ascent, logit_margin_loss
from restor.unlearning.algorithms.rmu import rmu_loss, states_distance
from restor.unlearning.algorithms.satimp import satimp_loss
from restor.unlearning.algorithms.simnpo import simnpo_loss
from restor.unlearning.algorithms.undial import undial_loss
from restor.unlearning.algorithms.wga import wga_loss
from restor.unlearning.losses import cross_entropy_of, dpo_loss, kl_divergence, mean_nll, retain_term, sequence_nll

TESTS = Path(__file__).parent.parent
GOLDEN = json.loads((TESTS / "golden" / "losses.json").read_text(encoding="utf-8"))
FULL = TESTS.parent.parent / "shared" / "golden" / "golden.json"

VOCABULARY, WIDTH, LONGEST = 120, 8, 9
LENGTHS, PROMPTS = (9, 6, 4), (3, 2, 2)
MODEL_SEED, REFERENCE_SEED = 1, 2
BATCH_SEEDS = {"forget": 11, "retain": 12, "alternate": 13}
CONTROL_SEED = 31
STYLES = ["qa", "doc"]


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


def states_after(parameters, ids):
    """(B, T, d): two residual layers on the running mean of the states, which looks at earlier tokens only."""
    states = parameters["embed"][ids]
    position = torch.arange(1, ids.shape[1] + 1, dtype=torch.float64)[:, None]
    for layer in ("layers.0.W", "layers.1.W"):
        states = states + torch.tanh(states.cumsum(dim=1) / position @ parameters[layer])
    return states


def logits_of(parameters, ids):
    """(B, T, V)."""
    return states_after(parameters, ids) @ parameters["head"]


def control():
    """The direction that the peer's RMU was given, of length 1; its coefficient was 2."""
    drawn = torch.rand(1, 1, WIDTH, generator=torch.Generator().manual_seed(CONTROL_SEED), dtype=torch.float64)
    return (drawn / drawn.norm()).flatten()


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

    def at_own_labels(self, part, reference=False):
        """The positions of the labels themselves, not of what predicts them, with the states of the last layer."""
        labels = labels_of(part, self.style)
        row, place = (labels != -100).nonzero(as_tuple=True)
        parameters = self.reference_parameters if reference else self.parameters
        states = states_after(parameters, token_ids(part)[0])[row, place]
        if reference:
            states = states.detach()
        return Labelled(states @ parameters["head"], labels[row, place], row, len(labels), states)

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


def retain_kl(inputs):
    """open-unlearning's KL retain term: ours, but for the mean over all positions."""
    return retain_term("kl", *pair(inputs, "everywhere", "retain"))


def preference(inputs, beta, win="alternate"):
    """The alternates, or nothing, preferred to the forget rows, by the log-probs of whole rows."""
    ours, theirs = (None, None) if win is None else (-sequence_nll(item) for item in pair(inputs, "at_labels", win))
    lose, lose_reference = (-sequence_nll(item) for item in pair(inputs, "at_labels"))
    return dpo_loss(ours, lose, theirs, lose_reference, beta)


def one_row(whole, number):
    here = whole.row == number
    return Labelled(whole.logits[here], whole.targets[here], torch.zeros_like(whole.row[here]), 1, whole.states[here])


def over_all_lengths(loss_of_rows):
    """What open-unlearning makes of the mean over rows of a mean over tokens.

    It divides the sum over each row by the length of every row in turn, by a broadcast, and takes the mean of it all.
    """
    inverse = sum(1 / count for _, count in loss_of_rows) / len(loss_of_rows)
    return sum(loss * count for loss, count in loss_of_rows) / len(loss_of_rows) * inverse


def steering(inputs):
    """open-unlearning's RMU reads the states of the labels, not of what predicts them, and takes means over width."""
    rows = [one_row(inputs.at_own_labels("forget"), number) for number in range(len(LENGTHS))]
    return over_all_lengths([(rmu_loss(row, control(), 2.0, "mean_square"), len(row.targets)) for row in rows])


def keeping(inputs):
    """The states of the retain rows kept where the reference has them, read and averaged in the same way."""
    both = pair(inputs, "at_own_labels", "retain")
    rows = [[one_row(item, number) for item in both] for number in range(len(LENGTHS))]
    return over_all_lengths(
        [(states_distance(ours, theirs.states, "mean_square"), len(ours.targets)) for ours, theirs in rows]
    )


def flattening(inputs, multiplier):
    """open-unlearning's PDU reads the logits at the labels too; its bound is 0.3, its multipliers are float32."""
    multiplier = float(torch.tensor(multiplier, dtype=torch.float32))
    return logit_margin_loss(inputs.at_own_labels("forget"), "token") + multiplier * (retain_nll(inputs) - 0.3)


def second_multiplier(inputs):
    return dual_ascent(1.0, float(retain_nll(inputs).detach()) - 0.3, 1.0)


# (peer, its name): the same loss from our functions.
CASES = {
    # gamma weighs the retain term of GA_FT, GA_KL and NPO, and the forget term of KL, KL_FT and KL_GA.
    ("restor", "GA[gamma=1.0]"): lambda i: ascent_loss(i.at_labels("forget")),
    ("restor", "GA[gamma=0.3]"): lambda i: ascent_loss(i.at_labels("forget")),
    ("restor", "FT[gamma=1.0]"): retain_nll,
    ("restor", "FT[gamma=0.3]"): retain_nll,
    ("restor", "GA_KL[gamma=1.0]"): lambda i: ascent_loss(i.at_labels("forget")) + restor_divergence(i, "retain"),
    ("restor", "GA_KL[gamma=0.3]"): lambda i: ascent_loss(i.at_labels("forget")) + 0.3 * restor_divergence(i, "retain"),
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
    ("restor", "NLL mean forget model/ref, retain model/ref"): lambda i: torch.stack(
        [mean_nll(item) for part in ("forget", "retain") for item in pair(i, "at_labels", part)]
    ),
    ("open_unlearning", "GradAscent"): lambda i: ascent_loss(i.at_labels("forget")),
    ("open_unlearning", "GradDiff[NLL,gamma=1,alpha=0.5]"): lambda i: (
        ascent_loss(i.at_labels("forget")) + 0.5 * retain_nll(i)
    ),
    ("open_unlearning", "compute_kl_divergence[retain]"): retain_kl,
    ("open_unlearning", "GradDiff[KL,gamma=1,alpha=0.5]"): lambda i: (
        ascent_loss(i.at_labels("forget")) + 0.5 * retain_kl(i)
    ),
    ("open_unlearning", "compute_batch_nll.sum[forget]"): lambda i: sequence_nll(i.at_labels("forget")).sum(),
    ("open_unlearning", "NPO[beta=0.1,alpha=0]"): lambda i: npo_loss(*pair(i, "at_labels"), 0.1, "sequence"),
    ("open_unlearning", "NPO[beta=1.0,alpha=0]"): lambda i: npo_loss(*pair(i, "at_labels"), 1.0, "sequence"),
    ("open_unlearning", "NPO[beta=0.1]"): lambda i: npo_loss(*pair(i, "at_labels"), 0.1, "sequence") + retain_nll(i),
    ("open_unlearning", "NPO[beta=1.0]"): lambda i: npo_loss(*pair(i, "at_labels"), 1.0, "sequence") + retain_nll(i),
    # Without a preferred row it is NPO.
    ("open_unlearning", "compute_dpo_loss[win=None,lose=forget,beta=0.1]"): lambda i: preference(i, 0.1, None),
    ("open_unlearning", "compute_dpo_loss[win=None,lose=forget,beta=1.0]"): lambda i: preference(i, 1.0, None),
    ("open_unlearning", "compute_dpo_loss[win=alternate,lose=forget,beta=0.1]"): lambda i: preference(i, 0.1),
    ("open_unlearning", "compute_dpo_loss[win=alternate,lose=forget,beta=1.0]"): lambda i: preference(i, 1.0),
    ("open_unlearning", "DPO[beta=0.1]"): lambda i: preference(i, 0.1) + retain_nll(i),
    ("open_unlearning", "DPO[beta=1.0]"): lambda i: preference(i, 1.0) + retain_nll(i),
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
    ("open_unlearning", "UNDIAL[beta=1.0]"): lambda i: undial_loss(*pair(i, "wrapped"), 1.0) + retain_nll(i),
    ("open_unlearning", "UNDIAL[beta=10.0]"): lambda i: undial_loss(*pair(i, "wrapped"), 10.0) + retain_nll(i),
    ("open_unlearning", "compute_wga_loss[beta=0.1]"): lambda i: wga_loss(i.at_labels("forget"), 0.1),
    ("open_unlearning", "compute_wga_loss[beta=1.0]"): lambda i: wga_loss(i.at_labels("forget"), 1.0),
    ("open_unlearning", "WGA[beta=0.1]"): lambda i: wga_loss(i.at_labels("forget"), 0.1) + retain_nll(i),
    ("open_unlearning", "WGA[beta=1.0]"): lambda i: wga_loss(i.at_labels("forget"), 1.0) + retain_nll(i),
    ("open_unlearning", "compute_satimp_loss[5,1]"): lambda i: satimp_loss(i.at_labels("forget"), 5.0, 1.0),
    # Its gamma weighs the forget term.
    ("open_unlearning", "SatImp[beta1=5,beta2=1,gamma=0.1,alpha=1]"): lambda i: (
        0.1 * satimp_loss(i.at_labels("forget"), 5.0, 1.0) + retain_nll(i)
    ),
    ("open_unlearning", "CEU[ignore_first=0]"): lambda i: ceu_loss(i.at_labels("forget"), 0),
    # Of a document it leaves out the first label, which nothing predicts.
    ("open_unlearning", "CEU[ignore_first=1]"): lambda i: ceu_loss(i.at_labels("forget"), 1 if i.style == "qa" else 0),
    ("open_unlearning", "RMU[layers.1,NLL,control=inputs.control,gamma=1,alpha=1]"): lambda i: (
        steering(i) + retain_nll(i)
    ),
    ("open_unlearning", "RMU[layers.1,KL,control=inputs.control,gamma=1,alpha=1]"): lambda i: (
        steering(i) + retain_kl(i)
    ),
    ("open_unlearning", "RMU[layers.1,EMBED_DIFF,control=inputs.control,gamma=1,alpha=1]"): lambda i: (
        steering(i) + keeping(i)
    ),
    ("open_unlearning", "PDU[eps=.3,step=1,prefs=1,1,first step]"): lambda i: flattening(i, 1.0),
    ("open_unlearning", "PDU[second step, same batch]"): lambda i: flattening(i, second_multiplier(i)),
}


# The tests -----------------------------------------------------------------------------------------------------------


def close(expected):
    """Relative alone: some of the losses are of the order of 1e-8."""
    return pytest.approx(expected, rel=1e-9, abs=1e-16)


@pytest.mark.parametrize("style", STYLES)
def test_the_inputs_are_those_of_the_recipe(style):
    expected = GOLDEN["inputs_checksums"]
    for name, seed in (("model", MODEL_SEED), ("ref", REFERENCE_SEED)):
        for parameter, value in tiny_model(seed).items():
            assert checksum(value) == close(expected[f"{name}.{parameter}"]), parameter
    assert checksum(2.0 * control()) == close(expected["control"])
    for part in BATCH_SEEDS:
        ids, kept = token_ids(part)
        assert ids.tolist() == GOLDEN["input_ids"][part]
        assert checksum(ids) == close(expected[f"{style}.{part}.input_ids"])
        assert checksum(kept) == close(expected[f"{style}.{part}.attention_mask"])
        assert checksum(labels_of(part, style)) == close(expected[f"{style}.{part}.labels"])


@one_for_each("peer", "name", "style")
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(("peer", "name"), CASES, ids=["/".join(case) for case in CASES])
def test_value_and_gradient_equal_the_published_codes(peer, name, style):
    expected = GOLDEN["losses"][f"{peer}/{style}"][name]
    inputs = Inputs(style)
    loss = CASES[peer, name](inputs)
    assert loss.detach().tolist() == close(expected["loss"])
    if "grad_norm" in expected:
        gradients = torch.autograd.grad(loss, list(inputs.parameters.values()), materialize_grads=True)
        assert float(torch.cat([item.flatten() for item in gradients]).norm()) == close(expected["grad_norm"])
        assert checksum(gradients[0]) == close(expected["grad_checksum_embed"])


def every_name(losses):
    return {(peer, name) for section, found in losses.items() for peer in section.split("/")[:1] for name in found}


def test_every_golden_loss_is_checked():
    assert every_name(GOLDEN["losses"]) == set(CASES)
    assert set(GOLDEN["losses"]) == {f"{peer}/{style}" for peer in ("restor", "open_unlearning") for style in STYLES}


@pytest.mark.skipif(not FULL.exists(), reason="the full golden file is not beside this checkout")
def test_no_loss_of_the_full_golden_file_is_left_out():
    full = json.loads(FULL.read_text(encoding="utf-8"))["losses"]
    assert every_name(full) == set(CASES)
    assert {section: set(found) for section, found in full.items()} == {
        section: set(found) for section, found in GOLDEN["losses"].items()
    }


@pytest.mark.parametrize("style", STYLES)
def test_the_multiplier_rises_as_open_unlearnings(style):
    """Two steps on the same batch; what it logs of the first one is the multiplier after it."""
    expected = GOLDEN["losses"][f"open_unlearning/{style}"]["PDU[eps=.3,step=1,prefs=1,1,first step]"]
    inputs = Inputs(style)
    forget = float(logit_margin_loss(inputs.at_own_labels("forget"), "token").detach())
    retain = float(retain_nll(inputs).detach())
    assert (forget, retain) == (close(expected["logged"]["forget_loss"]), close(expected["logged"]["retain_loss"]))
    algorithm = PDU(PDUConfig(eps=0.3, initial_multiplier=1.0, dual_step=1.0))
    multipliers = algorithm.multipliers()
    for step, after in ((1, expected["logged"]["retain_preference"]), (2, expected["preferences_after"][1])):
        multipliers = algorithm.update(multipliers, {"forget": forget, "retain": retain - 0.3}, step)
        assert multipliers == {"forget": expected["preferences_after"][0], "retain": close(after)}


@pytest.mark.parametrize("style", STYLES)
def test_the_sums_over_each_row_equal_open_unlearnings(style):
    expected = GOLDEN["losses"][f"open_unlearning/{style}"]["compute_batch_nll.sum[forget]"]["per_sequence"]
    assert sequence_nll(Inputs(style).at_labels("forget")).tolist() == close(expected)


@pytest.mark.parametrize("style", STYLES)
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
    crossed = forget_divergence("cross_entropy", policy, reference)
    assert float((divergence + entropy).detach()) == close(float(crossed.detach()))
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
