"""docs/performance.md and its charts are made of the committed results, and others would fit."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from benchmarks.serving import page

SVG = "{http://www.w3.org/2000/svg}"
SERVERS = [*page.NAMES]
COUNTS = (1, 8, 32, 64)


def committed() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(page.RESULTS.read_text("utf-8"))
    return content


def on_cores() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(page.CORES.read_text("utf-8"))
    return content


def made_up(servers: list[str] = SERVERS) -> dict[str, Any]:
    """Results of ever slower servers, the last of which has no p99 at 8 connections."""
    figures: dict[str, dict[str, float]] = {}
    for place, name in enumerate(servers):
        figures[name] = {"bulk_images_s": 800.0, "memory_mb": 1234.5, "first_answer_s": 1.5}
        for count in COUNTS:
            figures[name] |= {
                f"rate_{count}": 400.0 - 10 * place,
                f"p50_ms_{count}": 5.0,
                f"p99_ms_{count}": 10.0 * count + place,
                f"cpu_ms_{count}": 2.5,
                f"errors_{count}": 0.0,
            }
    del figures[servers[-1]]["p99_ms_8"]
    spread = {
        name: {key: [0.9 * value, 1.1 * value] for key, value in each.items()}
        for name, each in figures.items()
    }
    run = {"threads": 1, "streams": 2, "batch": 1, "images_s": 400.0, "run_ms": 3.0}
    batch = {"threads": 1, "streams": 2, "batch": 16, "images_s": 500.0, "run_ms": 60.0}
    http = [{"connections": 1, "requests_s": 4000.0, "cpu_ms": 0.2}]
    ceiling = {"ort": [run, batch], "decode_us": 30.0, "http": http}
    result = {"ceilings": [ceiling, ceiling], "servers": figures, "spread": spread}
    return {**committed(), "results": {"int8": result}}


def test_the_committed_page_is_what_the_committed_results_make() -> None:
    written = page.PAGE.read_bytes()
    assert page.rewritten(written.decode(), committed(), on_cores()).encode() == written


@pytest.mark.parametrize("name", ["performance-rates.svg", "performance-latency.svg"])
def test_the_committed_charts_are_what_the_committed_results_make(name: str) -> None:
    images = page.DOCS / "images"
    assert page.charts(committed())[name].encode() == (images / name).read_bytes()
    assert f"(images/{name})" in page.PAGE.read_text("utf-8")


@pytest.mark.parametrize("servers", [SERVERS, SERVERS[:2], ["a server nobody has named yet"]])
def test_each_table_has_a_row_a_server_and_as_many_cells_in_each(servers: list[str]) -> None:
    result = made_up(servers)["results"]["int8"]
    for table in (
        page.rates_table(result),
        page.latency_table(result),
        page.ceilings_table(result),
    ):
        rows = [line.split("|")[1:-1] for line in table.splitlines()]
        assert len({len(row) for row in rows}) == 1
        assert [row[0].strip() for row in rows[2:]] == [page.NAMES.get(s, s) for s in servers]
        assert all(cell.strip() for row in rows for cell in row)


def test_what_was_not_measured_is_a_dash_and_leaves_a_gap() -> None:
    content = made_up()
    table = page.latency_table(content["results"]["int8"])
    last = [cell.strip() for cell in table.splitlines()[-1].split("|")[1:-1]]
    assert last[:3] == ["Ray Serve", "17.0 (15.3–18.7)", page.MISSING]
    assert page.MISSING not in last[3:]
    bars = {name: len(bars_of(chart)) for name, chart in page.charts(content).items()}
    assert bars == {"performance-rates.svg": 8 * 4, "performance-latency.svg": 8 * 4 - 1}


def test_shares_are_of_the_best_shape_and_waits_beyond_the_fastest_single_run() -> None:
    table = page.ceilings_table(made_up()["results"]["int8"])
    first = [cell.strip() for cell in table.splitlines()[2].split("|")[1:-1]]
    assert first == ["Hotshelf", "80%", "80%", "2.00", page.MISSING, page.MISSING]


def test_requests_that_failed_are_named() -> None:
    content = made_up()
    content["results"]["int8"]["spread"]["bentoml"] |= {"errors_32": [0, 7], "bulk_errors": [0, 2]}
    said = page.generated(content)
    assert "BentoML 7 at 32 connections; BentoML 2 at 16 images a request." in said
    assert "No request failed." not in said


def test_results_without_ceilings_make_a_page_without_them() -> None:
    content = made_up()
    content["results"]["int8"]["ceilings"] = []
    assert "Alone, ONNX Runtime" not in page.generated(content)
    for chart in page.charts(content).values():
        assert chart.count("stroke-dasharray") == 1  # the legend's


@pytest.mark.parametrize("content", [committed(), made_up(), made_up(SERVERS[:1])])
def test_charts_are_svg_that_keeps_within_its_frame_and_asks_for_nothing(
    content: dict[str, Any],
) -> None:
    for chart in page.charts(content).values():
        root = ET.fromstring(chart)  # noqa: S314 - our own text
        _, _, width, height = (float(each) for each in root.attrib["viewBox"].split())
        for each in root.iter(f"{SVG}rect"):
            x, y, wide, high = (float(each.attrib[key]) for key in ("x", "y", "width", "height"))
            assert 0 <= x < x + wide <= width
            assert 0 <= y < y + high <= height
        for each in root.iter(f"{SVG}text"):
            assert 0 < float(each.attrib["x"]) < width
            assert 0 < float(each.attrib["y"]) < height
        assert not re.search(r"href|url\(|<style|<script|<image|@import", chart)
        assert chart.count("http") == 1  # the namespace


def test_charts_say_in_words_what_they_show() -> None:
    for chart in page.charts(made_up()).values():
        root = ET.fromstring(chart)  # noqa: S314 - our own text
        assert root.attrib["role"] == "img"
        named = [each.attrib["id"] for each in root if each.tag in {f"{SVG}title", f"{SVG}desc"}]
        assert root.attrib["aria-labelledby"].split() == named
        words = root.findtext(f"{SVG}desc") or ""
        assert all(name in words for name in page.NAMES.values())


def test_each_server_has_a_colour_of_its_own_which_the_legend_shows() -> None:
    for chart in page.charts(made_up()).values():
        root = ET.fromstring(chart)  # noqa: S314 - our own text
        legend = [each.attrib["fill"] for each in root.iter(f"{SVG}rect") if not len(each)][1:]
        assert len(set(legend)) == len(SERVERS)
        assert {each.attrib["fill"] for each in bars_of(chart)} == set(legend)


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="needs the lines"):
        page.rewritten("# A page\n", committed(), on_cores())


def bars_of(chart: str) -> list[ET.Element]:
    """Return the rectangles that say what they stand for."""
    rectangles = ET.fromstring(chart).iter(f"{SVG}rect")  # noqa: S314 - our own text
    return [each for each in rectangles if each.find(f"{SVG}title") is not None]
