"""Polynomial systems with root counts from the literature, for every test that needs a known answer.

`ISOLATED` lists systems with isolated roots only; each Known carries its total degree, its roots with multiplicity, the
distinct ones and the real ones among those. Sources are named at each generator.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

from theory.polynomials import Polynomial
from theory.systems import PolynomialSystem

Build = Callable[[], list[Polynomial]]


@dataclass(frozen=True)
class Known:
    """A system and what is known of it: roots with multiplicity in C^n, distinct ones, distinct real ones."""

    name: str
    build: Build
    total_degree: int
    roots: int
    distinct: int
    real: int | None
    source: str
    singular: dict[tuple[int, ...], int] = field(default_factory=dict)  # singular root -> multiplicity

    @cached_property
    def system(self) -> PolynomialSystem:
        polynomials = self.build()
        return PolynomialSystem.from_polynomials(polynomials, names(polynomials[0].n_variables))


def names(n: int) -> tuple[str, ...]:
    return tuple(f"x{k}" for k in range(n))


def variables(n: int) -> list[Polynomial]:
    return [Polynomial.variable(k, n) for k in range(n)]


def total(terms: Sequence[Polynomial], n: int) -> Polynomial:
    return sum(terms, Polynomial.constant(0, n))


def cyclic(n: int) -> list[Polynomial]:
    """Cyclic n-roots. G. Bjorck, R. Froberg, A faster way to count the solutions of inhomogeneous systems of algebraic
    equations, J. Symbolic Comput. 12 (1991): 70, 156 and 924 roots for n = 5, 6, 7."""
    x = variables(n)
    equations = []
    for length in range(1, n):
        products = []
        for i in range(n):
            product = Polynomial.constant(1, n)
            for j in range(length):
                product = product * x[(i + j) % n]
            products.append(product)
        equations.append(total(products, n))
    product = Polynomial.constant(1, n)
    for factor in x:
        product = product * factor
    return [*equations, product - 1]


def katsura(n: int) -> list[Polynomial]:
    """Katsura-n, n + 1 unknowns, 2^n roots. S. Katsura et al., Cellular Automata (1986); W. Boege, R. Gebauer,
    H. Kredel, J. Symbolic Comput. 2 (1986)."""
    u = variables(n + 1)
    zero = Polynomial.constant(0, n + 1)

    def at(k: int) -> Polynomial:
        return u[abs(k)] if abs(k) <= n else zero

    quadrics = [total([at(k) * at(m - k) for k in range(-n, n + 1)], n + 1) - u[m] for m in range(n)]
    return [total([at(k) for k in range(-n, n + 1)], n + 1) - 1, *quadrics]


def noon(n: int) -> list[Polynomial]:
    """A neural network of Lotka-Volterra type, 3^n - 2n roots. V. W. Noonburg, SIAM J. Appl. Math. 49 (1989)."""
    x = variables(n)
    squares = [v * v for v in x]
    return [
        x[i] * total([s for k, s in enumerate(squares) if k != i], n) - x[i] * Fraction(11, 10) + 1 for i in range(n)
    ]


def eco(n: int) -> list[Polynomial]:
    """An economics problem, 2^(n-2) roots. A. Morgan, Solving polynomial systems using continuation (1987), p. 148."""
    x = variables(n)
    equations = []
    for k in range(1, n):
        inner = total([x[k - 1], *(x[i - 1] * x[i + k - 1] for i in range(1, n - k))], n)
        equations.append(inner * x[n - 1] - k)
    return [*equations, total(x[: n - 1], n) + 1]


def clebsch_lines() -> list[Polynomial]:
    """Lines (t, a + b t, c + d t) on the Clebsch cubic x^3 + y^3 + z^3 + 1 = (x + y + z + 1)^3, after a rational change
    of coordinates that moves all 27 into this chart. A. Clebsch, Math. Ann. 4 (1871): 27 lines, all real."""
    n = 4
    a, b, c, d = variables(n)
    line = [[Polynomial.constant(1, n), a, c, Polynomial.constant(0, n)], [Polynomial.constant(0, n), b, d]]
    one, zero = line[0][0], line[0][3]
    constant, slope = [one, zero, a, c], [zero, one, b, d]  # homogeneous coordinates (1, t, a + b t, c + d t)
    turn = [[1, 2, -1, 3], [2, -1, 4, 1], [-1, 5, 1, 2], [3, 1, 7, -2]]
    forms = [[total([v * m for v, m in zip(part, row, strict=True)], n) for part in (constant, slope)] for row in turn]
    forms.append([total([f[k] for f in forms], n) * -1 for k in range(2)])
    equations = []
    for power in range(4):
        binomial = (1, 3, 3, 1)[power]
        equations.append(total([p ** (3 - power) * q**power * binomial for p, q in forms], n))
    return equations


def double_root() -> list[Polynomial]:
    """(x - 10)^2: a double root that two paths reach with winding number 2."""
    (x,) = variables(1)
    return [(x - 10) ** 2]


def griewank_osborne() -> list[Polynomial]:
    """A root of multiplicity 3 near which Newton's method diverges. A. Griewank, M. R. Osborne, Analysis of Newton's
    method at irregular singularities, SIAM J. Numer. Anal. 20 (1983)."""
    x, y = variables(2)
    return [x**3 * Fraction(29, 16) - x * y * 2, x * x - y]


def ojika1() -> list[Polynomial]:
    """(1, 2) is a triple root, (-3, -6) a simple one. T. Ojika, Modified deflation algorithm for the solution of
    singular problems, J. Math. Anal. Appl. 123 (1987)."""
    x, y = variables(2)
    return [x * x + y - 3, x + y * y * Fraction(1, 8) - Fraction(3, 2)]


def cbms1() -> list[Polynomial]:
    """The origin has multiplicity 11, 16 simple roots. B. Sturmfels, Solving systems of polynomial equations, CBMS 97
    (2002)."""
    x, y, z = variables(3)
    return [x**3 - y * z, y**3 - x * z, z**3 - x * y]


def _known(name: str, build: Build, degree: int, roots: int, real: int | None) -> Known:
    return Known(name, build, degree, roots, roots, real, (build.__doc__ or "").strip())


def _family(generator: Callable[[int], list[Polynomial]], n: int, degree: int, roots: int, real: int) -> Known:
    return Known(
        f"{generator.__name__}-{n}", lambda: generator(n), degree, roots, roots, real, (generator.__doc__ or "").strip()
    )


CYCLIC = [
    _family(cyclic, n, degree, roots, real)
    for n, degree, roots, real in ((5, 120, 70, 10), (6, 720, 156, 24), (7, 5040, 924, 56))
]
KATSURA = [
    _family(katsura, n, 2**n, 2**n, real) for n, real in ((3, 6), (4, 12), (5, 16), (6, 32), (7, 44), (8, 84), (9, 120))
]
NOON = [_family(noon, n, 3**n, 3**n - 2 * n, real) for n, real in ((3, 7), (4, 15), (5, 11))]
ECO = [_family(eco, n, 2 * 3 ** (n - 2), 2 ** (n - 2), real) for n, real in ((5, 4), (6, 4), (7, 8), (8, 8))]
CLEBSCH = _known("clebsch-27-lines", clebsch_lines, 81, 27, 27)
REGULAR = [*CYCLIC, *KATSURA, *NOON, *ECO, CLEBSCH]

SINGULAR = [
    Known("double-root", double_root, 2, 2, 1, 1, "by hand", {(10,): 2}),
    Known("griewank-osborne", griewank_osborne, 6, 3, 1, 1, griewank_osborne.__doc__ or "", {(0, 0): 3}),
    Known("ojika1", ojika1, 4, 4, 2, 2, ojika1.__doc__ or "", {(1, 2): 3}),
    Known("cbms1", cbms1, 27, 27, 17, 5, cbms1.__doc__ or "", {(0, 0, 0): 11}),
]
ISOLATED = [*REGULAR, *SINGULAR]
EVERY = {known.name: known for known in ISOLATED}
