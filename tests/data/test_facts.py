"""Facts files of every form: good ones are read, and every bad record is named with its line and field."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from restor.data.facts import (
    FactsFile,
    facts_to_jsonl,
    facts_to_published,
    inspect_entities,
    inspect_facts,
    read_entities,
    read_facts,
    write_facts_jsonl,
)
from restor.data.text_files import BadFile
from restor.errors import DataError
from restor.text import composed
from restor.types import Demonstration, Fact

OFFICIAL = Path(__file__).parents[2] / ".." / "shared" / "data" / "restor"
official = pytest.mark.skipif(not OFFICIAL.is_dir(), reason="the official data is not beside this checkout")

ADA = Fact("Ada", "P19", ("York", "New York"), "Where was Ada born?")
BO = Fact("Bo", "P19", ("Rome",), "Where was Bo born?")
SHOWN = {"P19": (Demonstration("Cy", "Where was Cy born?", "Oslo"),)}


def write(tmp_path, name, text):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def published(ada=None, context=None):
    dset = {"Ada": {"P19": ada or {"question": ADA.question, "answers": list(ADA.answers)}}}
    dset["Bo"] = {"P19": {"question": BO.question, "answers": ["Rome"]}}
    shown = [{"question": "Where was Cy born?", "answer": "Oslo", "entity": "Cy"}]
    return json.dumps({"dset": dset, "context": {"P19": shown} if context is None else context}, indent=1)


ROWS = [
    {
        "subject": "Ada",
        "relation": "P19",
        "question": ADA.question,
        "answers": ["York", "New York"],
        "demonstrations": [{"entity": "Cy", "question": "Where was Cy born?", "answer": "Oslo"}],
    },
    {"subject": "Bo", "relation": "P19", "question": BO.question, "answer": "Rome"},
]
JSONL = "".join(json.dumps(row) + "\n" for row in ROWS)
CSV = (
    "subject,relation,question,answers,demonstrations\n"
    'Ada,P19,Where was Ada born?,York | New York,"[{""subject"": ""Cy"", ""question"": ""Where was Cy born?"", '
    '""answer"": ""Oslo""}]"\n'
    "Bo,P19,Where was Bo born?,Rome,\n"
)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("f.json", published()),
        ("f.json", "\ufeff" + published()),
        ("f.json", json.dumps(ROWS)),
        ("f.json", JSONL),  # misnamed
        ("f.jsonl", JSONL),
        ("f.ndjson", JSONL.replace("\n", "\r\n\r\n")),
        ("f", JSONL),
        ("f.csv", CSV),
        ("f.csv", "\ufeff\n" + CSV.replace("\n", "\r\n")),
        ("f", CSV),
        ("f.tsv", "answers\tquestion\trelation\tsubject\n" + "York|New York\tWhere was Ada born?\tP19\tAda\n"
         "Rome\tWhere was Bo born?\tP19\tBo\n"),
    ],
)  # fmt: skip
def test_every_form_gives_the_same_facts(tmp_path, name, text):
    path = write(tmp_path, name, text)
    read = read_facts(path)
    assert read.facts == (ADA, BO)
    assert read.demonstrations == ({} if name.endswith("tsv") else SHOWN)
    assert read.path == path
    assert len(read.sha256) == 64


def problems(path):
    with pytest.raises(BadFile) as caught:
        read_facts(path)
    facts, findings = inspect_facts(path)
    assert facts is None
    assert tuple(findings.problems) == caught.value.problems, "reading and checking must find the same"
    return [(item.line, item.where, item.what) for item in findings.problems]


def test_every_bad_record_of_published_json_is_found_in_one_pass(tmp_path):
    text = """{
  "dset": {
    "Ada": {
      "P19": {
        "question": "  ",
        "answers": ["York"]
      },
      "P20": {"question": "Where did Ada die?",
              "answers": []},
      "P21": {"answers": ["female"]},
      "P22": {"question": "Who?", "answers": {"name": "Bo"}},
      "P25": {"question": "Who?", "answers": ["Eve", 7, ""]},
      "P26": ["Bo"],
      "P27": {"question": "Where?\\nAnd?", "answers": ["Wales"]}
    },
    "Bo": [],
    "Cy": {"P19": {"question": "Where was Cy born?", "answers": ["Oslo"]}},
    "Cy": {"P20": {"question": "Where did Cy die?", "answers": [null]}}
  },
  "context": {
    "P19": [
      {"question": "Where was Di born?", "answer": "Rome"},
      "Di"
    ],
    "P20": {"entity": "Di"}
  }
}"""
    found = problems(write(tmp_path, "f.json", text))
    # Checked by counting the lines of the text above.
    assert {(line, where) for line, where, _ in found} == {
        (5, "dset > Ada > P19 > question"),
        (9, "dset > Ada > P20 > answers"),
        (10, "dset > Ada > P21 > question"),
        (11, "dset > Ada > P22 > answers"),
        (12, "dset > Ada > P25 > answers, answer 2"),
        (12, "dset > Ada > P25 > answers, answer 3"),
        (13, "dset > Ada > P26"),
        (14, "dset > Ada > P27 > question"),
        (16, "dset > Bo"),
        (18, "dset > Cy"),
        (18, "dset > Cy > P20 > answers, answer 1"),
        (22, "context > P19, demonstration 1"),
        (23, "context > P19, demonstration 2"),
        (25, "context > P20"),
    }
    said = {where: what for _, where, what in found}
    assert said["dset > Ada > P20 > answers"] == "holds no answer. Give at least one."
    assert said["dset > Ada > P25 > answers, answer 2"] == "must be text in quotes, is a number."
    assert "first in line 17" in said["dset > Cy"]
    assert "line break" in said["dset > Ada > P27 > question"]


def test_every_bad_line_of_jsonl_is_found_in_one_pass(tmp_path):
    row = {"subject": "Ada", "relation": "P19", "question": "Where?", "answers": ["York"]}
    lines = [
        json.dumps(row),
        "{broken",
        json.dumps({**row, "answers": 1984}),
        "",
        json.dumps({key: value for key, value in row.items() if key not in ("relation", "answers")}),
        json.dumps(row),
        json.dumps({**row, "subject": "Bo", "answer": "York"}),
        "7",
        json.dumps({**row, "subject": "Bo", "id": 1}),
        json.dumps({**row, "subject": "Cy", "id": "1"}),
        '{"subject": "Di", "subject": "Di", "relation": "P19", "question": "Where?", "answers": ["York"]}',
        json.dumps({**row, "subject": "Ed", "demonstrations": [{"subject": "Bo", "question": "Where?"}]}),
        json.dumps({**row, "subject": "Half \ud800"}),
        json.dumps({**row, "subject": "Flo", "id": [1]}),
    ]
    found = problems(write(tmp_path, "f.jsonl", "\n".join(lines) + "\n"))
    assert [(line, where) for line, where, _ in found] == [
        (2, ""),
        (3, "answers"),
        (5, "relation"),
        (5, "answers"),
        (6, ""),
        (7, ""),
        (8, ""),
        (10, "id"),
        (11, "subject"),
        (12, "demonstrations, demonstration 1 > answer"),
        (13, "subject"),
        (14, "id"),
    ]
    assert "not JSON: column 2" in found[0][2]
    assert "'Ada|P19' (subject|relation) is told twice, first in line 1" in found[4][2]
    assert "'1' is given twice, first in line 9" in found[7][2]


def test_every_bad_row_of_csv_is_found_in_one_pass(tmp_path):
    text = (
        "subject,relation,question,answers,id\n"
        "Ada,P19,Where was Ada born?,York,1\n"
        "Bo,P19,Where, was Bo born?,Rome,2\n"
        'Cy,P19,"Where\nwas Cy born?",Oslo,3\n'
        "Di,P19,Where was Di born?, ,4\n"
        "Ed,P19,Where was Ed born?,Rome||York,1\n"
        'Flo,P19,"Where" was,Rome,5\n'
        "Ada,P19,Where was Ada born?,York,\n"
    )
    found = problems(write(tmp_path, "f.csv", text))
    assert [(line, where) for line, where, _ in found] == [
        (3, ""),
        (4, "question"),
        (6, "answers"),
        (7, "answers, answer 2"),
        (8, ""),
        (9, ""),
    ]
    assert "6 columns, the header has 5" in found[0][2]
    assert "holds no answer" in found[2][2]
    assert "is not CSV" in found[4][2]


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("f.json", "", "is empty"),
        ("f.csv", " \n", "is empty"),
        ("f.json", '{"dset": {}}', "holds no facts"),
        ("f.jsonl", "\n\n", "is empty"),
        ("f.json", '{"facts": []}', 'must be a JSON object with "dset"'),
        ("f.json", '"facts"', "is not a facts file"),
        ("f.json", "not json", r"f\.json, line 1: not JSON: column 1"),
        ("f.json", '{"dset": []}', "dset: must be an object, is a list"),
        ("f.json", '{"dset": {"Ada": {}}, "context": 3}', r"context: must be an object, is a number"),
        ("f.csv", "subject,relation,question\nAda,P19,Where?\n", "lacks answers"),
        ("f.csv", "subject,relation,question,answers,subject\n", "names a column twice"),
        ("f.json", b'{"dset":\n{"\xff', "line 2: byte 11 is not UTF-8"),
        ("f.jsonl", '{"subject": "a|b", "relation": "c", "question": "Q", "answer": "A"}\n'
         '{"subject": "a", "relation": "b|c", "question": "Q", "answer": "A"}\n', "'a|b|c' .* told twice"),
    ],
)  # fmt: skip
def test_what_is_no_facts_file_is_told_in_one_message(tmp_path, name, text, match):
    with pytest.raises(DataError, match=match):
        read_facts(write(tmp_path, name, text))


def test_repeated_answers_and_unread_fields_are_noted_not_refused(tmp_path):
    text = published({"question": ADA.question, "answers": ["York", " York ", "Rome"], "source": "x"})
    facts, findings = inspect_facts(write(tmp_path, "f.json", text.replace('"context"', '"origin": 1, "context"')))
    assert facts.facts[0].answers == ("York", "Rome")
    assert [(item.where, item.line) for item in findings.notes] == [
        ("dset > Ada > P19 > answers", 6),
        ("origin", None),
        ("source", None),
    ]
    assert findings.lines == {"Ada|P19": 4, "Bo|P19": 15}


def test_the_same_demonstration_on_every_row_is_kept_once_in_order(tmp_path):
    shown = [{"subject": name, "question": f"Where was {name} born?", "answer": "Oslo"} for name in ("Cy", "Di", "Cy")]
    rows = [{**ROWS[0], "demonstrations": shown[:2]}, {**ROWS[1], "demonstrations": shown[1:]}]
    read = read_facts(write(tmp_path, "f.jsonl", "\n".join(map(json.dumps, rows))))
    assert [item.subject for item in read.demonstrations["P19"]] == ["Cy", "Di"]


def decomposed(text):
    return unicodedata.normalize("NFD", text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("f.jsonl", json.dumps({"subject": "Ada", "relation": "P19", "question": "Where?", "answers": "Rome"})),
        ("f.json", json.dumps([{"subject": "Ada", "relation": "P19", "question": "Where?", "answers": "Rome"}])),
        ("f.json", json.dumps({"dset": {"Ada": {"P19": {"question": "Where?", "answers": "Rome"}}}, "context": {}})),
        ("f.csv", "subject,relation,question,answers\nAda,P19,Where?,Rome\n"),
        ("f.csv", "subject,relation,question,answer\nAda,P19,Where?,Rome\n"),
    ],
)
def test_an_answer_without_a_list_is_one_answer_and_no_list_of_letters(tmp_path, name, text):
    assert read_facts(write(tmp_path, name, text)).facts == (Fact("Ada", "P19", ("Rome",), "Where?"),)


@pytest.mark.parametrize("form", ["jsonl", "published"])
def test_names_composed_and_decomposed_are_one_entity(tmp_path, form):
    rows = [
        {
            "subject": "Zoë",
            "relation": "né",
            "question": "Where?",
            "answers": ["Nîmes", decomposed("Nîmes"), "Orléans"],
        },
        {"subject": decomposed("Zoë"), "relation": "P20", "question": "Who?", "answers": ["Bo"]},
    ]
    shown = [{"entity": decomposed("Zoë"), "question": "Where?", "answer": "Oslo"}]
    if form == "jsonl":
        text = "".join(json.dumps({**row, "demonstrations": shown}) + "\n" for row in rows)
    else:
        dset = {row["subject"]: {row["relation"]: {**row, "subject": row["subject"]}} for row in rows}
        text = json.dumps({"dset": dset, "context": {decomposed("né"): shown}})
    read = read_facts(write(tmp_path, f"facts.{'jsonl' if form == 'jsonl' else 'json'}", text))
    assert [(fact.key, fact.answers) for fact in read.facts] == [
        ("Zoë|né", ("Nîmes", "Orléans")),
        ("Zoë|P20", ("Bo",)),
    ]
    assert {item.subject for item in read.demonstrations["né"]} == {"Zoë"}
    listed = write(tmp_path, "entities.json", json.dumps([decomposed("Zoë")]))
    assert read_entities(listed, read) == ("Zoë",)


def test_a_fact_told_composed_and_decomposed_is_told_twice(tmp_path):
    rows = [{**ROWS[1], "subject": name} for name in ("Zoë", decomposed("Zoë"))]
    with pytest.raises(BadFile, match="told twice"):
        read_facts(write(tmp_path, "f.jsonl", "\n".join(map(json.dumps, rows))))


# Round trips ---------------------------------------------------------------------------------------------------------

TEXTS = (
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n|\0"), min_size=1, max_size=12)
    .map(str.strip)
    .filter(bool)
    .map(composed)
)
FACTS = st.lists(
    st.builds(Fact, TEXTS, TEXTS, st.lists(TEXTS, min_size=1, max_size=3, unique=True).map(tuple), TEXTS),
    min_size=1,
    max_size=6,
    unique_by=lambda fact: fact.key,
).map(tuple)
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(FACTS, st.data())
def test_what_is_written_is_read_again(tmp_path, facts, data):
    shown = {
        relation: tuple(data.draw(st.lists(st.builds(Demonstration, TEXTS, TEXTS, TEXTS), max_size=3, unique=True)))
        for relation in dict.fromkeys(fact.relation for fact in facts)
    }
    shown = {relation: kept for relation, kept in shown.items() if kept}
    given_ = FactsFile(facts, shown)
    path = tmp_path / "f.jsonl"
    write_facts_jsonl(path, given_)
    read = read_facts(path)
    assert (read.facts, read.demonstrations) == (facts, shown)
    path = write(tmp_path, "f.json", facts_to_published(given_))
    read = read_facts(path)
    subjects = list(dict.fromkeys(fact.subject for fact in facts))
    assert read.facts == tuple(sorted(facts, key=lambda fact: subjects.index(fact.subject)))
    assert read.demonstrations == shown
    assert facts_to_published(read) == facts_to_published(given_)
    assert facts_to_jsonl(read).encode()


@quick
@given(FACTS)
def test_a_spreadsheet_s_csv_is_read(tmp_path, facts):
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["subject", "relation", "question", "answers"])
    for fact in facts:
        writer.writerow([fact.subject, fact.relation, fact.question, "|".join(fact.answers)])
    assert read_facts(write(tmp_path, "f.csv", out.getvalue())).facts == facts


PIECES = st.sampled_from(
    ['{"dset": {', '"context"', '"question": ', '"answers": [', '"a"', "{", "}", "[", "]", ",", ":", "1", "null", "\n",
     '"subject"', '"relation"', "subject,relation,question,answers\n", '"', "\\u", "\ud7ff", "é", "\t", "|", "NaN"]
)  # fmt: skip


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=60) | st.lists(PIECES, max_size=25).map(lambda pieces: "".join(pieces).encode()),
    st.sampled_from([".json", ".jsonl", ".csv", ".tsv", ""]),
)
def test_no_content_breaks_the_readers(tmp_path, content, suffix):
    path = write(tmp_path, f"f{suffix}", content)
    for read in (read_facts, read_entities):
        with suppress(DataError):
            read(path)


# Entities ------------------------------------------------------------------------------------------------------------


def test_entities_must_have_facts_and_be_named_once(tmp_path):
    facts = FactsFile((ADA, BO), {})
    assert read_entities(write(tmp_path, "e.json", '["Bo", "Ada"]'), facts) == ("Bo", "Ada")
    path = write(tmp_path, "e.json", '[\n"Ada",\n"Eve",\n"Ada",\n7,\n" "\n]')
    names, findings = inspect_entities(path, facts)
    assert names == ("Ada",)
    assert [(item.line, item.where) for item in findings.problems] == [
        (3, "name 2"),
        (4, "name 3"),
        (5, "name 4"),
        (6, "name 5"),
    ]
    assert "'Eve' has no facts" in findings.problems[0].what
    assert "first in line 2" in findings.problems[1].what
    assert [item.where for item in inspect_entities(path)[1].problems] == ["name 3", "name 4", "name 5"]
    with pytest.raises(BadFile, match="4 problems"):
        read_entities(path, facts)


@pytest.mark.parametrize(
    ("text", "match"), [("[]", "names no entity"), ('{"a": 1}', "must be a JSON list"), ("x", "not JSON")]
)
def test_what_is_no_list_of_entities(tmp_path, text, match):
    with pytest.raises(DataError, match=match):
        read_entities(write(tmp_path, "e.json", text))


# The official data ---------------------------------------------------------------------------------------------------


@official
def test_the_official_facts_survive_every_form(tmp_path):
    raw = json.loads((OFFICIAL / "facts.json").read_text(encoding="utf-8"))
    read = read_facts(OFFICIAL / "facts.json")
    told = {(fact.subject, fact.relation): fact for fact in read.facts}
    assert len(told) == len(read.facts) == sum(map(len, raw["dset"].values())) == 5269
    for subject, relations in raw["dset"].items():
        for relation, record in relations.items():
            fact = told[subject, relation]
            assert fact.question == record["question"]
            assert set(fact.answers) == set(record["answers"])
    context = json.loads(facts_to_published(read))["context"]
    assert context == raw["context"]
    write_facts_jsonl(tmp_path / "f.jsonl", read)
    again = read_facts(tmp_path / "f.jsonl")
    assert (again.facts, again.demonstrations) == (read.facts, read.demonstrations)


def test_a_hundred_thousand_facts_are_read_without_looking_at_each_other(tmp_path):
    """Linear in their number: a quadratic reader would not end within the time limit of the tests."""
    facts = tuple(
        Fact(f"Person {i // 10}", f"P{i % 10}", (f"value {i}",), f"What of Person {i // 10}?") for i in range(100_000)
    )
    write_facts_jsonl(tmp_path / "f.jsonl", FactsFile(facts, {}))
    assert read_facts(tmp_path / "f.jsonl").facts == facts
