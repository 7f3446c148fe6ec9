"""What a verb on a checkpoint needs: the same kinds of work as a study's, on files and checkpoints of the user."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import final

from restor.datasets.base import DatasetConfig
from restor.domains.triples import TriplesConfig
from restor.models.lineage import Parent
from restor.runner.checkpoints.settings import CheckpointConfig, CorruptConfig, RecoverConfig, UnlearnConfig
from restor.runner.plan import refer
from restor.selection.questions import validation_protocol
from restor.tasks.base import Model, Planted, Questions, Ref, Task, Texts, ref_to
from restor.tasks.corrupt import Corrupt
from restor.tasks.documents import ReadDocuments
from restor.tasks.inputs.settle import from_anywhere, settled
from restor.tasks.recover import Recover
from restor.tasks.split import SplitTargets
from restor.tasks.texts import WriteTexts
from restor.tasks.training.checks import LossCheck, StrengthConfig
from restor.tasks.trial import TryPoint
from restor.tasks.unlearn import Unlearn
from restor.tasks.validation_questions import WriteValidationQuestions
from restor.unlearning.algorithms.base import ALGORITHMS


@final
class CheckpointBuilder:
    """Makes the tasks of one verb.

    Args:
        config: what is asked for, its precision settled.
        parents: the checkpoints that are read, by role.
    """

    def __init__(self, config: CheckpointConfig, parents: Mapping[str, Parent]) -> None:
        self._config = config
        self._models = {
            role: refer(ref, parents[role].fingerprint, config.seed) for role, ref in config.parents.items()
        }

    def task(self) -> Task:
        """What makes the checkpoint."""
        config, losses = self._config, self._losses
        match config:
            case CorruptConfig():
                strength = None
                if config.facts is not None:
                    strength = StrengthConfig(domain=self.domain, evaluation=config.evaluation)
                return Corrupt(
                    clean=self._models["clean"],
                    forget=self._forget,
                    forget_tokens=config.tokens,
                    training=config.training,
                    losses=losses,
                    strength=strength,
                    seed=config.seed,
                )
            case UnlearnConfig():
                return self._unlearn(config).model_copy(update={"losses": losses})
            case RecoverConfig():
                return Recover(
                    model=self._models["unlearned"],
                    texts=self._texts(config.text, config.most_texts),
                    tokens=config.tokens,
                    training=config.training,
                    losses=losses,
                    seed=config.seed,
                )
        raise AssertionError(f"no such verb: {config}")

    def trial(self, point: UnlearnConfig) -> TryPoint:
        """What tries one point of a grid."""
        select = point.select
        assert select is not None, "asked for"
        split = SplitTargets(domain=self.domain, forget=self._forget, share=select.validation, seed=select.seed)
        evaluation = validation_protocol(select.evaluation, select.untouched)
        questions = WriteValidationQuestions(
            domain=self.domain, planted=ref_to(split, Planted), asking=evaluation.asking, seed=select.seed
        )
        return TryPoint(
            unlearning=self._unlearn(point),
            questions=ref_to(questions, Questions),
            evaluation=evaluation,
            seed=point.seed,
        )

    @cached_property
    def domain(self) -> TriplesConfig:
        """The facts that the user gave."""
        return from_anywhere(settled(TriplesConfig(facts=self._config.files["facts"]), self._config.seed))

    @cached_property
    def _forget(self) -> Ref[Texts]:
        path = self._config.files["forget"].absolute()
        return ref_to(ReadDocuments(path=path, seed=self._config.seed), Texts)

    @property
    def _losses(self) -> LossCheck:
        config = self._config
        return LossCheck(model=config.model.label, tokens=config.tokens, keep_diverged=config.keep_diverged)

    def _texts(self, source: DatasetConfig, count: int) -> Ref[Texts]:
        """Texts drawn from a data set of the user."""
        dataset = from_anywhere(settled(source, self._config.seed))
        return ref_to(WriteTexts(role="text", dataset=dataset, count=count, seed=self._config.seed), Texts)

    def _unlearn(self, config: UnlearnConfig) -> Unlearn:
        plan = ALGORITHMS.build(config.algorithm).plan
        domain, retain, truth = None if config.facts is None else self.domain, None, None
        if plan.retain == "text" and config.retain is not None:
            retain = self._texts(config.retain, config.retain_texts)
        if plan.retain == "truth":
            answers = WriteTexts(role="answers", domain=domain, planted=self._forget, seed=config.seed)
            truth = ref_to(answers, Texts)
        earlier: Ref[Model] | None = self._models.get("checkpoint")
        return Unlearn(
            corrupted=self._models["corrupted"],
            clean=earlier,
            forget=self._forget,
            retain=retain,
            truth=truth,
            domain=domain,
            algorithm=config.algorithm,
            wrapper=config.wrapper,
            forget_part=config.forget_part,
            forget_tokens=config.tokens,
            retain_tokens=config.tokens,
            training=config.training.model_copy(update={"stop": config.stop}),
            seed=config.seed,
        )
