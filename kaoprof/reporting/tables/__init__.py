"""One file per kind of record: its tables as cells of text."""
