"""Values, files and pipes that nobody means well with: each ends in one clear line, at once."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest
from explained import explanation
from hypothesis import given
from hypothesis import strategies as st
from samples import CEILINGS, measured_record

from kaoprof.cli.app import run
from kaoprof.cli.output import rescue
from kaoprof.errors import KaoprofError, RecordError, UsageError
from kaoprof.measuring.ceiling_store import CeilingStore
from kaoprof.records import incoming
from kaoprof.records.measured import dumps
from kaoprof.records.reading import load_records
from kaoprof.reporting.files import check_target
from kaoprof.reporting.kinds import report_of
from kaoprof.units import parse_bytes, parse_count, parse_percent, parse_seconds

ARABIC, ENDLESS = "٣", "9" * 400
VALUES = {
    "fit": ["--memory", "--macs", "--time", "--threads", "--c", "--heads"],
    "compare --h 8 --c 8": ["--budget", "--timeout", "--samples", "--threads", "--seed", "--affinity", "--batch"],
    "explain kao_qkv": ["--at", "--ndim", "--heads", "--seed", "--threads"],
    "profile kanet-qkv": ["--batch", "--size", "--depth", "--budget"],
}  # fmt: skip


def said(arguments, capsys):
    code = run(arguments)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "fault of kaoprof" not in captured.err
    return code, captured.err


@pytest.mark.parametrize("value", [ARABIC, ENDLESS], ids=["arabic", "endless"])
@pytest.mark.parametrize(("command", "option"), [(command, option) for command in VALUES for option in VALUES[command]])
def test_no_number_is_taken_that_is_none(command, option, value, capsys):
    code, _ = said([*command.split(), option, f"b={value}" if option == "--at" else value], capsys)
    assert code == 2


NUMBERS = st.builds(
    "{}{}{}".format,
    st.text("0123456789.", min_size=1, max_size=450),
    st.sampled_from(["", " "]),
    st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZµ%", max_size=3),
)


@given(text=st.text(max_size=12) | NUMBERS)
def test_any_value_is_a_figure_or_one_clear_line(text):
    for parse in (parse_bytes, parse_seconds, parse_count, parse_percent):
        try:
            value = parse(text, where="--x")
        except UsageError as error:
            assert error.where == "--x"
        else:
            assert 0 <= value < float("inf")


def with_text(record, old, new):
    text = dumps(record)
    assert old in text
    return text.replace(old, new, 1)


DEEP = '"deep": ' + "[" * 20_000 + "]" * 20_000 + ","
DAMAGED = {
    "twice": (with_text(measured_record(), '"kind"', '"kind": "fit",\n "kind"'), "the key 'kind' stands twice"),
    "within": (with_text(measured_record(), '"status"', '"detail": "x", "status"'), "the key 'detail' stands twice"),
    "deep": (with_text(measured_record(), '"kind"', f'{DEEP} "kind"'), "cut off or damaged"),
    "formula": (with_text(explanation(), "2 b c (h + w)^2", "Max(b"), "is no formula"),
    "order": (with_text(measured_record(), "O(h^4 c)", "\\\\input{x}"), "is no formula"),
    "number": (with_text(measured_record(), '"seed": 0', f'"seed": {"9" * 5000}'), "damaged"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_record_is_one_clear_line(damage, tmp_path, capsys):
    text, message = DAMAGED[damage]
    (tmp_path / "x.json").write_text(text)
    code, err = said(["report", str(tmp_path / "x.json")], capsys)
    assert code == 1
    assert message in err


@given(content=st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["schema", "kind", "rows"]), inner),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_any_bytes_are_a_record_or_a_record_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(content)
    with pytest.raises(RecordError):
        load_records(path)


NO_CACHE = [
    b"", b"\xff\xfe", b"[]", b'{"created": "x", ' + DEEP.encode() + b'"launch_s": 1}',
    msgspec.json.encode(CEILINGS).replace(b'"load"', b'"load": null, "load"'),
]  # fmt: skip


@pytest.mark.parametrize("content", NO_CACHE, ids=range(len(NO_CACHE)))
def test_a_cache_file_that_is_none_is_ignored_and_rewritten(content, tmp_path):
    store, environment = CeilingStore(tmp_path), measured_record().environment
    store.keep(environment, CEILINGS)
    (kept,) = tmp_path.iterdir()
    assert store.known(environment) == CEILINGS
    kept.write_bytes(content)
    assert store.known(environment) is None
    store.keep(environment, CEILINGS)
    assert store.known(environment) == CEILINGS


def test_a_pipe_is_read_to_its_end_and_no_further(tmp_path, monkeypatch):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(dumps(measured_record()),))
    writer.start()
    assert load_records(pipe) == (measured_record(),)
    writer.join()
    monkeypatch.setattr(incoming, "MOST_PIPED_BYTES", 2**17)
    reader, end = os.pipe()
    endless = threading.Thread(target=write_until_closed, args=(end,))
    endless.start()
    with pytest.raises(RecordError, match="more comes through this pipe"):
        load_records(Path(f"/dev/fd/{reader}"))
    os.close(reader)
    endless.join()


def test_a_pipe_may_be_read_before_anybody_writes(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Timer(0.2, pipe.write_text, (dumps(measured_record()),))
    writer.start()
    assert load_records(pipe) == (measured_record(),)
    writer.join()


def write_until_closed(end):
    try:
        while True:
            os.write(end, b" " * 2**16)
    except BrokenPipeError:
        os.close(end)


def test_a_pipe_without_a_writer_is_not_waited_for(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(incoming, "WRITER_LIMIT_S", 0.01)
    os.mkfifo(tmp_path / "pipe")
    code, err = said(["report", str(tmp_path / "pipe")], capsys)
    assert code == 1
    assert "nobody writes into this pipe" in err


def test_a_link_to_nowhere_is_refused_before_anything_is_measured(tmp_path):
    (tmp_path / "x.json").symlink_to(tmp_path / "missing" / "x.json")
    with pytest.raises(KaoprofError, match=r"there is no folder .*missing"):
        check_target(tmp_path / "x.json", force=True)


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("os.fsync", full)
    assert "nor could a copy be kept: No space left on device" in rescue(report_of(measured_record()))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("command", ["schema", "--help", "explain --help"])
def test_without_docstrings_the_output_is_the_same(command):
    told = [
        subprocess.run(
            [sys.executable, *flags, "-m", "kaoprof", *command.split()], capture_output=True, check=True
        ).stdout
        for flags in ([], ["-OO"])
    ]
    assert told[0] == told[1]
