"""One recorded run of somebody's code, and all that is derived from it: counts, rows of layers, the peak. Imports torch."""
