"""The specs that ship with kaoprof, found by name: in an installed package and in a checkout."""

from functools import cache
from pathlib import Path

from kaoprof.errors import SpecError, nearest

SUFFIXES = (".yaml", ".yml")
NAMES = (
    "`kaoprof list` names these; a model of a package is timm:NAME or torchvision:NAME, one of transformers the folder "
    "of its config.json: nothing is downloaded"
)
PACKAGE = Path(__file__).parent.parent


@cache
def shelf() -> dict[str, Path]:
    """Every shipped spec: name -> file, in the order of the names."""
    folders = (PACKAGE / "profiles", PACKAGE.parent / "profiles")  # installed; a checkout
    folder = next((folder for folder in folders if folder.is_dir()), folders[0])
    files = [path for path in folder.rglob("*") if path.suffix in SUFFIXES]
    return {path.stem: path for path in sorted(files, key=lambda path: path.stem)}


def find_shipped(name: str) -> Path:
    """The file of the shipped spec called `name`.

    Raises:
        SpecError: there is none; with the nearest name as the hint.
    """
    if name not in shelf():
        message = "neither a file nor the name of a shipped spec"
        raise SpecError(message, where=name[:100], hint=nearest(name[:100], shelf()) or NAMES)
    return shelf()[name]
