from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from html.parser import HTMLParser
from importlib.resources import files

import pytest
from hostile import MEGABYTE
from synthetic_study import STORED, make_comparison, make_study

from restor.errors import DataError
from restor.recipes._arms import further_arms, standard_arms
from restor.report.io.load import load_facts, load_results
from restor.report.io.states import States
from restor.report.page.embed import MOST_CHARACTERS, embed_facts, packed
from restor.report.page.explained import ARM_MEANINGS
from restor.report.page.render import render_page, yaml_like
from restor.report.plain import printable
from restor.report.words.answer import answer


class Page(HTMLParser):
    """Elements, attributes and scripts of a page."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.scripts, self.words = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *attr) for attr in attrs]
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.tags and self.tags[-1] == "script" and self.lasttag == "script" and self.cdata_elem == "script":
            self.scripts[-1] += data
        else:
            self.words.append(data)


def unpacked(page):
    """The data of a page."""
    return json.loads(gzip.decompress(base64.b64decode(Page(page).scripts[0])))


@pytest.fixture(scope="module")
def hostile():
    results, facts = make_study(people=18, hostile=True)
    return results, facts, render_page(results, facts)


@pytest.fixture(scope="module")
def plain():
    results, facts = make_study(people=4, untouched=2, seeds=(0, 1))
    return results, facts, render_page(results, facts)


def test_the_same_results_give_the_same_page(plain):
    assert render_page(*plain[:2]) == plain[2]


def test_the_page_needs_nothing_else(plain):
    found = Page(plain[2])
    assert not [a for a in found.attributes if a[1] in ("src", "srcset", "action") or a[0] == "link"]
    assert all(value.startswith("#") for _, name, value in found.attributes if name == "href")
    style = re.search(r"<style>(.*?)</style>", plain[2], re.DOTALL)[1]
    assert not re.search(r"@import|url\((?!#)", style)
    assert not re.search(r"fetch\(|XMLHttpRequest|import\(|innerHTML|eval\(", found.scripts[1])


def test_only_its_own_scripts_may_run(plain):
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', plain[2])[1].replace("&#39;", "'")
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy

    def digest(text):
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    style = re.search(r"<style>(.*?)</style>", plain[2], re.DOTALL)[1]
    assert f"style-src {digest(style)};" in policy
    _, script, library = Page(plain[2]).scripts
    assert f"script-src {digest(script)} {digest(library)};" in policy


def test_the_bundled_library_is_the_one_that_is_named():
    vendor = files("restor.report") / "vendor"
    library = (vendor / "echarts.min.js").read_bytes()
    about = (vendor / "README.md").read_text("utf-8")
    assert hashlib.sha256(library).hexdigest() in about
    version = re.search(r"Apache ECharts ([\d.]+), unmodified", about)[1]
    assert f'version="{version}"'.encode() in library
    assert b"</script" not in library
    assert "Apache License" in (vendor / "LICENSE").read_text("utf-8")
    assert "Apache Software Foundation" in (vendor / "NOTICE").read_text("utf-8")


def test_the_page_says_what_was_found(plain):
    results, _, page = plain
    words = " ".join(" ".join(Page(page).words).split())
    assert answer(results).headline in words
    assert answer(results).meaning in words
    assert "Does it know again?" in words
    assert "Hyperparameters were chosen on validation people" in words
    assert "restor run config.yaml" in words
    assert r"\begin{tabular}" in words
    assert "@misc{" in words
    assert "| Arm |" in words
    assert next(arm.verdict.reason for arm in results.summary if arm.id == "msa") in words
    assert "clean ab12 → corrupt cd34" in words


def test_injected_markup_makes_no_element(hostile, plain):
    wild, tame = Page(hostile[2]), Page(plain[2])
    assert set(wild.tags) == set(tame.tags)
    assert wild.tags.count("script") == tame.tags.count("script") == 3
    assert wild.scripts[1:] == tame.scripts[1:]
    assert not [attribute for attribute in wild.attributes if attribute[1].startswith("on")]
    assert not [value for _, name, value in wild.attributes if name == "href" and not value.startswith("#")]
    assert "{{ 7 * 7 }}{% raw %}" in " ".join(wild.words), "a template is text"


def test_no_control_or_direction_character_is_left(hostile):
    bad = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
    library = Page(hostile[2]).scripts[2]
    assert not re.search(bad, hostile[2].replace(library, ""))
    assert not re.search(bad, json.dumps(unpacked(hostile[2]), ensure_ascii=False))
    hostile[2].encode()


def test_completions_arrive_whole_or_say_that_they_were_cut(hostile):
    strings = set(unpacked(hostile[2])["strings"])
    assert {printable(text) for text in STORED if len(text) < MOST_CHARACTERS["completion"]} <= strings
    assert any("[100,002 characters, cut here]" in text for text in strings)
    assert any("[1,000,001 characters, cut here]" in text for text in strings)
    assert len(hostile[2]) < 2_500_000


def test_data_decodes_to_what_was_stored(plain):
    results, facts, page = plain
    data = unpacked(page)
    strings, rows = data["strings"], facts.to_pylist()
    assert [arm["id"] for arm in data["about"]] == [arm.id for arm in results.summary]
    arm = data["arms"][next(place for place, arm in enumerate(results.summary) if arm.id == "npo_token/related")]
    own = [row for row in rows if row["arm"].startswith("npo_token/related/")]
    assert [strings[i] for i in arm["completion"]] == [row["completion"] for row in own]
    assert arm["judgement"] == "".join({"original": "o", "planted": "p", "other": "x"}[r["judgement"]] for r in own)
    assert arm["original"] == [round(100 * row["logprob_original"]) for row in own]
    assert arm["fact"] == len(own)
    asked = data["facts"]
    for place, row in enumerate(own):
        assert strings[asked["prefix"][place]] + strings[asked["question"][place]] == row["prompt"]
        assert [strings[i] for i in asked["answers"][place]] == row["answers"]
        assert asked["seed"][place] == row["seed"]
        assert asked["dose"][place] == row["dose"]
        assert [strings[i] for i, _ in asked["options"][place]] == row["options"]
        sorts = [1 if text in row["answers"] else 2 * (text == row["planted"]) for text in row["options"]]
        assert [sort for _, sort in asked["options"][place]] == sorts
        assert arm["options"][place] == [round(100 * value) for value in row["option_logprobs"]]


def test_other_options_than_the_facts_are_not_shown_beside_its_answers(plain):
    results, facts, _ = plain
    rows = facts.to_pylist()
    wild = next(row for row in rows if row["arm"] == "msa/s0")
    wild["options"] = ["A", *wild["options"][1:]]
    data = embed_facts(results, States(results, facts.from_pylist(rows, schema=facts.schema))).data
    arm = data["arms"][next(place for place, arm in enumerate(results.summary) if arm.id == "msa")]
    assert arm["options"][0] == 0
    assert arm["options"][1] != 0


def test_a_sparse_study_has_a_page_with_marked_gaps():
    results, facts = make_study(people=2, sparse=True)
    page = render_page(results, facts)
    words = " ".join(" ".join(Page(page).words).split())
    for gap in ("There are no learning curves.", "Log-probs after each layer were not asked for."):
        assert gap in words
    data = unpacked(page)
    assert {arm["options"] for arm in data["arms"]} == {None}
    assert set(data["facts"]["dose"]) == {None}


def test_25_arms_of_700_facts_fit_in_3_MB():
    results, facts = make_study(people=100, untouched=75, extra_arms=2)
    assert len(results.summary) >= 24
    page = render_page(results, facts)
    assert len(page.encode()) < 3_000_000


def test_too_many_answers_are_thinned_and_the_page_says_how(monkeypatch):
    results, facts = make_study(people=2, untouched=4, seeds=(0, 1))
    states = States(results, facts)
    assert embed_facts(results, states).left_out == ""
    monkeypatch.setattr("restor.report.page.embed.MOST_ROWS", 400)
    embedded = embed_facts(results, states)
    assert "only where some arm does not give the original answer. facts.parquet has all" in embedded.left_out
    assert embedded.answers == sum(row["group"] == "test" for row in facts.to_pylist())
    monkeypatch.setattr("restor.report.page.embed.MOST_ROWS", 210)
    embedded = embed_facts(results, states)
    assert "; only for seeds 0. facts.parquet" in embedded.left_out
    assert embedded.answers == 8 * len(results.summary)
    assert embedded.left_out in render_page(results, facts)


def test_an_untouched_fact_that_some_arm_misses_stays_whole(monkeypatch):
    results, facts = make_study(people=2, untouched=4)
    rows = facts.to_pylist()
    damaged = next(row for row in rows if row["group"] == "untouched" and row["arm"] == "msa/s0")
    damaged["judgement"] = "other"
    monkeypatch.setattr("restor.report.page.embed.MOST_ROWS", 9 * len(results.summary))
    embedded = embed_facts(results, States(results, facts.from_pylist(rows)))
    assert (embedded.facts, embedded.answers) == (9, 9 * len(results.summary))


def test_of_several_runs_one_that_says_what_most_say_stays(monkeypatch):
    results, facts = make_comparison(runs=3, planted=True)
    states = States(results, facts)
    monkeypatch.setattr("restor.report.page.embed.MOST_ROWS", 32 * len(results.summary))
    embedded = embed_facts(results, states)
    assert "of several runs of a fact one is shown" in embedded.left_out
    assert (embedded.facts, embedded.answers) == (32, 32 * len(results.summary))
    arm = embedded.data["arms"][next(place for place, arm in enumerate(results.summary) if arm.id == "unlearned")]
    said = [row["judgement"] for row in facts.to_pylist() if row["arm"] == "unlearned/s0"]
    runs = [said[place : place + 3] for place in range(0, len(said), 3)]
    ordered = ("other", "planted", "original")  # max keeps the first of equals
    expected = [max(ordered, key=three.count) for three in runs]
    assert arm["judgement"] == "".join({"original": "o", "planted": "p", "other": "x"}[state] for state in expected)
    assert {len(set(three)) for three in runs} == {1, 2, 3}, "ties are among them"


@pytest.mark.nightly
def test_thousands_of_facts_in_three_runs_fit_on_a_page_that_says_what_it_lacks():
    results, facts = make_comparison(
        ("clean", "corrupted", "unlearned", "other"), people=900, runs=3, planted=True, baselines=False
    )
    states = States(results, facts)
    assert facts.num_rows == 900 * 4 * 4 * 3
    embedded = embed_facts(results, states)
    assert "43,200 answers are too many for one page: of several runs" in embedded.left_out
    assert embedded.answers == 900 * 4 * 4
    assert len(render_page(results, facts).encode()) < 4_000_000


def test_facts_beyond_that_are_spread_over_all_of_them(monkeypatch):
    results, facts = make_comparison(people=10, untouched=10)
    rows = facts.to_pylist()
    for row in rows:
        row["judgement"] = "other"
    monkeypatch.setattr("restor.report.page.embed.MOST_ROWS", 100)
    embedded = embed_facts(results, States(results, facts.from_pylist(rows)))
    assert "only 20 facts, spread over all of them, the targeted ones first" in embedded.left_out
    data = embedded.data
    assert {data["strings"][i] for i in data["facts"]["group"]} == {"test"}
    assert len({data["strings"][i] for i in data["facts"]["subject"]}) == 10


def test_facts_of_another_study_are_refused(plain):
    results, facts, _ = plain
    other = results.model_copy(
        update={key: [arm for arm in getattr(results, key) if arm.arm != "msa"] for key in ("arms", "summary")}
    )
    with pytest.raises(DataError, match="name the arm 'msa/s0', which the results do not have"):
        render_page(other, facts)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"names": ("mine",)},
        {"names": ("mine", "yours"), "baselines": False},
        {"names": ("clean",)},
        {"names": ("corrupted", "x")},
        {"runs": 3, "planted": True, "untouched": 3, "names": ("clean", "corrupted", "ideal", "x")},
    ],
    ids=["clean, corrupted, one", "one alone", "two alone", "clean alone", "no clean", "all"],
)
def test_comparisons_with_whatever_was_given(given):
    results, facts = make_comparison(people=4, **given)
    page = render_page(results, facts)
    words = " ".join(" ".join(Page(page).words).split())
    names = given.get("names", ("clean", "corrupted", "unlearned"))
    assert "Comparison of checkpoints" in words
    assert "restor run" not in words
    assert ("It knows" in words) == ("clean" in names)
    assert ("It is misled" in words) == ("corrupted" in names)
    both = "corrupted" in names and bool({"clean", "ideal"} & set(names))
    assert ('class="whisker"' in page) == (both and set(names) != {"clean", "corrupted"})
    assert ("no two models here" in words) == (len(names) == 1 and "baselines" in given)
    assert "models/" + names[0] in words
    assert ("unknown" in words) == any(name not in ("clean", "corrupted", "ideal") for name in names)
    assert ('data-name="Planted %"' in page) == bool(given.get("planted"))
    assert len(unpacked(page)["arms"]) == len(results.summary)


def test_missing_figures_and_no_facts_still_give_a_page(plain):
    results, facts, _ = plain
    bare = [
        arm.model_copy(update={"metrics": {}, "verdict": None}) for arm in results.summary if arm.kind != "reference"
    ]
    study = results.study.model_copy(update={"seeds": [], "notes": [], "config": {}, "versions": {}})
    page = render_page(results.model_copy(update={"summary": bare, "study": study}), facts.slice(0, 0))
    assert "What was restored cannot be said here" in page


def test_packed_data_are_letters_and_the_same_every_time():
    value = {"text": "</script><!-- \u2028", "numbers": [1, None]}
    assert re.fullmatch(r"[A-Za-z0-9+/=]+", packed(value))
    assert packed(value) == packed(value)
    assert json.loads(gzip.decompress(base64.b64decode(packed(value)))) == value


def test_configuration_reads_as_yaml():
    import yaml

    config = {"name": "x: #y", "a": {"b": [1, 2], "c": {}, "d": None, "e": 1e-4}, "list": [{"k": "v", "n": {"m": 1}}]}
    assert yaml.safe_load(yaml_like(config).replace("0.0001", "1.0e-4")) == config


def test_arms_of_one_name_keep_their_own_reasons():
    results, facts = make_study(people=2, untouched=1)
    judged = [
        arm.model_copy(
            update={"label": "The same", "verdict": arm.verdict.model_copy(update={"reason": f"Why {arm.id}."})}
        )
        for arm in results.summary
        if arm.verdict
    ]
    others = [arm for arm in results.summary if not arm.verdict]
    page = render_page(results.model_copy(update={"summary": [*others, *judged]}), facts)
    explained = page[page.index('id="explained"') : page.index('id="all-figures"')]
    assert len(judged) > 3
    assert sorted(re.findall(r"<td>Why ([^<]+)[.]</td>", explained)) == sorted(arm.id for arm in judged)


def test_names_of_a_megabyte_do_not_make_the_page_large():
    results, facts = make_study(people=2, untouched=1)
    usual = len(render_page(results, facts))
    arms = [arm.model_copy(update={"label": f"{arm.label} {MEGABYTE}"}) for arm in results.summary]
    study = results.study.model_copy(update={"name": MEGABYTE})
    page = render_page(results.model_copy(update={"summary": arms, "study": study}), facts)
    assert len(page) < usual + 100_000
    assert "x" * 10_000 not in page


def test_a_stored_study_renders(tmp_path, plain):
    from synthetic_study import write_study

    folder = write_study(tmp_path / "study", *plain[:2])
    assert render_page(load_results(folder), load_facts(folder)) == plain[2]


def test_every_arm_without_an_algorithm_is_explained():
    arms = {**standard_arms(), **further_arms(small=True)}
    bare = [name for name, arm in arms.items() if arm.algorithm is None]
    assert "output_filter" in bare
    assert set(bare) <= set(ARM_MEANINGS)
