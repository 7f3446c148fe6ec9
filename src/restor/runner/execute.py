"""Makes stages: each only if the store lacks it, one process at a time."""

from __future__ import annotations

import gc
import logging
import platform
import shutil
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from restor.errors import CodeError, StoreError, TrainingError
from restor.faults import own_code
from restor.progress import Progress
from restor.runner.busy import CoreWatch
from restor.runner.durations import Ahead, kind_of
from restor.runner.plan import PlannedArm, SeedPlan
from restor.store.disk import store_errors
from restor.store.store import Artifact, Store
from restor.tasks.stage import Stage
from restor.tasks.world import Asked
from restor.types import Kind

if TYPE_CHECKING:
    from restor.tasks.context import Built

_LOGGER = logging.getLogger(__name__)
"""Shown with --debug."""

ESSENTIAL = frozenset({"clean", "corrupt", "ideal"})
"""Without these there is nothing to compare, so their failure ends the study; an arm's only leaves a gap."""


def versions() -> dict[str, str]:
    """Versions of what decides the results."""
    found = {"python": platform.python_version(), "platform": f"{platform.system()} {platform.machine()}"}
    for package in ("restor", "torch", "transformers", "peft", "tokenizers", "numpy"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def _models(arm: PlannedArm) -> list[Stage]:
    """The stages that belong to an arm beside those that make it: who is asked, and what is asked."""
    own = list(arm.evaluation.parents.values())
    return own if arm.checkpoint is None or arm.model is None else [*own, arm.model]


@final
class Maker:
    """Makes the stages of a study and remembers where they are."""

    def __init__(
        self,
        store: Store,
        progress: Progress,
        *,
        threads: int,
        save_every: float,
        total: int,
        ahead: Ahead | None = None,
    ) -> None:
        self.store = store
        self.progress = progress
        self._watch = CoreWatch(progress, threads)
        self._ahead = ahead or Ahead()
        self.threads = threads
        self.save_every = save_every
        self.total = total
        self.artifacts: dict[str, Artifact] = {}
        self.failures: dict[str, str] = {}
        """Stage key -> why it could not be made; what depends on it fails with it."""
        self._number = 0
        self._memo: dict[str, Any] = {}
        self._essential: set[str] = set()
        """Keys of the stages that ask the references: without their answers nothing can be compared."""

    def make_all(self, plan: SeedPlan, asked: Asked, device: str) -> None:
        """Every stage of one seed. What another process is making is left to it, as long as there is other work."""
        self._memo.clear()  # of the seed before
        used_by = {
            stage.key: arm.id for arm in reversed(plan.arms) for stage in (*arm.made_by, arm.evaluation, *_models(arm))
        }
        references = [arm.evaluation for arm in plan.arms if arm.kind is Kind.REFERENCE]
        self._essential = {stage.key for own in references for stage in (own, *own.parents.values())}
        waiting = plan.stages()
        while waiting:
            stage = self._next(waiting)
            waiting.remove(stage)
            began = self.begin(stage.key, kind_of(stage), used_by.get(stage.key, f"seed {plan.seed}"))
            inherited = self.failure(list(stage.parents.values())) is not None
            cached = self._make(stage, asked, device)
            self._end(stage, cached, began, "" if inherited else self.failures.get(stage.key, ""))

    def make_one(self, stage: Stage, detail: str, device: str) -> None:
        """A single stage that asks nothing; why it fails is for the caller to tell."""
        began = self.begin(stage.key, kind_of(stage), detail)
        self._end(stage, self._make(stage, None, device), began, "")

    def _end(self, stage: Stage, cached: bool, began: float, reason: str) -> None:
        """Tell how a stage ended; the `reason` of a failure is told once."""
        if stage.key in self.failures:
            self.progress.fail(reason)
        else:
            self.progress.end(cached, time.perf_counter() - began)

    def _next(self, waiting: Sequence[Stage]) -> Stage:
        """The first stage whose parents are there and that nobody is making; else the first that can be waited for."""
        ready = [
            stage
            for stage in waiting
            if all(parent.key in self.artifacts or parent.key in self.failures for parent in stage.parents.values())
        ]
        return next((stage for stage in ready if not self.store.is_claimed(stage)), ready[0])

    def begin(self, key: str, kind: str, detail: str) -> float:
        """Tell that the next stage begins; returns when."""
        self._number += 1
        self.progress.expect(self._ahead.without(key), self._ahead.usual)
        self.progress.begin(kind, detail, self._number, self.total)
        return time.perf_counter()

    def failure(self, stages: Sequence[Stage]) -> str | None:
        """Why one of these stages could not be made."""
        return next((self.failures[stage.key] for stage in stages if stage.key in self.failures), None)

    def _make(self, stage: Stage, asked: Asked | None, device: str) -> bool:
        """Make one stage; returns whether it was there already."""
        inherited = self.failure(list(stage.parents.values()))
        if inherited is not None:
            self.failures[stage.key] = inherited
            return False
        with self.store.claim(stage, self.progress.note) as claim:
            if claim.artifact is not None:
                self.artifacts[stage.key] = claim.artifact
                return True
            parents = {role: self.artifacts[parent.key].path for role, parent in stage.parents.items()}
            try:
                with own_code():
                    built = self._build(stage, asked, device, claim.directory, claim.resume, parents)
                if stage.code_changed:
                    files = ", ".join(source for source in stage.sources if source.endswith(".py"))
                    raise TrainingError(
                        f"{files} was edited while {stage.name} ran, so nobody knows which code made the result. "
                        "Nothing was kept; run it again."
                    )
            except (TrainingError, CodeError) as error:
                if stage.name in ESSENTIAL or stage.key in self._essential:
                    raise
                shutil.rmtree(claim.resume, ignore_errors=True)
                self.failures[stage.key] = str(error)
                _LOGGER.debug("%s failed:", stage.label, exc_info=True)
                return False
            self.artifacts[stage.key] = claim.finish(versions=versions(), cost=built.cost, info=built.info)
        return False

    def _build(
        self, stage: Stage, asked: Asked | None, device: str, directory: Path, resume: Path, parents: Mapping[str, Path]
    ) -> Built:
        # Imported here, so that a study that is all in the store is read without loading transformers.
        import torch
        from safetensors import SafetensorError

        from restor.models.loading import pick_device
        from restor.models.quiet import quiet_libraries
        from restor.tasks import (
            ask,
            ask_endpoint,
            baseline,
            checkpoint,
            clean,
            context,
            corrupt,
            judge,
            recover,
            single,
            trial,
            unlearn,
        )

        builders = {
            "checkpoint": checkpoint.build,
            **dict.fromkeys(("corrupt_checkpoint", "unlearn_checkpoint", "recover_checkpoint"), single.build),
            "clean": clean.build,
            "corrupt": corrupt.build,
            "ideal": corrupt.build_ideal,
            "unlearn": unlearn.build,
            "attempt": trial.build,
            "attempt_checkpoint": single.build_attempt,
            "recover": recover.build,
            "evaluate": ask.build,
            "ask_endpoint": ask_endpoint.build,
            "baseline": baseline.build,
            "judge": judge.build,
        }
        torch.set_num_threads(self.threads)
        place = pick_device(device)
        context.reset_peak_memory(place)
        job = context.Job(
            config={**stage.config, **stage.how},
            seed=stage.seed,
            parents=parents,
            directory=directory,
            resume=resume,
            asked=asked,
            device=place,
            progress=self._watch if place.type == "cpu" else self.progress,
            save_every=self.save_every,
            memo=self._memo,
        )
        with quiet_libraries(), store_errors(directory):
            try:
                return builders[stage.name](job)
            except torch.OutOfMemoryError as error:
                raise TrainingError(
                    f"The GPU's memory does not hold {stage.name}: {str(error).splitlines()[0]} Use accumulation, "
                    "gradient_checkpointing, an adapter (lora) or fewer tokens a step."
                ) from error
            except SafetensorError as error:  # what safetensors makes of a full disk
                raise StoreError(
                    f"Weights could not be written or read while {stage.label} was made: {error}. If the disk is "
                    "full, free some space; finished stages are kept, and the same command goes on."
                ) from error
            finally:
                if place.type == "cuda":  # the next model needs what this one had
                    gc.collect()
                    torch.cuda.empty_cache()
