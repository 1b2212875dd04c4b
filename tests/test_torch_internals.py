"""What is private to torch is named in one file, is there in the torch that is installed, and says so if it is not."""

import ast
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from kaoprof import torch_internals
from kaoprof.counting import data_movement, rules
from kaoprof.errors import KaoprofError
from kaoprof.memory.kernels import cuda_table, table, verified_kernels
from kaoprof.torch_internals import PLACES, part_of_torch

PACKAGE = Path(__file__).parent.parent / "kaoprof"
SOURCE = PACKAGE / "torch_internals.py"
MEANT = re.compile(r"(self|cls|super\(\)|sys|os|signal|sympy|sympify)\b")  # their own, and of other packages


OF_NAMED_TUPLES = {"_asdict", "_field_defaults", "_fields", "_replace"}  # public in spite of their names


def is_private(name):
    return name.startswith("_") and not name.endswith("__") and name not in OF_NAMED_TUPLES


def private_parts(text):
    """Lines that import something private from torch, or take a private attribute of what is not their own."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom | ast.Import):
            module = getattr(node, "module", "") or ""
            names = [f"{module}.{alias.name}".lstrip(".") for alias in node.names]
            if any(name.split(".")[0] == "torch" and (any(map(is_private, name.split("."))) or ".experimental." in name)
                   for name in names):  # fmt: skip
                yield node.lineno
        if isinstance(node, ast.Attribute) and is_private(node.attr) and not MEANT.match(ast.unparse(node)):
            yield node.lineno


def test_only_one_file_names_what_is_private_to_torch():
    named = {str(path.relative_to(PACKAGE)): list(private_parts(path.read_text())) for path in PACKAGE.rglob("*.py")}
    assert named.pop(str(SOURCE.relative_to(PACKAGE)))
    assert {path: lines for path, lines in named.items() if lines} == {}


def test_private_names_are_found_where_they_stand():
    text = "import torch\nfrom torch._C import x\nfrom torch.fx.experimental import y\ntorch._C.z\nself._own\n"
    assert sorted(private_parts(text)) == [2, 3, 4]


def test_this_torch_has_them_all():
    for name in PLACES:
        assert getattr(torch_internals, name) is not None
    paths = re.findall(r'part_of_torch\("([\w.]+)"\)', SOURCE.read_text())
    assert len(paths) > 5
    for path in [*paths, torch_internals.FUSED_ATTENTION, torch_internals.FUSED_ENCODER]:
        assert part_of_torch(path) is not None
    x = torch.ones(2, 2, requires_grad=True)
    assert torch_internals.is_view(x.view(4))
    assert not torch_internals.in_backward()
    assert torch_internals.running_node() is None
    assert torch_internals.sequence_number((x * 2).grad_fn) == torch_internals.last_sequence_number()
    assert not torch_internals.is_transformed(x)
    assert torch_internals.changes_of(torch.ones(2).add_(1)) == 1
    assert [set(held) for held in torch_internals.held_tensors(nn.BatchNorm1d(2))] == [
        {"weight", "bias"}, {"running_mean", "running_var", "num_batches_tracked"},
    ]  # fmt: skip
    with torch_internals.strides_as_real():
        pass


def test_what_is_missing_is_said_where_it_is_needed(monkeypatch):
    monkeypatch.delattr(torch._C, "_current_graph_task_id")
    with pytest.raises(KaoprofError, match=r"has no torch\._C\._current_graph_task_id"):
        torch_internals.in_backward()
    monkeypatch.setitem(PLACES, "tree_leaves", "torch.utils._no_such_tree")
    with pytest.raises(KaoprofError, match=r"has no torch\.utils\._no_such_tree\.tree_leaves"):
        torch_internals.tree_leaves  # noqa: B018 - asking is what fails


def test_names_of_operations_are_those_of_torch():
    names = {*rules.MACS, *rules.FLOPS, *data_movement.MOVES_DATA, *verified_kernels.HOLDS_NOTHING}
    names |= {*table.CPU_SCRATCH, *table.CPU_GAPS, *table.CPU_STORAGES}
    names |= {*cuda_table.CUDA_SCRATCH, *cuda_table.CUDA_GAPS, *cuda_table.CUDA_HOLDS_NOTHING}
    import torch.nn.attention.varlen

    places = {name: name.rpartition(".")[::2] for name in names}
    unknown = {name for name, (space, own) in places.items() if not hasattr(getattr(torch.ops, space or "aten"), own)}
    of_other_packages = {name for name in unknown if name.startswith("torchvision.")}
    assert unknown - of_other_packages <= {"_reshape_copy"}  # of other versions
