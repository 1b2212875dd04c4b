"""A sweep on a terminal: its tables, or those of `compare` where there are too few sizes for a law."""

from rich.console import Group, RenderableType
from rich.text import Text

from kaoprof.records.compare import Record
from kaoprof.reporting.console import QUIET, to_console
from kaoprof.reporting.document import sheet_to_console
from kaoprof.reporting.sentences.protocol import CONVENTION, MAP_MEANING, PAPER_CONVENTION, protocol_of
from kaoprof.reporting.tables.sweep import sheets_of


def sweep_to_console(record: Record, width: int) -> RenderableType:
    """The record as rich renderables for a terminal of `width` columns."""
    sheets = sheets_of(record)
    if not sheets:
        return to_console(record, width)
    convention = CONVENTION if record.protocol else f"{PAPER_CONVENTION} {MAP_MEANING}"
    legend = [convention, *protocol_of(record)]
    tables = [sheet_to_console(sheet, {}) for sheet in sheets]
    return Group(*tables, *(Text(sentence, style=QUIET) for sentence in legend))
