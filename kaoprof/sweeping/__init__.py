"""`sweep`: a grid, cell by cell, into a journal that survives anything."""
