"""Results as files: written whole, and copied to where people look for them. Torch-free."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from restor.report.io.load import FACTS_FILE, RESULTS_FILE, load_facts
from restor.report.page.render import render_page
from restor.results import Results
from restor.store.disk import store_errors, write_atomic

REPORT_FILE = "report.html"


def write_results(directory: Path, results: Results, facts: pa.Table) -> None:
    """Write results.json, facts.parquet and report.html into a folder."""
    (directory / RESULTS_FILE).write_text(results.model_dump_json(indent=1), encoding="utf-8")
    pq.write_table(facts, directory / FACTS_FILE)
    page = render_page(results, load_facts(directory / FACTS_FILE))
    (directory / REPORT_FILE).write_text(page, encoding="utf-8")


def results_files(folder: Path) -> dict[str, bytes]:
    """The files of finished results, by name.

    Raises:
        StoreError: if one cannot be read.
    """
    with store_errors(folder):
        return {name: (folder / name).read_bytes() for name in (RESULTS_FILE, FACTS_FILE, REPORT_FILE)}


def publish(source: Path, folder: Path) -> None:
    """Copy the results to where people look for them.

    Raises:
        StoreError: if the disk refuses.
    """
    for name, text in results_files(source).items():
        write_atomic(folder / name, text)
