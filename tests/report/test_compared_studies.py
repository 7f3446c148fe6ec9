from __future__ import annotations

import json

import pytest
from hostile import HOSTILE, danger
from synthetic_study import make_study

from representatives import one_for_each
from restor.errors import DataError
from restor.report.across.side_by_side import (
    COMPARED_COLUMNS,
    compare,
    compared_json,
    compared_rows,
    entrant,
    tag,
)
from restor.report.tables.arm_table import to_markdown
from restor.report.tables.comma import write_rows
from restor.report.tables.latex import to_latex
from restor.results import MetricInfo, Value


@pytest.fixture(scope="module")
def study():
    return make_study(people=2, untouched=1)


def about(results, **fields):
    return results.model_copy(update={"study": results.study.model_copy(update=fields)})


def asked(results, **evaluation):
    return about(results, config={**results.study.config, "evaluation": evaluation})


def with_value(results, name, metric, value):
    summary = [
        arm.model_copy(update={"metrics": {**arm.metrics, metric: value}}) if arm.id == name else arm
        for arm in results.summary
    ]
    return results.model_copy(update={"summary": summary})


def without(results, name):
    return results.model_copy(
        update={
            "summary": [arm for arm in results.summary if arm.arm != name],
            "arms": [arm for arm in results.arms if arm.arm != name],
        }
    )


def together(*pairs, arms=()):
    return compare([entrant(tag(place), *pair) for place, pair in enumerate(pairs)], arms)


def labels(part):
    return [row.cells[0].text for row in part.table.rows]


def cell(part, label, key):
    place = next(place for place, column in enumerate(part.table.columns) if column.key == key)
    found = next(row.cells[place] for row in part.table.rows if row.cells[0].text == label)
    return found.text, part.table.footnotes[found.footnote - 1] if found.footnote else None


def test_the_same_arm_of_two_studies_stands_side_by_side_and_is_told_apart(study):
    results, facts = study
    other = with_value(about(results, id="second"), "msa", "test.original", Value(value=0.125, n=8, n_entities=2))
    found = together((results, facts), (other, facts), arms=["msa", "undial", "clean"])
    assert not found.apart
    (part,) = found.tables
    assert labels(part) == ["A: Clean", "B: Clean", "A: UNDIAL", "B: UNDIAL", "A: MSA", "B: MSA"]
    assert cell(part, "B: MSA", "test.original")[0] == "12"
    assert cell(part, "A: MSA", "test.original")[0] != "12"
    assert "A: miniature (miniature-20250101), seed 0, 8 targeted test facts about 2 entities" in part.table.caption
    assert "B: miniature (second), seed 0" in part.table.caption
    assert [kind.value for kind, _ in part.table.sections] == ["reference", "method"]


def test_no_figure_is_changed_or_pooled(study):
    results, facts = study
    found = together((results, facts), (about(results, id="second"), facts))
    rows = compared_rows(found)
    own = {(arm.id, name): value for arm in results.summary for name, value in arm.metrics.items()}
    for row in rows:
        if (row["id"], row["figure"]) in own:
            value = own[row["id"], row["figure"]]
            assert (row["value"], row["ci_low"], row["n"]) == (value.value, value.ci_low, value.n)
    assert len({(row["tag"], row["id"], row["figure"]) for row in rows}) == len(rows)


def test_other_facts_are_another_table(study):
    results, facts = study
    more, more_facts = make_study(people=3, untouched=1)
    found = together((results, facts), (about(more, id="more"), more_facts), arms=["msa"])
    assert [labels(part) for part in found.tables] == [["A: MSA"], ["B: MSA"]]
    assert found.apart == ("B stands apart from A: B has other facts.",), "though the stored digests are the same"
    assert "Table 2 of 2, not to be compared with the others. B stands apart" in found.tables[1].table.caption
    assert [row["table"] for row in compared_rows(found)] == sorted(row["table"] for row in compared_rows(found))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda r: about(r, protocol="published"), "another protocol (published against restor)"),
        (lambda r: about(r, runs=3), "other runs a fact (3 against 1)"),
        (lambda r: about(r, data_sha256={"facts/0": "f" * 64}), "other digests of facts and forget documents"),
        (lambda r: asked(r, judge={"name": "llm"}), "another judge (llm against None)"),
        (lambda r: asked(r, shots=3), "another evaluation.shots (3 against None)"),
    ],
)
def test_what_was_measured_otherwise_is_another_table(study, change, reason):
    results, facts = study
    found = together((results, facts), (change(results), facts), (about(results, id="third"), facts))
    assert [[each.tag for each in part.entrants] for part in found.tables] == [["A", "C"], ["B"]]
    assert found.apart == (f"B stands apart from A: B has {reason}.",)
    for part in found.tables:
        for row in part.table.rows:
            assert row.cells[0].text[0] in {each.tag for each in part.entrants}


def test_a_temperature_counts_only_where_answers_are_sampled(study):
    results, facts = study
    warm, cold = (asked(results, temperature=t) for t in (0.6, 0.9))
    assert len(together((warm, facts), (cold, facts)).tables) == 1
    warm, cold = (about(each, protocol="published") for each in (warm, cold))
    assert len(together((warm, facts), (cold, facts)).tables) == 2


def test_without_facts_the_digests_decide_and_without_both_nothing_is_taken_for_the_same(study):
    results, facts = study
    assert len(together((results, facts), (about(results, id="second"), None)).tables) == 1
    bare = about(results, data_sha256={})
    found = together((bare, None), (about(bare, id="second"), None))
    assert len(found.tables) == 2
    assert "nothing stored that shows whether its facts are the same" in found.apart[0]


def test_a_figure_of_another_meaning_is_a_marked_gap(study):
    results, facts = study
    changed = [
        MetricInfo(**{**figure.model_dump(), "meaning": "something else"}) if figure.name == "test.planted" else figure
        for figure in results.figures
    ]
    (part,) = together((results, facts), (results.model_copy(update={"figures": changed}), facts)).tables
    text, note = cell(part, "B: MSA", "test.planted")
    assert text == "–"
    assert note == "B does not define this figure as the others do; its results.json has it"
    assert cell(part, "A: MSA", "test.planted")[1] is None
    assert cell(part, "B: MSA", "test.original")[1] is None


def test_restoration_towards_another_reference_is_marked(study):
    results, facts = study
    (part,) = together((results, facts), (without(results, "ideal"), facts), arms=["msa"]).tables
    assert cell(part, "A: MSA", "restoration")[1] == "A: relative to its ideal model"
    assert cell(part, "B: MSA", "restoration")[1] == "B: relative to its clean model"
    (part,) = together((results, facts), arms=["msa"]).tables
    assert "as there is no ideal one" not in part.table.caption, "the ideal model is only not shown"


def test_an_arm_that_a_study_lacks_is_named(study):
    results, facts = study
    found = together((results, facts), (without(results, "msa"), facts), arms=["msa"])
    assert found.missing == ("msa is not in B (miniature-20250101).",)
    assert "Missing: msa is not in B (miniature-20250101)." in found.tables[0].table.caption
    with pytest.raises(DataError, match=r"No study here has the arm 'nmsa'\. Known: clean, .*msa"):
        together((results, facts), arms=["nmsa"])


def test_other_versions_of_restor_are_named(study):
    results, facts = study
    (part,) = together((results, facts), (about(results, versions={"restor": "9.9"}), facts)).tables
    assert "different versions of restor: 0.1.0 (A) and 9.9 (B)" in part.table.caption
    (part,) = together((results, facts), (about(results, id="second"), facts)).tables
    assert "versions of restor" not in part.table.caption


def test_an_arm_that_rests_on_fewer_facts_shows_in_the_caption(study):
    results, facts = study
    fewer = with_value(results, "msa", "test.original", Value(value=0.5, n=5, n_entities=2, n_unscored=3))
    (part,) = together((results, facts), (fewer, facts), arms=["msa", "clean"]).tables
    assert "seed 0, 5 to 8 targeted test facts about 2 entities" in part.table.caption
    assert "without a verdict and left out of the shares 3 in MSA" in part.table.caption


def test_an_arm_can_be_named_by_its_id(study):
    (part,) = together(study, arms=["retain_only/related"]).tables
    assert [row.arm.retain for row in part.table.rows] == ["related"]


def test_json_keeps_names_and_studies_apart(study):
    results, facts = study
    found = compared_json(together((results, facts), (about(results, id="second"), facts), arms=["msa"]))
    (table,) = found["tables"]
    assert [(row["tag"], row["id"], row["label"]) for row in table["table"]] == [
        ("A", "msa", "MSA"),
        ("B", "msa", "MSA"),
    ]
    assert [study["id"] for study in table["studies"]] == ["miniature-20250101", "second"]
    json.dumps(found, allow_nan=False)


def test_studies_beyond_z_have_two_letters():
    assert [tag(place) for place in (0, 25, 26, 27, 52)] == ["A", "Z", "AA", "AB", "BA"]


@one_for_each(danger)
@pytest.mark.parametrize("hostile", HOSTILE)
def test_foreign_names_cannot_act(study, hostile):
    results, facts = study
    told = asked(about(results, name=hostile, id=hostile, protocol=hostile), judge={"name": hostile})
    summary = [arm.model_copy(update={"label": hostile, "arm": hostile}) for arm in results.summary[:1]]
    found = together((results, facts), (told.model_copy(update={"summary": summary}), facts))
    assert len(found.tables) == 2
    text = "".join(to_markdown(part.table) + to_latex(part.table, "x") for part in found.tables)
    text += "".join(found.apart) + write_rows(COMPARED_COLUMNS, compared_rows(found))
    text.encode()
    assert not set(text) & set("\x1b\x07\x9b\u202e\u2067\u200f\u061c\u2028\u2029\x85\r\x0b\x0c")
