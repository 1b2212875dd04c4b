"""FLOPs of solving, inverting and factorising matrices: the leading terms, as books on matrix computations count them.

A square matrix has n rows, another m rows and n columns; r is the number of right hand sides. Batches count each.
What is found by iterating until it is exact enough, such as eigenvalues, singular values and matrix exponentials, has
no rule.

Source: Golub and Van Loan, Matrix Computations, 4th edition: 3.1 (triangular), 3.2 (LU), 4.2 (Cholesky), 5.2 (QR).
"""

import math
from collections.abc import Callable
from typing import Any

from kaoprof.counting.elementwise import Rule, per_output
from kaoprof.counting.shapes import Shaped, first_tensor, names
from kaoprof.dims import Size

CROSS_FLOPS = 3  # per element: two products, a difference


def _per_matrix(flops: Callable[[int, int], float], matrix: Shaped) -> Size | None:
    """So many for each matrix of a batch; None where sizes are symbols: a part of them is no whole number."""
    *batch, rows, columns = matrix.shape
    if not all(isinstance(size, int) for size in matrix.shape):
        return None
    return round(math.prod(batch) * flops(rows, columns))


def of_matrix(flops: Callable[[int, int], float]) -> Rule:
    """A rule for the first argument, `(.. m n)`."""
    return lambda matrix, *_, **__: _per_matrix(flops, matrix)


def elimination(rows: int, columns: int) -> float:
    """LU: `2 n^3 / 3` where the matrix is square."""
    small = min(rows, columns)
    return 2 * (rows * columns * small - (rows + columns) * small**2 / 2 + small**3 / 3)


def reflections(rows: int, columns: int) -> float:
    """QR by Householder's reflections, without Q: `2 n^2 (m - n / 3)`."""
    small, large = sorted((rows, columns))
    return 2 * small**2 * (large - small / 3)


def orthogonal_rule(matrix: Shaped, mode: str = "reduced", *_: object, **__: object) -> Size | None:
    """QR; making Q takes as much again."""
    return _per_matrix(lambda m, n: reflections(m, n) * (1 if mode == "r" else 2), matrix)


def solving(substitutions: int, *, position: int = 0, factorised: float = 0) -> Rule:
    """A rule for so many substitutions, of n^2 for each right hand side, after so many n^3 for factorising.

    The matrix is the argument at `position`; the solution is the first result.
    """

    def flops(*args: Any, out: Any, **_: object) -> Size | None:
        matrix, solution = args[position], first_tensor(out)
        before = _per_matrix(lambda n, _: factorised * n**3, matrix)
        size = matrix.shape[-1]
        return None if before is None else before + substitutions * size * solution.numel()

    return flops


LINEAR_ALGEBRA: dict[str, Rule] = {
    "linalg_cholesky_ex": of_matrix(lambda n, _: n**3 / 3),
    "linalg_ldl_factor_ex": of_matrix(lambda n, _: n**3 / 3),
    "linalg_inv_ex": of_matrix(lambda n, _: 2 * n**3),
    "cholesky_inverse": of_matrix(lambda n, _: 2 * n**3 / 3),
    **dict.fromkeys(names("linalg_lu linalg_lu_factor_ex _linalg_det _linalg_slogdet"), of_matrix(elimination)),
    "linalg_qr": orthogonal_rule,
    **dict.fromkeys(names("geqrf linalg_householder_product"), of_matrix(reflections)),
    "_linalg_solve_ex": solving(2, factorised=2 / 3),
    **dict.fromkeys(names("linalg_lu_solve linalg_ldl_solve"), solving(2)),
    "linalg_solve_triangular": solving(1),
    "triangular_solve": solving(1, position=1),
    "cholesky_solve": solving(2, position=1),
    "linalg_cross": per_output(CROSS_FLOPS),
}
