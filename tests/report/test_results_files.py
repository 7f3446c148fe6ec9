from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from synthetic_study import make_study, write_study

from restor.errors import DataError
from restor.report.io.load import load_facts, load_results, summary_ids
from restor.results import FACT_COLUMNS


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    results, facts = make_study(people=2, untouched=2, seeds=(0, 1))
    return write_study(tmp_path_factory.mktemp("study"), results, facts), results


@pytest.fixture
def changed(study, tmp_path):
    """Writes results.json with one change."""
    raw = json.loads((study[0] / "results.json").read_text())

    def write(change):
        change(raw)
        (tmp_path / "results.json").write_text(json.dumps(raw))
        return tmp_path

    return write


def test_folder_and_file_load_alike(study):
    folder, results = study
    assert load_results(folder) == load_results(folder / "results.json") == results


def test_every_seed_belongs_to_a_row_of_the_summary(study):
    owners = summary_ids(study[1])
    assert owners["npo_token/related/s1"] == "npo_token/related"
    assert owners["clean/s0"] == owners["clean"] == "clean"


def test_missing_and_empty(tmp_path):
    with pytest.raises(DataError, match=r"There is no .*results\.json"):
        load_results(tmp_path)
    (tmp_path / "results.json").write_text(" \n")
    with pytest.raises(DataError, match="is empty"):
        load_results(tmp_path)
    (tmp_path / "results.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read"):
        load_results(tmp_path)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9, 0.999])
def test_cut_short(study, tmp_path, share):
    text = (study[0] / "results.json").read_text()
    (tmp_path / "results.json").write_text(text[: int(len(text) * share)])
    with pytest.raises(DataError, match=r"results\.json is (cut short|not valid JSON) at line 1.*Run the study again"):
        load_results(tmp_path)


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_what_is_not_a_number(study, tmp_path, word):
    text = (study[0] / "results.json").read_text().replace('"value":null', f'"value":{word}', 1)
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(DataError, match=f"contains {word}.*null"):
        load_results(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw.update(format=1), "has results format 1; this version of restor reads format 2"),
        (lambda raw: raw.pop("format"), "has no `format`"),
        (lambda raw: raw.update(arms=[]), "has no arms: `arms` is empty"),
        (lambda raw: raw.update(summary=[]), "has no arms: `summary` is empty"),
        (lambda raw: raw["arms"].append(raw["arms"][0]), "more than once in `arms`"),
        (lambda raw: raw["arms"][0].update(colour="red"), r"arms\.0\.colour: Extra inputs"),
        (lambda raw: raw["summary"][3].pop("kind"), r"summary\.3\.kind: Field required"),
    ],
)
def test_other_content(changed, change, message):
    with pytest.raises(DataError, match=message):
        load_results(changed(change))


@pytest.mark.parametrize("text", ["[]", "3", '"results"', "[" * 100_000, "{" + '"a":' * 3])
def test_other_json(tmp_path, text):
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(DataError):
        load_results(tmp_path)


def test_half_characters_are_mended(changed):
    results = load_results(changed(lambda raw: raw["summary"][0].update(label="a\ud800b")))
    assert results.summary[0].label == "a\ufffdb"


def test_facts_are_checked(study, tmp_path):
    folder, _ = study
    table = load_facts(folder)
    assert table.column_names == list(FACT_COLUMNS)
    with pytest.raises(DataError, match="There is no"):
        load_facts(tmp_path)
    data = (folder / "facts.parquet").read_bytes()
    file = tmp_path / "facts.parquet"
    file.write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        load_facts(tmp_path)
    pq.write_table(table.drop_columns(["prompt"]), file)
    with pytest.raises(DataError, match="lacks the column 'prompt'"):
        load_facts(tmp_path)
    place = table.column_names.index("judgement")
    pq.write_table(table.set_column(place, "judgement", pa.array(["right"] * len(table))), file)
    with pytest.raises(DataError, match="has the judgement 'right'; a judgement is one of original, planted"):
        load_facts(tmp_path)
    pq.write_table(table.set_column(1, "seed", pa.array(["zero"] * len(table))), file)
    with pytest.raises(DataError, match="another type"):
        load_facts(tmp_path)
    encoded = table.set_column(0, "arm", table["arm"].combine_chunks().dictionary_encode())
    pq.write_table(encoded, file)
    assert load_facts(file).equals(table)
