"""Versions of what decides the results, as every manifest keeps them."""

from __future__ import annotations

import platform
from importlib import metadata


def versions() -> dict[str, str]:
    """Python, the platform and the packages that models are computed with."""
    known = {"python": platform.python_version(), "platform": f"{platform.system()} {platform.machine()}"}
    for package in ("restor", "torch", "transformers", "peft", "tokenizers", "numpy"):
        try:
            known[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            known[package] = "not installed"
    return known
