"""Medians, intervals and laws, from raw samples. Pure; no torch."""
