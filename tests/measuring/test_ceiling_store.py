"""What is kept of a device's ceilings: found again in the same environment only, and never trusted blindly."""

import os

import msgspec
import pytest
from msgspec.structs import replace
from samples import CEILINGS, measured_record

from kaoprof.findings.operators import warnings_of
from kaoprof.findings.surroundings import busy_ceilings
from kaoprof.measuring.ceiling_store import CeilingStore, ceilings_folder
from kaoprof.measuring.device_ceilings import learn_ceilings
from kaoprof.measuring.messages import CopyTimes, Figure, TimeCopies, TimeLaunch, TimeProduct
from kaoprof.records.measured import Copy

PLACE = replace(measured_record().environment, device_name="A Processor", cores=2, threads=2, affinity=(0, 1))


@pytest.fixture
def store(tmp_path):
    made = CeilingStore(tmp_path / "ceilings", load=0.1)
    made.keep(PLACE, CEILINGS)
    return made


def the_file(store):
    (path,) = store.folder.iterdir()
    return path


def test_what_was_kept_is_known_in_the_same_environment_only(store):
    assert store.known(PLACE) == CEILINGS
    assert store.known(replace(PLACE, python="3.13")) == CEILINGS  # which does not change what a device can do
    for change in ({"threads": 1}, {"torch": "2.14.0"}, {"affinity": (0,)}, {"device_name": "Another"}):
        assert store.known(replace(PLACE, **change)) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"created": "now"}', b"\xff\x00", b'{"copies": 7}'])
def test_a_broken_or_foreign_file_is_as_good_as_none(store, content):
    the_file(store).write_bytes(content)
    assert store.known(PLACE) is None
    store.keep(PLACE, CEILINGS)
    assert store.known(PLACE) == CEILINGS


@pytest.mark.parametrize(
    "change",
    [{"launch_s": 0.0}, {"launch_s": -1.0}, {"copies": ()}, {"products": {"fp32": float("inf")}},
     {"copies": (Copy(moved_bytes=0, seconds=1.0),)}, {"copies": (Copy(moved_bytes=1, seconds=1e-320),)},
     {"cold_copies": (Copy(moved_bytes=1, seconds=float("nan")),)}],
    ids=str,
)  # fmt: skip
def test_figures_that_no_device_has_are_not_believed(store, change):
    the_file(store).write_bytes(msgspec.json.encode(replace(CEILINGS, **change)))
    assert store.known(PLACE) is None


def test_what_a_busy_machine_showed_is_measured_again_when_it_is_quieter(tmp_path):
    CeilingStore(tmp_path).keep(PLACE, replace(CEILINGS, load=4.0))
    assert CeilingStore(tmp_path, load=3.9).known(PLACE) is not None
    assert CeilingStore(tmp_path, load=1.9).known(PLACE) is None  # half as busy
    CeilingStore(tmp_path).keep(PLACE, replace(CEILINGS, load=1.1))
    assert CeilingStore(tmp_path, load=1.05).known(PLACE) is not None
    assert CeilingStore(tmp_path, load=0.9).known(PLACE) is None  # busy then, and quiet now
    CeilingStore(tmp_path).keep(PLACE, replace(CEILINGS, load=0.9))  # less than half a process for each core
    assert CeilingStore(tmp_path, load=0.0).known(PLACE) is not None


def test_a_refresh_knows_nothing_and_keeps_what_is_new(store):
    fresh = CeilingStore(store.folder, refresh=True)
    assert fresh.known(PLACE) is None
    fresh.keep(PLACE, replace(CEILINGS, launch_s=7e-6))
    assert store.known(PLACE).launch_s == 7e-6


@pytest.mark.parametrize("folder", ["a file/ceilings", None])
def test_a_folder_that_cannot_be_written_is_no_fault(tmp_path, folder):
    (tmp_path / "a file").write_text("in the way")
    store = CeilingStore(tmp_path / folder if folder else None)
    store.keep(PLACE, CEILINGS)
    assert store.known(PLACE) is None


def test_a_disk_that_is_full_leaves_nothing_behind(store, monkeypatch):
    def full(_self, _target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    store.keep(PLACE, replace(CEILINGS, launch_s=7e-6))
    assert the_file(store).suffix == ".json"
    assert store.known(PLACE) == CEILINGS


def test_the_folder_is_where_the_system_keeps_caches(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert ceilings_folder() == tmp_path / "kaoprof" / "ceilings"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert ceilings_folder() == tmp_path / "home" / ".cache" / "kaoprof" / "ceilings"


class Device:
    """Answers what learning asks, and notes it."""

    def __init__(self):
        self.asked = []

    def __call__(self, request):
        self.asked.append(request)
        answers = {
            TimeCopies: CopyTimes(copies=(Copy(moved_bytes=4, seconds=2.0),)),
            TimeLaunch: Figure(value=1e-6),
            TimeProduct: Figure(value=3e9),
        }
        return answers[type(request)]


def test_only_what_is_lacking_is_asked_for():
    device = Device()
    first = learn_ceilings(device, None, "fp32", cold=False)
    assert device.asked == [TimeCopies(cache="warm"), TimeLaunch(), TimeProduct(dtype="fp32")]
    assert (first.copies, first.products, first.launch_s) == ((Copy(moved_bytes=4, seconds=2.0),), {"fp32": 3e9}, 1e-6)
    device.asked.clear()
    assert learn_ceilings(device, first, "fp32", cold=False) is first
    assert device.asked == []
    second = learn_ceilings(device, first, "bf16", cold=True)
    assert device.asked == [TimeCopies(cache="cold"), TimeProduct(dtype="bf16")]
    assert set(second.products) == {"fp32", "bf16"}
    assert second.cold_copies == first.copies


def test_a_pipe_in_place_of_the_file_is_not_waited_for(store):
    path = the_file(store)
    path.unlink()
    os.mkfifo(path)
    assert store.known(PLACE) is None


@pytest.mark.parametrize(("average", "taken", "load"), [(0.2, 1.7, 1.7), (3.0, None, 3.0), (None, None, None)])
def test_the_load_is_that_of_the_busiest_moment_of_measuring(monkeypatch, average, taken, load):
    monkeypatch.setattr("kaoprof.measuring.device_ceilings.load_average", lambda: average)
    beside = "kaoprof.measuring.device_ceilings.Neighbours.beside"
    monkeypatch.setattr(beside, lambda _, conditions: replace(conditions, cores_taken=taken))
    first = learn_ceilings(Device(), None, "fp32", cold=False)
    assert first.load == load
    monkeypatch.setattr("kaoprof.measuring.device_ceilings.load_average", lambda: 0.0)
    monkeypatch.setattr(beside, lambda _, conditions: replace(conditions, cores_taken=0.0))
    assert learn_ceilings(Device(), first, "fp16", cold=False).load == (load or 0.0)


def test_floors_from_a_busy_machine_are_marked():
    record = measured_record()
    busy = replace(record, protocol=replace(record.protocol, ceilings=replace(CEILINGS, load=4.0)))
    (warning,) = busy_ceilings(replace(PLACE, machine_cores=2), busy.protocol)
    assert "measured while other programs ran (load 4.0 on 2 cores): 'x floor' is too low" in warning
    assert warning in warnings_of(replace(busy, environment=replace(PLACE, machine_cores=2)))
    assert busy_ceilings(replace(PLACE, machine_cores=16), busy.protocol) == []
    assert busy_ceilings(PLACE, record.protocol) == []
