"""Models by the name under which their package lists them, always without trained weights: nothing is downloaded.

A package has a registry if `create_model` or `get_model` stands beside `list_models` in it or in its `models`, as in
timm and torchvision; transformers lists the types of its configs.
"""

import importlib
import inspect
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from kaoprof.errors import UsageError, did_you_mean, nearest
from kaoprof.workload.offline import offline

if TYPE_CHECKING:
    from torch import nn

FEW = 20  # names that fit into a hint
MAKERS = ("create_model", "get_model")
LISTED, BUILDER = "list_models", "get_model_builder"
WITHOUT_WEIGHTS = {"pretrained": False, "weights": None, "weights_backbone": None, "pretrained_backbone": False}
SAVE_CONFIG = "name a folder in which AutoConfig.from_pretrained(...).save_pretrained left it: nothing is downloaded"


class Registry(NamedTuple):
    """The names that a package lists, and what makes a model of one: `make(name, *args, **kwargs)`."""

    names: Callable[[], Iterable[str]]
    make: Callable[..., "nn.Module"]


def named_model(package: ModuleType, name: str) -> "Callable[..., nn.Module] | None":
    """The factory of the model that the package lists under `name`; None where it lists no models.

    Raises:
        UsageError: it lists others.
    """
    registry = _registry_of(package)
    if registry is None:
        return None
    known, plain = list(registry.names()), name.partition(".")[0]  # timm adds where the weights came from
    if name not in known and plain not in known:
        raise UsageError(f"{package.__name__} lists no model {name!r}", hint=_hint(package, plain, known))

    def make(*args: Any, **kwargs: Any) -> "nn.Module":
        with offline():
            return registry.make(name, *args, **kwargs)

    return make


def _hint(package: ModuleType, name: str, known: list[str]) -> str:
    """What may have been meant; of a model of the Hugging Face hub, how its config comes here."""
    if package.__name__ != "transformers":
        return nearest(name, known) or (did_you_mean(name, known) if len(known) < FEW else "")
    kind = max((kind for kind in known if name.startswith(f"{kind}-")), key=len, default="")
    if not kind:
        return nearest(name, [*known, *dir(package)]) or SAVE_CONFIG
    return f"transformers:{kind} takes the default config of its type; for its own one {SAVE_CONFIG}"


def _registry_of(package: ModuleType) -> Registry | None:
    if package.__name__ == "transformers":
        from kaoprof.workload.transformers_models import model_of_type, model_types

        return Registry(model_types, model_of_type)
    for holder in (package, _models_of(package)):
        maker = next((name for name in MAKERS if callable(getattr(holder, name, None))), None)
        if maker and callable(getattr(holder, LISTED, None)):
            return Registry(getattr(holder, LISTED), _without_weights(holder, maker))
    return None


def _models_of(package: ModuleType) -> object:
    try:
        return importlib.import_module(f"{package.__name__}.models")
    except ImportError:
        return None


def _without_weights(holder: object, maker: str) -> "Callable[..., nn.Module]":
    """The package's maker, told wherever it or the model's own builder asks that no trained weights are wanted."""

    def make(name: str, /, *args: Any, **kwargs: Any) -> "nn.Module":
        function, builder = getattr(holder, maker), getattr(holder, BUILDER, None)
        asked = set(inspect.signature(function).parameters)
        if builder is not None:
            asked |= set(inspect.signature(builder(name)).parameters)
        untrained = {word: value for word, value in WITHOUT_WEIGHTS.items() if word in asked}
        made: nn.Module = function(name, *args, **(untrained | kwargs))
        return made

    return make
