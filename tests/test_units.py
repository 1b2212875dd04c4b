import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaoprof.errors import UsageError
from kaoprof.units import (
    BINARY_PREFIXES,
    format_beside,
    format_bytes,
    format_count,
    format_interval,
    format_rate,
    format_ratio,
    format_seconds,
    format_seconds_surely,
    format_short_count,
    parse_bytes,
    parse_count,
    parse_seconds,
    sure_digits,
    sure_interval,
)


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0"), (999, "999"), (14_336, "14.34 k"), (157_552_640, "157.55 M"), (10**12, "1.00 T")]
)
def test_counts_read_as_in_papers(count, text):
    assert format_count(count) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.00 KiB"),
        (629_410_000, "600 MiB"),
        (2**43, "8.00 TiB"),
        (2**20 - 1, "1.00 MiB"),
        (2**40 - 1, "1.00 TiB"),
    ],
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
    ("text", "count"),
    [("24GiB", 24 * 2**30), ("512 MB", 512 * 10**6), ("2097152", 2**21), ("1.5kib", 1536), ("24B", 24)],
)
def test_amounts_of_memory_are_parsed(text, count):
    assert parse_bytes(text) == count


@pytest.mark.parametrize("text", ["", "GiB", "-1GiB", "0", "5 apples", "0.1B"])
def test_what_is_no_amount_of_memory_is_refused(text):
    with pytest.raises(UsageError):
        parse_bytes(text)


@pytest.mark.parametrize("text", ["24", "24.5", "999999"])
def test_a_bare_number_of_bytes_that_nobody_means_is_refused(text):
    with pytest.raises(UsageError, match=rf"--memory: {int(float(text))} bytes\? \(write {int(float(text))}GiB"):
        parse_bytes(text, where="--memory")


@pytest.mark.parametrize(
    ("amount", "limit", "text"),
    [
        (137_598_394_662_912, 24 * 2**30, "125 TiB"),  # no 128148.4863 GiB
        (25_767_293_808, 24 * 2**30, "23.998 GiB"),
        (25_769_803_777, 24 * 2**30, "24.000000001 GiB"),
        (24 * 2**30, 24 * 2**30, "24.0 GiB"),
        (5 * 2**20, 24 * 2**30, "5.00 MiB"),
        (300, 24 * 2**30, "300 B"),
        (2**20 - 1, 2**20, "0.999999 MiB"),
    ],
)
def test_beside_a_limit_a_figure_has_the_digits_that_show_its_side(amount, limit, text):
    assert format_beside(amount, limit, BINARY_PREFIXES) == text


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


@pytest.mark.parametrize(
    ("per_second", "unit", "text"),
    [
        (42.5e9, "B", "42.5 GB/s"),
        (1.98e12, "FLOP", "1.98 TFLOP/s"),
        (999.4e9, "FLOP", "999 GFLOP/s"),
        (7, "B", "7.00 B/s"),
    ],
)
def test_rates_have_decimal_prefixes(per_second, unit, text):
    assert format_rate(per_second, unit) == text


@pytest.mark.parametrize(
    ("value", "low", "high", "text", "interval"),
    [
        (71.3, 70.4, 75.0, "71", "70.4-75.0"),  # half of the interval is 2.3: ones
        (268.0, 234.0, 410.0, "270", "234-410"),  # 88: tens
        (31.35, 30.3, 32.4, "31", "30.3-32.4"),
        (0.1566, 0.152, 0.161, "0.157", "0.152-0.161"),  # 0.0045: thousandths
        (12.5, 12.5, 12.5, "12.5", "12.5-12.5"),  # three digits at most
        (7.05, 0.4, 80.0, "7", "0.4-80.0"),  # one digit at least
        (9.96, 9.4, 10.5, "10.0", "9.40-10.5"),
        (11.2, 0.677, 144.0, "10", "0.6-144"),  # a place for each end: 0-144 would say that it may take no time
        (393.0, 174.0, 103_953.0, "400", "170-104000"),
    ],
)
def test_a_value_has_the_digits_that_its_interval_supports(value, low, high, text, interval):
    assert sure_digits(value, low, high) == text
    assert sure_interval(value, low, high) == interval


def test_without_an_interval_two_digits_are_shown():
    assert sure_digits(0.0471, None, None) == "0.047"
    assert format_seconds_surely(0.116, None, None) == "120 ms"


def test_short_counts_have_three_digits():
    assert [format_short_count(count) for count in (999, 89_600, 157_552_640)] == ["999", "89.6 k", "158 M"]


def test_a_percentage_stands_apart_from_its_sign():
    from kaoprof.units import format_percent

    assert (format_percent(0.333), format_percent(0.042, "+.1%")) == ("33 %", "+4.2 %")
