"""Counter pages: what one process writes, another reads."""

import pytest

from forebay.observe import catalogue
from forebay.observe.page import CounterPage, read_page


def test_a_reader_sees_what_the_writer_counted(tmp_path):
    page = CounterPage(tmp_path / "w.1.page")
    page.values[page.index(catalogue.REFUSALS, "not_found")] += 2
    page.values[page.index(catalogue.IN_FLIGHT)] = 5

    seen = {(each.metric.name, each.labels): each.values for each in read_page(tmp_path / "w.1.page")}

    assert seen == {
        ("forebay_refusals_total", ("not_found",)): (2.0,),
        ("forebay_calls_in_flight", ()): (5.0,),
    }
    page.close()


def test_a_histogram_puts_a_value_in_the_first_bucket_that_holds_it(tmp_path):
    page = CounterPage(tmp_path / "w.1.page")
    histogram = page.histogram(catalogue.DURATION, "POST", "/v1/completions")
    for value in (0.1, 0.10001, 50.0, 51.0):
        histogram.observe(value)

    (series,) = read_page(tmp_path / "w.1.page")

    assert series.values[:-1] == (1, 1, 0, 0, 0, 0, 0, 1, 1)
    assert series.values[-1] == pytest.approx(101.20001)
    page.close()


def test_the_same_labels_are_the_same_series(tmp_path):
    page = CounterPage(tmp_path / "w.1.page")
    assert page.index(catalogue.REFUSALS, "a") == page.index(catalogue.REFUSALS, "a")
    assert page.index(catalogue.REFUSALS, "a") != page.index(catalogue.REFUSALS, "b")
    page.close()


def test_a_full_page_says_so_and_keeps_counting_what_it_holds(tmp_path):
    page = CounterPage(tmp_path / "w.1.page")
    assert not page.full
    for name in map(str, range(20_000)):
        page.values[page.index(catalogue.REFUSALS, name)] += 1
    page.histogram(catalogue.TTFT, "m").observe(1e9)

    assert page.full
    seen = read_page(tmp_path / "w.1.page")
    assert len(seen) > 10_000
    assert all(each.values == (1.0,) for each in seen)
    page.close()


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 4096])
def test_what_is_no_page_reads_as_empty(tmp_path, content):
    path = tmp_path / "w.1.page"
    path.write_bytes(content)
    assert read_page(path) == []
