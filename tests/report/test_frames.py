from __future__ import annotations

import json
import subprocess
import sys

import pytest
from synthetic_study import make_study, write_study

import restor
from restor.errors import DataError, RestorError
from restor.report.tables.frames import arms_frame
from restor.results import Value

pandas = pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def study():
    return make_study(people=2, untouched=1, seeds=(0, 1))


@pytest.fixture(scope="module")
def folder(study, tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("study"), *study)


def test_arms_by_figures(study, folder):
    results = study[0]
    frame = restor.load_results(folder)
    assert list(frame.index) == [arm.id for arm in results.summary]
    for arm in results.summary:
        for name, value in arm.metrics.items():
            ends = (name, f"{name}.ci_low", f"{name}.ci_high")
            found = [None if pandas.isna(x) else x for x in frame.loc[arm.id, list(ends)]]
            assert found == [value.value, value.ci_low, value.ci_high]
    assert frame["restoration"].dtype == "float64"
    assert frame.loc["msa", "budget"] == "FC"
    assert frame["seed"].isna().all()
    assert restor.load_results(str(folder / "results.json")).equals(frame)


def test_a_row_per_seed_and_a_row_per_figure(study, folder):
    results = study[0]
    seeds = restor.load_results(folder, "seeds")
    assert list(seeds.index) == [arm.id for arm in results.arms]
    assert set(seeds["seed"]) == {0, 1}
    figures = restor.load_results(folder, "figures")
    assert len(figures) == len(results.summary) * len(results.figures)
    row = figures[(figures["id"] == "msa") & (figures["figure"] == "test.original")].iloc[0]
    value = next(arm for arm in results.summary if arm.id == "msa").metrics["test.original"]
    assert (row["value"], row["n"], row["n_entities"]) == (value.value, value.n, value.n_entities)


def test_facts_join_the_rows_of_their_arms(study, folder):
    facts = restor.load_results(folder, "facts")
    assert len(facts) == study[1].num_rows
    assert str(facts["rank_original"].dtype) == "Int64", "missing ranks make no fractions of the others"
    joined = facts.join(restor.load_results(folder, "seeds")["label"], on="arm")
    assert joined["label"].notna().all()


def test_a_row_per_test_and_a_row_per_part(study, folder):
    results = study[0]
    msa = next(arm for arm in results.summary if arm.id == "msa")
    tests = restor.load_results(folder, "tests")
    assert len(tests) == sum(len(arm.tests) for arm in results.summary)
    row = tests[(tests["id"] == "msa") & (tests["other"] == "ideal")].iloc[0]
    stored = next(test for test in msa.tests if test.other == "ideal")
    assert (row["role"], row["difference"], row["p_holm"]) == ("ideal", stored.difference, stored.p_holm)
    parts = restor.load_results(folder, "parts")
    row = parts[(parts["id"] == "msa") & (parts["by"] == "dose")].iloc[0]
    part = msa.parts["dose"][0]
    assert (row["name"], row["order"], row["value"]) == (part.name, part.order, part.restoration.value)


def test_verdict_tests_and_cost_stand_beside_the_figures(folder):
    frame = restor.load_results(folder)
    msa = frame.loc["msa"]
    assert msa["verdict"] in ("restored", "partly restored")
    assert 0 <= msa["p_holm_control"] <= 1
    assert msa["seconds_per_restoration"] == pytest.approx(msa["seconds"] / msa["restoration"])
    assert msa["flops_per_restoration"] == pytest.approx(msa["flops"] / msa["restoration"])
    assert pandas.isna(frame.loc["nothing", "seconds_per_restoration"]), "a control restores nothing of its own"
    assert pandas.isna(frame.loc["clean", "p_holm_control"])


def test_the_typed_study_is_the_same(study, folder):
    assert restor.load_study(str(folder)) == restor.load_study(folder / "results.json") == study[0]


def test_a_sparse_study_has_gaps(tmp_path):
    old = write_study(tmp_path / "old", *make_study(people=2, untouched=1, sparse=True))
    frame = restor.load_results(old)
    assert frame[["p_holm_control", "flops", "flops_per_restoration"]].isna().all(axis=None)
    assert len(restor.load_results(old, "tests")) == len(restor.load_results(old, "parts")) == 0
    assert restor.load_results(old, "facts")["options"].isna().all()


def test_an_undefined_figure_is_missing_and_a_figures_name_takes_no_column(study):
    results = study[0]
    arm = results.summary[0].model_copy(
        update={
            "metrics": {"label": Value(value=0.5, n=1), "restoration": Value(value=None, n=1, note="it did not bite")}
        }
    )
    frame = arms_frame(results, [arm])
    assert pandas.isna(frame.loc[arm.id, "restoration"])
    assert frame["restoration"].dtype == "float64"
    assert (frame.loc[arm.id, "label"], frame.loc[arm.id, "metrics.label"]) == (arm.label, 0.5)


def test_what_cannot_be_read_is_no_frame(folder, tmp_path):
    whole = (folder / "results.json").read_text()
    (tmp_path / "results.json").write_text(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="cut short"):
        restor.load_results(tmp_path)
    (tmp_path / "results.json").write_text(whole)
    with pytest.raises(DataError, match=r"no .*facts\.parquet"):
        restor.load_results(tmp_path, "facts")
    raw = json.loads(whole)
    raw["summary"][0]["metrics"]["test.original"]["value"] = float("nan")
    (tmp_path / "results.json").write_text(json.dumps(raw))
    with pytest.raises(DataError, match="NaN"):
        restor.load_results(tmp_path)
    with pytest.raises(RestorError, match=r"`arms`, `seeds`, `figures`, `facts`, `tests`, `parts`; given 'rows'"):
        restor.load_results(folder, "rows")


def test_without_pandas_it_says_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(RestorError, match=r"pip install -e '\.\[frames\]'"):
        restor.load_results(folder)
    with pytest.raises(RestorError, match=r"pip install -e '\.\[frames\]'"):
        restor.load_results(folder, "facts")


def test_pandas_is_imported_only_for_a_frame():
    code = "import sys, restor; restor.load_results; assert 'pandas' not in sys.modules and 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
