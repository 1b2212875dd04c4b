"""From a model or a function to its tape: one run, without data if that can be, else on real tensors."""

import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from kaoprof.errors import KaoprofError, UsageError
from kaoprof.memory.fused_encoders import encoders_shown, without_nested_tensors
from kaoprof.tape.building import fake_mode
from kaoprof.tape.control_flow import control_flow_in_python, flexible_attention_everywhere
from kaoprof.tape.entries import LayerFacts, Tape
from kaoprof.tape.keeping import compiled_nothing, model_kept, process_kept
from kaoprof.tape.known_results import KnownResults
from kaoprof.tape.modules import ModuleTrail, tensors_in, type_name
from kaoprof.tape.open_trail import OpenTrail
from kaoprof.tape.recorder import Recorder
from kaoprof.torch_internals import (
    FAKE_TENSOR_LOGGER,
    FakeTensor,
    FakeTensorMode,
    batch_norm_class,
    held_tensors,
    submodules,
    tree_map,
)
from kaoprof.workload.building import SMALL_INPUT
from kaoprof.workload.cuda_attention import CudaAttention
from kaoprof.workload.patching import replaced

FAKE, REAL = "fake", "real"
SHOWN, FUSED, CUDA = "shown", "fused", "cuda"  # whose operations run: a CPU's, by layer or fused, or a GPU's


class Call:
    """What is recorded: a model or a function, and what it is called with.

    Args:
        function: a module, or anything that can be called.
        args: positional arguments; tensors may be nested in them.
        kwargs: keyword arguments, likewise.
        train: whether a backward pass follows, from all that the answer holds.
        input_grad: whether real numbers in the input require gradients then.
    """

    def __init__(
        self,
        function: Callable[..., object],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        train: bool = False,
        input_grad: bool = False,
    ) -> None:
        self.function = function
        self.args = tuple(args)
        self.kwargs = dict(kwargs or {})
        self.train = train
        self.input_grad = input_grad
        self.module = _module_in(function)
        self.known: KnownResults | None = None  # what one recording has learnt, another need not
        self.roots: dict[str, nn.Module] = {}  # by name, the modules that a function was seen to call

    def step(self, convert: Callable[[Tensor], Tensor]) -> object:
        """One forward pass, or forward and backward; tensors of the input go through `convert` before."""
        args, kwargs = tree_map(
            lambda leaf: convert(leaf) if isinstance(leaf, Tensor) else leaf, (self.args, self.kwargs)
        )
        return self.run(args, kwargs)

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
        """The same on tensors that are ready."""
        if not self.train:
            with torch.no_grad():
                return _finished(self.function(*args, **kwargs))
        with torch.enable_grad():
            output = _finished(self.function(*args, **kwargs))
            ends = list({id(end): end for end in tensors_in(output) if end.requires_grad}.values())
            if not ends:
                raise UsageError(
                    "nothing to train: no answer depends on a parameter", where="module", hint="use --mode forward"
                )
            torch.autograd.backward(ends, [torch.ones_like(end) for end in ends])
        return output


def _finished(answer: object) -> object:
    """The answer; of an iterator all that it gives, since it computes as it is asked."""
    return list(answer) if isinstance(answer, Iterator) else answer


def _module_in(function: object) -> nn.Module | None:
    """The model itself, or that whose method is called."""
    owner = getattr(function, "__self__", function)
    return owner if isinstance(owner, nn.Module) else None


def record(call: Call, *, real: bool = False, kernels: str = SHOWN, seed: int | None = None) -> Tape:
    """The tape of one run.

    Args:
        call: what runs.
        real: whether to run on real tensors only.
        kernels: `shown` for what a CPU runs, layer by layer; `fused` for encoder layers as torch's fused kernels, of
            which no layer shows; `cuda` for what a GPU runs, which need not be there. The last two are for memory.
        seed: of all random numbers.

    Raises:
        KaoprofError: modules ran in other threads.
        Exception: whatever the run raises on real tensors, or without data if the model has none.
    """
    if not real:
        try:
            return _recorded(call, _known_results(call).fakes, kernels=kernels, seed=seed)
        except Exception:
            if _mode_of(call) is not None:
                raise  # whoever made it without data must make it again
    return _recorded(call, None, kernels=kernels, seed=seed)


def _known_results(call: Call) -> KnownResults:
    """What is known of results without data under the mode of the call's own tensors, or of a new one."""
    mode = _mode_of(call)
    if call.known is None or (mode is not None and call.known.fakes is not mode):
        call.known = KnownResults(mode or fake_mode())
    return call.known


def _mode_of(call: Call) -> FakeTensorMode | None:
    """The mode under which the model's parameters, or its input, were made, if they have no data."""
    parameters = () if call.module is None else call.module.parameters()
    tensors = itertools.chain(parameters, tensors_in((call.args, call.kwargs)))
    return next((tensor.fake_mode for tensor in tensors if isinstance(tensor, FakeTensor)), None)


def _recorded(call: Call, fakes: FakeTensorMode | None, *, kernels: str, seed: int | None) -> Tape:
    stack = ExitStack()

    def adopt(module: nn.Module) -> None:
        """What a function calls is kept as it was, too."""
        stack.enter_context(model_kept(module, written=fakes is None))
        _tell_of_state(module, recorder, fakes)

    trail = OpenTrail("function", adopt) if call.module is None else ModuleTrail(call.module)
    recorder = Recorder(trail, None if fakes is None else call.known)
    with stack:
        stack.enter_context(process_kept(seed))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")  # what the model warns of, it tells whoever runs it
        stack.enter_context(model_kept(call.module, written=fakes is None))
        stack.enter_context(compiled_nothing())
        stack.enter_context(control_flow_in_python())
        stack.enter_context(flexible_attention_everywhere())
        stack.enter_context(replaced(FAKE_TENSOR_LOGGER, "disabled", True))
        if kernels == FUSED and call.module is not None:
            stack.enter_context(encoders_shown("cpu"))
            without_nested_tensors(call.module)
        else:
            torch.backends.mha.set_fastpath_enabled(False)
        if kernels == CUDA:
            stack.enter_context(CudaAttention())
            stack.enter_context(torch.backends.mkldnn.flags(enabled=False))
        if call.module is not None:
            _tell_of_state(call.module, recorder, fakes)
        convert = _conversion(call, recorder, fakes)
        stack.enter_context(trail.followed())
        stack.enter_context(replaced(functional, "one_hot", recorder.moving(functional.one_hot)))
        stack.enter_context(recorder)
        output = call.step(convert)
        del output
        layers = (
            trail.layers() if isinstance(trail, OpenTrail) else layers_of(call.module, trail)
        )  # before what the run left in the model is taken away
    if trail.elsewhere:
        names = ", ".join(sorted(trail.elsewhere))
        hint = "what runs in another thread is not counted: call it in the one that calls the module"
        raise KaoprofError(f"{names} is called in another thread", hint=hint)
    if isinstance(trail, OpenTrail):
        call.roots = trail.roots()
    trees = call.roots.values() if call.module is None else [call.module]
    parts = [part for tree in trees for part in tree.modules()]
    return Tape(
        events=recorder.events,
        layers=layers,
        recorded=REAL if fakes is None else FAKE,
        value_reads=recorder.value_reads,
        failures=recorder.failures,
        hides_encoders=any(isinstance(part, nn.TransformerEncoderLayer | nn.MultiheadAttention) for part in parts),
        recurrent=any(isinstance(part, nn.RNNBase) for part in parts),
        projected=any(isinstance(part, nn.LSTM) and part.proj_size for part in parts),
    )


def _tell_of_state(module: nn.Module, recorder: Recorder, fakes: FakeTensorMode | None) -> None:
    for parameter in module.parameters():
        if not nn.parameter.is_lazy(parameter):
            recorder.holds(parameter, data=fakes is None, given=fakes is None)
    for buffer in module.buffers():
        if not nn.parameter.is_lazy(buffer):
            recorder.holds(buffer, data=True, given=False)


def _conversion(call: Call, recorder: Recorder, fakes: FakeTensorMode | None) -> Callable[[Tensor], Tensor]:
    """How a tensor of the input becomes what the model is called with: without data, or a copy."""

    def convert(tensor: Tensor) -> Tensor:
        floats = tensor.is_floating_point() or tensor.is_complex()
        wanted = floats and (tensor.requires_grad or (call.train and call.input_grad))
        if fakes is None:
            copy = tensor.detach().clone()
        elif isinstance(tensor, FakeTensor):
            copy = tensor.detach()
        elif floats or tensor.numel() > SMALL_INPUT:
            copy = fakes.from_tensor(tensor.detach())
        else:
            copy = tensor.detach().clone()
        if call.train:
            copy.requires_grad_(wanted)
        recorder.holds(copy, data=not isinstance(copy, FakeTensor), given=True)
        return copy

    return convert


def layers_of(module: nn.Module | None, trail: ModuleTrail) -> dict[str, LayerFacts]:
    """Every module by its path, as written; one that two hold stands under each path by which it was called."""
    passed = _with_holders(trail.called)
    layers: dict[str, LayerFacts] = {}
    seen_modules: set[int] = set()
    seen_params: set[int] = set()
    waiting = [] if module is None else [("", module)]
    while waiting:
        path, part = waiting.pop()
        again = id(part) in seen_modules
        if again and path not in passed:
            continue
        seen_modules.add(id(part))
        own = {id(parameter): parameter for parameter in held_tensors(part)[0].values() if parameter is not None}
        fresh = [parameter for key, parameter in own.items() if key not in seen_params]
        seen_params.update(own)
        layers[path] = LayerFacts(
            type=type_name(part),
            params=sum(parameter.numel() for parameter in fresh if not nn.parameter.is_lazy(parameter)),
            norm=isinstance(part, batch_norm_class()),
            output_shape=trail.shapes.get(path),
            called=path in trail.called,
        )
        held = submodules(part).items()
        waiting += reversed([(f"{path}.{name}" if path else name, child) for name, child in held if child is not None])
    return layers


def _with_holders(paths: Iterable[str]) -> set[str]:
    """The paths, and those of whatever is around them."""
    passed: set[str] = set()
    for path in paths:
        while path and path not in passed:
            passed.add(path)
            path = path.rpartition(".")[0]  # noqa: PLW2901 - upwards to the whole
    return passed
