"""What docs/evaluation-engine.md shows is run as it stands there, with a small model in the place of the reader's."""

from __future__ import annotations

import math
import re
from pathlib import Path

from restor.models.checkpoint import new_llama, save_model
from restor.models.tokenizer import bpe_tokenizer

PAGE = (Path(__file__).parents[2] / "docs" / "evaluation-engine.md").read_text(encoding="utf-8")
CODE = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_example_runs(tmp_path, capsys):
    tokenizer = bpe_tokenizer(iter(["The capital of Norway is Oslo\n", "N'Djamena Havana Chad Cuba\n"]), 300)
    model = new_llama(tokenizer=tokenizer, hidden=16, intermediate=32, layers=1, heads=2, context=128, seed=0)
    save_model(model, tokenizer, tmp_path)
    assert len(CODE) == 1
    exec(CODE[0].replace("PATH_OR_HUB_ID", str(tmp_path)), {})
    *means, one, two, matched = capsys.readouterr().out.splitlines()
    assert len(means) == 2
    for line in means:
        values = [float(value) for value in line.strip("[]").split(", ")]
        assert len(values) == 3
        assert all(math.isfinite(value) and value < 0 for value in values)
    assert isinstance(one + two, str)
    assert re.fullmatch(r"\[(\d|None), (\d|None)\]", matched)


def test_what_it_links_is_there():
    folder = Path(__file__).parents[2] / "docs"
    links = re.findall(r"\]\(([^)#]+)\)", PAGE)
    assert "images/evaluation-engine.svg" in links
    assert all((folder / link).is_file() for link in links)
