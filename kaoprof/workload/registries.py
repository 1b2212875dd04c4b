"""Models by the name under which their package lists them, always without trained weights: nothing is downloaded.

A package has a registry if `create_model` or `get_model` stands beside `list_models` in it or in its `models`, as in timm
and torchvision; transformers lists the types of its configs.
"""

import importlib
import inspect
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from kaoprof.errors import UsageError, did_you_mean
from kaoprof.workload.offline import offline

if TYPE_CHECKING:
    from torch import nn

MAKERS = ("create_model", "get_model")
LISTED, BUILDER = "list_models", "get_model_builder"
WITHOUT_WEIGHTS = {"pretrained": False, "weights": None, "weights_backbone": None, "pretrained_backbone": False}
SAVE_CONFIG = (
    "nothing is downloaded: save its config, AutoConfig.from_pretrained(...).save_pretrained('folder'), and name that "
    "folder"
)


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
        hint = did_you_mean(plain, known) if len(known) < FEW or _has_near(plain, known) else ""
        if package.__name__ == "transformers":
            hint = f"{hint} {SAVE_CONFIG}" if hint and len(hint) < LONG else SAVE_CONFIG
        raise UsageError(f"{package.__name__} lists no model {name!r}", where=f"{package.__name__}:{name}", hint=hint)

    def make(*args: Any, **kwargs: Any) -> "nn.Module":
        with offline():
            return registry.make(name, *args, **kwargs)

    return make


FEW, LONG = 20, 80  # names that fit into a hint; letters of a hint that another may follow


def _has_near(name: str, known: list[str]) -> bool:
    return did_you_mean(name, known).startswith("did you mean")


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
