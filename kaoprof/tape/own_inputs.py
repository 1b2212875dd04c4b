"""A workload whose inputs nobody said: they follow from the config of its model, which is built without data for it."""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from kaoprof.networks.code_inputs import override_inputs
from kaoprof.networks.workloads import own_module, with_inputs
from kaoprof.specs.documents import CodeSpec
from kaoprof.tape.building import built, fake_mode
from kaoprof.tape.keeping import process_kept
from kaoprof.workload.building import default_dtype, torch_dtype
from kaoprof.workload.own_inputs import own_inputs
from kaoprof.workload.workload import Workload


def with_own_inputs(workload: Workload, batch: int = 1, size: Sequence[int] | None = None) -> Workload:
    """The workload of a code spec; where that says no inputs, with those that the model's own config tells.

    Args:
        workload: what runs.
        batch: samples at once.
        size: spatial sizes in place of those of the config.

    Raises:
        UsageError: it tells none, or has other axes than `size`.
    """
    text = workload.kwargs.get("spec")
    if workload.inputs or not isinstance(text, str):
        return workload
    spec = msgspec.json.decode(text, type=CodeSpec)
    with process_kept(workload.seed), default_dtype(torch_dtype(workload.dtype)):
        module, _ = built(lambda: own_module(spec), fake_mode())
    inputs = own_inputs(module, factory=spec.module, kwargs=spec.kwargs, batch=batch)
    if isinstance(inputs, list) and isinstance(inputs[0], list):  # images of any size, each without a batch
        workload = replace(workload, batch_axis=None)
    return with_inputs(workload, override_inputs(replace(spec, inputs=inputs), size=size))
