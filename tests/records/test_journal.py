"""The journal loses nothing that was finished, whatever ends the process, and says in one line what is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from samples import measured_record
from sweeps import ENVIRONMENT, PROTOCOL, cell_at, plan_of

from kaoprof.errors import OutputError, RecordError
from kaoprof.records.incoming import MOST_BYTES
from kaoprof.records.journal import Finished, Header, Launch
from kaoprof.records.journal_reading import parse_journal, read_journal
from kaoprof.records.measured import dumps
from kaoprof.sweeping.journal_file import Journal

HEADER = Header(version="0.1.0", created="2026-01-02T03:04:05+00:00", plan=plan_of())
LAUNCH = Launch(version="0.1.0", created="2026-01-02T03:04:05+00:00", environment=ENVIRONMENT, protocol=PROTOCOL)
CELLS = [Finished(rows=cell_at(h), spent_s=1.5) for h in (3, 5, 7)]


def line(entry):
    return msgspec.json.encode(entry) + b"\n"


WHOLE = b"".join(map(line, [HEADER, LAUNCH, *CELLS]))


def written(path):
    with Journal(path, HEADER) as journal:
        for entry in (LAUNCH, *CELLS):
            journal.append(entry)
    return path


def test_what_is_written_is_read_back(tmp_path):
    path = written(tmp_path / "run.jsonl")
    assert path.read_bytes() == WHOLE
    contents = read_journal(path)
    assert contents.header == HEADER
    assert contents.launches == (LAUNCH,)
    assert [cell.rows for cell in contents.cells.values()] == [entry.rows for entry in CELLS]
    assert contents.spent_s == (4.5,)
    assert contents.whole_bytes == len(WHOLE)


@given(cut=st.integers(0, len(WHOLE)), zeros=st.integers(0, 5000))
def test_a_journal_cut_at_any_byte_holds_the_whole_cells_before_it_and_goes_on(tmp_path_factory, cut, zeros):
    data = WHOLE[:cut] + b"\0" * zeros
    whole_lines = WHOLE[:cut].count(b"\n")
    path = tmp_path_factory.mktemp("cut") / "run.jsonl"
    path.write_bytes(data)
    if not whole_lines:
        with pytest.raises(RecordError) as error:
            parse_journal(data, where="run.jsonl")
        assert "\n" not in str(error.value)
        if 0 < cut < 26:  # so little of a header could be anything: the file is left alone
            with pytest.raises(RecordError):
                Journal(path, HEADER)
            assert path.read_bytes() == data
            return
    else:
        contents = parse_journal(data, where="run.jsonl")
        assert len(contents.cells) == max(0, whole_lines - 2)
    with Journal(path, HEADER) as journal:
        kept = len(journal.contents.cells)
        for entry in CELLS[kept:] if kept else [LAUNCH, *CELLS]:
            journal.append(entry)
    assert path.read_bytes() == WHOLE


PIECES = {
    **{f"cell {place}": line(entry) for place, entry in enumerate(CELLS)},
    "tried again": line(replace(CELLS[0], spent_s=9.0)),
    "launch": line(LAUNCH),
    "header": line(HEADER),
    "of models": line(CELLS[0]).replace(b'"operator":', b'"model":'),
    "of a launch to come": line(replace(CELLS[1], launch=7)),
    "a record": dumps(measured_record()).encode() + b"\n",
    "twice named": line(CELLS[0]).replace(b'"spent_s"', b'"spent_s":2.0,"spent_s"'),
    "a number of 500 digits": line(CELLS[0]).replace(b'"spent_s":1.5', b'"spent_s":' + b"9" * 500),
    "deep": b'{"entry":' + b"[" * 5000 + b"\n",
    "blank": b"\n",
    "zeros": b"\0" * 80 + b"\n",
    "words": b"no JSON \x1b[31m at all\n",
    "no text": b"\xff\xfe\n",
    "carriage return": line(CELLS[2])[:-1] + b"\r\n",
    "cut off": line(CELLS[1])[:200],
    "begun anew": line(CELLS[1])[:200] + b"\n",
}
SOUND = {"cell 0", "cell 1", "cell 2", "tried again", "launch", "carriage return"}
NAMES = st.lists(st.sampled_from(sorted(PIECES)) | st.sampled_from(sorted(SOUND)), max_size=8)


def check_any_lines(names, begun):
    """A journal of any lines holds the last of each cell in it, or one sentence says where it is damaged."""
    names = [*["header", "launch"][:begun], *names]
    data = b"".join(PIECES[name] for name in names)
    try:
        contents = parse_journal(data, where="run.jsonl")
    except RecordError as error:
        assert "\n" not in str(error)
        assert "\x1b" not in str(error)
        assert len(str(error)) < 500
        assert begun < 2 or not SOUND.issuperset(names[2:])
        return
    assert data[: contents.whole_bytes].count(b"\n") == data.count(b"\n") - data.endswith(b"\0\n")
    kept = [name for name in names if name in SOUND - {"launch"}]
    assert len(contents.cells) <= len({"cell 0" if name == "tried again" else name for name in kept})
    assert len(contents.spent_s) == len(contents.launches) == names.count("launch")
    assert sum(contents.spent_s) == sum(9.0 if name == "tried again" else 1.5 for name in kept)


@given(names=NAMES, begun=st.integers(0, 2))
def test_lines_of_any_kind_are_read_or_refused(names, begun):
    check_any_lines(names, begun)


@pytest.mark.slow
@settings(max_examples=1000)
@given(names=NAMES, begun=st.sampled_from([0, 1, 2, 2, 2]))
def test_lines_of_any_kind_are_read_or_refused_however_long_one_tries(names, begun):
    check_any_lines(names, begun)


def test_a_line_of_zeros_with_a_line_end_behind_it_is_what_a_power_cut_leaves():
    lines = WHOLE.splitlines(keepends=True)
    torn = b"".join(lines[:-1]) + b"\0" * 100 + lines[-1][100:]
    contents = parse_journal(torn, where="run.jsonl")
    assert len(contents.cells) == 2
    assert contents.whole_bytes == len(WHOLE) - len(lines[-1])


def test_a_damaged_line_in_the_middle_is_named_and_nothing_is_thrown_away(tmp_path):
    lines = WHOLE.splitlines(keepends=True)
    for torn in (b"{}\n", b"\n", b"\0\0\n", b'{"entry":"cells","rows":[{}]}\n', b"\xff\n", b'{"entry":"x"}\n'):
        path = tmp_path / "run.jsonl"
        path.write_bytes(b"".join([*lines[:3], torn, lines[4]]))
        for attempt in (read_journal, lambda path: Journal(path, HEADER)):
            with pytest.raises(RecordError, match=r"run\.jsonl:4: this line is damaged.*head -n 3") as error:
                attempt(path)
            assert "\n" not in str(error.value)
        assert len(path.read_bytes().splitlines()) == 5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (WHOLE[:200], "ends within its first line"),
        (WHOLE.splitlines()[0], "ends within its first line"),
        (b"operator,macs\nnonlocal,3\n", "is not the journal of a sweep"),
        (b"\x89PNG\r\n\x1a\n\0\0", "is not the journal of a sweep"),
        (dumps(measured_record()).encode(), "is not the journal of a sweep"),
        (b'{"schema":1,"kind":"compare"}\n', "is not the journal of a sweep"),
        (WHOLE.replace(b'"schema":1', b'"schema":2', 1), "schema 2, but this kaoprof reads schema 1 (update kaoprof)"),
        (b'{"schema":1,"kind":"sweep"}\n', "its header is damaged"),
        (WHOLE.replace(b'"budget_s":10.0', b'"budget_s":-1.0', 1), "its header is damaged"),
        (line(HEADER) + line(CELLS[0]), "a cell stands before any launch"),
    ],
)
def test_what_is_no_journal_is_refused_in_one_line_and_left_alone(content, message, tmp_path):
    path = tmp_path / "run.jsonl"
    path.write_bytes(content)
    with pytest.raises(RecordError) as error:
        read_journal(path)
    assert message in str(error.value)
    assert str(error.value).startswith(f"{path}")
    assert "\n" not in str(error.value)
    if content and "first line" not in message:
        with pytest.raises(RecordError):
            Journal(path, HEADER)
        assert path.read_bytes() == content


def test_a_folder_a_device_and_nothing_at_all_are_refused(tmp_path):
    for path, message in ((tmp_path, "is a folder"), (Path("/dev/zero"), "is a device")):
        with pytest.raises(RecordError, match=message):
            read_journal(path)
        with pytest.raises(OutputError, match=r"name a file, such as run\.jsonl"):
            Journal(path, HEADER)
    with pytest.raises(RecordError, match="there is no such file"):
        read_journal(tmp_path / "none.jsonl")
    with pytest.raises(OutputError, match="No such file or directory"):
        Journal(tmp_path / "no folder" / "run.jsonl", HEADER)
    with pytest.raises(OutputError, match="File name too long"):
        Journal(tmp_path / ("x" * 300), HEADER)


def test_a_second_writer_is_refused_and_told_who_is_first(tmp_path):
    path = tmp_path / "run.jsonl"
    with Journal(path, HEADER) as journal:
        journal.append(LAUNCH)
        with pytest.raises(OutputError, match=rf"another sweep \(process {os.getpid()}\) is writing this journal"):
            Journal(path, HEADER)
        journal.append(CELLS[0])
    with Journal(path, HEADER) as journal:
        assert len(journal.contents.cells) == 1


def test_a_journal_that_was_removed_meanwhile_is_not_written_to_nowhere(tmp_path):
    path = tmp_path / "run.jsonl"
    with Journal(path, HEADER) as journal:
        path.unlink()
        with pytest.raises(OutputError, match="was removed or replaced while the sweep was writing it"):
            journal.append(LAUNCH)


def test_a_journal_that_was_replaced_meanwhile_ends_the_sweep_and_goes_on_when_moved_back(tmp_path):
    path, moved = tmp_path / "run.jsonl", tmp_path / "moved.jsonl"
    with Journal(path, HEADER) as journal:
        journal.append(LAUNCH)
        journal.append(CELLS[0])
        path.rename(moved)
        path.write_text("somebody's")
        with pytest.raises(OutputError, match="move it back"):
            journal.append(CELLS[0])
    assert path.read_text() == "somebody's"
    moved.replace(path)
    with Journal(path, HEADER) as journal:
        assert len(journal.contents.cells) == 1


def test_rows_that_cannot_be_are_refused_by_their_line(tmp_path):
    odd = replace(CELLS[0], spent_s=-1.0)
    path = tmp_path / "run.jsonl"
    path.write_bytes(b"\n".join(msgspec.json.encode(entry) for entry in (HEADER, LAUNCH, odd)) + b"\n")
    with pytest.raises(
        RecordError, match=r"run\.jsonl:3: this line is damaged: Expected `float` >= 0\.0 - at `\$\.spent_s`"
    ):
        read_journal(path)


def test_a_plan_without_implementations_is_a_damaged_header(tmp_path):
    path = tmp_path / "run.jsonl"
    path.write_bytes(WHOLE.replace(b'"operators":["', b'"operators":["all","', 1))
    with pytest.raises(RecordError, match=r"run\.jsonl:1: its header is damaged: operators: "):
        read_journal(path)


def test_a_file_larger_than_any_run_is_not_read(tmp_path):
    path = tmp_path / "run.json"
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)  # a hole: it takes no space
    with pytest.raises(RecordError, match="too large to be a run: 4,000,000,001 bytes"):
        read_journal(path)


FULL_DISK = """
import resource, sys
sys.path[:0] = {folders!r}
from pathlib import Path
from test_journal import CELLS, HEADER, LAUNCH, Journal
journal = Journal(Path(sys.argv[1]), HEADER)
journal.append(LAUNCH)
journal.append(CELLS[0])
room = journal.size + 100
resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
journal.append(CELLS[1])
"""


def test_a_full_disk_is_an_error_and_leaves_whole_lines(tmp_path):
    path = tmp_path / "run.jsonl"
    here = Path(__file__).parent
    script = FULL_DISK.format(folders=[str(here), str(here.parent)])
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False)
    assert "OutputError" in done.stderr
    assert "cannot be written: File too large" in done.stderr
    assert "the same command goes on" in done.stderr
    assert path.read_bytes() == b"".join(map(line, [HEADER, LAUNCH, CELLS[0]]))


def test_a_disk_that_cannot_keep_a_line_is_an_error(tmp_path, monkeypatch):
    with Journal(tmp_path / "run.jsonl", HEADER) as journal:
        before = journal.path.read_bytes()

        def full(_handle):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match="No space left on device"):
            journal.append(LAUNCH)
        monkeypatch.undo()
        assert journal.path.read_bytes() == before
        journal.append(LAUNCH)
    assert read_journal(journal.path).launches == (LAUNCH,)
