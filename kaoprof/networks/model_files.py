"""Models that stand in a file or a folder instead of under a name: a config of transformers, an exported program."""

from pathlib import Path
from typing import NamedTuple

from kaoprof.workload.exported import SUFFIX
from kaoprof.workload.transformers_models import CONFIG, read_config


class ModelFile(NamedTuple):
    """The factory that makes the model of a file, its only argument, and how the model is called."""

    factory: str
    path: str
    name: str


def model_file(target: str) -> ModelFile | None:
    """What stands at a path, if that is a model of somebody else's; None for whatever else, such as a spec."""
    path = Path(target)
    try:
        folder, file = path.is_dir(), path.is_file()
    except (OSError, ValueError):
        return None
    if file and path.suffix == SUFFIX:
        return ModelFile("kaoprof.workload.exported:exported_model", str(path.resolve()), path.stem)
    config = path / CONFIG if folder else path
    if config.suffix != ".json" or read_config(config) is None:
        return None
    name = path.resolve().name if folder else path.resolve().parent.name if path.name == CONFIG else path.stem
    return ModelFile("kaoprof.workload.transformers_models:model_of_config", str(config.resolve()), name)
