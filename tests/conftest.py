"""What all tests share: golden files, the gpu marker, how many examples property tests draw."""

import os
from pathlib import Path

import hypothesis
import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is imported: threads that wait sleep; those that
# spin took nine tenths of the processor time of gradient checks on a busy machine

GOLDEN = Path(__file__).parent / "golden"

hypothesis.settings.register_profile("few", deadline=None, max_examples=20, derandomize=True)
hypothesis.settings.register_profile("many", parent=hypothesis.settings.get_profile("few"), max_examples=200)
hypothesis.settings.load_profile("few")  # --hypothesis-profile many, as .ci/run does, loads the other one


@pytest.fixture(scope="session", autouse=True)
def own_cache_folder(tmp_path_factory):
    """Ceilings that tests measure on a busy machine must not end up among the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def warm_children():
    import warm_children

    yield warm_children.WarmChild
    warm_children.end_all()


@pytest.fixture
def quick_measuring(monkeypatch, warm_children):
    """Really measures, but in a process in which other tests measured before, and with ceilings known beforehand."""
    from msgspec.structs import replace
    from samples import CEILINGS

    from kaoprof.dims import DTYPE_BYTES

    known = replace(CEILINGS, cold_copies=CEILINGS.copies, products=dict.fromkeys(DTYPE_BYTES, 200e9))
    monkeypatch.setattr("kaoprof.measuring.child.Child", warm_children)
    monkeypatch.setattr("kaoprof.measuring.ceiling_store.CeilingStore.known", lambda *_: known)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """All tests of a file run in the same process: what they share is made once, not once in each process."""
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log)


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files instead of comparing")


def pytest_collection_modifyitems(items):
    if not any(item.get_closest_marker("gpu") for item in items):
        return
    import torch

    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


@pytest.fixture
def check_golden(request):
    """Compares a text with a golden file, or rewrites the file under `--update-golden`."""

    def check(name, text):
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), f"{name} differs; pytest --update-golden rewrites it"

    return check
