"""From a record to what people read: one table of columns, one file per format. Never measures, never imports torch."""
