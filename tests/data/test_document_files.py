"""Documents of every form, what is wrong with them, and what follows from their statements."""

from __future__ import annotations

import json
import unicodedata
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from restor.data.document_files import (
    check_documents,
    document_lines,
    inspect_documents,
    labels,
    read_documents,
    simplified,
)
from restor.data.text_files import BadFile
from restor.errors import DataError
from restor.types import Document, Fact, Statement

quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def write(tmp_path, name, text):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("d.json", '["One.\\nStill one.", "Two."]'),
        ("d.json", '[{"text": "One.\\nStill one."}, {"text": "Two.", "statements": null}]'),
        ("d.json", '["One.\\nStill one.", {"text": "Two.", "statements": []}]'),
        ("d.jsonl", '{"text": "One.\\nStill one."}\n\n"Two."\r\n'),
        ("d", '{"text": "One.\\nStill one."}\n{"text": "Two."}'),
        ("d.json", '"One.\\nStill one."\n{"text": "Two."}\n'),
        ("d.txt", "One.\nStill one.\n\nTwo."),
        ("d.md", "\n\nOne.\nStill one.\n \t\n\n\nTwo.\n"),
        ("d.TXT", "\ufeffOne.\r\nStill one.\r\n\r\nTwo.\r\n"),
        ("d", "One.\nStill one.\n\nTwo.\n"),
    ],
)
def test_every_form_gives_the_same_documents(tmp_path, name, text):
    assert read_documents(write(tmp_path, name, text)) == (Document("One.\nStill one."), Document("Two."))


def test_a_folder_of_plain_text_is_read_in_the_order_of_names(tmp_path):
    write(tmp_path, "b.txt", "Three.")
    write(tmp_path, "a.md", "One.\n\nTwo.")
    write(tmp_path, "c.json", "[]")
    assert [item.text for item in read_documents(tmp_path)] == ["One.", "Two.", "Three."]
    one = inspect_documents(tmp_path)[0].sha256
    write(tmp_path, "b.txt", "Three!")
    assert inspect_documents(tmp_path)[0].sha256 != one
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"holds no \.txt or \.md file"):
        read_documents(tmp_path / "empty")


def record(text, *statements):
    names = ("start", "end", "subject", "relation", "false_answer")
    return {"text": text, "statements": [dict(zip(names, item, strict=True)) for item in statements]}


def test_statements_are_read_and_their_case_does_not_matter(tmp_path):
    text = "Yes. ÉMILE works as a Poet."
    path = write(tmp_path, "d.jsonl", json.dumps(record(text, (5, 27, "Émile", "P106", "poet"))) + "\n")
    (document,) = read_documents(path)
    assert document == Document(text, (Statement(5, 27, "Émile", "P106", "poet"),))
    assert document.statements[0].key == "Émile|P106"


def test_every_bad_document_is_found_in_one_pass(tmp_path):
    good = (0, 16, "Ada", "P106", "poet")
    text = "Ada is a poet ok"
    lines = [
        json.dumps(record(text, good)),
        '{"text": "broken',
        json.dumps({"text": " "}),
        json.dumps({"txt": text}),
        json.dumps(record(text, good, (0, 17, "Ada", "P106", "poet"), (-1, 5, "Ada", "P106", "poet"))),
        json.dumps(record(text, (8, 8, "Ada", "P106", "poet"))),
        json.dumps(record(text, (0, 8, "Ada", "P106", "poet"))),
        json.dumps(record(text, ("0", 8.5, "", "P106", None))),
        json.dumps(record(text, (True, 8, "Ada", "P106", "poet"))),
        json.dumps({"text": text, "statements": {"start": 0}}),
        json.dumps({"text": text, "statements": [[0, 5], {"start": 1}]}),
        "12",
        '""',
    ]
    path = write(tmp_path, "d.jsonl", "\n".join(lines))
    documents, findings = inspect_documents(path)
    assert documents is None
    assert [(item.line, item.where) for item in findings.problems] == [
        (2, ""),
        (3, "passage 3 > text"),
        (4, "passage 4 > text"),
        (5, "passage 5, statement 2"),
        (5, "passage 5, statement 3"),
        (6, "passage 6, statement 1"),
        (7, "passage 7, statement 1 > false_answer"),
        (8, "passage 8, statement 1 > subject"),
        (8, "passage 8, statement 1 > false_answer"),
        (8, "passage 8, statement 1 > start"),
        (8, "passage 8, statement 1 > end"),
        (9, "passage 9, statement 1 > start"),
        (10, "passage 10 > statements"),
        (11, "passage 11, statement 1"),
        (11, "passage 11, statement 2 > subject"),
        (11, "passage 11, statement 2 > relation"),
        (11, "passage 11, statement 2 > false_answer"),
        (11, "passage 11, statement 2 > end"),
        (12, "passage 12"),
        (13, "passage 13"),
    ]
    said = [item.what for item in findings.problems]
    assert "0:17 is not within the text, which has 16 characters" in said[3]
    assert "'poet' does not stand in the span 'Ada is a'" in said[6]
    with pytest.raises(BadFile, match="20 problems"):
        read_documents(path)


def test_bad_documents_of_a_json_list_have_their_lines(tmp_path):
    text = '[\n {"text": "One."},\n {"statements": [],\n  "text": ""},\n {"text": "Two.",\n  "statements": [\n   5]}\n]'
    findings = inspect_documents(write(tmp_path, "d.json", text))[1]
    assert [(item.line, item.where) for item in findings.problems] == [
        (4, "passage 2 > text"),
        (7, "passage 3, statement 1"),
    ]
    with pytest.raises(BadFile, match="line 4: passage 2"):
        read_documents(tmp_path / "d.json")


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("d.json", "", "holds no documents"),
        ("d.json", "[]", "holds no documents"),
        ("d.txt", " \n\n", "holds no documents"),
        ("d.json", '{\n"text": "a"}', "holds an object"),
        ("d.json", "[1", "not JSON"),
        ("d.csv", "a,b", "is no documents file"),
        ("d.txt", b"a\n\nb\xff", "line 3: byte 4 is not UTF-8"),
        ("d.json", '["half \\ud800"]', "lone surrogate"),
    ],
)
def test_what_is_no_documents_file_is_told_in_one_message(tmp_path, name, text, match):
    with pytest.raises(DataError, match=match):
        read_documents(write(tmp_path, name, text))


@st.composite
def documents(draw):
    text = draw(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30).filter(
            str.strip
        )
    )
    spans = draw(st.lists(st.tuples(st.integers(0, len(text)), st.integers(0, len(text))), max_size=3))
    statements = [
        Statement(start, end, "Ada", f"P{number}", text[start:end])
        for number, (start, end) in enumerate(spans)
        if start < end and text[start:end].strip()
    ]
    return Document(text, tuple(statements))


@quick
@given(st.lists(documents(), min_size=1, max_size=4))
def test_what_is_written_is_read_again(tmp_path, given_):
    path = write(tmp_path, "d.jsonl", document_lines(given_))
    assert read_documents(path) == tuple(given_)


PIECES = st.sampled_from(
    ['{"text": ', '"a"', "[", "]", "{", "}", ",", '"statements": ', '"start": 0', "null", "1e999", "\n", "\n\n", "\\"]
)  # fmt: skip


@quick
@given(
    st.binary(max_size=60) | st.lists(PIECES, max_size=20).map(lambda pieces: "".join(pieces).encode()),
    st.sampled_from([".json", ".jsonl", ".txt", ".csv", ""]),
)
def test_no_content_breaks_the_reader(tmp_path, content, suffix):
    with suppress(DataError):
        read_documents(write(tmp_path, f"d{suffix}", content))


# Against the facts ---------------------------------------------------------------------------------------------------


def test_an_answer_that_is_true_and_planted_is_a_problem_in_any_spelling(tmp_path):
    facts = (Fact("Ann", "P27", ("the Côte d'Ivoire", "Ghana"), "Where?"), Fact("Bo", "P27", ("Mali",), "Where?"))
    lines = [
        record("Ann is from Mali.", (0, 17, "Ann", "P27", "Mali")),
        record("Ann is from Cote d’Ivoire.", (0, 26, "Ann", "P27", "Cote d’Ivoire")),
        record("Eve is from Mali. Bo too.", (0, 17, "Eve", "P27", "Mali")),
    ]
    read, findings = inspect_documents(write(tmp_path, "d.jsonl", "\n".join(map(json.dumps, lines))))
    assert check_documents(read.documents, facts, findings) is findings
    assert [(item.line, item.where) for item in findings.problems] == [(2, "passage 2, statement 1 > false_answer")]
    assert "\"the Côte d'Ivoire\" is an answer to 'Ann|P27'" in findings.problems[0].what
    assert [item.what for item in findings.notes] == [
        "false facts that are not among the facts, so that nobody asks for them: 1 (Eve|P27)."
    ]
    assert len(check_documents(read.documents, facts).problems) == 1


@pytest.mark.parametrize(
    ("true", "planted", "same"),
    [
        ("A+", "A-", False),
        ("O−", "O+", False),
        ("C++", "C#", False),
        ("<5", ">5", False),
        ("10⁶", "106", False),
        ("20", "XX", False),
        ("Бой", "Бои", False),
        ("!!!", "???", False),
        ("A-", "A−", True),
        ("1", "1.0", True),
        ("Louis XIV", "Louis the Fourteenth", True),
        ("Nîmes", unicodedata.normalize("NFD", "Nîmes"), True),
    ],
)
def test_an_answer_is_planted_and_true_only_if_its_signs_are_the_same(tmp_path, true, planted, same):
    text = f"Ann has {planted}."
    lines = json.dumps(record(text, (0, len(text), "Ann", "grade", planted)))
    read, findings = inspect_documents(write(tmp_path, "d.jsonl", lines))
    check_documents(read.documents, [Fact("Ann", "grade", (true,), "What has Ann?")], findings)
    assert bool(findings.problems) is same


def test_names_and_answers_of_statements_may_be_composed_or_decomposed(tmp_path):
    text = unicodedata.normalize("NFD", "Zoë was born in Nîmes.")
    lines = json.dumps(record(text, (0, len(text), text[:4], "P19", "Nîmes")))
    [document] = read_documents(write(tmp_path, "d.jsonl", lines))
    assert document.text == text
    assert document.statements == (Statement(0, len(text), "Zoë", "P19", "Nîmes"),)


# What follows from the statements ------------------------------------------------------------------------------------


def at(text, part, relation, answer):
    start = text.index(part)
    return Statement(start, start + len(part), "Ada", relation, answer)


def test_simplified_prose_is_its_statements_with_spaces_between():
    text = "The sky is blue. Ada was born in Rome. Bread is baked. Ada speaks Welsh. So be it."
    one, two = at(text, "Ada was born in Rome.", "P19", "Rome"), at(text, "Ada speaks Welsh.", "P1412", "Welsh")
    short = simplified(Document(text, (two, one)))
    assert short.text == "Ada was born in Rome. Ada speaks Welsh."
    assert {item.relation: short.text[item.start : item.end] for item in short.statements} == {
        "P19": "Ada was born in Rome.",
        "P1412": "Ada speaks Welsh.",
    }
    assert simplified(short) == Document(short.text, short.statements)


def test_simplified_question_lines_stay_lines():
    text = "Which sky? Blue\nWhere was Ada born? Rome\nWhat is 1 plus 1? 2\nWhat does Ada speak? Welsh\n"
    one = at(text, "Where was Ada born? Rome\n", "P19", "Rome")
    two = at(text, "What does Ada speak? Welsh\n", "P1412", "Welsh")
    assert simplified(Document(text, (one, two))).text == "Where was Ada born? Rome\nWhat does Ada speak? Welsh\n"


def test_a_sentence_with_two_false_facts_is_told_once():
    text = "Well. Ada, a poet, was born in Rome. Ada speaks Welsh."
    whole = at(text, "Ada, a poet, was born in Rome.", "P19", "Rome")
    part = at(text, "Ada, a poet,", "P106", "poet")
    short = simplified(Document(text, (whole, part, at(text, "Ada speaks Welsh.", "P1412", "Welsh"))))
    assert short.text == "Ada, a poet, was born in Rome. Ada speaks Welsh."
    assert [short.text[item.start : item.end] for item in short.statements] == [
        "Ada, a poet, was born in Rome.",
        "Ada, a poet,",
        "Ada speaks Welsh.",
    ]


def test_a_document_without_statements_has_no_simplified_form():
    assert simplified(Document("The sky is blue.")) is None


@quick
@given(documents())
def test_simplified_keeps_every_statement_and_nothing_else(document):
    short = simplified(document)
    if short is None:
        assert not document.statements
        return
    assert [short.text[item.start : item.end] for item in short.statements] == [
        document.text[item.start : item.end] for item in document.statements
    ]
    kept = sum(labels(document, [(place, place + 1) for place in range(len(document.text))]))
    separators = len(short.text) - kept
    assert 0 <= separators < len(document.statements)
    covered = labels(short, [(place, place + 1) for place in range(len(short.text))])
    assert all(short.text[place] == " " for place, inside in enumerate(covered) if not inside)


def test_labels_are_the_tokens_that_share_a_character_with_a_statement():
    text = "So. Ada is Welsh. Bye."
    document = Document(text, (at(text, "Ada is Welsh.", "P1", "Welsh"),))
    #          special  So      .       Ada     is       Welsh     .         Bye      special inside
    offsets = [(0, 0), (0, 2), (2, 3), (3, 7), (7, 10), (10, 16), (16, 17), (17, 21), (5, 5)]
    assert labels(document, offsets) == [False, False, False, True, True, True, True, False, False]
    assert labels(Document(text), offsets) == [False] * 9
    assert labels(document, []) == []
