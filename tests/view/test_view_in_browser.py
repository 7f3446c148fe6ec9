"""The pages in a real browser: filtering, live progress, choosing arms, a report in its sandbox, a narrow screen."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from stores import add, new_store

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))
from synthetic_study import make_study, write_study

from restor.progress import Silent
from restor.runner.running import running

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
ARGUMENTS = ["--no-sandbox", "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


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
def store(tmp_path_factory):
    made = new_store(tmp_path_factory.mktemp("seen") / "store")
    for name in ("first", "second"):
        results, facts = make_study(people=2, untouched=1)
        study = results.study.model_copy(update={"id": name})
        write_study(made / "studies" / name, results.model_copy(update={"study": study}), facts)
    add(made, "third", name="<img src=x onerror=window.__pwned=1>", label="</td><script>window.__pwned=2</script>")
    return made


@pytest.fixture(scope="module")
def address(store):
    command = [sys.executable, "-m", "restor", "view", str(store), "--port", "0", "--no-open"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    found = re.search(r"http://127\.0\.0\.1:\d+", child.stdout.readline())
    assert found
    yield found[0]
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=20)
    assert child.returncode == 0


@pytest.fixture
def page(browser, address):
    made = browser.new_page(viewport={"width": 1200, "height": 900})
    trouble = []
    made.on("console", lambda message: trouble.append(message.text))
    made.on("pageerror", lambda error: trouble.append(str(error)))
    made.on("request", lambda request: None if request.url.startswith(address) else trouble.append(request.url))
    yield made
    assert trouble == []
    assert made.evaluate("window.__pwned") is None
    made.close()


def rows(page):
    return page.eval_on_selector_all(".studies tr[data-study]", "rows => rows.map(row => row.dataset.study)")


def test_the_list_filters_while_typing_and_keeps_what_is_chosen(page, address):
    page.goto(address)
    assert set(rows(page)) == {"first", "second", "third"}
    page.fill("#filter input[name=q]", "simnpo")
    page.wait_for_selector("tr[data-study=third]", state="detached")
    assert set(rows(page)) == {"first", "second"}
    assert page.url.endswith("/?q=simnpo")
    page.click("a.sort >> text=Study")
    page.wait_for_selector("th[aria-sort=ascending]")
    assert "sort=name" in page.url
    assert page.input_value("#filter input[name=q]") == "simnpo"
    # Arms open below their study; what is ticked stays chosen from page to page.
    page.click("tr[data-study=first] a.arms")
    page.check("input[value='first/msa']")
    assert page.inner_text("#basket-text") == "1 arm of 1 study"
    page.goto(f"{address}/study/second")
    assert page.inner_text("#basket-text") == "1 arm of 1 study"
    page.check("input[value='second/msa']")
    page.check("input[value='second/npo_token/related']")
    assert page.inner_text("#basket-text") == "3 arms of 2 studies"
    page.click("#basket-go")
    page.wait_for_selector(".arms-table")
    labels = page.locator(".arms-table tr.arm th").all_inner_texts()
    assert labels == ["A: MSA", "B: MSA", "B: NPO, per token"]
    assert page.locator("svg.drawing .dot").count() == 3
    with page.expect_download() as download:
        page.click("text=CSV")
    assert download.value.suggested_filename == "restor-compare.csv"


def test_a_run_appears_moves_and_goes_without_a_reload(page, address, store):
    page.goto(address)
    page.evaluate("window.__same = true")
    assert page.locator("#running .process").count() == 0
    folder = store / "studies" / "live-1"
    folder.mkdir()
    (folder / "stages.json").write_text("[]")
    with running(folder, Silent(), name="Live one", kind="study", protocol="restor", seeds=[0]) as told:
        told.begin("unlearn", "npo, related, seed 0", 2, 9)
        page.wait_for_selector("#running .process >> text=Live one", timeout=20_000)
        told.advance(7, 60, 0.5)
        page.wait_for_selector("#running >> text=step 7 of 60", timeout=20_000)
        page.wait_for_selector("tr[data-study=live-1] .state-running", timeout=20_000)
    page.wait_for_selector("#running .process", state="detached", timeout=20_000)
    assert page.evaluate("window.__same") is True


def test_the_theme_stays_and_a_narrow_screen_needs_no_sideways_scrolling(page, address):
    page.set_viewport_size({"width": 380, "height": 800})
    page.goto(address)
    page.click("#theme")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    for path in ("/", "/study/first", "/compare?arms=first/msa&arms=second/msa&arms=third"):
        page.goto(address + path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark


def test_a_report_works_in_its_sandbox_and_cannot_read_the_other_pages(page, address):
    page.goto(f"{address}/study/first/report")
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("#theme")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    assert page.evaluate("self.origin") == "null"
