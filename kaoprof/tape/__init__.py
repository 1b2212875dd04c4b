"""One recorded run of somebody's code, and what is derived from it: counts, layers, the peak. Imports torch."""
