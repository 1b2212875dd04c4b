"""The memory of a whole training step, optimizer included: its peak, and what lies there at that moment."""

from typing import Any

from torch import Tensor

from kaoprof.records.profile import StepMemory
from kaoprof.tape.entries import BACKWARD, FORWARD, Born, Died, Entered, Left, Operation, Tape
from kaoprof.tape.models import Recording
from kaoprof.tape.peak import Peak
from kaoprof.tape.recording import CUDA, REAL, SHOWN, Call, record
from kaoprof.torch_internals import storage_identity, tree_map
from kaoprof.workload.attention_backend import served_by
from kaoprof.workload.optimizers import implementation_of, make_optimizer
from kaoprof.workload.workload import Workload

OPTIMIZER = "optimizer"  # the phase after forward and backward
STEPS = 2  # the first one makes the optimizer's states, the second one finds them


class TrainingSteps(Call):
    """Two steps of training in a row, each with forward, backward and optimizer, as a loop runs them.

    Args:
        call: one forward and backward.
        optimizer: as text.
        foreach: whether the optimizer takes all parameters at once, as on a GPU.
    """

    def __init__(self, call: Call, optimizer: str, *, foreach: bool) -> None:
        super().__init__(call.function, call.args, call.kwargs, train=True, input_grad=call.input_grad)
        self.known = call.known
        self.optimizer = optimizer
        self.foreach = foreach

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
        """Both steps; the answer is that of the last one."""
        assert self.module is not None  # noqa: S101 - a workload is one of a model
        optimizer = make_optimizer(self.optimizer, self.module, foreach=self.foreach)
        output: object = None
        for _ in range(STEPS):
            output = None
            optimizer.zero_grad(set_to_none=True)
            tree_map(_without_gradient, (args, kwargs))
            output = super().run(args, kwargs)
            optimizer.step()
        return output


def _without_gradient(value: Any) -> Any:
    if isinstance(value, Tensor):
        value.grad = None
    return value


class StepPeak(Peak):
    """A `Peak` that also keeps how large every storage is that lives at the fullest moment of the last step."""

    def __init__(self, *, device: str, threads: int, last_step: int) -> None:
        super().__init__(device=device, threads=threads)
        self.fullest: dict[int, int] = {}
        self.fullest_bytes = self.fullest_at = -1
        self._last_step = last_step  # as the number of operations before it
        self._operations = 0

    def look(self, operation: Operation, scratch: int) -> None:
        """Whether this operation is the new peak, and in the last step the fullest moment."""
        super().look(operation, scratch)
        if self._operations >= self._last_step and self.live_bytes + scratch > self.fullest_bytes:
            self.fullest_bytes, self.fullest_at = self.live_bytes + scratch, self._operations
            self.fullest = dict(self._sizes)
        self._operations += 1


class Sections:
    """Where on a tape of two steps the passes of the last one lie, and which storages it finds, saves and leaves.

    Passes are told by the numbers of operations; what lives when a pass ends was made for a later one.
    """

    def __init__(self, tape: Tape) -> None:
        self.last_step = self.first_backward = self.last_backward = 0
        self._find_passes(tape)
        self.states: set[int] = set()
        self.activations: set[int] = set()
        self.gradients: set[int] = set()
        self._find_storages(tape)

    def _find_passes(self, tape: Tape) -> None:
        operations, backward = 0, list[int]()
        for event in tape.events:
            if isinstance(event, Operation):
                if event.phase != FORWARD:
                    backward.append(operations)
                operations += 1
            elif isinstance(event, Entered) and not event.layer:
                self.last_step = operations
        self.first_backward = next((number for number in backward if number >= self.last_step), operations)
        self.last_backward = max(backward, default=operations)

    def _find_storages(self, tape: Tape) -> None:
        """Follows every storage; one that was made by an operation belongs to the pass of that one."""
        alive: dict[int, str] = {}
        operations, passing = 0, ""
        for event in tape.events:
            if isinstance(event, Operation):
                passing = self.pass_of(operations)
                if operations == self.last_step:
                    self.states = set(alive)
                if operations > self.last_backward:
                    self.gradients = {storage for storage, made in alive.items() if made == BACKWARD}
                operations += 1
            elif isinstance(event, Left) and not event.layer:  # the whole has answered
                self.activations = {storage for storage, made in alive.items() if made == FORWARD}
            elif isinstance(event, Born):
                alive[event.storage] = passing
            elif isinstance(event, Died):
                alive.pop(event.storage, None)

    def pass_of(self, number: int) -> str:
        """The pass of an operation of the last step; empty for those before."""
        if number < self.last_step:
            return ""
        return FORWARD if number < self.first_backward else BACKWARD if number <= self.last_backward else OPTIMIZER


def training_step(workload: Workload, recording: Recording, *, device: str, threads: int, sdpa: str) -> StepMemory:
    """The memory of one step of the workload with its optimizer, whose states are there from a step before.

    Args:
        workload: in `train`, with an optimizer.
        recording: of its forward and backward.
        device: `cpu` or `cuda`; it need not be there.
        threads: of the CPU kernels.
        sdpa: the one backend that fused attention may use, or `auto`.

    Raises:
        UsageError: nothing is trained, or torch refuses an option of the optimizer.
        UnservedError: that backend cannot serve the attention in it.
    """
    on_gpu = device != "cpu"
    steps = TrainingSteps(recording.call, workload.optimizer, foreach=on_gpu)
    with served_by(sdpa, device):
        real = recording.tape.recorded == REAL
        tape = record(steps, real=real, kernels=CUDA if on_gpu else SHOWN, seed=recording.seed)
    sections = Sections(tape)
    peak = StepPeak(device=device, threads=threads, last_step=sections.last_step)
    peak.follow(tape)
    parts = {
        "gradients": sections.gradients,
        "optimizer_states": sections.states,
        "activations": sections.activations,
    }
    held = {name: sum(peak.fullest.get(storage, 0) for storage in storages) for name, storages in parts.items()}
    parameters = {
        storage_identity(tensor): tensor.untyped_storage().nbytes() for tensor in recording.module.parameters()
    }
    return StepMemory(
        optimizer=workload.optimizer,
        implementation=implementation_of(workload.optimizer, on_gpu=on_gpu),
        parameters=sum(parameters.values()),
        temporaries=peak.fullest_bytes - sum(held.values()),
        fullest_pass=sections.pass_of(peak.fullest_at),
        unmodelled=peak.unmodelled,
        **held,
    )
