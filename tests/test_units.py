import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaoprof.errors import UsageError
from kaoprof.units import (
    format_bytes,
    format_count,
    format_interval,
    format_ratio,
    format_seconds,
    parse_bytes,
    parse_count,
    parse_seconds,
)


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0"), (999, "999"), (14_336, "14.34 k"), (157_552_640, "157.55 M"), (10**12, "1.00 T")]
)
def test_counts_read_as_in_papers(count, text):
    assert format_count(count) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.00 KiB"), (629_410_000, "600 MiB"), (2**43, "8.00 TiB")]
)
def test_bytes_have_binary_prefixes(count, text):
    assert format_bytes(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1.56e-4, "156 µs"),
        (0.0325, "32.5 ms"),
        (3.741, "3.74 s"),
        (5e-9, "5.00 ns"),
        (150.0, "2.50 min"),
        (7200, "2.00 h"),
    ],
)
def test_seconds_choose_their_unit(seconds, text):
    assert format_seconds(seconds) == text


def test_an_interval_has_one_unit():
    assert format_interval(0.0009, 0.0012) == "0.900-1.20 ms"


@pytest.mark.parametrize(
    ("ratio", "text"), [(306.4, "306x"), (1.0, "1.00x"), (0.0375, "0.0375x"), (9.2e-5, "0.000092x")]
)
def test_ratios_have_three_digits(ratio, text):
    assert format_ratio(ratio) == text


@pytest.mark.parametrize(("text", "seconds"), [("10s", 10), ("500ms", 0.5), ("2min", 120), ("1.5", 1.5), (" 3 s ", 3)])
def test_times_are_parsed(text, seconds):
    assert parse_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "-1s", "0s", "1e400s", "ten", "5 parsecs", "1,5s", "inf", "nan"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(UsageError):
        parse_seconds(text)


@pytest.mark.parametrize(
    ("text", "count"), [("24GiB", 24 * 2**30), ("512 MB", 512 * 10**6), ("100", 100), ("1.5kib", 1536)]
)
def test_amounts_of_memory_are_parsed(text, count):
    assert parse_bytes(text) == count


@pytest.mark.parametrize("text", ["", "GiB", "-1GiB", "0", "5 apples", "0.1B"])
def test_what_is_no_amount_of_memory_is_refused(text):
    with pytest.raises(UsageError):
        parse_bytes(text)


@given(st.integers(min_value=1, max_value=10**18))
def test_a_formatted_count_is_within_half_a_percent_of_the_count(count):
    prefixes = {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
    number, _, prefix = format_count(count).partition(" ")
    assert float(number) * prefixes.get(prefix, 1) == pytest.approx(count, rel=0.005)


@given(st.floats(min_value=1e-9, max_value=1e6))
def test_no_length_of_time_breaks_the_formatter(seconds):
    number, unit = format_seconds(seconds).split(" ")
    assert float(number) > 0
    assert unit in {"ns", "µs", "ms", "s", "min", "h"}


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("1G", 10**9),
        ("157.55 M", 157_550_000),
        ("3k", 3000),
        ("3K", 3000),
        ("2e9", 2 * 10**9),
        ("7", 7),
        (".5M", 500_000),
    ],
)
def test_counts_are_read_exactly(text, count):
    assert parse_count(text) == count


@pytest.mark.parametrize("text", ["", "G", "-1G", "1m", "1 GiB", "0", "0.4", "1e-3", "1e999", "inf", "nan"])
def test_what_is_no_count_is_refused(text):
    with pytest.raises(UsageError, match=r"--macs: .* (is not a count|must be more than zero)"):
        parse_count(text, where="--macs")
