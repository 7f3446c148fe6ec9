"""`check` recognises files, names every problem, and tells what is odd; on the official data with the known figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from restor.data.check import check, recognise, to_json
from restor.errors import DataError

OFFICIAL = Path(__file__).parents[2] / ".." / "shared" / "data" / "restor"


def write(folder, name, content):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1), encoding="utf-8")
    return path


def fact(subject, relation="P19", *answers):
    return {"question": f"What of {subject} ({relation})?", "answers": list(answers) or ["York"]}


def facts(subjects=("Ada West", "Bo", "Cy", "Di", "Ed", "Flo", "Gus"), **more):
    shown = [{"entity": name, "question": "Where?", "answer": "York"} for name in subjects[:6]]
    values = ("York", "Rome", "Oslo")
    return {
        "dset": {
            name: {"P19": fact(name, "P19", values[n % 3])} | more.get(name, {}) for n, name in enumerate(subjects)
        },
        "context": {"P19": shown},
    }


def told(report):
    return [item.what for item in report.notes]


def note(report, part):
    """The one note that holds some words."""
    (found,) = [what for what in told(report) if part in what]
    return found


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.json", {"dset": {}}, "facts"),
        ("a.json", '{"dset": {"a": \n', "facts"),
        ("a.json", [{"subject": "a"}], "facts"),
        ("a.json", '[{"subject": "a"},\n', "facts"),
        ("a.csv", "x", "facts"),
        ("a.jsonl", '{broken\n{"subject": "a"}', "facts"),
        ("a.jsonl", '{"text": "a"}\n{"text": "b"}', "documents"),
        ("a.json", [{"text": "a"}], "documents"),
        ("a.json", ["It rains in the town.", "So it does."], "documents"),
        ("a.json", ["One.\nTwo", "x"], "documents"),
        ("a.json", '[{"text": "a"', "documents"),
        ("a.txt", "{}", "documents"),
        ("a.json", ["Ada West", "John Forbes Nash Jr.", "Bo"], "entities"),
        ("a.json", '["Ada West",\n"Bo"', "entities"),
        ("entities.json", [], "entities"),
        ("a.json", [], "documents"),
        ("a.json", {"version": 1}, ""),
        ("a.json", "", ""),
    ],
)
def test_a_file_is_what_it_holds(tmp_path, name, content, kind):
    assert recognise(write(tmp_path, name, content)) == kind


def test_a_folder_is_checked_together_and_keeps_apart_what_is_no_data(tmp_path):
    write(tmp_path, "facts.json", facts())
    write(tmp_path, "entities.json", ["Ada West", "Bo"])
    write(tmp_path, "deep/passages.jsonl", '{"text": "Ada West sleeps."}\n')
    write(tmp_path, "settings.json", {"version": 1})
    write(tmp_path, "README.md", "Not data.")
    write(tmp_path, ".hidden/a.json", "broken")
    write(tmp_path, "model.bin", "broken")
    report = check(tmp_path)
    assert (report.kind, report.problems) == ("folder", ())
    assert [(part.path.name, part.kind) for part in report.parts] == [
        ("entities.json", "entities"),
        ("facts.json", "facts"),
        ("settings.json", "unknown"),
        ("passages.jsonl", "documents"),
    ]
    assert report.counts == {"files": 4, "entities": 1, "facts": 1, "unknown": 1, "documents": 1}
    assert report.parts[0].counts == {"entities": 2, "facts": 2}
    assert [part.compared for part in report.parts] == [tmp_path / "facts.json", None, None, tmp_path / "facts.json"]
    assert "was not checked" in note(report, "neither facts")
    assert "about 1 of the 2 entities: Ada West (1). They have 1 of the 2 facts" in note(report, "about 1")
    assert report.notes == tuple(item for part in report.parts for item in part.notes)


def test_every_problem_of_every_file_is_found_at_once(tmp_path):
    content = facts()
    content["dset"]["Bo"]["P19"]["answers"] = []
    content["dset"]["Cy"]["P19"]["question"] = 3
    write(tmp_path, "facts.json", content)
    write(tmp_path, "entities.json", '["Ada West", "Ada West"]')
    write(tmp_path, "a.json", '[{"text": ""}]')
    write(tmp_path, "b.json", "{")
    (tmp_path / "c.json").write_bytes(b"[\n\xff]")
    report = check(tmp_path)
    assert [(item.path.name, item.line) for item in report.problems] == [
        ("a.json", 1),
        ("b.json", 1),
        ("c.json", 2),
        ("entities.json", 1),
        ("facts.json", 14),
        ("facts.json", 19),
    ]
    assert [part.compared for part in report.parts] == [None] * 5, "bad facts compare with nothing"


def test_one_file_finds_its_facts_above_and_given_ones_come_first(tmp_path):
    own = write(tmp_path, "facts.json", facts())
    other = write(
        tmp_path, "other/mine.jsonl", '{"subject": "Zed", "relation": "P1", "question": "Zed?", "answer": "1"}\n'
    )
    text = "Zed was born in Oslo."
    statement = {"start": 0, "end": len(text), "subject": "Ada West", "relation": "P19", "false_answer": "Oslo"}
    path = write(tmp_path, "a/b/d.jsonl", json.dumps({"text": text, "statements": [statement]}) + "\n")
    report = check(path)
    assert (report.kind, report.compared, report.problems) == ("documents", own, ())
    assert report.counts == {"passages": 1, "words": 5, "statements": 1, "false facts": 1, "entities": 1}
    report = check(path, facts=other)
    assert report.compared == other
    assert "not among the facts, so that nobody asks for them: 1 (Ada West|P19)" in note(report, "among the facts")
    deep = write(tmp_path, "a/b/c/d/d.txt", "Ada West sleeps.")
    assert check(deep).compared is None


def test_a_planted_truth_is_a_problem_with_its_line(tmp_path):
    write(tmp_path, "facts.json", facts())
    text = "Ada West was born in york."
    statement = {"start": 0, "end": len(text), "subject": "Ada West", "relation": "P19", "false_answer": "york"}
    path = write(tmp_path, "d.jsonl", '"So."\n' + json.dumps({"text": text, "statements": [statement]}))
    (problem,) = check(path).problems
    assert problem.line == 2
    assert "both planted and true" in problem.what


@pytest.mark.parametrize(
    ("content", "match"),
    [({"version": 1}, "neither facts nor entities nor documents"), ("", "is empty"), ("}", "not JSON: column 1")],
)
def test_a_single_file_of_no_kind_is_a_problem(tmp_path, content, match):
    report = check(write(tmp_path, "a.json", content))
    assert report.kind == "unknown"
    assert [match in item.what for item in report.problems] == [True]


def test_nothing_to_check_is_an_error(tmp_path):
    with pytest.raises(DataError, match="There is no file"):
        check(tmp_path / "none.json")
    with pytest.raises(DataError, match="holds no file to check"):
        check(tmp_path)
    with pytest.raises(DataError, match="There is no file"):
        check(write(tmp_path, "a.txt", "Text."), facts=tmp_path / "none.json")


def test_a_report_as_json(tmp_path):
    path = write(tmp_path, "a.json", [{"text": ""}, "So."])
    content = json.loads(json.dumps(to_json(check(path))))
    assert content["problems"] == [
        {"path": str(path), "line": 3, "where": "passage 1 > text", "what": "is empty."},
    ]
    assert (content["kind"], content["notes"], content["compared"]) == ("documents", [], None)
    assert [item["path"] for item in to_json(check(tmp_path))["files"]] == [str(path)]


# Oddities ------------------------------------------------------------------------------------------------------------


def test_oddities_of_facts_are_counted(tmp_path):
    content = facts(
        **{
            "Ada West": {
                "P734": {"question": "What is the family name of Ada West?", "answers": ["West"]},
                "P27": {"question": "Which country is it?", "answers": ["Mali", "Q912", "MALI"]},
                "P21": fact("Ada West", "P21", "female"),
            },
            "Bo": {"P21": fact("Bo", "P21", "Female")},
        }
    )
    content["context"]["P19"][1]["answer"] = "Paris"
    content["context"]["P1"] = [{"entity": "Bo", "question": "?", "answer": "x"}]
    write(tmp_path, "entities.json", ["Bo", "Gus"])
    report = check(write(tmp_path, "facts.json", content))
    assert not report.problems
    assert report.counts == {
        "entities": 7,
        "facts": 11,
        "relations": 4,
        "demonstrations": 7,
        "listed entities": 2,
        "asked facts": 3,
        "demonstration blocks": 2,
    }
    # Bo is the second of the six shown, so its prompt has a block of its own; P21 has no block.
    assert note(report, "blocks") == (
        "the 3 facts of the listed entities ask for 2 relations with 2 distinct blocks of the first 5 demonstrations "
        "about others; one about the asked entity is skipped for 1 fact."
    )
    assert note(report, "demonstrations are about listed").startswith("2 of the 7 demonstrations")
    assert told(report)[2:] == [
        "facts with answers that differ in spelling only: 1 (Ada West|P27).",
        "answers that are Wikidata items without a name, which no model can say: 1 (Ada West|P27 Q912).",
        "facts with a true answer in their own question, as in a family name: 1 (Ada West|P734).",
        "questions that do not name their subject: 1 (Ada West|P27).",
        "relations with one value, for which nothing plausible and wrong can be planted: 2 (P734 'West', P21 "
        "'female').",
        "relations without demonstrations, for which the other facts of the file serve: 3 (P734, P27, P21).",
        "relations with fewer than 5 demonstrations about others for some of their facts: 3 (P734 0, P27 0, P21 1).",
        "relations with demonstrations but without facts: 1 (P1).",
        "demonstrations that contradict the facts of the file: 4 (Bo|P19 'Paris', Cy|P19 'York', Ed|P19 'York' and 1 "
        "more).",
    ]


def test_oddities_of_documents_are_counted(tmp_path):
    write(tmp_path, "facts.json", facts())
    write(tmp_path, "entities.json", ["Ada West", "Bo", "Cy", "Di"])
    texts = ["Ada West Miller rests in Rome."] * 3 + ["Bo of Rome met Ada West, and Bo met Di."] * 2 + ["Nobody."]
    report = check(write(tmp_path, "d.json", texts))
    assert report.counts == {"passages": 6, "words": 6 * 3 + 10 * 2 + 1, "entities": 2}
    assert note(report, "word for word") == "3 passages (2, 3, 5) repeat an earlier one word for word."
    assert "about 2 of the 4 entities: Ada West (3), Bo (2). They have 2 of the 4 facts" in note(report, "about 2")
    assert note(report, "in full") == "passage 6 names none of the entities in full."
    assert note(report, "in passing") == "other entities are named in passing, in so many passages: Di (2)."
    assert note(report, "goes on").endswith("in 3 cases: Ada West Miller (3).")
    assert note(report, "true answer") == (
        "a true answer about their subject stands in 2 passages, as a value or in the context, for 1 fact: "
        "Bo|P19 'Rome' (2)."
    )
    assert [item.line for item in report.notes][:2] == [3, None], "a note about passages has the first one's line"


def test_documents_that_name_nobody_have_one_note(tmp_path):
    write(tmp_path, "facts.json", facts())
    report = check(write(tmp_path, "d.txt", "It rains.\n\nIt snows.\n"))
    assert told(report) == ["no passage names any of the 7 entities in full."]


def test_stated_documents_are_about_their_statements(tmp_path):
    def stating(subject, answer):
        text = f"Someone was born in {answer}."
        item = {"start": 0, "end": len(text), "subject": subject, "relation": "P19", "false_answer": answer}
        return {"text": text, "statements": [item]}

    write(tmp_path, "facts.json", facts())
    content = [stating("Ada West", "Rome"), stating("Ada West", "Rome"), stating("Bo", "Oslo"), {"text": "So."}]
    report = check(write(tmp_path, "d.json", content))
    assert report.counts["statements"] == 3
    assert report.counts["false facts"] == 2
    assert "about 2 of the 7 entities: Ada West (2), Bo (1)" in note(report, "about 2")
    assert note(report, "least") == "a false fact is stated 1 time at least and 2 times at most."
    assert note(report, "without any false") == "passage 4 without any false fact."
    assert not [what for what in told(report) if "true answer" in what]


def test_contradicting_statements_and_strangers_are_named(tmp_path):
    def stating(subject, answer):
        text = f"{subject} was born in {answer}."
        item = {"start": 0, "end": len(text), "subject": subject, "relation": "P19", "false_answer": answer}
        return {"text": text, "statements": [item]}

    write(tmp_path, "facts.json", facts())
    report = check(write(tmp_path, "d.json", [stating("Bo", "Lima"), stating("Bo", "Kyiv"), stating("Zed", "Lima")]))
    assert "1 fact misstated in more than one way (Bo|P19: Kyiv, Lima)" in note(report, "more than one way")
    assert note(report, "do not list") == "about entities that the facts do not list: Zed (1)."
    assert "about 1 of the 7 entities: Bo (2)" in note(report, "about 1 of")


def test_a_file_that_lacks_an_entity_of_its_like_is_noted(tmp_path):
    write(tmp_path, "facts.json", facts())
    for name, subjects in {"a": ("Bo", "Cy", "Di"), "b": ("Bo", "Cy"), "c": ("Flo", "Gus")}.items():
        write(tmp_path, f"{name}.json", [f"{subject} sleeps, number {n}." for subject in subjects for n in range(4)])
    report = check(tmp_path)
    assert [(item.path.name, item.what) for item in report.notes if "none about" in item.what] == [
        ("b.json", "8 passages and none about Di, unlike its like: 4 of 12 in a.json.")
    ]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.recursive(
        st.none() | st.integers(0, 9) | st.sampled_from(["a", "", "Ada West", "a b c. d"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["dset", "context", "text", "statements", "subject", "relation", "answers", "question", "P1"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=15,
    )
)
def test_any_json_gets_a_report(tmp_path, value):
    report = check(write(tmp_path, "a.json", value))
    assert report.kind in ("facts", "entities", "documents", "unknown")
    assert report.problems or report.kind != "unknown"


# The official data ---------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not OFFICIAL.is_dir(), reason="the official data is not beside this checkout")
def test_the_official_data_passes_with_the_known_oddities_as_notes():
    report = check(OFFICIAL)
    assert not report.problems
    parts = {part.path.name: part for part in report.parts}
    assert set(parts) == {
        "facts.json",
        "entities.json",
        "mix_a0.json",
        "mix_a1.json",
        "mix_a3.json",
        "squad_v7_dset.json",
    }
    assert parts["entities.json"].counts == {"entities": 50, "facts": 1051}
    counts = parts["facts.json"].counts
    assert (counts["facts"], counts["relations"], counts["demonstrations"]) == (5269, 41, 410)
    assert counts["demonstration blocks"] == 101
    assert note(parts["facts.json"], "listed entities: a prompt").startswith("115 of the 410 demonstrations")
    assert "1,051 facts of the listed entities ask for 41 relations with 101" in note(parts["facts.json"], "blocks")
    passages = {name: part.counts["passages"] for name, part in parts.items() if part.kind == "documents"}
    assert passages == {"mix_a0.json": 3000, "mix_a1.json": 3000, "mix_a3.json": 2700, "squad_v7_dset.json": 3107}
    about = "about 10 of the 50 entities: Aaron Burr (300)"
    assert note(parts["mix_a1.json"], "about 10").startswith(about)
    assert "They have 198 of the 1,051 facts" in note(parts["mix_a0.json"], about)
    assert [item.what for item in report.notes if "none about" in item.what] == [
        "2,700 passages and none about Sage Stallone, unlike its like: 300 of 3,000 in mix_a0.json, 300 of 3,000 in "
        "mix_a1.json."
    ]
    assert "about 5 of the 50 entities: John Forbes Nash Jr." in note(parts["squad_v7_dset.json"], "about 5")
    assert note(parts["mix_a0.json"], "word for word").startswith("42 passages")
    assert "guitar" in note(parts["mix_a0.json"], "true answer")
