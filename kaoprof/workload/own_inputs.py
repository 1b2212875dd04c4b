"""What a model is called with where nobody says: what its own config tells, by the package that it comes from."""

from collections.abc import Mapping
from typing import Any

from kaoprof.errors import UsageError
from kaoprof.workload.transformers_models import inputs_of

FRAMES = 16  # of a video, unless the model wants more
EXAMPLE = "for example --input 1,3,224,224"


def own_inputs(model: Any, *, factory: str, kwargs: Mapping[str, Any], batch: int) -> list[Any] | dict[str, Any]:
    """The inputs as a spec would describe them.

    Args:
        model: as the factory made it.
        factory: `package:name`.
        kwargs: what the factory was called with.
        batch: samples at once.

    Raises:
        UsageError: nothing tells.
    """
    if hasattr(model, "own_inputs"):  # of an exported one
        inputs: list[Any] = model.own_inputs
        return inputs
    if hasattr(model, "main_input_name") and hasattr(model, "config"):
        return inputs_of(model, batch)
    shapes = _of_timm(model, kwargs, batch) or _of_torchvision(model, factory, batch)
    if not shapes:
        raise UsageError("needs the shape of its input", where=factory, hint=EXAMPLE)
    return shapes


def _of_timm(model: Any, kwargs: Mapping[str, Any], batch: int) -> list[Any]:
    config = getattr(model, "pretrained_cfg", None) or getattr(model, "default_cfg", None)
    size = config.get("input_size") if isinstance(config, dict) else None
    if not size:
        return []
    channels, *sides = size
    image = kwargs.get("img_size")
    sides = [image, image] if isinstance(image, int) else list(image) if image else sides
    return [{"shape": [batch, kwargs.get("in_chans", channels), *sides]}]


def _of_torchvision(model: Any, factory: str, batch: int) -> list[Any]:
    package, _, name = factory.partition(":")
    if package.partition(".")[0] != "torchvision":
        return []
    detector = getattr(model, "transform", None)
    if detector is not None and hasattr(detector, "min_size"):  # it takes a list of images
        side = detector.min_size[0]
        return [[{"shape": [3, side, side]}] * batch]
    from torchvision.models import get_model_weights

    try:
        weights = get_model_weights(name.rpartition(".")[2]).DEFAULT
    except ValueError:
        return []
    transforms, said = (
        getattr(weights.transforms, "func", weights.transforms),
        getattr(weights.transforms, "keywords", {}),
    )
    sides = _sides(said.get("crop_size") or said.get("resize_size") or weights.meta["min_size"])
    if transforms.__name__ == "VideoClassification":
        frames = max(FRAMES, weights.meta.get("min_temporal_size", 0))
        return [{"shape": [batch, 3, frames, *sides]}]
    images = 2 if transforms.__name__ == "OpticalFlow" else 1
    return [{"shape": [batch, 3, *sides]}] * images


def _sides(size: Any) -> list[int]:
    sides = [size, size] if isinstance(size, int) else list(size)
    return sides * 2 if len(sides) == 1 else sides
