"""Restorative unlearning for language models: corrupt, unlearn, and measure what the model knows again.

import restor

outcome = restor.run("miniature", seeds=1, algorithms=["npo"])
print(outcome.folder)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from restor.api import run as run
    from restor.report.io.load import load_study as load_study
    from restor.report.tables.frames import load_results as load_results

    __version__: str

__all__ = ["__version__", "load_results", "load_study", "run"]


def __getattr__(name: str) -> Any:
    # Lazy: `import restor` takes milliseconds, and only a study loads torch.
    match name:
        case "run":
            from restor.api import run

            return run
        case "load_results":
            from restor.report.tables.frames import load_results

            return load_results
        case "load_study":
            from restor.report.io.load import load_study

            return load_study
        case "__version__":
            from importlib.metadata import PackageNotFoundError, version

            try:
                return version("restor")
            except PackageNotFoundError:
                return "0+unknown"  # a checkout that is not installed
    raise AttributeError(f"module 'restor' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
