"""`restor data fetch`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from restor.cli.arguments import Quiet
from restor.cli.common import count, size
from restor.errors import DataError


def fetch(
    name: str = "restor",
    /,
    *,
    only: str | None = None,
    from_: Annotated[Path | None, Parameter(name="--from")] = None,
    url: str | None = None,
    quiet: Quiet = False,
) -> None:
    """Download the released files of a data set, every one checked; what is there already is not downloaded.

    They are kept in the folder that the environment variable RESTOR_DATA names, else in the user's cache. A download
    that broke off continues. Proxies are taken from HTTPS_PROXY, HTTP_PROXY and NO_PROXY.

    Parameters
    ----------
    name
        The data set. Default and only one: restor, the published benchmark.
    only
        Files, folders or short names with commas, such as `facts,wikidata/v0/mix_a0.json` or `k0,squad`. Default: all.
    from_
        Take the files from a local copy instead, in whichever of its folders they are.
    url
        Another place that serves the same files, such as a mirror: the address of the repository's root there.
    """
    from restor.cli.progress_view import progress_view
    from restor.data import fetch as data
    from restor.data.locate import published_folder
    from restor.data.published import BASE_URL, FILES, LICENCE, NAME, SOURCE, select
    from restor.registry import unknown_name

    if name != NAME:
        raise DataError(unknown_name("data set to fetch", name, [NAME]))
    if from_ is not None and url is not None:
        raise DataError("--from and --url exclude each other: the files come from a folder or from the web.")
    files = FILES if only is None else select(word for word in only.split(",") if word.strip())
    with progress_view(quiet=quiet) as progress:
        if from_ is None:
            done = data.fetch(files, url or BASE_URL, published_folder(), progress)
        else:
            done = data.copy_from(files, from_, published_folder(), progress)
    brought = "downloaded" if from_ is None else "copied"
    sys.stdout.write(
        f"{done.folder}\n{count(len(files), 'file', 'files')}, all checked: {len(done.fetched)} {brought} "
        f"({size(done.size)}), {len(done.present)} there before. {LICENCE} licence, {SOURCE}\n"
    )
