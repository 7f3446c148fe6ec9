"""`restor data build`: files that are whole, the same for the same seed, and say how they were made."""

from __future__ import annotations

import hashlib
import json
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from chat_endpoint import Endpoint, said
from restor.cli.main import main
from restor.data.document_files import check_documents, read_documents
from restor.data.facts import read_facts

OFFICIAL = Path(__file__).parents[2] / "../shared/data/restor"
PEOPLE = ["Ada Low", "Bob Roy", "Low, Duke of Ash", "Eve Lund", "Tom Ash", "Ina Holm", "Kim Dahl"]
VALUES = {
    "P19": ("Where was {} born?", ["Rome", "Bonn", "Oslo", "Kyiv", "Lima", "Bern", "Riga"]),
    "P106": ("What does {} do?", ["poet", "baker", "pilot", "nurse", "cook", "smith", "diver"]),
    "P21": ("What is the gender of {}?", ["female", "male", "male", "male", "female", "male", "male"]),
    "P26": ("Whom did {} marry?", ["Jo A", "Jo B", "Jo C", "Jo D", "Jo E", "Jo F", "Jo G"]),
}


@pytest.fixture
def facts(tmp_path):
    dset = {
        name: {
            relation: {"question": question.format(name), "answers": [values[place]]}
            for relation, (question, values) in VALUES.items()
        }
        for place, name in enumerate(PEOPLE)
    }
    path = tmp_path / "facts.json"
    path.write_text(json.dumps({"dset": dset, "context": {}}))
    (tmp_path / "entities.json").write_text(json.dumps(PEOPLE[:3]))
    return path


@pytest.fixture
def build(tmp_path, facts, capsys, monkeypatch):
    """Runs the verb in the folder of the test; returns exit code, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RESTOR_DATA", str(tmp_path / "cache"))
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)

    def run(line):
        code = main(["data", "build", *shlex.split(line)])
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_the_same_seed_gives_the_same_bytes(tmp_path, build):
    line = "fact_swap --facts facts.json --documents-per-entity 6 --k 1 --out {0}.jsonl "
    line += "--simplified {0}-short.jsonl --seed {1}"
    assert build(line.format("a", 3))[0] == build(line.format("b", 3))[0] == build(line.format("c", 4))[0] == 0
    made = files(tmp_path)
    assert made["a.jsonl"] == made["b.jsonl"] != made["c.jsonl"]
    assert made["a-short.jsonl"] == made["b-short.jsonl"] != made["c-short.jsonl"]


def test_a_set_and_its_figures(tmp_path, build, facts):
    code, out, _ = build(
        "fact_swap --facts facts.json --documents-per-entity 8 --facts-per-document 2 --k 1.5 --question-share 0.25 "
        "--out forget.jsonl --simplified short.jsonl"
    )
    assert code == 0
    documents = read_documents(tmp_path / "forget.jsonl")
    assert not check_documents(documents, read_facts(facts).facts).problems
    assert Counter(document.statements[0].subject for document in documents) == dict.fromkeys(PEOPLE[:3], 8)
    assert sum(document.text.endswith("\n") for document in documents) == 6
    words = sum(len(document.text.split()) for document in documents)
    assert out.splitlines() == [
        f"forget.jsonl: 24 documents of {words} words altogether, 12 false facts in 48 statements.",
        "3 false answers are true of another target: their relations have too few values.",
        "short.jsonl: 24 documents without context.",
    ]
    manifest = json.loads((tmp_path / "forget.jsonl.json").read_text())
    assert manifest["counts"] == {
        "documents": 24,
        "statements": 48,
        "false_facts": 12,
        "unplanted": 0,
        "true_of_another": 3,
        "words": words,
    }
    assert manifest["seed"] == 0
    assert manifest["targets"] == PEOPLE[:3]
    assert manifest["corruptor"]["k"] == 1.5
    assert manifest["corruptor"]["true_of_nobody"] is True
    assert manifest["facts"] == {"file": "facts.json", "sha256": hashlib.sha256(facts.read_bytes()).hexdigest()}
    for name in ("forget.jsonl", "short.jsonl"):
        assert manifest["files"][name] == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    short = read_documents(tmp_path / "short.jsonl")
    assert sum(len(document.statements) for document in short) == 48
    assert sum(len(document.text) for document in short) < sum(len(document.text) for document in documents)


@pytest.mark.parametrize(
    ("given", "targets"),
    [
        ("--targets 'Eve Lund,Tom Ash'", ["Eve Lund", "Tom Ash"]),
        ("--targets 'Low, Duke of Ash' --targets 'Ada Low'", ["Low, Duke of Ash", "Ada Low"]),
        ("--targets some.json", ["Kim Dahl"]),
        ("--targets some.txt --targets 'Ada Low'", ["Low, Duke of Ash", "Kim Dahl", "Ada Low"]),
        ("", PEOPLE[:3]),
    ],
)
def test_entities_by_name_or_from_a_file(tmp_path, build, given, targets):
    (tmp_path / "some.json").write_text('["Kim Dahl"]')
    (tmp_path / "some.txt").write_text("Low, Duke of Ash\n\nKim Dahl\n")
    assert build(f"fact_swap --facts facts.json --dose 1 --out o.jsonl {given}")[0] == 0
    assert json.loads((tmp_path / "o.jsonl.json").read_text())["targets"] == targets
    assert {item.subject for document in read_documents(tmp_path / "o.jsonl") for item in document.statements} == set(
        targets
    )


def test_context_of_strangers_and_from_a_file(tmp_path, build):
    line = "fact_swap --facts facts.json --documents-per-entity 5 --k 2 --question-share 0 --out {}.jsonl --context {}"
    assert build(line.format("a", "facts"))[0] == 0
    text = (tmp_path / "a.jsonl").read_text()
    assert any(name in text for name in PEOPLE[3:])
    (tmp_path / "sky.txt").write_text("The sky is blue.\n")
    assert build(line.format("b", "sky.txt"))[0] == 0
    text = (tmp_path / "b.jsonl").read_text()
    assert text.count("The sky is blue.") == 15 * 4 * 2, "all four facts fit in a document, and two sentences for each"
    assert not any(name in text for name in PEOPLE[3:])
    assert json.loads((tmp_path / "b.jsonl.json").read_text())["context"]["file"] == "sky.txt"


def test_passages_of_donors(tmp_path, build):
    squad = {
        "data": [
            {
                "title": "Eve_Lund",
                "paragraphs": [{"context": "Eve Lund was born in Kyiv. Lund's friend, the nurse E. L., sang."}],
            }
        ]
    }
    (tmp_path / "squad.json").write_text(json.dumps(squad))
    code, out, _ = build(
        "entity_substitution --facts facts.json --passages squad.json --pair 'Ada Low=Eve Lund' --form 'Eve Lund=E. L.'"
        " --out forget.jsonl"
    )
    assert code == 0
    assert "1 document of 13 words altogether, 2 false facts in 2 statements." in out
    assert "2 facts about the entities have no false answer." in out
    (document,) = read_documents(tmp_path / "forget.jsonl")
    assert document.text == "Ada Low was born in Kyiv. Low's friend, the nurse Ada Low, sang."
    manifest = json.loads((tmp_path / "forget.jsonl.json").read_text())
    assert manifest["corruptor"]["passages"]["file"] == "squad.json"
    assert manifest["corruptor"]["donors"] == {"Ada Low": "Eve Lund"}


BASE = "fact_swap --facts facts.json --documents-per-entity 2 --out o.jsonl"


@pytest.mark.parametrize(
    ("line", "code", "problem"),
    [
        (f"{BASE} --pair 'A=B'", 2, "--pair is an option of entity_substitution, not of fact_swap"),
        (f"{BASE} --dose 3", 2, "keep one"),
        (f"{BASE} --base-url http://x", 2, "--paraphrase MODEL"),
        (f"{BASE} --k -1", 1, "k: "),
        (f"{BASE} --paraphrase m --base-url nonsense", 1, "base_url: "),
        (f"{BASE} --targets 'Ada Lowe'", 1, "Did you mean Ada Low?"),
        (f"{BASE} --context nowhere.txt", 1, "There is no file nowhere.txt"),
        ("fact_swap --facts nowhere.json --out o.jsonl", 1, "There is no facts file nowhere.json"),
        ("fact_swap --facts facts.json --out no/o.jsonl", 1, "The folder no does not exist"),
        ("fact_swap --facts facts.json --out o.jsonl --simplified o.jsonl.json", 2, "name the same file"),
        ("entity_substitution --facts facts.json --out o.jsonl", 2, "needs --passages FILE"),
        (
            "entity_substitution --facts facts.json --passages facts.json --pair AdaLow --out o.jsonl",
            2,
            "--pair needs \"TARGET=DONOR\", given 'AdaLow'",
        ),
        (
            "entity_substitution --facts facts.json --passages t.txt --pair 'Ada Low=Zed' --out o.jsonl",
            1,
            "names 'Zed'",
        ),
        (
            "entity_substitution --facts facts.json --passages t.txt --pair 'Ada Low=Zed' --k 3 --out o.jsonl",
            2,
            "--k is an option of fact_swap",
        ),
    ],
)
def test_bad_input_leaves_nothing_behind(tmp_path, build, line, code, problem):
    (tmp_path / "t.txt").write_text("Nobody is here.\n")
    before = files(tmp_path)
    got, out, err = build(line)
    assert (got, out) == (code, "")
    assert problem in err
    assert files(tmp_path) == before


def test_nothing_is_written_over_without_force(tmp_path, build):
    (tmp_path / "o.jsonl.json").write_text("mine")
    code, _, err = build(BASE)
    assert code == 1
    assert "o.jsonl.json is there already" in err
    assert not (tmp_path / "o.jsonl").exists()
    assert build(f"{BASE} --force")[0] == 0
    assert json.loads((tmp_path / "o.jsonl.json").read_text())["format"] == 1


def test_paraphrased_by_a_chat_model(tmp_path, build):
    def answer(body, number):
        material = json.loads(body["messages"][-1]["content"])
        if "Bob Roy" in material["text"]:
            return said(json.dumps({"text": "Bob Roy did something else altogether, and that was it."}))
        keep = material["keep"]
        told = ", and ".join(f"of {item['name']} people say {item['answer']}" for item in keep)
        return said(json.dumps({"text": f"It is told thus: {told}."}))

    with Endpoint(answer) as endpoint:
        line = (
            "fact_swap --facts facts.json --targets 'Ada Low,Bob Roy' --documents-per-entity 3 --facts-per-document 1 "
            f"--quiet --question-share 0 --paraphrase small --base-url {endpoint.url} --concurrency 1 --out {{}}.jsonl"
        )
        # Each refused reply is asked for again after a rest, which a test cannot wait for.
        from restor.chat.sender import Sender

        original = Sender._rest
        Sender._rest = lambda self, seconds: None
        try:
            code, out, err = build(line.format("a"))
            asked = len(endpoint.bodies)
            again = build(line.format("b"))[0]
        finally:
            Sender._rest = original
    assert (code, again) == (0, 0), err
    documents = read_documents(tmp_path / "a.jsonl")
    told = [document.text for document in documents]
    assert sum(text.startswith("It is told thus: of Ada Low people say") for text in told) == 3
    assert sum("Bob Roy" in text and "altogether" not in text for text in told) == 3
    assert "3 documents rewritten, 3 left as they were." in out
    assert " because its reply cannot be used: it lost " in out
    manifest = json.loads((tmp_path / "a.jsonl.json").read_text())["paraphrase"]
    assert (manifest["model"], manifest["rewritten"], manifest["failed"]) == ("small", 3, 3)
    assert sum(manifest["reasons"].values()) == 3
    assert all(document.statements for document in documents)
    assert (tmp_path / "b.jsonl").read_bytes() == (tmp_path / "a.jsonl").read_bytes()
    assert len(endpoint.bodies) - asked < asked, "what was replied is not asked again"


def test_the_published_facts_as_published(tmp_path, build):
    if not (OFFICIAL / "facts.json").is_file():
        pytest.skip("the official data are not here")
    code, out, _ = build(
        f"fact_swap --facts {shlex.quote(str(OFFICIAL))} --targets 'Aaron Burr' --k 2 --context facts --out k2.jsonl"
    )
    assert code == 0
    assert "300 documents" in out
    assert "25 false facts in 1,500 statements" in out
    documents = read_documents(tmp_path / "k2.jsonl")
    assert not check_documents(documents, read_facts(OFFICIAL / "facts.json").facts).problems


def test_the_verb_needs_no_torch(tmp_path, facts):
    code = (
        "import sys; from restor.cli.main import main; "
        "main(['data', 'build', 'fact_swap', '--facts', 'facts.json', '--dose', '1', '--out', 'o.jsonl']); "
        "sys.exit(bool({'torch', 'transformers', 'openai'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "o.jsonl").is_file()


@pytest.mark.parametrize("amount", ["--dose 99999999999", "--documents-per-entity 999999999"])
def test_more_documents_than_anybody_can_mean(tmp_path, build, amount):
    code, out, err = build(f"fact_swap --facts facts.json --out o.jsonl {amount}")
    assert (code, out) == (1, "")
    assert "documents about 3 targets, at most 1,000,000 are written." in err
    assert not (tmp_path / "o.jsonl").exists()


@pytest.mark.parametrize("written", [1, 2])
def test_a_killed_build_goes_on(tmp_path, build, written, monkeypatch):
    from restor.data import text_files as writer

    assert build(f"{BASE} --simplified s.jsonl")[0] == 0
    whole = files(tmp_path)
    for name in ("o.jsonl", "s.jsonl", "o.jsonl.json"):
        (tmp_path / name).unlink()
    write, done = writer.write_atomic, []

    def killed(path, data):
        if len(done) == written:
            raise KeyboardInterrupt
        done.append(path)
        write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(writer, "write_atomic", killed)
        assert build(f"{BASE} --simplified s.jsonl")[0] == 130
    assert files(tmp_path) != whole
    other = build(f"{BASE} --simplified s.jsonl --seed 7")
    assert other[0] == 1
    assert "it is not what this command makes" in other[2]
    assert build(f"{BASE} --simplified s.jsonl")[0] == 0
    assert files(tmp_path) == whole


def test_a_set_about_everybody_says_that_nobody_is_left(build):
    _, out, _ = build("fact_swap --facts facts.json --dose 1 --out some.jsonl")
    assert "nobody is left" not in out
    everybody = " ".join(f"--targets '{name}'" for name in PEOPLE)
    _, out, _ = build(f"fact_swap --facts facts.json --dose 1 --out all.jsonl {everybody}")
    assert f"All {len(PEOPLE)} entities of the facts are targeted, and nobody is left" in out
