"""The predicted peak: live bytes of a dry run, and what kernels hold for themselves."""
