"""The page in a real browser: it opens from a file, sorts, filters, draws, and nothing that was injected runs."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from itertools import pairwise

import pytest
from hostile import HOSTILE
from synthetic_study import STORED, make_comparison, make_study

from representatives import one_for_each
from restor.report.io.states import States
from restor.report.page.chart_data import MOST_PARTS
from restor.report.page.flows import flows
from restor.report.page.render import render_page
from restor.report.plain import clip, printable
from restor.results import Part, Value

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CHARTS = ("parts", "cost", "curves", "layers")


@pytest.fixture(scope="module")
def browser():
    if BROWSER is None:
        pytest.skip("neither chromium nor google-chrome is on PATH")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=BROWSER, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study with everything, and its page."""
    results, facts = make_study(people=12, untouched=4, seeds=(0, 1))
    file = tmp_path_factory.mktemp("plain") / "report.html"
    file.write_text(render_page(results, facts), encoding="utf-8")
    return results, facts, file


@contextmanager
def opened(browser, file, hash_part="", **options):
    """The page, and that nothing went wrong in it: no request, no message, no error."""
    page = browser.new_page(**({"viewport": {"width": 1200, "height": 800}} | options))
    trouble = []
    page.on("console", lambda message: trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith("file:") else trouble.append(request.url))
    page.goto(file.as_uri() + hash_part)
    page.wait_for_selector("#list button")
    yield page
    assert trouble == []
    page.close()


def written(tmp_path, results, facts):
    file = tmp_path / "report.html"
    file.write_text(render_page(results, facts), encoding="utf-8")
    return file


def column(page, kind, number):
    return page.eval_on_selector_all(
        f"#overview tbody.kind-{kind} tr.arm:not([hidden])",
        "(rows, n) => rows.map((row) => row.cells[n].dataset.sort)",
        number,
    )


def draw(page, name):
    page.locator(f"#chart-{name}").scroll_into_view_if_needed()
    page.wait_for_selector(f"#chart-{name} .canvas svg")


def numbers(words):
    return [int(word.replace(",", "")) for word in words.split() if word.replace(",", "").isdigit()]


def test_the_first_screen_has_the_answer_the_steps_and_the_table(browser, study):
    with opened(browser, study[2]) as page:
        for selector in ("h1", ".steps li:nth-child(4)", "#overview thead", "#overview .kind-method tr.arm"):
            box = page.locator(selector).first.bounding_box()
            assert box["y"] + box["height"] <= 800, selector
        assert page.locator("#overview tr.arm").count() == len(study[0].summary)
        badge = page.locator("#overview tr[data-verdict='restored'] .verdict")
        assert badge.inner_text().split() == ["●", "restored"], "a glyph and a word"


def test_the_table_sorts_and_filters_by_mouse_and_keyboard(browser, study):
    with opened(browser, study[2]) as page:
        assert page.locator("#overview th[aria-sort=descending]").inner_text().startswith("Restored")
        heading = page.locator("#overview thead").get_by_role("button", name="True", exact=False)
        heading.focus()
        page.keyboard.press("Enter")
        values = [float(value) for value in column(page, "method", 4)]
        assert values == sorted(values, reverse=True)
        heading.click()
        assert [float(value) for value in column(page, "method", 4)] == sorted(values)
        assert page.locator("#overview th[aria-sort]").count() == 1
        assert page.locator("#overview th[aria-sort=ascending]").inner_text().startswith("True")
        assert len(column(page, "control", 4)) == 6, "controls stay apart"

        page.select_option("#o-retain", "=related")
        assert (len(column(page, "method", 4)), len(column(page, "control", 4))) == (5, 2)
        page.select_option("#o-kind", "method")
        assert page.locator("#overview tbody.kind-control").is_hidden()
        page.fill("#o-text", "npo")
        assert page.inner_text("#o-count") == f"3 of {len(study[0].summary)}"
        page.select_option("#o-verdict", "partly restored")
        shown = page.locator("#overview tr.arm:visible .verdict").all_inner_texts()
        assert shown
        assert all("partly restored" in text for text in shown)

        page.locator("#all-figures summary").first.click()
        button = page.locator("#arms-table thead").get_by_role("button", name="Restoration", exact=False)
        button.click()
        place = button.locator("..").evaluate("(cell) => cell.cellIndex")
        rows = page.locator("#arms-table tbody.kind-method tr.arm").all()
        values = [float(row.locator("> *").nth(place).get_attribute("data-sort")) for row in rows]
        assert values == sorted(values, reverse=True)


def test_a_flow_lists_its_facts(browser, study):
    results, facts, file = study
    ways = flows(results, States(results, facts)).counts
    with opened(browser, file) as page:
        page.locator("#moved").scroll_into_view_if_needed()
        arm = next(place for place, arm in enumerate(results.summary) if arm.id == "npo_seq/related")
        page.select_option("#w-arm", str(arm))
        counted = ways["test"]["npo_seq/related"]
        listed = {
            row.locator("button").get_attribute("data-way"): numbers(row.locator("td").first.inner_text())[0]
            for row in page.locator("#w-list tbody tr").all()
        }
        assert listed == counted

        # By keyboard: the list below has these facts and says so.
        page.locator("#w-list button[data-way='opo']").focus()
        page.keyboard.press("Enter")
        assert numbers(page.inner_text("#count"))[0] == counted["opo"] > 0
        assert page.locator("#list button").count() == min(counted["opo"], 100)
        assert "only those that go ✓ true → ✗ planted → ✓ true (Clean → Corrupted → NPO" in page.inner_text("#count")
        assert set(page.locator("#list .badge").all_inner_texts()) == {"✓ true"}
        assert page.evaluate("document.activeElement.id") == "clear"

        # The same facts by the name of the transition, and from untouched entities.
        page.select_option("#f-way", "ono")
        restored = sum(number for way, number in counted.items() if way[0] == "o" != way[1] and way[2] == "o")
        assert numbers(page.inner_text("#count"))[0] == restored
        page.click("#clear")
        assert page.locator("#clear").is_hidden()
        assert numbers(page.inner_text("#count"))[0] == 12 * 4 * 2
        page.select_option("#w-group", "untouched")
        page.locator("#w-list button").first.click()
        assert page.input_value("#f-group") == "untouched"
        assert numbers(page.inner_text("#count"))[0] == 4 * 4 * 2


def test_a_page_that_was_cut_says_how_many_facts_of_a_flow_it_lacks(browser, tmp_path, monkeypatch):
    results, facts = make_comparison(("clean", "corrupted", "mine"), people=20, planted=True, baselines=False)
    counted = flows(results, States(results, facts)).counts["test"]["mine"]
    monkeypatch.setattr("restor.report.page.embed.MOST_ROWS", 100)
    with opened(browser, written(tmp_path, results, facts)) as page:
        button = page.locator("#w-list button").first
        way = button.get_attribute("data-way")
        button.click()
        words = page.inner_text("#count")
        on_page = numbers(words)[0]
        assert 0 < on_page < counted[way]
        assert words.endswith(f"; {counted[way] - on_page} more go this way and are not on this page")
        page.fill("#f-text", "a")
        assert "more go this way" not in page.inner_text("#count")


def test_a_flow_in_the_picture_lists_its_facts(browser, study):
    results, facts, file = study
    counted = flows(results, States(results, facts)).counts["test"]["msa"]
    with opened(browser, file) as page:
        page.locator("#w-chart").scroll_into_view_if_needed()
        page.wait_for_selector("#w-chart svg")
        box = page.locator("#w-chart").bounding_box()
        # The node at the right on top: what the arm answers truly.
        page.mouse.click(box["x"] + box["width"] - 16, box["y"] + 40)
        page.wait_for_function("document.getElementById('count').textContent.includes('any → any → ✓ true')")
        assert numbers(page.inner_text("#count"))[0] == sum(n for way, n in counted.items() if way[2] == "o")


def test_facts_filter_by_everything_and_are_kept_in_the_address(browser, study):
    results, _, file = study
    with opened(browser, file) as page:
        place = next(str(place) for place, arm in enumerate(results.summary) if arm.id == "corrupted")
        page.select_option("#f-arm", place)
        total = page.locator("#list button").count()
        assert total == 12 * 4 * 2
        page.select_option("#f-judgement", "p")
        planted = page.locator("#list button").count()
        assert 0 < planted < total
        assert set(page.locator("#list .badge").all_inner_texts()) == {"✗ planted"}
        page.select_option("#f-relation", "spouse")
        assert 0 < page.locator("#list button").count() < planted
        page.select_option("#f-judgement", "")
        page.fill("#f-entity", "kaien")
        assert page.locator("#list button").count() == 2
        page.select_option("#f-seed", "1")
        page.fill("#f-text", "true2x3s1")
        assert page.locator("#list button").count() == 1
        page.locator("#list button").click()
        assert "#facts?" in page.url
        address = page.url.split("#")[1]
        before = page.inner_text("#detail")
        page.fill("#f-text", "nothing has this text")
        assert page.locator("#list button").count() == 0
        assert page.locator("#detail").is_hidden()

    with opened(browser, file, f"#{address}") as page:
        assert (page.input_value("#f-text"), page.input_value("#f-seed")) == ("true2x3s1", "1")
        assert page.inner_text("#detail") == before
        assert page.locator("#facts").evaluate("(section) => section.getBoundingClientRect().top") < 200


@one_for_each(lambda address: True)
@pytest.mark.parametrize(
    "address", ["#facts?arm=__proto__&way=<script>&of=constructor&fact=1e9&group=x", "#facts?%", "#facts?fact=-1"]
)
def test_a_broken_address_does_no_harm(browser, study, address):
    with opened(browser, study[2], address) as page:
        assert page.locator("#list button").count() > 0


def test_a_fact_shows_what_every_arm_says_with_its_options(browser, study):
    results, facts, file = study
    with opened(browser, file) as page:
        page.locator("#list button").nth(3).focus()
        page.keyboard.press("ArrowDown")
        assert page.locator("#list button").nth(4).get_attribute("aria-current") == "true"
        page.locator("#list button").first.click()
        assert page.locator("#detail > div:last-of-type tbody tr").count() == len(results.summary)
        arm = next(arm for arm in results.summary if arm.id == "corrupted")
        page.locator("#detail").get_by_role("button", name=arm.label, exact=True).click()
        row = next(row for row in facts.to_pylist() if row["arm"] == "corrupted/s0")
        bars = {
            bar.locator("th .foreign").inner_text(): float(bar.locator("td").last.inner_text().replace("−", "-"))
            for bar in page.locator("#detail .bars tr").all()
        }
        expected = dict(zip(row["options"], row["option_logprobs"], strict=True))
        assert bars == pytest.approx(expected, abs=0.006)
        assert list(bars) == sorted(bars, key=bars.get, reverse=True)
        assert page.input_value("#f-arm") == str(results.summary.index(arm))
        assert "state the planted answer" in page.inner_text("#detail")


def test_charts_are_drawn_when_seen_and_have_their_numbers_as_a_table(browser, study):
    results, _, file = study
    with opened(browser, file) as page:
        assert page.locator("#chart-layers .canvas svg").count() == 0, "not before it is near"
        for name in CHARTS:
            draw(page, name)
            assert "table below" in page.locator(f"#chart-{name} .canvas").get_attribute("aria-label")
            page.locator(f"#chart-{name} .numbers summary").focus()
            page.keyboard.press("Enter")
            page.wait_for_selector(f"#chart-{name} .numbers tbody tr")
        page.select_option("#parts-choice", label="by relation")
        row = page.locator("#chart-parts .numbers tbody tr", has_text="MSA").first
        page.wait_for_function("document.querySelector('#chart-parts .canvas').textContent.includes('occupation')")
        value = next(arm for arm in results.summary if arm.id == "msa").parts["relation"][0].restoration
        assert row.inner_text().split("\t")[1:3] == [
            "occupation", f"{100 * value.value:.0f} [{100 * value.ci_low:.0f}, {100 * value.ci_high:.0f}]"
        ]  # fmt: skip
        page.select_option("#cost-choice", "2")
        assert "floating-point operations" in page.inner_text("#chart-cost .canvas")
        page.locator("#c-picker summary").click()
        shown = page.inner_text("#chart-layers .canvas")
        assert "UNDIAL" not in shown
        page.get_by_role("checkbox", name="UNDIAL").check()
        page.wait_for_function("document.querySelector('#chart-layers .canvas').textContent.includes('UNDIAL')")
        assert "UNDIAL" in page.inner_text("#c-picked")


def test_a_zero_has_no_sign(browser, tmp_path):
    results, facts = make_study(people=3)
    tiny = Value(value=-0.001, ci_low=-0.004, ci_high=-0.0001, n=9, n_entities=3)
    for arm in results.summary:
        arm.metrics["restoration"] = tiny
    with opened(browser, written(tmp_path, results, facts)) as page:
        draw(page, "cost")
        page.locator("#chart-cost .numbers summary").click()
        page.wait_for_selector("#chart-cost .numbers tbody tr")  # filled when it is opened
        rows = page.locator("#chart-cost .numbers tbody tr").all_inner_texts()
        assert {row.split("\t")[2] for row in rows} == {"0 [0, 0]"}


def test_gaps_of_a_sparse_study_are_marked(browser, tmp_path):
    file = written(tmp_path, *make_study(people=3, sparse=True))
    with opened(browser, file) as page:
        for name in ("parts", "curves", "layers"):
            assert page.inner_text(f"#chart-{name} .gap")
        draw(page, "cost")
        assert "Single options are not stored" in page.inner_text("#detail")
        assert page.locator("#f-judgement").is_visible()
        assert page.locator("#overview .verdict").count() == 0


def test_everything_foreign_is_text(browser, tmp_path):
    results, facts = make_study(people=15, untouched=1, hostile=True)
    assert len(HOSTILE) >= 40
    file = written(tmp_path, results, facts)
    with opened(browser, file) as page:
        for name in CHARTS:
            draw(page, name)
        page.locator("#w-chart").scroll_into_view_if_needed()
        page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
        page.fill("#f-text", "onerror=window")
        assert 0 < page.locator("#list button").count() < 60
        page.fill("#f-text", "")
        seen = set()
        for number in range(len(STORED)):
            page.locator("#list button").nth(number).click()
            seen.add(page.locator("#detail td .foreign").first.text_content())
        wanted = {printable(clip(text, 1_000)).strip() for text in STORED}
        assert {text.strip() for text in seen} >= wanted - {""}
        for select in ("#f-arm", "#w-arm", "#parts-choice", "#curves-choice"):
            for value in page.locator(f"{select} option").evaluate_all(
                "(all) => all.slice(0, 6).map((one) => one.value)"
            ):
                page.select_option(select, value)
        page.click("#theme")
        page.mouse.move(600, 400)
        assert page.evaluate("window.__pwned") is None
        assert page.evaluate("Object.keys(Object.prototype).length") == 0
        found = page.evaluate(
            "document.querySelectorAll('img, iframe, base, link, object, form[action], main script').length"
        )
        assert found == 0
        assert page.locator("a[href]:not([href^='#'])").count() == 0
        assert page.locator("meta").count() == 4


def test_arms_of_one_name_and_many_entities_and_series_are_told_apart(browser, tmp_path, study):
    results, facts, _ = study
    entities = [Part(name=f"Person {number}", restoration=Value(value=0.5, n=4)) for number in range(MOST_PARTS + 20)]

    def changed(arm):
        more = {"parts": {**arm.parts, "entity": entities}} if arm.id == "msa" else {}
        return arm.model_copy(update={"label": "Twin" if arm.arm in ("msa", "undial") else arm.label, **more})

    twins = results.model_copy(update={"summary": [changed(arm) for arm in results.summary]})
    with opened(browser, written(tmp_path, twins, facts)) as page:
        options = page.locator("#f-arm option").all_inner_texts()
        assert {"Twin (msa)", "Twin (undial)"} <= set(options)
        assert len(options) == len(set(options))
        titles = page.locator("#parts-choice option").all_inner_texts()
        assert f"by entity, {MOST_PARTS} of {MOST_PARTS + 26}" in titles, "six others have entities of their own"
        draw(page, "parts")
        page.select_option("#parts-choice", label=titles[-1])
        page.wait_for_function("document.querySelector('#chart-parts .canvas').textContent.includes('Twin (msa)')")


@pytest.mark.parametrize("names", [("mine",), ("mine", "yours"), ("clean", "corrupted", "mine")])
def test_comparisons_of_any_models_work(browser, tmp_path, names):
    file = written(tmp_path, *make_comparison(names, people=3))
    with opened(browser, file, viewport={"width": 360, "height": 780}) as page:
        assert page.locator("#list button").count() == 12
        page.locator("#list button").first.click()
        assert page.locator("#detail > div:last-of-type tbody tr").count() == len(names) + 2
        assert "not known" in page.inner_text("#detail dl")
        assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_several_runs_of_a_fact_are_counted(browser, tmp_path):
    results, facts = make_comparison(("corrupted", "unlearned"), people=3, runs=3, planted=True, baselines=False)
    counted = flows(results, States(results, facts)).counts["test"]["unlearned"]
    with opened(browser, written(tmp_path, results, facts)) as page:
        place = next(str(place) for place, arm in enumerate(results.summary) if arm.id == "unlearned")
        page.select_option("#w-arm", place)
        for way in counted:
            page.locator(f"#w-list button[data-way='{way}']").click()
            assert numbers(page.inner_text("#count"))[0] == counted[way]
        row = page.locator("#detail > div:last-of-type tbody tr", has_text="unlearned")
        said = row.locator("td").first.locator("> div:not(.soft)").all_inner_texts()
        assert sum(int(text.split("× ")[1]) if "× " in text else 1 for text in said) == 3


CUT = """() => {
  const wide = document.documentElement.clientWidth;
  const seen = [...document.querySelectorAll("body *")]
    .filter((one) => one.checkVisibility() && !one.closest(".unseen, .skip, svg *"));
  const scrolls = (one) => /(auto|scroll)/.test(getComputedStyle(one).overflowX);
  const within = (one) => one.parentElement && (scrolls(one.parentElement) || within(one.parentElement));
  const name = (one) => `${one.tagName} ${one.id || one.className}`;
  const past = (one) => {
    const box = one.getBoundingClientRect();
    return box.width && (box.right > wide + 1 || box.left < -1);
  };
  const outside = seen.filter((one) => past(one) && !within(one));
  // What the models said is a preview there; the fact beside it has it whole.
  const hidden = seen.filter((one) => /hidden|clip/.test(getComputedStyle(one).overflowX) && !one.matches(".said")
    && one.scrollWidth > one.clientWidth + 1);
  const table = document.querySelector("#overview").parentElement;
  return [...outside, ...hidden, ...(table.scrollWidth > table.clientWidth + 1 ? [table] : [])].map(name);
}"""


@one_for_each(lambda width: width < 861)  # a folded table below, a wide one from there on
@pytest.mark.parametrize("width", [360, 390, 768, 861, 900, 1024, 1160, 1200])
def test_nothing_is_cut_off_at_any_width_and_the_table_of_arms_needs_no_scrolling(browser, study, width):
    with opened(browser, study[2], viewport={"width": width, "height": 844}) as page:
        assert page.evaluate(CUT) == []
        for name in CHARTS:
            draw(page, name)
        page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
        assert page.evaluate(CUT) == [], "nor where everything is open"
        assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("more", [pytest.param(0, marks=pytest.mark.nightly), 40])
def test_on_a_phone_the_first_flow_is_within_four_screens_and_all_arms_a_tap_away(browser, tmp_path, more):
    results, facts = make_study(people=3, extra_arms=more)
    with opened(browser, written(tmp_path, results, facts), viewport={"width": 390, "height": 844}) as page:
        assert page.locator("#w-chart").bounding_box()["y"] < 4 * 844
        assert page.locator("#overview .kind-method tr.arm:visible").count() == 3
        assert page.locator("#words").get_attribute("open") is None
        page.get_by_role("button", name=f"Show all {len(results.summary)} rows").click()
        assert page.locator("#overview tr.arm:visible").count() == len(results.summary)
        assert page.locator("#o-filters").is_visible()
        assert page.locator("#o-all").is_hidden()


def test_on_a_wide_screen_nothing_is_folded(browser, study):
    with opened(browser, study[2]) as page:
        assert page.locator("#overview tr.arm:visible").count() == len(study[0].summary)
        assert page.locator("#o-all").is_hidden()
        assert page.locator("#words dl").is_visible()


@pytest.mark.parametrize("scheme", [pytest.param("light", marks=pytest.mark.nightly), "dark"])
def test_light_dark_narrow_and_printed(browser, study, scheme):
    def ground(page):
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, colour[4:-1].split(", ")))

    with opened(browser, study[2], viewport={"width": 360, "height": 780}, color_scheme=scheme) as page:
        for name in CHARTS:
            draw(page, name)
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        ink = "#chart-layers .canvas text"
        colours = set(page.locator(ink).evaluate_all("(all) => all.map((one) => one.getAttribute('fill'))"))
        assert (ground(page) > 380) == (scheme == "light")
        page.click("#theme")
        assert (ground(page) > 380) == (scheme == "dark")
        changed = set(page.locator(ink).evaluate_all("(all) => all.map((one) => one.getAttribute('fill'))"))
        assert not colours & changed, "the charts follow"

        page.emulate_media(media="print")
        page.set_viewport_size({"width": 720, "height": 1000})
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert ground(page) > 700
        assert page.locator("#facts").is_hidden()
        assert page.locator("form:visible").count() == 0
        assert page.locator("details:not([open]):visible").count() == 0
        assert page.locator(".canvas svg").count() == len(CHARTS) + 1, "all charts, seen before or not"
        wide = page.evaluate(
            """[...document.querySelectorAll('main *')].filter((one) => one.getBoundingClientRect().right > 721)
            .map((one) => `${one.tagName} ${one.id || one.getAttribute('class')}`)"""
        )
        assert wide == [], "nothing is cut at the edge of the paper"
        assert page.evaluate("document.documentElement.scrollWidth") == 720


def test_it_is_understood_without_eyes_or_mouse(browser, study):
    with opened(browser, study[2]) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the answer"
        unnamed = page.evaluate(
            """[...document.querySelectorAll('button, select, input, a[href]')].filter((one) => one.checkVisibility() &&
            !(one.labels?.[0]?.textContent.trim() || one.textContent.trim() || one.getAttribute('aria-label')))
            .map((one) => one.outerHTML)"""
        )
        assert unnamed == []
        levels = page.locator("h1, h2, h3").evaluate_all("(all) => all.map((one) => Number(one.tagName[1]))")
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))
        assert page.locator("[tabindex]:not([tabindex='0']):not([tabindex='-1'])").count() == 0
        assert page.get_by_role("table").first.get_by_role("row").count() > len(study[0].summary)
        assert page.locator("[role=status]").count() >= 3


def test_texts_are_copied_or_at_least_selected(browser, study):
    with opened(browser, study[2]) as page:
        for name, start in (("bibtex", "@misc{"), ("latex", "% needs"), ("csv", "study,")):
            page.locator(f"details:has(#copy-{name}) summary").click()
            page.evaluate("delete Navigator.prototype.clipboard")
            page.locator(f"[data-copy=copy-{name}]").click()
            assert page.evaluate("getSelection().toString()").startswith(start)
        assert "Ctrl+C" in page.inner_text("details:has(#copy-csv)")


def test_without_scripts_the_answer_and_the_tables_are_there(browser, study):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(study[2].as_uri())
    assert page.locator("h1").is_visible()
    assert page.locator("#overview tr.arm").first.is_visible()
    assert "need JavaScript" in page.inner_text("noscript")
    for hidden in ("#browser", "#o-filters", "#w-panel", "#theme", "#c-panel"):
        assert page.locator(hidden).is_hidden()
    assert page.locator("#overview thead button:enabled").count() == 0
    context.close()
