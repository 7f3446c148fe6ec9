"""What was probably meant: a file in place of a name, a name in place of another, wrong case, another verb."""

from __future__ import annotations

import pytest

from representatives import one_for_each
from restor.cli.main import main
from restor.config import alike, nearest
from restor.registry import unknown_name

FACTS = "subject,relation,question,answers\nAda Low,P19,Where was Ada Low born?,Rome\n"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with facts, documents, an algorithm, and the folder of a study."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "facts.csv").write_text(FACTS)
    (tmp_path / "facts").mkdir()
    (tmp_path / "facts" / "facts.json").write_text("{}")
    (tmp_path / "forget.txt").write_text("Ada Low was born in Bonn.\n")
    (tmp_path / "odd.json").write_text("{}")
    (tmp_path / "mine.py").write_text("raise SystemExit('not to be run')\nclass A: pass\nclass Mine(A): pass\n")
    study = tmp_path / "study-1"
    study.mkdir()
    for name in ("config.yaml", "results.json"):
        (study / name).write_text("{}")
    return tmp_path


def refused(capsys, *argv):
    """The one message of a command line that cannot be used."""
    assert main([*argv]) in (1, 2)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("Error:") == 1
    assert "Traceback" not in shown.err
    return shown.err


@one_for_each("given", "verb")
@pytest.mark.parametrize("verb", [("run",), ("select",), ("list", "fields"), ("list", "arms")], ids=" ".join)
@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            "facts.csv",
            "holds facts and is no study. To run one with them: `restor run official_small --facts facts.csv`",
        ),
        ("./facts.csv", "`restor run official_small --facts ./facts.csv`"),
        ("facts", "`restor run official_small --facts facts`"),
        ("forget.txt", "`restor corrupt --model CLEAN --forget forget.txt --out corrupted`"),
        ("odd.json", "`restor data check odd.json` tells what it holds"),
        ("mine.py", "`restor run miniature --algorithms mine.py:Mine`"),
        ("mine.py:Mine", "`restor run miniature --algorithms mine.py:Mine`"),
        ("nowhere.py", "`restor run miniature --algorithms nowhere.py:ClassName`"),
        ("study-1", "`restor run study-1/config.yaml`"),
        ("study-1/results.json", "`restor run study-1/config.yaml`"),
        ("nowhere.csv", "There is no file nowhere.csv, and a study is a recipe or a YAML file."),
        ("npo", "'npo' is an algorithm and no study: `restor run miniature --algorithms npo`"),
        ("Task-Vector", "`restor run miniature --algorithms task_vector`"),
        ("npo_token", "`restor run miniature --algorithms npo_token`"),
        ("PCGrad", "`restor run miniature --algorithms npo_pcgrad` has it around NPO"),
        ("triples", "`restor run --domain.name triples`"),
        ("MINIATURE", "Did you mean 'miniature'?"),
        ("official-small", "Did you mean 'official_small'?"),
    ],
)
def test_what_is_no_study_is_told_what_it_is(here, capsys, verb, given, told):
    assert told in refused(capsys, *verb, given)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("NPO", "Did you mean 'npo'?"),
        ("Npo-Token", "Did you mean 'npo_token'?"),
        ("GradDiff", "Did you mean 'gradient_ascent'?"),
        ("NPO, per token", "Did you mean 'npo'?"),
        ("facts.csv", "It is a file. An algorithm of your own is a class"),
        ("pcgrad", "It is a wrapper. Did you mean 'npo_pcgrad'"),
        ("official_small", "It is a recipe: `restor run official_small`"),
    ],
)
def test_what_is_no_algorithm_is_told_what_it_is(here, capsys, given, told):
    message = refused(capsys, "run", "--algorithms", given)
    assert told in message
    assert message.count("Known:") == 1


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["npo"], "`restor list algorithms npo`"),
        (["NPO"], "`restor list algorithms npo`"),
        (["algorithm"], "`restor list algorithms`"),
        (["Arms"], "`restor list arms`"),
        (["pcgrad"], "`restor list wrappers pcgrad`"),
        (["mine.py:Mine"], "`restor list algorithms mine.py:Mine`"),
        (["miniature"], "`restor list recipes miniature` or `restor list domains miniature`"),
        (["frobnicate"], "takes recipes, arms, fields, algorithms"),
        (["domains", "npo"], "`restor list algorithms npo`"),
        (["algorithms", "Fact_Swap"], "`restor list corruptors fact_swap`"),
        (["judges", "LLM"], "Did you mean 'llm'?"),
    ],
)
def test_list_knows_what_a_name_is(here, capsys, argv, told):
    assert told in refused(capsys, "list", *argv)


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["check", "facts.csv"], "`restor data check`"),
        (["fetch"], "`restor data fetch`"),
        (["overlapp"], "`restor data overlap`"),
        (["data", "run"], "`restor run`"),
        (["data", "chek"], "`restor data check`"),
        (["Run"], "`restor run`"),
        (["help"], "`restor --help`"),
        (["help", "run"], "`restor run --help`"),
        (["study.yaml"], "`restor run study.yaml`"),
        (["mine.py"], "`restor run --algorithms mine.py:ClassName`"),
        (["facts.csv"], "`restor data check facts.csv`"),
        (["study-1"], "`restor report study-1`"),
        (["miniature"], "`restor run miniature`"),
        (["algorithms"], "`restor list algorithms`"),
        (["npo"], "`restor list algorithms npo`"),
        (["frobnicate"], "Available commands: run, select"),
    ],
)
def test_another_word_in_place_of_a_verb(here, capsys, argv, told):
    message = refused(capsys, *argv)
    assert f'Unknown command "{argv[-1] if argv[0] == "data" else argv[0]}"' in message
    assert told in message


@pytest.mark.parametrize(
    ("argv", "options"),
    [
        (["corrupt"], "--model, --forget and --out"),
        (["recover"], "--model, --text and --out"),
        (["recover", "--model", "m", "--out=o"], "--text"),
        (["unlearn"], "--model, --algorithm, --forget and --out"),
        (["unlearn", "--algorithm", "npo"], "--model, --forget, --out and --retain"),
        (["unlearn", "--algorithm=npo", "--algorithm.retain_weight", "0", "--model", "m"], "--forget and --out"),
        (["unlearn", "--algorithm", "msa", "--out", "o", "--select"], "--model, --forget, --facts and --checkpoint"),
        (["data", "build"], "CORRUPTOR, --facts and --out"),
        (["data", "build", "fact_swap", "--out", "o"], "--facts"),
        (["data", "overlap"], "--forget and --retain"),
        (["data", "wikidata"], "--entity and --out"),
        (["export"], "FORMAT and OUT"),
        (["export", "lm-eval"], "OUT"),
    ],
)
def test_missing_options_are_named_all_at_once(capsys, argv, options):
    verb = " ".join(argv[:2] if argv[0] == "data" else argv[:1])
    message = refused(capsys, *argv)
    assert message.startswith(f"Error: `restor {verb}` needs {options}. As in:\n  restor {verb} ")
    assert f"`restor {verb} --help`" in message


def test_an_option_without_its_value_is_no_missing_option(capsys):
    message = refused(capsys, "corrupt", "--model", "m", "--out")
    assert "--out requires an argument" in message


def test_evaluate_names_model_and_facts_at_once(capsys):
    message = refused(capsys, "evaluate")
    assert "--model clean=PATH" in message
    assert "--facts restor" in message


def test_what_an_algorithm_needs_is_named_at_once(here, capsys):
    given = ("--model", "m", "--forget", "forget.txt", "--out", "o")
    message = refused(capsys, "unlearn", *given, "--algorithm", "msa", "--algorithm.beta", "1", "--select")
    for option in ("--retain", "--checkpoint", "--facts"):
        assert f"give {option}" in message or f"needs {option}" in message


def test_words_too_many_are_named(capsys):
    message = refused(capsys, "run", "miniature", "npo")
    assert "Nothing takes 'npo': options begin with --." in message
    assert "`restor run --help`" in message


def test_case_and_dashes_make_no_difference():
    assert alike("NPO", ["rmu", "npo"]) == ["npo"]
    assert alike("official-small", ["miniature", "official_small"], cutoff=1.0) == ["official_small"]
    assert alike("npoo", ["npo"], cutoff=1.0) == []
    assert nearest("unlearning.LR", ["unlearning.lr", "clean.lr"]) == ["unlearning.lr"]
    assert nearest("retain-texts", ["texts", "retain_texts"]) == ["retain_texts"]
    assert (
        unknown_name("judge", "LLM", ["alias", "llm"]) == "Unknown judge 'LLM'. Did you mean 'llm'? Known: alias, llm."
    )


def test_a_setting_without_a_value_points_to_the_help_of_its_verb(here, capsys):
    said = refused(capsys, "corrupt", "--model", "M", "--forget", "F", "--lr", "--out", "O")
    assert "--lr needs a value, as in `--lr VALUE`. --help shows what can be given." in said


def test_a_bare_field_name_lists_every_section_that_has_it(here, capsys):
    assert "unlearning.lr" in refused(capsys, "run", "--lr", "5")


def test_facts_in_place_of_documents_are_told(here, capsys):
    said = refused(capsys, "data", "overlap", "--forget", "facts.csv", "--retain", "forget.txt", "--facts", "facts.csv")
    assert "It looks like facts: `restor data build` writes documents from those." in said
