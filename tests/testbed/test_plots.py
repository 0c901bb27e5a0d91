"""Pictures: a colour is a subject everywhere, and the files are the same every time."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import msgspec
import pytest
from matplotlib.colors import to_hex
from testbed_results import SUBJECTS, full, latency, measurement, result

from testbed.report import pictures
from testbed.report.grid import Grid
from testbed.report.plots import canvas
from testbed.report.plots.percentiles import nines, places
from testbed.report.plots.timeline import POINTS, events, timeline
from testbed.results import Event, Latency, Sample

TITLES = {name: subject.title for name, subject in SUBJECTS.items()}


@pytest.fixture(scope="module")
def drawn() -> list:
    grid = Grid(full())
    return [picture for scenario in grid.scenarios for picture in pictures.pictures(grid, scenario)]


def colours(figure) -> dict[str, set[str]]:
    """Find the colours of everything that is drawn for a subject, by the label that it has."""
    found: dict[str, set[str]] = {}
    for axes in figure.axes:
        for line in axes.get_lines():
            found.setdefault(line.get_label(), set()).add(to_hex(line.get_color()))
        for collection in axes.collections:
            found.setdefault(collection.get_label(), set()).update(map(to_hex, collection.get_edgecolor()))
        for bars in axes.containers:
            if hasattr(bars, "patches"):
                found.setdefault(bars.get_label(), set()).update(to_hex(it.get_facecolor()) for it in bars.patches)
    handles = [handle for legend in figure.legends for handle in legend.legend_handles]
    for handle in handles:
        colour = handle.get_color() if hasattr(handle, "get_color") else handle.get_facecolor()
        found.setdefault(handle.get_label(), set()).add(to_hex(colour))
    return {title: found[title] for title in TITLES.values() if title in found}


def test_a_subject_has_the_same_colour_in_every_plot(drawn: list) -> None:
    """Lines, whiskers, bars and the legend agree, and no two subjects share one."""
    expected = {TITLES[name]: {style.colour} for name, style in canvas.styles(TITLES).items()}

    for picture in drawn:
        found = colours(picture.figure)
        assert {"Spanmill", "Go collector", "Rotel"} <= found.keys(), picture.name
        assert found == {title: expected[title] for title in found}, picture.name
    assert len({min(colour) for colour in expected.values()}) == len(expected)


def test_unknown_subjects_have_colours_of_their_own_whatever_their_order() -> None:
    """The known ones keep theirs."""
    styles = canvas.styles(["vector", "spanmill", "alloy"])

    assert styles == canvas.styles(["alloy", "vector", "spanmill"])
    assert len({style.colour for style in styles.values()}) == 3
    assert styles["spanmill"] == canvas.styles(["spanmill"])["spanmill"]


def test_every_scenario_has_its_pictures(drawn: list) -> None:
    """Sizes for a closed loop; time and latency under a schedule."""
    names = {picture.name for picture in drawn}

    assert {"saturation-cpu-per-span", "saturation-peak-rss"} <= names
    assert {"burst-over-time", "burst-latency", "overload-over-time", "overload-latency"} <= names
    assert len(names) == len(drawn)


def test_who_is_missing_is_named_below_the_picture(drawn: list) -> None:
    """With the reason."""
    captions = {picture.name: picture.caption for picture in drawn}

    assert (
        "Not shown in 3 of 9 cases: Rotel (absent: no processor of it hashes values)"
        in (captions["saturation-cpu-per-span"])
    )
    assert "Not shown: Vector (absent: its build needs a download)" in captions["burst-over-time"]


def test_the_same_result_makes_the_same_file(drawn: list) -> None:
    """No date, no random names; drawing twice and drawing anew agree."""
    again = {picture.name: picture for picture in pictures.pictures(Grid(full()), "burst")}
    [picture] = [picture for picture in drawn if picture.name == "burst-over-time"]

    first = canvas.svg(picture.figure, picture.name)

    assert first == canvas.svg(picture.figure, picture.name)
    assert first == canvas.svg(again[picture.name].figure, picture.name)
    assert "<metadata" not in first
    assert "date" not in first


def test_text_stays_text_and_references_stay_within_the_picture(drawn: list) -> None:
    """So many pictures may share a page, and each can be searched."""
    for picture in drawn:
        drawing = canvas.svg(picture.figure, picture.name)
        root = ET.fromstring(drawing)  # noqa: S314 - nobody else wrote it
        ids = re.findall(r' id="([^"]+)"', drawing)
        assert "Spanmill" in {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}
        assert ids
        assert all(id.startswith(f"{picture.name}-") for id in ids)
        assert len(set(ids)) == len(ids)
        assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', drawing)) == set(ids)


def test_a_long_series_is_thinned_and_keeps_its_peak() -> None:
    """A peak of memory that lasted one sample must not vanish."""
    series = [Sample(float(t), 100.0, 100.0, 0.0, 100.0, 500.0 if t == 4321 else 50.0, 1.0) for t in range(10_000)]
    long = measurement(series=series, target_rate=100.0)

    figure = timeline([long], TITLES, canvas.styles(TITLES))

    [line] = figure.axes[2].get_lines()
    assert len(line.get_xdata()) <= POINTS
    assert max(line.get_ydata()) == 500.0


def test_loads_that_differ_are_drawn_for_each_subject() -> None:
    """One grey area would be a lie."""
    series = [Sample(float(t), 100.0, 90.0, 10.0, 90.0, 50.0, 1.0) for t in range(10)]
    own = measurement(series=series, target_rate=100.0)
    same, other = (msgspec.structs.replace(own, subject="rotel", target_rate=rate) for rate in (101.0, 150.0))

    alike = timeline([own, same], TITLES, canvas.styles(TITLES))
    unlike = timeline([own, other], TITLES, canvas.styles(TITLES))

    assert [area.get_label() for area in alike.axes[0].collections] == ["offered"]
    assert not unlike.axes[0].collections
    assert len(unlike.axes[0].get_lines()) == 4


def test_events_of_all_subjects_at_about_the_same_time_are_one() -> None:
    """The same word much later is another one."""
    series = [Sample(float(t), 1.0, 1.0, 0.0, 1.0, 1.0, 1.0) for t in range(101)]
    shown = [measurement(series=series, events=[Event(at, "10x"), Event(60.0, "10x")]) for at in (20.0, 20.4)]

    assert events(shown) == [Event(20.0, "10x"), Event(60.0, "10x")]


def test_every_nine_has_as_much_room_as_the_one_before() -> None:
    """And the maximum comes behind them."""
    assert [nines(it) for it in (0, 90, 99, 99.9, 100)] == pytest.approx([0, 1, 2, 3, 4])


def test_a_latency_without_a_curve_is_drawn_from_its_summary() -> None:
    """A latency of 0 has a place on a logarithmic axis."""
    found = places(Latency(10, 0.0, 2.0, 3.0, 4.0, 5.0))

    assert [value for _, value in found] == [0.001, 2.0, 3.0, 4.0, 5.0]
    assert len(places(latency(1.0))) > 50


def test_nothing_is_drawn_of_nothing() -> None:
    """A measurement without samples or latencies has no picture."""
    bare = measurement(acknowledgement=None, end_to_end=None, target_rate=1.0)

    assert timeline([bare], TITLES, canvas.styles(TITLES)) is None
    assert pictures.pictures(Grid(result(bare)), bare.scenario) == []
