"""Models of the transformers package by their config alone: a file, a folder, a type or a class. Weights are random."""

import inspect
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaoprof.errors import UsageError, did_you_mean
from kaoprof.workload.offline import offline

if TYPE_CHECKING:
    from torch import nn

CONFIG = "config.json"  # as save_pretrained calls it
LENGTH = 128  # tokens of a text, unless the model takes fewer
MOST_BYTES = 2**22  # of a config
LONGEST = ("max_position_embeddings", "n_positions")  # how configs call the most tokens that they take
IMAGE_TOKENS = ("image_token_id", "image_token_index")  # of models whose text says where an image stands


def model_types() -> Iterable[str]:
    """The types of model that transformers knows: bert, llama, vit, ..."""
    from transformers import CONFIG_MAPPING

    return list(CONFIG_MAPPING.keys())


def model_of_type(name: str, **overrides: Any) -> "nn.Module":
    """The plain model of a type by its default config, of which `overrides` change values."""
    from transformers import CONFIG_MAPPING

    return _model_of(CONFIG_MAPPING[name](**overrides))


def model_of_class(kind: Any, *args: Any, **overrides: Any) -> "nn.Module":
    """A model of a class; without a config, by its default one, of which `overrides` change values."""
    with offline():
        made: nn.Module = (
            kind(*args, **overrides) if args or "config" in overrides else kind(kind.config_class(**overrides))
        )
    return made


def model_of_config(path: str, **overrides: Any) -> "nn.Module":
    """The model whose config stands in a file, or in a folder's `config.json`; `overrides` change values of it.

    Its class is the first of the config's `architectures`, else the plain model of its type.

    Raises:
        UsageError: the file is no config of a model that transformers itself knows.
    """
    file = Path(path) / CONFIG if Path(path).is_dir() else Path(path)
    said = read_config(file)
    if said is None:
        raise UsageError("is no config of transformers", where=str(file), hint="it says model_type, such as bert")
    from transformers import CONFIG_MAPPING

    kind = said.pop("model_type")
    if kind not in CONFIG_MAPPING:
        raise UsageError(
            f"transformers knows no model type {kind!r}", where=str(file), hint=did_you_mean(str(kind), model_types())
        )
    with offline():
        return _model_of(CONFIG_MAPPING[kind](**said | overrides))


def read_config(file: Path) -> dict[str, Any] | None:
    """What a config says; None if the file is none."""
    try:
        with file.open("rb") as opened:
            said = json.loads(opened.read(MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) and isinstance(said.get("model_type"), str) else None


def _model_of(config: Any) -> "nn.Module":
    import transformers

    named = (getattr(transformers, name, None) for name in config.architectures or ())
    kind = next(filter(None, named), None) or transformers.MODEL_MAPPING.get(type(config), None)
    if kind is None:
        raise UsageError(f"transformers has no plain model of the type {config.model_type!r}", hint="name its class")
    made: nn.Module = (kind[0] if isinstance(kind, tuple) else kind)(config)
    return made


def inputs_of(model: Any, batch: int) -> dict[str, Any]:
    """The inputs by keyword that a model's config tells of, masks included: nothing is masked.

    Raises:
        UsageError: it does not tell of one that the model needs.
    """
    config, main = model.config, model.main_input_name
    asked = inspect.signature(model.forward).parameters
    text, inputs = config.get_text_config(), dict[str, Any]()
    length = min(
        [LENGTH, *(size for name in LONGEST if isinstance(size := getattr(text, name, None), int) and size > 0)]
    )
    words = {"shape": [batch, length], "dtype": "int64"}
    if main == "input_ids":
        inputs[main] = words | {"high": text.vocab_size}
        inputs |= {"attention_mask": words | {"values": "ones"}} if "attention_mask" in asked else {}
        if "token_type_ids" in asked and hasattr(text, "type_vocab_size"):
            inputs["token_type_ids"] = words | {"values": "zeros"}
    two_towers = hasattr(config, "vision_config") and not any(hasattr(config, name) for name in IMAGE_TOKENS)
    if main == "pixel_values" or (two_towers and "pixel_values" in asked):
        inputs["pixel_values"] = {"shape": [batch, *_image_of(config)]}
    if main == "input_features" and hasattr(config, "max_source_positions") and hasattr(config, "num_mel_bins"):
        inputs[main] = {"shape": [batch, config.num_mel_bins, 2 * config.max_source_positions]}  # halved by a stride
    if main not in inputs:
        raise UsageError(f"its config does not tell the shape of {main}", hint=f"for example --input {main}=1,16000")
    if config.is_encoder_decoder and "decoder_input_ids" in asked:
        inputs["decoder_input_ids"] = words | {"high": text.vocab_size}
    return inputs


def _image_of(config: Any) -> list[int]:
    """Channels and sizes of an image."""
    config = getattr(config, "vision_config", config)
    size, channels = getattr(config, "image_size", None), getattr(config, "num_channels", 3)
    if size is None:
        raise UsageError("its config tells no image size", hint="for example --input pixel_values=1,3,224,224")
    return [channels, size, size] if isinstance(size, int) else [channels, *size]
