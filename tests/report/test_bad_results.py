"""Files that are wrong: every command says so in one message and fails, or shows a marked gap."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from synthetic_study import make_study, write_study

from representatives import one_for_each
from restor.cli.main import main
from restor.report.io.load import RESULTS_FILE

FORMATS = ("terminal", "md", "latex", "csv", "json", "bibtex")


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("good"), *make_study(people=2, untouched=1))


@pytest.fixture
def folder(good, tmp_path):
    """A copy to spoil."""
    for name in ("results.json", "facts.parquet"):
        (tmp_path / name).write_bytes((good / name).read_bytes())
    return tmp_path


def run(capsys, *command):
    """Exit status, what was printed, and the error."""
    status = main([str(part) for part in command])
    return (status, *capsys.readouterr())


def refused(capsys, message, *command):
    status, out, error = run(capsys, *command)
    assert status != 0
    assert out == ""
    assert error.startswith("Error: ")
    assert error.count("\n") == 1, "one message"
    assert len(error) < 1500
    assert message in error


def first(raw, **fields):
    raw["summary"][3].update(fields)


def method(raw):
    return next(arm for arm in raw["summary"] if arm["kind"] == "method")


WRONG_RESULTS = {
    "an older format": (
        lambda raw: raw.update(format=1),
        "has results format 1; this version of restor reads format 2",
    ),
    "a later format": (lambda raw: raw.update(format=3), "A later version of restor wrote it: upgrade restor."),
    "a format in words": (lambda raw: raw.update(format="2"), "has results format '2'"),
    "no format": (lambda raw: raw.pop("format"), "has no `format`"),
    "no arms": (lambda raw: raw.update(arms=[]), "`arms` is empty"),
    "no pooled arms": (lambda raw: raw.update(summary=[]), "`summary` is empty"),
    "an arm lacks its row": (lambda raw: raw["summary"].pop(5), "and no row for it in `summary`"),
    "an arm twice": (lambda raw: raw["arms"].append(raw["arms"][0]), "more than once in `arms`"),
    "two rows of an arm": (lambda raw: first(raw, arm="ideal"), "two rows of `summary` for the arm 'ideal'"),
    "an unknown verdict": (
        lambda raw: method(raw)["verdict"].update(kind="excellent"),
        "verdict.kind: Input should be",
    ),
    "an unknown kind of arm": (lambda raw: first(raw, kind="hero"), "summary.3.kind: Input should be"),
    "an unknown field": (lambda raw: first(raw, colour="red"), "summary.3.colour: Extra inputs"),
    "a field too few": (lambda raw: raw["summary"][3].pop("label"), "summary.3.label: Field required"),
    "text for a figure": (
        lambda raw: raw["summary"][0]["metrics"]["test.original"].update(value="0.5"),
        "valid number",
    ),
    "true for a figure": (lambda raw: raw["summary"][0]["metrics"]["test.original"].update(value=True), "valid number"),
    "a list for an arm": (lambda raw: raw["arms"].append([]), "Input should be an object"),
    "swapped ends": (
        lambda raw: method(raw)["metrics"]["restoration"].update(ci_low=2.0, ci_high=1.0),
        "ends are swapped",
    ),
    "swapped ends of a verdict": (
        lambda raw: method(raw)["verdict"].update(ci_low=2.0, ci_high=1.0),
        "ends are swapped",
    ),
    "a count below 0": (lambda raw: method(raw)["metrics"]["restoration"].update(n=-1), "counts fewer than no facts"),
    "p above 1": (lambda raw: method(raw)["tests"][0].update(p_holm=1.5), "no probability"),
    "a test against nobody": (lambda raw: method(raw)["tests"][0].update(other="x"), "against 'x', which is no arm"),
    "a figure described twice": (lambda raw: raw["figures"].append(raw["figures"][0]), "describes the figure"),
    "NaN": (lambda raw: method(raw)["metrics"]["restoration"].update(value=float("nan")), "contains NaN"),
    "Infinity": (lambda raw: method(raw)["cost"].update(seconds=float("inf")), "contains Infinity"),
    "-Infinity": (lambda raw: method(raw)["tests"][0].update(difference=float("-inf")), "contains -Infinity"),
}


@pytest.mark.parametrize("what", WRONG_RESULTS)
def test_wrong_results(folder, capsys, what):
    change, message = WRONG_RESULTS[what]
    raw = json.loads((folder / RESULTS_FILE).read_text())
    change(raw)
    (folder / RESULTS_FILE).write_text(json.dumps(raw))
    refused(capsys, message, "report", folder)
    refused(capsys, message, "report", folder, "--format", "html")
    assert not (folder / "report.html").exists(), "nothing half-written"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("[]", "is not a results file"),
        ("null", "is not a results file"),
        ('{"format": 2', "is cut short"),
        ("[" * 100_000, "is not valid JSON"),
        ('{"format": 1e999}', "is too large for a number"),
        ('{"format": 1e200}', "is too large for a number"),
        ('{"format": 1' + "0" * 400 + "}", "is too large for a number"),
        ('{"format": ' + "9" * 6000 + "}", "is not valid JSON"),
    ],
)
def test_other_texts(folder, capsys, text, message):
    (folder / RESULTS_FILE).write_text(text)
    refused(capsys, message, "report", folder)


@one_for_each("share", "format")
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.98, 0.9999])
@pytest.mark.parametrize("format", FORMATS)
def test_a_file_cut_short_in_every_format(folder, capsys, share, format):
    text = (folder / RESULTS_FILE).read_text()
    (folder / RESULTS_FILE).write_text(text[: int(len(text) * share)])
    refused(capsys, "line 1", "report", folder, "--format", format)


def replaced(table, name, values):
    place = table.column_names.index(name)
    return table.set_column(place, name, pa.array(values, table.schema.field(name).type))


def longer(values):
    return [None if each is None else [*each, each[-1]] for each in values]


def spoiled(values, place, new):
    return [new if at == place else each for at, each in enumerate(values)]


def column(table, name):
    return table[name].to_pylist()


WRONG_FACTS = {
    "0 facts": (lambda t: t.slice(0, 0), "has no facts"),
    "a row twice": (lambda t: pa.concat_tables([t, t.slice(3, 2)]), "has 2 rows more than once, such as that of arm"),
    "another arm": (
        lambda t: replaced(t, "arm", ["x/s0", *column(t, "arm")[1:]]),
        "'x/s0', which the results do not have",
    ),
    "no arm": (lambda t: replaced(t, "arm", [None, *column(t, "arm")[1:]]), "lacks the arm in 1 of"),
    "no judgement": (lambda t: replaced(t, "judgement", [None] * len(t)), "lacks the judgement in"),
    "another judgement": (lambda t: replaced(t, "judgement", ["right"] * len(t)), "has the judgement 'right'"),
    "another group": (lambda t: replaced(t, "group", ["all"] * len(t)), "has the group 'all'"),
    "a column too few": (lambda t: t.drop_columns(["prompt"]), "lacks the column 'prompt'"),
    "text for a number": (lambda t: t.set_column(1, "seed", pa.array(["zero"] * len(t))), "another type"),
    "NaN": (
        lambda t: replaced(t, "logprob_original", spoiled(column(t, "logprob_original"), 5, float("nan"))),
        "has a logprob_original that is not a number",
    ),
    "Infinity in a list": (
        lambda t: replaced(t, "layers_original", spoiled(column(t, "layers_original"), 5, [float("-inf")] * 6)),
        "has a layers_original that is not a number, or infinite",
    ),
    "options and their log-probs": (
        lambda t: replaced(t, "option_logprobs", longer(column(t, "option_logprobs"))),
        "options and option_logprobs are of unequal length",
    ),
    "layers of two answers": (
        lambda t: replaced(t, "layers_planted", longer(column(t, "layers_planted"))),
        "layers_original and layers_planted are of unequal length",
    ),
}


@pytest.mark.parametrize("what", WRONG_FACTS)
def test_wrong_facts(folder, capsys, what):
    change, message = WRONG_FACTS[what]
    file = folder / "facts.parquet"
    pq.write_table(change(pq.read_table(file)), file)
    refused(capsys, message, "report", folder, "--format", "html")
    assert not (folder / "report.html").exists()
    if what != "another arm":
        refused(capsys, message, "compare", folder)
    assert run(capsys, "report", folder)[0] == 0, "the table needs no facts"


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_facts_cut_short(folder, capsys, share):
    file = folder / "facts.parquet"
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])
    refused(capsys, "cannot be read as Parquet", "report", folder, "--format", "html")
    refused(capsys, "cannot be read as Parquet", "compare", folder)


def test_facts_that_are_missing(folder, capsys):
    (folder / "facts.parquet").unlink()
    refused(capsys, "There is no", "report", folder, "--format", "html")
    for format in FORMATS:
        assert run(capsys, "report", folder, "--format", format)[0] == 0
    assert run(capsys, "compare", folder)[0] == 0, "the digests tell whether facts are the same"


@pytest.mark.parametrize("name", ["results.json", "facts.parquet"])
def test_a_folder_in_place_of_a_file(folder, capsys, name):
    (folder / name).unlink()
    (folder / name).mkdir()
    message = "cannot be read: Is a directory" if name == "results.json" else "There is no"
    refused(capsys, message, "report", folder, "--format", "html")


@pytest.mark.parametrize("name", ["results.json", "facts.parquet"])
def test_files_that_must_not_be_read(folder, capsys, monkeypatch, name):
    from pathlib import Path

    def denied(self, *args, **kwargs):
        raise PermissionError(13, "Permission denied", str(self))

    # As root every file can be read, whatever its rights.
    if name == "results.json":
        monkeypatch.setattr(Path, "read_text", denied)
    else:
        monkeypatch.setattr(pq, "read_table", denied)
    refused(capsys, "Permission denied", "report", folder, "--format", "html")


def test_an_arm_without_facts_is_a_marked_gap(folder, capsys):
    """Its row of the table stands; there is no answer of it to show, which is said."""
    file = folder / "facts.parquet"
    table = pq.read_table(file)
    pq.write_table(table.filter(pc.not_equal(table["arm"], "msa/s0")), file)
    status, _, error = run(capsys, "report", folder, "--format", "html")
    assert status == 0
    assert error == "Note: the facts have no answers of msa/s0; the page shows their figures alone.\n"
    assert "MSA" in (folder / "report.html").read_text()


def test_an_arm_that_a_figure_lacks_is_a_marked_gap(folder, capsys):
    raw = json.loads((folder / RESULTS_FILE).read_text())
    del method(raw)["metrics"]["restoration"]
    (folder / RESULTS_FILE).write_text(json.dumps(raw))
    for format in ("terminal", "md", "latex"):
        status, out, _ = run(capsys, "report", folder, "--format", format)
        assert status == 0
        assert "not measured in this study" in " ".join(out.split())


def test_studies_of_other_facts_are_never_in_one_table(good, tmp_path, capsys):
    other = write_study(tmp_path / "other", *make_study(people=3, untouched=1))
    status, out, _ = run(capsys, "compare", good, other)
    assert status == 0
    assert "other facts" in out
    assert "not to be compared" in " ".join(out.split())


def test_one_bad_study_spoils_no_comparison_silently(good, folder, capsys):
    (folder / RESULTS_FILE).write_text("{}")
    refused(capsys, str(folder), "compare", good, folder)


def test_a_sparse_study_has_gaps_and_no_guesses(tmp_path, capsys):
    folder = write_study(tmp_path / "old", *make_study(people=2, untouched=1, sparse=True))
    for format in (*FORMATS, "html"):
        assert run(capsys, "report", folder, "--format", format)[0] == 0
    status, out, _ = run(capsys, "report", folder)
    assert status == 0
    assert "Verdict" not in out
    rows = json.loads(run(capsys, "report", folder, "--format", "json")[1])["table"]
    assert {row["verdict"] for row in rows} == {None}
