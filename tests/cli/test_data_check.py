from __future__ import annotations

import json

import pytest

from restor.cli.main import main


@pytest.fixture
def facts(tmp_path):
    rows = [
        {"subject": name, "relation": "P19", "question": f"Where was {name} born?", "answers": [town]}
        for name, town in (("Ada [West]", "York"), ("Bo", "Rome"))
    ]
    path = tmp_path / "facts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def run(capsys, *argv):
    """Exit code and output of `restor data ...`."""
    try:
        code = main(["data", *map(str, argv)])
    except SystemExit as stop:
        code = stop.code
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_good_file_exits_with_0_and_shows_counts_and_notes(capsys, facts):
    code, out, _ = run(capsys, "check", facts)
    assert code == 0
    assert "facts: 2 entities, 2 facts, 1 relation, 0 demonstrations" in out
    assert "note    relations without demonstrations, for which the other facts of the file serve: 1 (P19)." in out
    assert out.splitlines()[-1] == "1 file, 0 problems, 2 notes."


def test_problems_exit_with_1_and_name_line_and_field(capsys, facts):
    facts.write_text(facts.read_text() + '{"subject": "Cy [x]"}\n')
    code, out, _ = run(capsys, "check", facts)
    assert code == 1
    for field in ("relation", "question", "answers"):
        assert f"problem line 3: {field}: is missing." in out
    assert "3 problems" in out


def test_a_folder_with_facts_compares_its_documents(capsys, facts, tmp_path):
    (tmp_path / "d.txt").write_text("Ada [West] sleeps in York.\n")
    code, out, _ = run(capsys, "check", tmp_path)
    assert code == 0
    assert "d.txt: documents: 1 passage, 5 words, 1 entity" in out
    assert "about 1 of the 2 entities: Ada [West] (1)" in out
    assert f"Compared with the facts of {facts}." in out
    code, out, _ = run(capsys, "check", tmp_path / "d.txt")
    assert "not compared with any facts" in out
    code, out, _ = run(capsys, "check", tmp_path / "d.txt", "--facts", facts)
    assert f"Compared with the facts of {facts}." in out


def test_json_is_whole_and_exits_alike(capsys, facts):
    code, out, _ = run(capsys, "check", facts, "--json")
    assert (code, json.loads(out)["counts"]["facts"]) == (0, 2)
    facts.write_text("{")
    code, out, _ = run(capsys, "check", facts, "--json")
    assert code == 1
    assert json.loads(out)["problems"][0]["line"] == 1


def test_a_missing_path_is_one_message(capsys, tmp_path):
    code, out, err = run(capsys, "check", tmp_path / "none.json")
    assert (code, out) == (1, "")
    assert err.startswith("Error: There is no file")


def test_the_fetched_data_are_known_by_name(capsys, tmp_path, monkeypatch):
    from restor.data.locate import published_folder

    monkeypatch.setenv("RESTOR_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    published_folder().mkdir(parents=True)
    (published_folder() / "entities.json").write_text('["Ada", "Bo"]')
    code, out, _ = run(capsys, "check", "restor")
    assert code == 0
    assert "entities.json: entities: 2 entities" in out
    code, _, err = run(capsys, "check", "restor/k0")
    assert code == 1
    assert "restor data fetch" in err


@pytest.fixture
def forget(tmp_path):
    text = "Ada [West] was born in Rome."
    item = {"start": 0, "end": len(text), "subject": "Ada [West]", "relation": "P19", "false_answer": "Rome"}
    path = tmp_path / "forget.jsonl"
    path.write_text(json.dumps({"text": text, "statements": [item]}) + "\n")
    return path


def test_overlap_tells_each_retain_file_and_fails_only_when_strict(capsys, facts, forget, tmp_path):
    clean, dirty = tmp_path / "clean.txt", tmp_path / "dirty.txt"
    clean.write_text("Bread is baked.\n")
    dirty.write_text("Bread is baked.\n\nAda [West] loves York.\n")
    code, out, _ = run(capsys, "overlap", "--forget", forget, "--retain", clean)
    assert code == 0
    assert "Nothing overlaps" in out
    args = ("overlap", "--forget", forget, "--retain", clean, "--retain", dirty, "--facts", facts)
    code, out, _ = run(capsys, *args)
    assert code == 0
    assert out.count("Forget: ") == 2
    assert "Ada [West]: 1 passage (2)" in out
    assert "passage 2: Ada [West], P19: York (true)" in out
    assert run(capsys, *args, "--strict")[0] == 1
    assert run(capsys, "overlap", "--forget", forget, "--retain", clean, "--strict")[0] == 0
    code, out, _ = run(capsys, *args, "--json")
    assert [item["overlaps"] for item in json.loads(out)] == [False, True]
    assert json.loads(out)[1]["retain"] == {"path": str(dirty), "passages": 2}


def test_overlap_names_bad_files(capsys, forget, tmp_path):
    (tmp_path / "bad.json").write_text('[{"text": 1}]')
    code, _, err = run(capsys, "overlap", "--forget", forget, "--retain", tmp_path / "bad.json")
    assert code == 1
    assert "bad.json, line 1: passage 1 > text" in err
    code, _, err = run(capsys, "overlap", "--forget", tmp_path / "none", "--retain", forget)
    assert code == 1
    assert "There is no documents file" in err


def test_a_wrong_header_shows_a_whole_line(tmp_path, capsys):
    (tmp_path / "facts.csv").write_text("subject,relation,object\nAda Low,born in,Rome\n")
    with pytest.raises(SystemExit):
        main(["data", "check", str(tmp_path / "facts.csv")])
    out = capsys.readouterr().out
    assert "lacks question, answers" in out
    assert "as in 'Ada Low,birthplace,Where was Ada Low born?,Rome|Roma'" in out


def test_an_empty_folder_of_the_published_data_was_not_fetched(tmp_path, monkeypatch, capsys):
    from restor.data.locate import published_folder

    monkeypatch.setenv("RESTOR_DATA", str(tmp_path))
    published_folder().mkdir(parents=True)
    assert main(["data", "check", "restor"]) == 1
    assert "`restor data fetch restor` does it; ./restor is a folder." in capsys.readouterr().err
