"""Options of measuring: what is accepted, and which rows follow."""

import os

import pytest

from kaoprof.comparing.cases import parse_cores
from kaoprof.errors import UsageError
from kaoprof.measuring.devices import check_wishes, default_cache
from kaoprof.records.compare import Case, with_variants
from kaoprof.records.options import Options

CASE = Case(operator="kao_qkv", implementation="sdpa", b=1, c=2, spatial=(3, 5))


def test_variants_follow_the_row_that_they_vary():
    assert Options(compile=True, graph=True).variants == ("compile", "graph")
    found = [case.implementation for case in with_variants([CASE], ("compile", "graph"))]
    assert found == ["sdpa", "sdpa+compile", "sdpa+graph"]
    assert with_variants([CASE], Options().variants) == [CASE]


def test_variants_may_be_compared_with_their_eager_row():
    assert len({case.cell for case in with_variants([CASE], ("compile",))}) == 1


@pytest.mark.parametrize(("text", "cores"), [(None, None), ("0", (0,)), ("2, 0,2", (0, 2))])
def test_cores_are_numbers_each_once(text, cores):
    assert parse_cores(text) == cores


@pytest.mark.parametrize("text", ["", "a", "-1", "0-3", "1.5", "0,,1", "٣"])
def test_anything_else_names_no_cores(text):
    with pytest.raises(UsageError, match="does not name cores"):
        parse_cores(text)


def test_as_many_threads_as_cores_unless_told_otherwise():
    assert Options(affinity=(0, 3)).threads_wanted == 2
    assert Options(affinity=(0, 3), threads=5).threads_wanted == 5
    assert Options().threads_wanted is None


def test_a_gpus_caches_are_cold_by_default():
    assert (default_cache("cpu"), default_cache("cuda:1")) == ("warm", "cold")


def test_what_only_cuda_can_is_refused_elsewhere():
    check_wishes("cuda:0", "tf32", Options(graph=True))
    for dtype, options in (("tf32", Options()), ("fp32", Options(graph=True))):
        with pytest.raises(UsageError, match="this is cpu"):
            check_wishes("cpu", dtype, options)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system binds no process to cores")
def test_a_core_that_is_not_there_is_refused():
    allowed = sorted(os.sched_getaffinity(0))
    check_wishes("cpu", "fp32", Options(affinity=tuple(allowed)))
    with pytest.raises(UsageError, match=f"core {max(allowed) + 1} is not there"):
        check_wishes("cpu", "fp32", Options(affinity=(max(allowed) + 1,)))
