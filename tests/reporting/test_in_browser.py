"""The page in a real browser: what answers to the pointer, what sorts, what stays without scripts, what never is."""

import math
import re
import shutil

import pytest
from every_kind import every_kind
from msgspec.structs import replace
from rendered import reported
from samples import grid_record

from kaoprof.reporting.kinds import KINDS, written

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if CHROMIUM is None:
    pytest.skip("needs Chromium: apt-get install chromium", allow_module_level=True)
sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -e '.[test]'")

pytestmark = pytest.mark.slow
SIZES, BEYOND = (14, 28, 56, 112), 1.15  # of the record, and by how much its axis goes on
STEPS = 30
HOSTILE = "</script><img src=x onerror=alert(1)>&quot;\u202e"
BLUE = (0, 114, 178)  # nonlocal's colour: the first of the palette
COUNT_PIXELS = """([r, g, b]) => Array.from(document.querySelectorAll("canvas"), (canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let count = 0;
  for (let at = 0; at < data.length; at += 4)
    count += data[at] === r && data[at + 1] === g && data[at + 2] === b && data[at + 3] === 255;
  return count;
})"""
WRITE_DOWN = """() => {
  window.told = [];
  const write = (tip) => window.told.push(Array.from(tip.children, (line) => line.textContent).join(" | "));
  for (const tip of document.querySelectorAll(".tip"))
    new MutationObserver(() => write(tip)).observe(tip, { childList: true });
}"""
PICTURES = '() => Array.from(document.querySelectorAll("canvas"), (canvas) => canvas.toDataURL())'


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A usual page, one whose operators have hostile names, and one of each kind of record."""
    folder = tmp_path_factory.mktemp("pages")
    record = grid_record()
    rows = tuple(
        replace(row, case=replace(row.case, operator=row.case.operator.replace("nonlocal", HOSTILE)))
        for row in record.rows
    )
    pages = {"usual": record, "hostile": replace(record, rows=rows, baseline=HOSTILE), **every_kind(folder)}
    for name, made in pages.items():
        (folder / f"{name}.html").write_text(written(reported(made), "html"))
    return folder


class Opened:
    """A page with all that it asked for, said and showed."""

    def __init__(self, browser, file, **how):
        self.context = browser.new_context(viewport={"width": how.pop("width", 1400), "height": 900}, **how)
        self.page = self.context.new_page()
        self.requests, self.complaints = [], []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: message.type == "error" and self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.goto(file.as_uri())
        self.asked_for = file.as_uri()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()

    def wait_for_plots(self):
        self.page.wait_for_function("document.querySelectorAll('canvas').length === 3")

    def told_at(self, size, panel):
        """All that is told while the pointer goes down a panel where a size is."""
        box = self.page.locator(".u-over").nth(panel).bounding_box()
        left, right = SIZES[0] / BEYOND, SIZES[-1] * BEYOND
        across = math.log(size / left) / math.log(right / left)
        for step in range(STEPS + 1):
            self.page.mouse.move(box["x"] + box["width"] * across, box["y"] + box["height"] * step / STEPS)
        return set(self.page.evaluate("window.told.splice(0)"))


@pytest.fixture
def usual(browser, files):
    with Opened(browser, files / "usual.html") as opened:
        opened.wait_for_plots()
        opened.page.evaluate(WRITE_DOWN)
        yield opened
        assert opened.requests == [opened.asked_for]
        assert opened.complaints == []


def test_a_mark_under_the_pointer_says_its_value_and_interval(usual):
    said = re.compile(r"kao_kv:matmul \| h = w: 56 \| 2\.\d\d ms \(95 %: 1\.\d\d ms to 2\.\d\d ms\)")  # 2 ms a call
    assert any(map(said.fullmatch, usual.told_at(56, panel=0)))
    assert "nonlocal:matmul | h = w: 112 | skipped" in usual.told_at(112, panel=0)
    assert "nonlocal:matmul | h = w: 112 | skipped: 9.39 GiB predicted" in usual.told_at(112, panel=1)


def test_a_click_on_a_name_hides_its_curves_in_every_panel_and_another_shows_them(usual):
    names = [usual.page.get_by_role("button", name=name) for name in ("nonlocal:matmul", "nonlocal:sdpa")]
    assert all(count > 50 for count in usual.page.evaluate(COUNT_PIXELS, BLUE))
    for name in names:
        name.click()
        assert name.get_attribute("aria-pressed") == "false"
    assert usual.page.evaluate(COUNT_PIXELS, BLUE) == [0, 0, 0]
    assert not any(text.startswith("nonlocal:") for text in usual.told_at(56, panel=0))
    names[0].click()
    assert all(count > 20 for count in usual.page.evaluate(COUNT_PIXELS, BLUE))


def test_axes_are_logarithmic_or_linear_and_a_drag_zooms(usual):
    whole = usual.page.evaluate(PICTURES)
    usual.page.get_by_role("button", name="linear axes").click()
    linear = usual.page.evaluate(PICTURES)
    assert all(one != other for one, other in zip(whole, linear, strict=True))
    usual.page.get_by_role("button", name="logarithmic axes").click()
    assert usual.page.evaluate(PICTURES) == whole
    box = usual.page.locator(".u-over").first.bounding_box()
    usual.page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.2 * box["height"])
    usual.page.mouse.down()
    usual.page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.8 * box["height"], steps=4)
    usual.page.mouse.up()
    assert usual.page.evaluate(PICTURES)[0] != whole[0]
    usual.page.get_by_role("button", name="whole range").click()
    assert usual.page.evaluate(PICTURES) == whole


def heading(page, name):
    """The heading of that name in the table of all rows."""
    return page.locator("table.sortable").last.locator("thead button", has_text=re.compile(f"^{name}$")).first


def test_a_heading_sorts_the_table_by_its_values(usual):
    latency = heading(usual.page, "latency")
    column = latency.evaluate("(button) => button.parentElement.cellIndex")
    read = f"(body) => Array.from(body.rows, (row) => row.cells[{column}].dataset.v).filter(Boolean).map(Number)"
    for sign in (1, -1):
        latency.click()
        values = usual.page.locator("table.sortable").last.locator("tbody").evaluate(read)
        assert len(values) == 15
        assert values == sorted(values, key=lambda value: sign * value)


def test_important_columns_are_seen_without_scrolling(usual):
    for name in ("operator", "h", "latency", "speedup", "peak", "MACs", "predicted peak"):
        box = heading(usual.page, name).bounding_box()
        assert box["x"] + box["width"] <= 1400


def test_a_phone_shows_it_all_below_each_other(browser, files):
    with Opened(browser, files / "usual.html", width=390) as phone:
        phone.wait_for_plots()
        assert phone.page.evaluate("document.documentElement.scrollWidth") <= 390
        boxes = [phone.page.locator("canvas").nth(number).bounding_box() for number in range(3)]
        assert all(box["width"] > 300 for box in boxes)
        assert boxes[0]["y"] < boxes[1]["y"] < boxes[2]["y"]


def test_without_scripts_and_in_print_the_pictures_stay(browser, files, usual):
    with Opened(browser, files / "usual.html", java_script_enabled=False) as plain:
        assert plain.page.locator("figure > svg").first.is_visible()
        assert plain.page.locator(".live").count() == 0
    assert not usual.page.locator("figure > svg").first.is_visible()
    usual.page.emulate_media(media="print")
    assert usual.page.locator("figure > svg").first.is_visible()
    assert not usual.page.locator(".live").first.is_visible()


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_of_any_kind_asks_for_nothing_and_fits_a_desk_and_a_phone(browser, files, kind):
    for width in (1400, 390):
        with Opened(browser, files / f"{kind}.html", width=width) as opened:
            assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
            wide = opened.page.locator(".wide").evaluate_all("(all) => all.map((t) => t.scrollWidth - t.clientWidth)")
            assert width < 1400 or max(wide) <= 0, "a table has more columns than a desk"
            assert opened.requests == [opened.asked_for]
            assert opened.complaints == []


def test_at_night_it_is_dark(usual):
    colour = "getComputedStyle(document.body).backgroundColor"
    assert usual.page.evaluate(colour) == "rgb(255, 255, 255)"
    usual.page.emulate_media(color_scheme="dark")
    assert sum(map(int, re.findall(r"\d+", usual.page.evaluate(colour)))) < 150
    usual.wait_for_plots()
    assert usual.page.evaluate(COUNT_PIXELS, BLUE) == [0, 0, 0]  # blue on black would be hard to see


def test_a_hostile_name_is_shown_and_does_nothing(browser, files):
    with Opened(browser, files / "hostile.html") as opened:
        opened.wait_for_plots()
        key = opened.page.locator(".legend button").first
        assert "</script><img src=x onerror=alert(1)>&quot;\\u202e:matmul" in key.inner_text()
        key.click()
        assert opened.page.locator("img").count() == 0
        assert opened.requests == [opened.asked_for]
        assert opened.complaints == []


def test_a_model_under_the_pointer_says_its_macs_and_throughput(browser, files):
    with Opened(browser, files / "models.html") as opened:
        opened.wait_for_plots()
        opened.page.evaluate(WRITE_DOWN)
        box = opened.page.locator(".u-over").first.bounding_box()
        for step in range(STEPS + 1):  # at the left edge lies the smallest model, a little within
            opened.page.mouse.move(box["x"] + 10, box["y"] + box["height"] * step / STEPS)
        said = re.compile(r"small \| MACs per sample: 6\.40 k \| 5\.06 ms \(95 %: .*\); size 8; 197 samples/s")
        assert any(map(said.fullmatch, opened.page.evaluate("window.told")))
        hidden = opened.page.get_by_role("button", name="nobody beats these")
        hidden.click()
        assert hidden.get_attribute("aria-pressed") == "false"
        assert (opened.requests, opened.complaints) == ([opened.asked_for], [])
