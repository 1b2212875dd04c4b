"""What kernels allocate beside their outputs, or that it is not known: one table, a file per family."""
