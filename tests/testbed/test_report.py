"""The reports: complete, harmless, and in one file."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest
from testbed_results import SCRIPT, full, result, some

from testbed import report
from testbed.report.document import Code, Heading, Items, Picture, Table, Text
from testbed.report.html import html
from testbed.report.markdown import markdown

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Page(HTMLParser):
    """Reads a page strictly: what is opened is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.fetched: list[str] = []
        self.ids: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        named = dict(attrs)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.fetched += [value for name in ("src", "href", "xlink:href", "data") if (value := named.get(name))]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("report")
    report.write(full(), directory)
    return directory


@pytest.fixture(scope="module")
def page(directory: Path) -> Page:
    page = Page()
    page.feed((directory / "report.html").read_text(encoding="utf-8"))
    page.close()
    return page


def test_the_page_is_well_formed(page: Page) -> None:
    """No tag is left open and no id is there twice."""
    assert page.open == []
    assert len(set(page.ids)) == len(page.ids)
    assert page.seen.count("svg") == 12
    assert page.seen.count("table") > 20


def test_the_page_fetches_and_runs_nothing(directory: Path, page: Page) -> None:
    """All references are to the page itself; no import hides in the style."""
    assert page.fetched
    assert [reference for reference in page.fetched if not reference.startswith("#")] == []
    assert not {"script", "link", "img", "iframe", "object"} & set(page.seen)
    assert "@import" not in (directory / "report.html").read_text(encoding="utf-8")


def test_a_log_is_shown_and_does_no_harm(directory: Path, page: Page) -> None:
    """It is text in both reports."""
    text = (directory / "report.md").read_text(encoding="utf-8")

    assert SCRIPT in page.text
    assert "<script" not in (directory / "report.html").read_text(encoding="utf-8")
    assert f"```\ninfo: ready\n{SCRIPT}\n```" in text


def test_links_lead_to_sections(page: Page) -> None:
    """What the page links to is there."""
    assert {reference[1:] for reference in page.fetched} <= set(page.ids)


@pytest.mark.parametrize(
    "said",
    [
        "round 2 invalid: the load generator was 40 ms late",
        "round 1 failed: exited with 137",
        "absent: no processor of it hashes values",
        "absent: its build needs a download",
        "AMD EPYC 7763",
        "subject 0-1, testbed 2-3",
        "7117136",
        "0.160.0",
        "python -m testbed run all",
        "Where Spanmill loses",
        "Twice its capacity for a minute.",
        "Each had a load of its own (100 spans a request): Spanmill 423k spans/s, Go collector",
        "Go collector, 100 spans a request, round 1: lost: 1280 accepted spans",
    ],
)
def test_both_reports_say_it(directory: Path, page: Page, said: str) -> None:
    """What was measured, on what, and what does not count."""
    assert said in page.text
    assert said in " ".join((directory / "report.md").read_text(encoding="utf-8").replace("\\", "").split())


def test_a_table_in_a_scenario_has_a_row_for_who_is_absent(directory: Path) -> None:
    """In the accounting, with the reason at its end."""
    text = (directory / "report.md").read_text(encoding="utf-8")
    section = text.partition("\n## overload\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| 100 | Vector |")]

    assert rows
    assert all(row.endswith("| absent: its build needs a download |") for row in rows)


def test_the_invalid_are_marked_in_the_page(directory: Path) -> None:
    """By more than their words."""
    text = (directory / "report.html").read_text(encoding="utf-8")

    assert '<td class="trouble">round 2 invalid: the load generator was 40 ms late</td>' in text


def test_a_run_without_measurements_has_a_report(tmp_path: Path) -> None:
    """It says that there is nothing."""
    report.write(result(), tmp_path)

    assert "0 measurements: none." in (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "0 measurements: none." in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_markdown_shows_text_as_it_is() -> None:
    """Nothing in it is taken for a mark, wherever a line breaks."""
    text = markdown([Text("<b> a|b *c* `d` [e](f) _g_ h_i 1.5"), Text("x " * 60 + "1. one"), Text("y " * 60 + "- two")])

    assert text.splitlines()[0] == r"&lt;b&gt; a\|b \*c\* \`d\` \[e\](f) \_g\_ h_i 1.5"
    assert [line for line in text.splitlines() if line.startswith(("1\\. one", "\\- two"))] == ["1\\. one", "\\- two"]


def test_markdown_fences_what_has_fences_and_drops_what_colours_terminals() -> None:
    """A log cannot end its own block."""
    text = markdown([Code("log", "a\n```\n\x1b[31mred\x1b[0m\x00")])

    assert "````\na\n```\nred\n````" in text


def test_markdown_of_each_block() -> None:
    """Headings, lists and tables with figures to the right."""
    text = markdown([Heading("H", 3), Items(["a", "b"]), Table(["k", "v"], [["x", "1"]])])

    assert text == "### H\n\n- a\n- b\n\n| k | v |\n|---|--:|\n| x | 1 |\n"


def test_html_escapes_titles_cells_and_captions() -> None:
    """Everything that came from outside."""
    evil = '"><script>x</script>'
    figure = next(it for it in report.content(some("burst")) if isinstance(it, Picture)).figure

    text = html(
        evil, [Heading(evil), Table([evil], [[evil]]), Code(evil, evil), Picture("p", figure, evil), Items([evil])]
    )

    assert "<script" not in text
    assert text.count("&lt;script&gt;") == 10
