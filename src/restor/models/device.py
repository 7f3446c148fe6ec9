"""Where models are computed with. Needs torch and nothing else, so that a stored study is read fast."""

from __future__ import annotations

import os

import torch

from restor.errors import ConfigError


def pick_device(wanted: str) -> torch.device:
    """The device to compute on; each process of torchrun has a GPU of its own, by its LOCAL_RANK.

    Raises:
        ConfigError: if it is not there.
    """
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise ConfigError(f"Unknown device {wanted!r}. Use auto, cpu, cuda or cuda:N.") from error
    if device.type != "cuda":
        return device
    count, number = torch.cuda.device_count(), _own_gpu()
    if wanted == "cuda" and number is not None:
        if number >= count:
            raise ConfigError(
                f"Process {number} of this machine has no GPU of its own: {count} found. Start as many processes as "
                f"there are GPUs (torchrun --nproc-per-node {max(count, 1)}), or use --device cpu."
            )
        return torch.device("cuda", number)
    if (device.index or 0) >= count:
        raise ConfigError(f"Device {wanted!r} is not there: {count} GPUs found. Use cpu or auto.")
    return device


def _own_gpu() -> int | None:
    """The number of this process on its machine, where a launcher such as torchrun started several."""
    several = os.environ.get("WORLD_SIZE", "1") not in ("", "1")
    local_rank = os.environ.get("LOCAL_RANK", "")
    return int(local_rank) if several and local_rank.isdigit() else None
