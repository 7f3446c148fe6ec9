"""A checkpoint made elsewhere: `ref.json` says where it is; its weights are not copied."""

from __future__ import annotations

from restor.models.reference import ModelRef
from restor.results import Cost
from restor.tasks.context import REF_FILE, Built, Job


def build(job: Job) -> Built:
    """Write down which checkpoint it is."""
    ref = ModelRef.model_validate(job.config["model"])
    (job.directory / REF_FILE).write_text(ref.model_dump_json(indent=1), encoding="utf-8")
    return Built(Cost(), {"model": ref.label, "content": job.config["content"]})
