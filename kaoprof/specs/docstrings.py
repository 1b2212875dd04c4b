"""Docstrings that are shown, as help and in schemas: `python -OO` throws them away, the source still has them."""

import sys
from types import ModuleType

WITHOUT_DOCSTRINGS = 2  # the level of optimisation


def restore_docstrings(module: ModuleType) -> None:
    """Gives the functions and classes of a module their docstrings back, if Python threw them away."""
    if sys.flags.optimize < WITHOUT_DOCSTRINGS:
        return
    import ast
    import inspect

    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            getattr(module, node.name).__doc__ = ast.get_docstring(node, clean=False)
