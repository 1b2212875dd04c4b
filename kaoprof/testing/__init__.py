"""Limits of what a model may cost, in a test suite."""
