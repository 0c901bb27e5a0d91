"""The results in `docs/performance.md`: only what is between the marks changes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from testbed_results import cost, full, measurement, result, some

from testbed.report import performance

PAGE = f"# Performance\n\nBefore.\n\n{performance.BEGIN}\nold\n{performance.END}\n\nAfter.\n"


def test_only_what_is_between_the_marks_changes() -> None:
    """Before and after stay as they are, byte by byte."""
    text = performance.update(PAGE, "new\n")

    assert text == f"# Performance\n\nBefore.\n\n{performance.BEGIN}\n\nnew\n\n{performance.END}\n\nAfter.\n"


def test_an_update_may_be_repeated() -> None:
    """The second changes nothing."""
    once = performance.update(PAGE, "new")

    assert performance.update(once, "new") == once


@pytest.mark.parametrize(
    "text",
    [
        "",
        performance.BEGIN,
        performance.END,
        f"{performance.END}\n{performance.BEGIN}",
        PAGE + performance.BEGIN,
        PAGE + performance.END,
    ],
)
def test_a_page_without_its_marks_is_refused(text: str) -> None:
    """Rather than guessing what may be overwritten."""
    with pytest.raises(ValueError, match="results: written by make testbed"):
        performance.update(text, "new")


def test_the_page_links_to_the_plots_beside_it(tmp_path: Path) -> None:
    """Each link has a file, each file a link, and a plot of an earlier run is gone."""
    page = tmp_path / "performance.md"
    run = some("burst", "saturation")
    page.write_text(PAGE, encoding="utf-8")
    (tmp_path / "performance").mkdir()
    (tmp_path / "performance" / "stale.svg").touch()

    performance.write(run, page)
    once = page.read_text(encoding="utf-8")
    performance.write(run, page)

    links = set(re.findall(r"!\[.*?\]\(([^)]+)\)", once))
    assert links == {f"performance/{file.name}" for file in (tmp_path / "performance").iterdir()}
    assert {"performance/burst-over-time.svg", "performance/saturation-cpu-per-span.svg"} <= links
    assert page.read_text(encoding="utf-8") == once


def test_nothing_is_written_into_a_page_without_marks(tmp_path: Path) -> None:
    """No plot either."""
    page = tmp_path / "performance.md"
    page.write_text("# Performance\n", encoding="utf-8")

    with pytest.raises(ValueError, match="the page must have"):
        performance.write(full(), page)

    assert list(tmp_path.iterdir()) == [page]


def test_the_results_have_ratios_accounts_losses_and_what_is_missing() -> None:
    """In the sample, the Go collector lost spans, and we lose at 10 spans a request."""
    text = performance.generated(full())

    assert re.search(r"\| chain \| 512 \| 1\.80 \(.*\) \| 5\.36 .* \| 0\.33x \| 0\.61x \|", text)
    assert re.search(
        r"\| 100 \| Go collector \| 2 \| 4,000,000 \| 4,000,000 \| 0 \| 0 \| 0 \| 3,998,720 \| 1,280 \|", text
    )
    assert re.search(r"\| saturation \| chain \| 10 \| CPU per span, µs \| Go collector \|.*\| 2\.28x \|", text)
    assert (
        "| Spanmill | round 2 invalid: the load generator was 40 ms late | burst, chain, 100 spans a request |" in text
    )
    assert "| Vector | absent: its build needs a download | everywhere |" in text


def test_the_results_say_so_if_we_lose_nowhere() -> None:
    """Under the same heading."""
    text = performance.generated(result(measurement(), measurement("gocollector", cost=cost(5.0))))

    assert "### Where we lose\n\nSpanmill is not worse than any other subject" in text
