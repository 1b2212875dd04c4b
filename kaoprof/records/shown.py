"""What every result can do for whoever holds it: print as its table, show itself in a notebook, become other formats.

How it looks is for `reporting` to decide, which stands above the records: it is found by its place when it is asked.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    import pandas as pd

RENDERERS = "kaoprof.reporting.results"


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A result: `print(result)` shows its table; alone in a cell of a notebook it shows itself."""

    def __repr__(self) -> str:
        return str(_renderers().short(self))

    def __str__(self) -> str:
        return str(_renderers().as_text(self))

    def _repr_html_(self) -> str:
        """Its tables for a notebook."""
        return str(_renderers().as_html(self))

    def to_pandas(self) -> "pd.DataFrame":
        """The lines of its CSV as a data frame: raw figures in SI units; what is not known is missing.

        Raises:
            KaoprofError: pandas is not installed.
        """
        frame: pd.DataFrame = _renderers().as_frame(self)
        return frame

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes it in the format that the suffix asks for; a file that is there is replaced, whole or not at all.

        Args:
            path: ends in .json (which kaoprof reads again), .csv, .md, .tex or .html; where there is a plot also in
                .png, .svg or .pdf.

        Raises:
            UsageError: the suffix asks for a format that it does not have.
            OutputError: the file cannot be written.
        """
        _renderers().save(self, path)


def _renderers() -> Any:
    return importlib.import_module(RENDERERS)
