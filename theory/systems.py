"""PolynomialSystem: the object that networks make, bounds count, trackers solve and everything below exchanges."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from theory import formats
from theory.arguments import check_seed
from theory.polynomials import GaussianRational, Polynomial

if TYPE_CHECKING:
    import sympy as sp


class ConstantEquationError(ValueError):
    """An equation without unknowns: it holds everywhere or nowhere."""


class NetworkEquations(Protocol):
    """What a network's equations offer, so that they need never be expanded; `theory.networks` makes them."""

    @property
    def network(self) -> Any: ...
    @property
    def kind(self) -> str: ...  # "interpolation" or "critical"
    @property
    def inputs(self) -> np.ndarray: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def n_equations(self) -> int: ...
    @property
    def degrees(self) -> tuple[int, ...]: ...
    @property
    def is_real(self) -> bool: ...
    def polynomials(self) -> tuple[Polynomial, ...]: ...
    def evaluate(self, points: np.ndarray) -> np.ndarray: ...
    def jacobian(self, points: np.ndarray) -> np.ndarray: ...
    def magnitude(self, points: np.ndarray) -> np.ndarray: ...
    def hessian_contraction(self, point: np.ndarray, weights: np.ndarray) -> np.ndarray: ...
    def residuals(self, values: Sequence[Any], inputs: Any = None, targets: Any = None) -> list[Any]: ...


class PolynomialSystem:
    """Equations that should all vanish; any change makes a new system.

    equations: expressions (sympy), polynomial in the unknowns
    variables: n symbols; a point is a (n,) vector in this order

    A system is made of a network's equations (`network`, evaluated layer by layer and expanded only when asked for
    `polynomials` or `equations`), of sparse polynomials (`affine`: slices of a network's system; all equations where
    there is no network), or of both, in this order.

    Raises ValueError for no equation, no or repeated unknowns and non-polynomial expressions;
    TypeError where equations or variables are no lists; ConstantEquationError for an equation that is a constant.
    """

    def __init__(self, equations: Iterable[Any], variables: Iterable["sp.Symbol"]) -> None:
        symbols, equations = _listed(variables, "variables"), _listed(equations, "equations")
        names = tuple(map(str, symbols))
        _check_names(names)
        polynomials = tuple(Polynomial.from_sympy(equation, symbols) for equation in equations)
        self._fill(None, polynomials, names)

    def _fill(self, network: NetworkEquations | None, sparse: tuple[Polynomial, ...], names: tuple[str, ...]) -> None:
        self.network = network
        self._sparse = sparse
        self.names = names
        _check_names(names)
        if not sparse and network is None:
            raise ValueError("a system needs at least one equation, got none")
        first = self.n_equations - len(sparse) + 1
        for number, polynomial in enumerate(sparse, first):
            if polynomial.n_variables != len(names):
                raise ValueError(f"equation {number} has {polynomial.n_variables} unknowns, the system {len(names)}")
            if polynomial.degree == 0:
                raise ConstantEquationError(constant_message(number, next(iter(polynomial.terms.values()), 0)))
        if not names:
            raise ValueError("a system needs at least one unknown, got none")

    @classmethod
    def from_polynomials(cls, polynomials: Iterable[Polynomial], names: Iterable[str]) -> "PolynomialSystem":
        """A system of exact sparse polynomials; names: one for each unknown."""
        system = cls.__new__(cls)
        system._fill(None, tuple(polynomials), tuple(names))
        return system

    @classmethod
    def from_network(cls, network: NetworkEquations, affine: Iterable[Polynomial] = ()) -> "PolynomialSystem":
        """A network's equations, kept as the network, followed by affine ones."""
        system = cls.__new__(cls)
        system._fill(network, tuple(affine), network.names)
        return system

    def with_network(self, network: NetworkEquations) -> "PolynomialSystem":
        """The same affine equations after other equations of a network with the same weights."""
        system = PolynomialSystem.from_network(network, self.affine)
        system._tables = self._tables  # what has been computed for the affine equations stays
        return system

    @classmethod
    def parse(cls, text: str) -> "PolynomialSystem":
        """A system from PHCpack-style text; see `theory.formats` for the grammar.

        Raises formats.ParseError (a ValueError) that names the line and column, ConstantEquationError for an equation
        that is a constant, and TypeError for what is no text.
        """
        if not isinstance(text, str):
            raise TypeError(f"parse takes text such as '1\\nx^2 - 2;', got {type(text).__name__}")
        polynomials, names = formats.parse_system(text)
        return cls.from_polynomials(polynomials, names)

    def to_text(self, format: str = "phcpack") -> str:
        """The expanded system as input for a peer: "phcpack", "bertini", "macaulay2", "julia" or "msolve"."""
        return formats.write_system(self.polynomials, self.names, format)

    # ---- what it is

    @property
    def n_equations(self) -> int:
        return len(self._sparse) + (len(self.network.degrees) if self.network is not None else 0)

    @property
    def n_unknowns(self) -> int:
        return len(self.names)

    @property
    def affine(self) -> tuple[Polynomial, ...]:
        """The equations beyond a network's (slices, as a rule); empty where no network made the system."""
        return self._sparse if self.network is not None else ()

    @cached_property
    def polynomials(self) -> tuple[Polynomial, ...]:
        """All equations, exact and expanded."""
        return (self.network.polynomials() if self.network is not None else ()) + self._sparse

    @cached_property
    def variables(self) -> tuple["sp.Symbol", ...]:
        import sympy as sp

        return tuple(sp.Symbol(name) for name in self.names)

    @cached_property
    def equations(self) -> tuple["sp.Expr", ...]:
        """All equations as expanded sympy expressions with exact coefficients."""
        return tuple(polynomial.to_sympy(self.variables) for polynomial in self.polynomials)

    @cached_property
    def degrees(self) -> tuple[int, ...]:
        """The total degree of each equation, without expanding a network."""
        of_network = tuple(self.network.degrees) if self.network is not None else ()
        return of_network + tuple(polynomial.degree for polynomial in self._sparse)

    @cached_property
    def supports(self) -> tuple[np.ndarray, ...]:
        """The exponents of each expanded equation: a (terms, n) integer array each."""
        return tuple(polynomial.exponents for polynomial in self.polynomials)

    @cached_property
    def is_real(self) -> bool:
        real = all(polynomial.is_real for polynomial in self._sparse)
        return real and (self.network is None or self.network.is_real)

    def __repr__(self) -> str:
        source = "a network's, " if self.network is not None else ""
        degrees = ", ".join(map(str, self.degrees[:8])) + (", ..." if self.n_equations > 8 else "")
        return (
            f"PolynomialSystem({source}{self.n_equations} equations in {self.n_unknowns} unknowns, degrees {degrees})"
        )

    # ---- numbers

    @cached_property
    def _tables(self) -> "_Tables":
        return _Tables(self._sparse, self.n_unknowns)

    def _rows(self, points: Any) -> np.ndarray:
        """points as a (p, n) array. Raises ValueError where the last axis is not n long or a value is not finite."""
        array = np.asarray(points)
        array = array.astype(np.complex128 if np.iscomplexobj(array) else np.float64)
        if array.ndim not in (1, 2) or array.shape[-1] != self.n_unknowns:
            raise ValueError(f"points must have shape (p, {self.n_unknowns}), got {array.shape}")
        if not np.isfinite(array).all():
            raise ValueError("points must be finite, got NaN or infinity")
        return np.atleast_2d(array)

    def evaluate(self, points: Any) -> np.ndarray:
        """The equations at points (p, n): (p, m); one point of shape (n,) gives (m,)."""
        rows = self._rows(points)
        parts = [self.network.evaluate(rows)] if self.network is not None else []
        values = np.concatenate([*parts, self._tables.values(rows)], axis=1)
        return values[0] if np.ndim(points) == 1 else values

    def jacobian(self, points: Any) -> np.ndarray:
        """The partial derivatives at points (p, n): (p, m, n); one point of shape (n,) gives (m, n)."""
        rows = self._rows(points)
        parts = [self.network.jacobian(rows)] if self.network is not None else []
        values = np.concatenate([*parts, self._tables.gradients(rows)], axis=1)
        return values[0] if np.ndim(points) == 1 else values

    def magnitude(self, points: Any) -> np.ndarray:
        """The sum of the absolute values of the terms at points (p, n): (p, m), the scale of rounding errors.

        A residual is small when it is small against 1 + magnitude.
        """
        rows = self._rows(points)
        parts = [self.network.magnitude(rows)] if self.network is not None else []
        values = np.concatenate([*parts, self._tables.magnitudes(rows)], axis=1)
        return values[0] if np.ndim(points) == 1 else values

    def hessian_contraction(self, point: Any, weights: Any) -> np.ndarray:
        """sum_i weights_i * (Hessian of equation i) at one point (n,), weights (m,): (n, n)."""
        row = self._rows(point)
        weights = np.asarray(weights)
        split = self.n_equations - len(self._sparse)
        total = self._tables.hessian(row[0], weights[split:])
        if self.network is not None:
            total = total + self.network.hessian_contraction(row[0], weights[:split])
        return total

    # ---- slicing

    def slice(self, seed: int = 0, real: bool = False) -> "PolynomialSystem":
        """The square system with random affine equations added: it cuts the zero set in isolated points.

        Coefficients are complex normal (real ones on request), rounded to exact multiples of 2^-20.
        Raises ValueError where there are more equations than unknowns, and for a seed that is not a whole number >= 0.
        """
        seed = check_seed(seed)
        missing = self.n_unknowns - self.n_equations
        if missing < 0:
            raise ValueError(
                f"slice adds equations to systems with fewer equations than unknowns, "
                f"got {self.n_equations} equations in {self.n_unknowns} unknowns"
            )
        rng = np.random.default_rng(seed)
        slices = tuple(random_affine(self.n_unknowns, rng, real) for _ in range(missing))
        if self.network is not None:
            return PolynomialSystem.from_network(self.network, self._sparse + slices)
        return PolynomialSystem.from_polynomials(self._sparse + slices, self.names)


def check_system(system: Any, wanted_by: str) -> PolynomialSystem:
    """The system. Raises TypeError for anything else; wanted_by: the function that needs it."""
    if not isinstance(system, PolynomialSystem):
        raise TypeError(f"{wanted_by} needs a PolynomialSystem, got {type(system).__name__}")
    return system


def _listed(items: Any, what: str) -> tuple[Any, ...]:
    if isinstance(items, str) or not isinstance(items, Iterable):
        raise TypeError(f"{what} must be a list, as in PolynomialSystem([x**2 - 1], [x]), got {items!r}")
    return tuple(items)


def _check_names(names: tuple[str, ...]) -> None:
    if len(set(names)) < len(names):
        raise ValueError(f"the unknowns must differ from each other, got {', '.join(names)}")


def random_affine(n_unknowns: int, rng: np.random.Generator, real: bool = False) -> Polynomial:
    """A random affine polynomial in n unknowns; coefficients (complex) normal, exact multiples of 2^-20."""

    def draw() -> GaussianRational:
        re, im = (Fraction(round(x * 2**20), 2**20) for x in rng.standard_normal(2))
        return GaussianRational(re, Fraction(0) if real else im)

    units = [tuple(int(k == i) for k in range(n_unknowns)) for i in range(n_unknowns)]
    return Polynomial({exponents: draw() for exponents in [*units, (0,) * n_unknowns]}, n_unknowns)


def constant_message(number: int, constant: Any) -> str:
    """What is wrong with an equation, counted from 1, that is a constant."""
    value = complex(constant)
    if not value:
        return f"equation {number} is identically 0 and says nothing: leave it out"
    shown = f"{value.real:g}" if not value.imag else f"{value:g}"
    return f"equation {number} is the constant {shown} and cannot vanish: the system is inconsistent, mend or drop it"


class _Tables:
    """Sparse polynomials as arrays: all distinct monomials of a set, and a coefficient matrix."""

    def __init__(self, polynomials: tuple[Polynomial, ...], n: int) -> None:
        self.polynomials, self.n = polynomials, n

    def _table(self, polynomials: Sequence[Polynomial]) -> tuple[np.ndarray, np.ndarray]:
        monomials = {e: k for k, e in enumerate(dict.fromkeys(e for p in polynomials for e in p.terms))}
        coefficients = np.zeros((len(polynomials), len(monomials)), dtype=np.complex128)
        for row, polynomial in enumerate(polynomials):
            columns = [monomials[e] for e in polynomial.terms]
            coefficients[row, columns] = polynomial.coefficients
        exponents = np.array(list(monomials), dtype=np.int64).reshape(len(monomials), self.n)
        return exponents, coefficients if coefficients.imag.any() else coefficients.real

    @cached_property
    def _value_table(self) -> tuple[np.ndarray, np.ndarray]:
        return self._table(self.polynomials)

    @cached_property
    def _gradient_table(self) -> tuple[np.ndarray, np.ndarray]:
        return self._table([p.diff(k) for p in self.polynomials for k in range(self.n)])

    @cached_property
    def _hessian_table(self) -> tuple[np.ndarray, np.ndarray]:
        n = self.n
        return self._table([p.diff(j).diff(k) for p in self.polynomials for j in range(n) for k in range(n)])

    @staticmethod
    def _monomials(points: np.ndarray, exponents: np.ndarray) -> np.ndarray:
        """(p, n) points, (M, n) exponents -> (p, M)."""
        total = exponents.sum(axis=1)
        if total.max(initial=0) <= 1:  # slices: no loop over the unknowns
            return points @ exponents.T.astype(float) + (total == 0)
        result = np.ones((len(points), len(exponents)), dtype=points.dtype)
        for k in range(points.shape[1]):
            used = np.flatnonzero(exponents[:, k])
            if used.size:
                powers = points[:, k, None] ** np.arange(exponents[:, k].max() + 1)
                result[:, used] *= powers[:, exponents[used, k]]
        return result

    def values(self, points: np.ndarray) -> np.ndarray:
        exponents, coefficients = self._value_table
        return self._monomials(points, exponents) @ coefficients.T

    def magnitudes(self, points: np.ndarray) -> np.ndarray:
        exponents, coefficients = self._value_table
        return self._monomials(np.abs(points), exponents) @ np.abs(coefficients).T

    def gradients(self, points: np.ndarray) -> np.ndarray:
        exponents, coefficients = self._gradient_table
        flat = self._monomials(points, exponents) @ coefficients.T
        return flat.reshape(len(points), len(self.polynomials), self.n)

    def hessian(self, point: np.ndarray, weights: np.ndarray) -> np.ndarray:
        exponents, coefficients = self._hessian_table
        flat = self._monomials(point[None], exponents) @ coefficients.T
        return np.tensordot(weights, flat.reshape(len(self.polynomials), self.n, self.n), axes=1)
