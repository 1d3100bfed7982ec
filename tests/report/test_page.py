"""The report as people meet it: in a browser, light and dark, on a phone, printed, and through a screen reader."""

import io
import re

import pandas as pd
import pytest

from evoact.config import comparison
from evoact.execution.run import compare
from evoact.report import write_report
from evoact.report.run import read_run
from tests.report.browser import Browser, find_browser

BINARY = find_browser()
pytestmark = pytest.mark.skipif(BINARY is None, reason="no Chromium here; CHROMIUM can name one")

ROWS = "[...document.querySelectorAll('table[data-sortable] tbody tr')]"


@pytest.fixture(scope="module")
def report(tiny_comparison, tmp_path_factory):
    home = tmp_path_factory.mktemp("report") / "run"
    # A description that looks like markup must stay text.
    data = tiny_comparison(description="<script>document.title = 'stolen'</script> & <b>more</b>", repeats=3)
    compare(comparison(data), home)
    write_report(read_run(home))
    return home / "report.html"


@pytest.fixture(scope="module")
def browser():
    opened = Browser(BINARY)
    yield opened
    opened.close()


@pytest.fixture
def page(browser, report):
    browser.screen(1000, 800)
    browser.open(report)
    return browser


def column(page, number):
    return page.run(f"{ROWS}.map(row => row.cells[{number}].textContent)")


def header(page, name):
    names = page.run(
        "[...document.querySelectorAll('table[data-sortable] th[scope=col]')].map(h => h.textContent)"
    )
    return names.index(name)


@pytest.mark.slow
def test_nothing_is_fetched_and_nothing_goes_wrong(browser, report):
    browser.events.clear()
    browser.screen(1000, 800)
    browser.open(report)
    browser.click("table[data-sortable] th button")
    browser.run("new Promise(done => setTimeout(done, 50))")
    requested = [
        e["params"]["request"]["url"] for e in browser.events if e["method"] == "Network.requestWillBeSent"
    ]
    assert requested == [report.resolve().as_uri()]
    assert browser.run("performance.getEntriesByType('resource').length") == 0
    bad = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
    assert [e for e in browser.events if e["method"] in bad] == []
    assert browser.run("document.title") == "tiny: evoact report"
    assert "<script>document.title" in browser.run("document.querySelector('header p').textContent")


@pytest.mark.slow
def test_sorting(page):
    validation = header(page, "validation")
    before = column(page, validation)
    button = f"table[data-sortable] th:nth-child({validation + 1}) button"
    sort = f"document.querySelector('table[data-sortable] th:nth-child({validation + 1})').getAttribute('aria-sort')"
    page.click(button)
    assert page.run(sort) == "ascending"
    numbers = [float(cell.split()[0]) for cell in column(page, validation)]
    assert numbers == sorted(numbers)
    page.click(button)
    assert page.run(sort) == "descending"
    numbers = [float(cell.split()[0]) for cell in column(page, validation)]
    assert numbers == sorted(numbers, reverse=True)
    assert len(before) == len(numbers) > 20
    page.click("table[data-sortable] th:nth-child(1) button")
    assert page.run(sort) == "none"
    assert column(page, validation) == before
    arm = header(page, "arm")
    page.click(f"table[data-sortable] th:nth-child({arm + 1}) button")
    assert column(page, arm) == sorted(column(page, arm))


def test_numbers_sort_as_numbers_and_by_keyboard(page):
    page.run("document.querySelector('table[data-sortable] th:nth-child(1) button').focus()")
    enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
    for kind in ("keyDown", "keyUp"):
        page.call("Input.dispatchKeyEvent", type=kind, **enter)
    ranks = [int(cell) for cell in column(page, 0)]
    assert ranks == list(range(max(ranks), max(ranks) - len(ranks), -1))
    assert max(ranks) > 50  # texts would sort otherwise
    assert page.run("document.querySelector('[data-more]').hidden") is False
    page.click("[data-more]")
    assert len(column(page, 0)) == max(ranks)
    assert page.run("document.querySelector('[data-more]').hidden") is True


def test_filtering(page):
    every = len(column(page, 0))
    page.type("[data-filter]", "EVOLUTION tanh")
    rows = page.run(f"{ROWS}.map(row => row.textContent.toLowerCase())")
    assert 0 < len(rows) < every
    assert all("evolution" in row and "tanh" in row for row in rows)
    said = page.run("document.querySelector('[data-count]').textContent")
    assert said == f"{len(rows)} of {len(rows)} rows shown"
    page.type("[data-filter]", "no such thing")
    assert column(page, 0) == []
    assert page.run("document.querySelector('[data-count]').textContent") == "0 of 0 rows shown"
    page.type("[data-filter]", " ")
    assert len(column(page, 0)) == every


def test_numbers_are_compared(page):
    validation, shown = header(page, "validation"), "document.querySelector('[data-count]').textContent"
    page.click("[data-more]")
    numbers = [float(cell.split()[0]) for cell in column(page, validation)]
    limit = sorted(numbers)[len(numbers) // 2]
    expected = sum(number > limit for number in numbers)
    assert 0 < expected < len(numbers)
    for asked in (f"> {limit}", f"validation > {limit} %", f"VALIDATION>{limit / 100:.6g}"):
        page.type("[data-filter]", asked)
        assert page.run(shown).split(" of ")[1] == f"{expected} rows shown", asked
    page.type("[data-filter]", f"evolution validation > {limit} learning_rate >= 1e-9 seeds != 0")
    both = page.run(f"{ROWS}.map(row => row.textContent)")
    assert all("evolution" in row for row in both)
    assert len(both) < expected


def choose(page, place, name):
    page.run(
        f"(e => {{e.value = {name!r}; e.dispatchEvent(new Event('change'));}})"
        f"(document.querySelectorAll('[data-group]')[{place}])"
    )


def test_groups_have_mean_and_standard_error(page, report):
    rows = read_run(report.parent).shown
    choose(page, 0, "arm")
    choose(page, 1, "phase")
    names = page.run(
        "[...document.querySelectorAll('table[data-sortable] th[scope=col]')].map(h => h.textContent)"
    )
    assert names[:5] == ["arm", "phase", "n", "validation, mean", "validation, standard error"]
    found = {
        tuple(cells[:2]): cells[2:]
        for cells in page.run(f"{ROWS}.map(row => [...row.cells].map(cell => cell.textContent))")
    }
    groups = rows.groupby(["arm", "phase"])["val_mean"]
    assert set(found) == set(groups.groups)
    for key, own in groups:
        assert found[key][:2] == [str(len(own)), f"{100 * own.mean():.2f} %"]
        if len(own) > 1:
            assert found[key][2] == f"{100 * own.std(ddof=1) / len(own) ** 0.5:.2f} %"
    page.click("table[data-sortable] th:nth-child(3) button")
    sizes = [int(cell) for cell in column(page, 2)]
    assert sizes == sorted(sizes)
    choose(page, 0, "")
    choose(page, 1, "")
    assert header(page, "rank") == 0


def test_columns_are_chosen_and_copied_as_csv(page):
    page.run("window.copied = null; navigator.clipboard.writeText = async text => {window.copied = text;}")
    page.run("document.querySelector('.choices').open = true")
    page.run(
        "[...document.querySelectorAll('[data-columns] label')].find(l => l.textContent.trim() === 'parameters')"
        ".querySelector('input').click()"
    )
    parameters = header(page, "parameters")
    assert all(int(cell) > 10 for cell in column(page, parameters))
    page.type("[data-filter]", "evolution")
    page.click("[data-copy]")
    page.wait("window.copied !== null")
    found = pd.read_csv(io.StringIO(page.run("window.copied")))
    assert page.run("document.querySelector('[data-copied]').textContent") == f"Copied {len(found)} rows."
    assert set(found["arm"]) == {"evolution"}
    assert found["validation"].between(0, 1).all()
    assert found["parameters"].gt(10).all()


def test_a_link_leads_to_its_row(browser, report):
    browser.screen(1000, 800)
    browser.open(report)
    browser.click("[data-more]")
    last = column(browser, 0)[-1]
    address = browser.run(f"{ROWS}.at(-1).querySelector('a').href")
    browser.open(report)  # only the first rows are drawn
    assert last not in column(browser, 0)
    browser.type("[data-filter]", "no such thing")
    browser.run(f"location.href = {address!r}")
    browser.wait("document.querySelector('tr.linked') !== null")
    assert browser.run("document.activeElement.cells[0].textContent") == last
    assert browser.run("document.activeElement.getBoundingClientRect().top") < 800
    assert browser.run("document.querySelector('[data-filter]').value") == ""


@pytest.mark.parametrize("width", [320, 390, 1000])
def test_no_page_is_wider_than_its_screen(browser, report, width):
    browser.screen(width, 800)
    browser.open(report)
    assert browser.run("document.documentElement.scrollWidth") <= width


def test_letters_in_figures_stay_readable_on_a_phone(browser, report):
    browser.screen(390, 800)
    browser.open(report)
    heights = browser.run(
        "[...document.querySelectorAll('figure > svg text')].map(t => t.getBoundingClientRect().height)"
    )
    assert len(heights) > 50
    assert min(heights) > 9


def test_the_first_screen_answers_the_question(browser, report):
    """The verdict in words and all gains beside each other, without scrolling."""
    browser.screen(1600, 900)
    browser.open(report)
    title, lead, gains = (
        browser.run(
            f"(b => [b.left, b.top, b.right, b.bottom])(document.querySelector('{which}').getBoundingClientRect())"
        )
        for which in ("#verdict h2", "#verdict .lead", "#verdict figure > svg")
    )
    assert title[3] <= lead[1]
    assert max(lead[3], gains[3]) < 900
    assert lead[2] <= gains[0]
    assert gains[1] < lead[3]  # in one row
    described = browser.run("document.querySelector('#verdict svg desc').textContent")
    assert described.startswith("Gains over homogeneous: ")
    assert "random " in described
    assert "evolution " in described


@pytest.mark.parametrize("width", [320, 390, 800])
def test_verdicts_stay_in_sight_where_tables_scroll(browser, report, width):
    browser.screen(width, 800)
    browser.open(report)
    ends = "[...document.querySelectorAll('#verdict tr')].flatMap(row => [row.firstElementChild, row.lastElementChild])"
    for scrolled in (0, 60, 1000):
        browser.run(
            f"document.querySelectorAll('#verdict .scroll').forEach(box => box.scrollLeft = {scrolled})"
        )
        sides = browser.run(f"{ends}.map(cell => cell.getBoundingClientRect()).map(b => [b.left, b.right])")
        assert len(sides) > 6
        assert all(left >= 0 and right <= width for left, right in sides)


def press(browser, key, **more):
    for kind in ("keyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, **more)


def test_the_keyboard_reaches_everything_in_order(page):
    """From the first stop to behind the table's controls: forward in the page, each with a visible outline."""
    tab = {"windowsVirtualKeyCode": 9}
    page.run("document.activeElement.blur(); window.stops = []")
    seen = []
    for _ in range(60):
        press(page, "Tab", **tab)
        here = page.run(
            "(e => {window.stops.push(e); const s = getComputedStyle(e); const before = window.stops.at(-2);"
            "return [e.tagName, e.textContent.trim(), parseFloat(s.outlineWidth) * (s.outlineStyle !== 'none'),"
            "!before || !!(before.compareDocumentPosition(e) & Node.DOCUMENT_POSITION_FOLLOWING)]})"
            "(document.activeElement)"
        )
        seen.append(here)
        if here[0] == "BUTTON" and here[1] == "phase":
            break
    assert seen[0][:2] == ["A", "To the verdict"]
    assert seen[-1][1] == "phase"
    assert all(outline >= 2 and forward for _, _, outline, forward in seen)
    tags = [tag for tag, *_ in seen]
    assert [tags.count(tag) for tag in ("INPUT", "SELECT", "SUMMARY")] == [
        1,
        2,
        len(page.run("[...document.querySelectorAll('summary')].slice(0, -1).map(s => 1)")),
    ]
    press(page, "Enter", windowsVirtualKeyCode=13, text="\r")  # sorts, and keeps its place
    assert page.run("document.activeElement.textContent") == "phase"
    assert page.run("document.activeElement.parentElement.ariaSort") == "ascending"


def contrast(first, second):
    """Of two colours, as WCAG 2 has it."""

    def luminance(colour):
        channels = [int(v) / 255 for v in re.findall(r"\d+", colour)[:3]]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_contrast_in_light_and_dark(browser, report, dark):
    browser.screen(1000, 800, dark=dark)
    browser.open(report)
    ground = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (contrast(ground, "rgb(0, 0, 0)") < 2) == dark
    for selector in ("body", "figcaption", "caption", "a[href]"):
        ink = browser.run(f"getComputedStyle(document.querySelector('{selector}')).color")
        assert contrast(ink, ground) >= 4.5, selector
    for text in ("text.tick", "text.label"):
        ink = browser.run(f"getComputedStyle(document.querySelector('svg {text}')).fill")
        assert contrast(ink, ground) >= 4.5, text
    for css in (*(f"c{i}" for i in range(8)), "reference", "accent", "other", "failed"):
        ink = browser.run(
            f"(e => {{e.className = '{css}'; document.body.append(e); const c = getComputedStyle(e).color; "
            "e.remove(); return c;})(document.createElement('i'))"
        )
        assert contrast(ink, ground) >= 3, css


def test_on_paper_all_is_black_on_white_and_controls_are_gone(browser, report):
    browser.screen(800, 1000, dark=True, media="print")
    browser.open(report)
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.run("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert browser.run("document.documentElement.scrollWidth") <= 800
    for selector in ("nav", "[data-controls]", ".more"):
        assert browser.run(f"getComputedStyle(document.querySelector('{selector}')).display") == "none"
    browser.screen(1000, 800)


def test_what_a_screen_reader_hears(page):
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    by_role = {}
    for node in nodes:
        if not node.get("ignored"):
            by_role.setdefault(node["role"]["value"], []).append(node.get("name", {}).get("value", ""))
    assert len(by_role["main"]) == len(by_role["navigation"]) == 1
    headings = by_role["heading"]
    assert headings[:2] == ["tiny", "Verdict: no difference can be shown"]
    images = by_role["image"] if "image" in by_role else by_role["img"]
    assert len(images) >= 6
    assert all(images)
    assert all(
        page.run(
            "[...document.querySelectorAll('figure > svg')].map(s => s.querySelector('desc').textContent)"
        )
    )
    assert all(by_role["table"])  # captions name them
    assert {"arm", "verdict", "gain"} <= set(by_role["columnheader"])
    assert {"homogeneous", "evolution"} <= set(by_role["rowheader"])
    assert any(name.startswith("Show rows with") for name in by_role["searchbox"])
    assert {"Group by", "then by"} <= {name.strip() for name in by_role["combobox"]}
    ids = page.run("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))


def test_without_scripts_the_table_is_whole(browser, report):
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.screen(1000, 800)
        browser.open(report)
        ranks = [int(cell) for cell in column(browser, 0)]
        assert ranks == list(range(1, len(ranks) + 1))
        assert len(ranks) > 50
        assert browser.run("document.querySelector('[data-count]').textContent") == ""
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
