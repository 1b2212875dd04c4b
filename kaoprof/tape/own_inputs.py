"""A workload whose inputs nobody said: they follow from the config of its model, which is built without data for it."""

import msgspec
from msgspec.structs import replace

from kaoprof.networks.workloads import own_module, with_inputs
from kaoprof.specs.documents import CodeSpec
from kaoprof.tape.building import built, fake_mode
from kaoprof.tape.keeping import process_kept
from kaoprof.workload.building import default_dtype, torch_dtype
from kaoprof.workload.own_inputs import own_inputs
from kaoprof.workload.workload import Workload


def with_own_inputs(workload: Workload, batch: int = 1) -> Workload:
    """The workload of a code spec; where that says no inputs, with those that the model's own config tells.

    Raises:
        UsageError: it tells none.
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
    return with_inputs(workload, replace(spec, inputs=inputs))
