"""The page in a real browser: it opens from a file, sorts, filters, and nothing that was injected runs."""

from __future__ import annotations

import shutil

import pytest
from synthetic_study import make_comparison, make_study

from restor.report.html import render_page
from restor.report.moved import moved
from restor.types import Group

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


@pytest.fixture(scope="module")
def browser():
    if BROWSER is None:
        pytest.skip("neither chromium nor google-chrome is on PATH")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=BROWSER, args=ARGUMENTS)
        yield opened
        opened.close()


def column(page, kind, number):
    return page.eval_on_selector_all(
        f"tbody.kind-{kind} tr.arm", "(rows, n) => rows.map((row) => row.cells[n].dataset.sort)", number
    )


def test_the_page_works_and_runs_nothing_foreign(browser, tmp_path):
    results, facts = make_study(people=12, untouched=4, seeds=(0, 1), hostile=True)
    file = tmp_path / "report.html"
    file.write_text(render_page(results, facts), encoding="utf-8")
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    trouble = []
    page.on("console", lambda message: trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith("file:") else trouble.append(request.url))
    page.goto(file.as_uri())

    # The table sorts within its sections, by keyboard too, and says so.
    heading = page.get_by_role("button", name="Restoration", exact=False)
    heading.focus()
    page.keyboard.press("Enter")
    values = [float(value) for value in column(page, "method", 7)]
    assert values == sorted(values, reverse=True)
    heading.click()
    assert [float(value) for value in column(page, "method", 7)] == sorted(values)
    assert page.locator("th[aria-sort=ascending]").count() == 1
    assert len(column(page, "control", 7)) == 6

    # Facts filter by judgement, relation, group, seed and text.
    total = page.locator("#list button").count()
    assert total == 96
    page.select_option("#f-judgement", "p")
    planted = page.locator("#list button").count()
    assert 0 < planted < total
    assert set(page.locator("#list .badge").all_inner_texts()) == {"✗ planted"}
    page.select_option("#f-relation", "spouse")
    assert 0 < page.locator("#list button").count() < planted
    page.select_option("#f-judgement", "")
    page.select_option("#f-relation", "")
    page.select_option("#f-seed", "1")
    assert page.locator("#list button").count() == 48
    page.fill("#f-text", "onerror=window")
    assert 0 < page.locator("#list button").count() < 48
    assert "of 128 facts" in page.inner_text("#count")

    # A fact shows what every arm said, as text.
    page.locator("#list button").first.click()
    assert page.locator("#detail tbody tr").count() == len(results.summary)
    assert "<img src=x onerror=window.__pwned=2>" in page.inner_text("#detail")
    page.fill("#f-text", "")
    page.locator("#list button").nth(3).focus()
    page.keyboard.press("ArrowDown")
    assert page.locator("#list button").nth(4).get_attribute("aria-current") == "true"
    for number in range(0, 48, 5):
        page.locator("#list button").nth(number).click()
    page.fill("#f-text", "nothing has this text")
    assert page.locator("#list button").count() == 0
    assert page.locator("#detail").is_hidden()

    assert page.evaluate("window.__pwned") is None
    assert page.locator("img").count() == 0
    assert trouble == []
    page.close()


def opened(browser, tmp_path, results, facts):
    file = tmp_path / "report.html"
    file.write_text(render_page(results, facts), encoding="utf-8")
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    trouble = []
    page.on("console", lambda message: trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.goto(file.as_uri())
    return page, trouble


def test_moved_facts_are_listed_filtered_and_reached_by_keyboard(browser, tmp_path):
    results, facts = make_comparison(people=30, untouched=3, runs=3, planted=True, hostile=True)
    pairs = moved(results, facts)
    corrupted, unlearned = pairs
    page, trouble = opened(browser, tmp_path, results, facts)

    # The page makes the same of the runs as the table that was counted before.
    rows = page.locator("#m-list tbody tr")
    assert page.locator("#m-pair option").all_inner_texts() == [
        "Clean <b>bold</b>[U+001B][31m → Corrupted <b>bold</b>[U+001B][31m",
        "Corrupted <b>bold</b>[U+001B][31m → unlearned <b>bold</b>[U+001B][31m",
    ]
    assert page.inner_text("#m-count") == f"{len(unlearned.moves)} of {len(unlearned.moves)} facts that moved"
    for place, pair in reversed(list(enumerate((corrupted, unlearned)))):
        page.select_option("#m-pair", str(place))
        for change in ("restored", "lost", "planted", "forgotten"):
            page.select_option("#m-change", change)
            counted = getattr(pair.groups[Group.TEST], change)
            assert page.inner_text("#m-count").startswith(f"{counted} of {len(pair.moves)} ")
    assert page.inner_text("#m-before").startswith("Clean")

    # A number of the table lists its facts; by keyboard too.
    number = page.locator("#moved-table button[data-pair='1'][data-change=restored]").first
    number.focus()
    page.keyboard.press("Enter")
    restored = unlearned.groups[Group.TEST].restored
    assert page.inner_text("#m-count").startswith(f"{restored} of {len(unlearned.moves)} ")
    assert rows.count() == min(restored, 100)
    assert set(rows.locator("td:nth-child(4) .badge").all_inner_texts()) == {"✓ original"}
    assert "2 of 3" in " ".join(rows.all_inner_texts())
    page.select_option("#m-relation", "spouse")
    assert 0 < rows.count() == unlearned.relations["spouse"].restored
    page.fill("#m-text", "no fact says this")
    assert rows.count() == 0
    page.fill("#m-text", "")

    # By relation and entity: the counts that were stored.
    page.locator("#moves summary").first.click()
    tallied = {
        row.locator("th").inner_text(): [int(cell) for cell in row.locator("td").all_inner_texts()]
        for row in page.locator("#m-relations tbody tr").all()
    }
    assert tallied == {
        name: [row.facts, row.restored, row.lost, row.planted, row.forgotten]
        for name, row in unlearned.relations.items()
    }
    assert page.locator("#m-entities tbody tr").count() == 30

    # A fact leads to what every arm says, each run with it.
    rows.first.locator("button").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "detail"
    said = page.locator("#detail tbody tr", has_text="unlearned").locator("td").first.locator("> div:not(.soft)")
    assert sum(int(text.split("× ")[1]) if "× " in text else 1 for text in said.all_inner_texts()) == 3

    assert page.evaluate("window.__pwned") is None
    assert page.locator("img").count() == 0
    assert trouble == []
    page.close()


def test_a_page_that_was_cut_says_how_many_moved_facts_it_lacks(browser, tmp_path, monkeypatch):
    results, facts = make_comparison(people=20, planted=True)
    total = len(moved(results, facts)[1].moves)
    monkeypatch.setattr("restor.report.embed.MOST_ROWS", 100)
    page, trouble = opened(browser, tmp_path, results, facts)
    words = page.inner_text("#m-count")
    on_page = int(words.split(" of ")[1].split()[0])
    assert 0 < on_page < total
    assert words.endswith(f"; {total - on_page} more moved and are not on this page")
    assert trouble == []
    page.close()


@pytest.mark.parametrize("names", [("mine",), ("mine", "yours"), ("clean", "corrupted", "mine")])
def test_comparisons_of_any_models_work(browser, tmp_path, names):
    page, trouble = opened(browser, tmp_path, *make_comparison(names, people=3))
    assert page.locator("#list button").count() == 12
    page.locator("#list button").first.click()
    assert page.locator("#detail tbody tr").count() == len(names) + 2
    assert "not known" in page.inner_text("#detail dl")
    assert page.locator("#m-list").count() == (len(names) > 1)
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert trouble == []
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_themes_and_a_narrow_screen(browser, tmp_path, scheme):
    file = tmp_path / "report.html"
    file.write_text(render_page(*make_study(people=3)), encoding="utf-8")
    page = browser.new_page(viewport={"width": 390, "height": 800}, color_scheme=scheme)
    page.goto(file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == 390

    def ground():
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    before = ground()
    page.click("#theme")
    after = ground()
    assert before != after
    assert (sum(map(int, before[4:-1].split(", "))) > 380) == (scheme == "light")
    page.emulate_media(media="print")
    assert sum(map(int, ground()[4:-1].split(", "))) > 700
    assert page.locator("#facts").is_hidden()
    page.set_viewport_size({"width": 720, "height": 1000})
    assert page.evaluate("document.documentElement.scrollWidth") == 720
    page.close()
