"""Trainings that are killed in the middle, and weights that are compared with those of one that was not."""

from __future__ import annotations

import torch

from restor.training.callbacks.base import Callback


class Killed(Exception):
    """Stands for the end of the process."""


class KillAt(Callback):
    """Ends the process after a step; keeps which steps there were."""

    def __init__(self, step=None):
        self.step = step
        self.heard = []

    def after_step(self, event):
        self.heard.append(event.step)
        if event.step == self.step:
            raise Killed


def weights_of(model):
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def same(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)
