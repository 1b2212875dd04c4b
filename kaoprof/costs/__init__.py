"""Closed-form costs, one file per operator family: torch-free, generic over ints and sympy symbols."""
