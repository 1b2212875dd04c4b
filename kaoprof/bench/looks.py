"""What can be learnt of a subject beside its time and its peak: a function for each quantity, and their table."""

from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace
from torch import Tensor, nn, strided
from torch.nn.parameter import is_lazy

from kaoprof.bench.denormals import denormal_fraction
from kaoprof.bench.deviation import deviation_of, is_random
from kaoprof.bench.energy import joules_per_call
from kaoprof.bench.layer_meter import layer_peaks, layer_seconds, layer_traffic
from kaoprof.bench.smaller import on_one_sample, smallest_seconds
from kaoprof.bench.traffic import trace
from kaoprof.bench.workbench import Bench, Subject, drop_gradients
from kaoprof.errors import first_line
from kaoprof.measuring.messages import LayersSeen, Look, Seen
from kaoprof.records.measured import Deviation, Observed, Traffic
from kaoprof.tape.modules import tensors_in
from kaoprof.torch_internals import changes_of, storage_identity
from kaoprof.units import format_bytes
from kaoprof.workload.workload import Workload

OPERATORS = "kaoprof.operators."


@dataclass(frozen=True)
class LookAt:
    """A subject on its bench, and what was asked of it."""

    bench: Bench
    subject: Subject
    request: Look


def look(bench: Bench, request: Look) -> Seen:
    """Looks at a subject for one quantity; whatever happens, no gradient stays."""
    subject = bench.subject(request.subject)
    try:
        return LOOKS[request.quantity](LookAt(bench, subject, request))
    finally:
        drop_gradients(subject.module, subject.inputs)


def layers(at: LookAt) -> Seen:
    """Seconds, peak bytes and traffic of each named layer; memory only where the allocator tells it over time."""
    step, module, names = at.subject.step, at.subject.module, at.request.layers
    seconds = layer_seconds(step, module, names, device=at.bench.device)
    peaks = layer_peaks(step, module, names) if at.bench.device == "cpu" else {}
    traffic, compulsory = layer_traffic(step, module, names)
    return Seen(layers=LayersSeen(seconds=seconds, peak_bytes=peaks, traffic=traffic, compulsory_bytes=compulsory))


def denormals(at: LookAt) -> Seen:
    """The fraction of softmax outputs that would be denormal, on the first sample of the batch."""
    fraction = denormal_fraction(at.subject.workload, at.subject.module, device=at.bench.device)
    return Seen(observed=Observed(denormal_fraction=fraction))


def traffic(at: LookAt) -> Seen:
    """Operations, bytes moved and the attention backend of one call; its seconds on the smallest input."""
    bench, subject, alone = at.bench, at.subject, at.request.alone
    workload, module = subject.workload, subject.module
    samples, step, inputs = 1, subject.step, subject.inputs
    if alone:
        samples = workload.batch
        step, inputs = on_one_sample(workload, module, device=bench.device)
    traced = trace(step, module, inputs, trained=workload.mode == "train")
    seen = Traffic(
        operations=traced.operations,
        moved_bytes=samples * traced.moved_bytes,
        launch_s=smallest_seconds(workload, module, bench.meters_with("warm"), device=bench.device),
    )
    observed = Observed(traffic=seen, backend=traced.backend)
    return Seen(observed=observed, compulsory_bytes=None if alone else traced.compulsory_bytes)  # no sample has weights


def deviation(at: LookAt) -> Seen:
    """How far the output is from fp64, or why that is not known, which is no fault of the subject."""
    return Seen(observed=Observed(deviation=_deviation(at.bench, at.subject, at.request.allowed_bytes)))


def _deviation(bench: Bench, subject: Subject, allowed_bytes: int | None) -> Deviation:
    if allowed_bytes is not None and reference_bytes(subject.workload, bench.device) > allowed_bytes:
        return Deviation.unknown("in fp64 too large for the free memory")
    changes = list(map(changes_of, subject.inputs))
    try:
        output = subject.step()
        if not isinstance(output, Tensor) or not output.is_floating_point() or not output.numel():
            return Deviation.unknown("no single tensor of real numbers")
        if is_random(output, subject.step()):
            return Deviation.unknown("another output at every call")
        if changes != list(map(changes_of, subject.inputs)):
            return Deviation.unknown("it changes its input")
        return deviation_of(output, subject.module, subject.inputs)
    except (MemoryError, RuntimeError, NotImplementedError) as error:
        return Deviation.unknown(f"it fails: {first_line(error)}")
    finally:
        drop_gradients(subject.module, subject.inputs)
        bench.meters.give_back()


def reference_bytes(workload: Workload, device: str) -> int:
    """What the computation in fp64 takes of a GPU's memory: no fused attention serves it, so its map is written out.

    Of operators only: other modules would be built and run once more to know. Elsewhere 0.
    """
    if not device.startswith("cuda") or not workload.factory.startswith(OPERATORS):
        return 0
    from kaoprof.tape.prediction import memory_needed

    inputs = tuple(replace(spec, dtype="fp64") for spec in workload.inputs)
    needed = memory_needed(replace(workload, inputs=inputs, mode="forward"), device="cuda", threads=1)
    return needed.resident + needed.peak


def energy(at: LookAt) -> Seen:
    """Joules of a call, over `calls` in a row; nothing without a meter."""
    bench, step = at.bench, at.subject.step
    if bench.energy_meter is None:
        return Seen()

    def run(calls: int) -> None:
        for _ in range(calls):
            step()
        bench.meters.synchronize()

    joules = joules_per_call(bench.energy_meter, run, at.request.calls)
    return Seen(observed=Observed(energy_j=joules))


def kept(at: LookAt) -> Seen:
    """Whether a call leaves more in the module than it found, such as a cache that grows: then no two are alike."""
    at.subject.step()
    before = held_bytes(at.subject.module)
    at.subject.step()
    more = held_bytes(at.subject.module) - before
    text = (
        f"every call leaves {format_bytes(more)} more in the model, so calls differ: one was counted, later ones timed"
    )
    return Seen(observed=Observed(detail=text)) if more > 0 else Seen()


def held_bytes(module: nn.Module) -> int:
    """What all tensors take that a module and those inside it hold, as parameters or otherwise."""
    storages = {
        storage_identity(tensor): tensor.untyped_storage().nbytes()
        for part in module.modules()
        for tensor in tensors_in(vars(part))
        if tensor.layout is strided and not is_lazy(tensor)
    }
    return sum(storages.values())


LOOKS: dict[str, Callable[[LookAt], Seen]] = {
    "layers": layers,
    "kept": kept,
    "denormals": denormals,
    "traffic": traffic,
    "deviation": deviation,
    "energy": energy,
}
