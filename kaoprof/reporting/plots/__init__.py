"""Plots of records: matplotlib is opened here and nowhere else."""
