"""A sweep of models as a page: a line per model and input, who is beaten by nobody, and how each model grows."""

from kaoprof.findings import model_grid as findings
from kaoprof.records.swept_models import SweptModels
from kaoprof.reporting.document import Medium, Page, Table, without_empty
from kaoprof.reporting.sentences.failures import failures
from kaoprof.reporting.sentences.protocol import protocol_of
from kaoprof.reporting.sentences.swept_models import answers_of, unpaired_in
from kaoprof.reporting.tables.model_rows import (
    CONVENTION,
    HEADERS,
    column_of,
    fixed_in,
    law_tables,
    meanings_of,
    texts_of,
    title_of,
    toned,
)
from kaoprof.reporting.tables.models_screen import screen_of


def page_of(record: SweptModels, medium: Medium = Medium.TEXT) -> Page:
    """What each model costs on each input, with those that none beats; then exponents where there are three sizes."""
    if medium == Medium.SCREEN:
        return screen_of(record)
    fixed = fixed_in(record)
    shown = [place for place, name in enumerate(HEADERS) if name not in fixed]
    name, unbeaten = findings.names_of(record.rows), findings.unbeaten_of(record.rows)
    cells = [texts_of(row, name(row), unbeaten=findings.key_of(row) in unbeaten) for row in record.rows]
    notes = (*meanings_of(findings.fronts(record.rows)), *failures([(row.case.setting, row) for row in record.rows]))
    table = Table(
        title=title_of(record, fixed),
        columns=tuple(column_of(HEADERS[place]) for place in shown),
        rows=tuple(tuple(toned(row[place]) for place in shown) for row in cells),
        notes=notes if medium == Medium.PAPER else (*answers_of(record), *notes),
        details=(CONVENTION, *filter(None, (*protocol_of(record), unpaired_in(record)))),
        figures="plain",
    )
    return Page(blocks=(without_empty(table), *law_tables(record, fixed)))
