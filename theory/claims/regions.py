"""Of how many regions the zero-error weights consist: Z, the product of the degrees, is a bound and no count.

By Bezout's inequality the degrees of the irreducible components add up to at most Z, so there are at most Z of them. Z
says nothing about real pieces: one irreducible component may have several or none; the critical points of a distance
bound them. In networks both numbers are far smaller than Z, and closed forms for two kinds of them say how small:

One hidden unit, v (w.x + b)^l, and N inputs for which the preactivations u_i are independent. v u_i^l = y_i leaves for
u_i / u_1 the l-th roots of y_i / y_1: l^(N-1) components. Of these roots 1 is real for odd l, 2 or (y of different
signs) 0 for even l, and u_1 > 0 and u_1 < 0 are apart.

As many hidden units as inputs (n), squares, no biases, and n (n+1) / 2 data that determine a quadratic form f = M. From
W^T diag(v) W = M as many of the v are positive, p, and negative, q, as M's signature says; for each choice of them W
runs through O(p, q), up to invertible factors. Complex v go round 0, which joins the two components of O(n).
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from math import comb, prod

from theory.activations import monomial
from theory.claims.claim import Case, Claim, Control, judge
from theory.networks import PolynomialNetwork
from theory.polynomials import Polynomial
from theory.systems import PolynomialSystem
from theory.zero_sets import zero_set

ID = "regions"
STATEMENT = (
    "The zero-error weights have at most Z = product of the degrees irreducible components, and real pieces at most as "
    "many as a distance can have critical points; networks have far fewer: one hidden unit z^l and N independent "
    "inputs l^(N-1) components, in 2 real pieces (l odd), 2^N or none (l even)"
)
SOURCE = "2018 review, section 3 (there: Z regions)"


@dataclass(frozen=True)
class Instance:
    """A network with activation z^power, biases in its hidden layer only, and its data.

    inputs: N points whose preactivations are independent (one hidden unit), or that determine a quadratic form
    """

    widths: tuple[int, int, int]
    power: int
    bias: bool
    inputs: tuple[tuple[int, ...], ...]
    targets: tuple[Fraction, ...]

    def __str__(self) -> str:
        targets = ", ".join(map(str, self.targets))
        return f"{'-'.join(map(str, self.widths))} z^{self.power}, y = ({targets})"

    def system(self) -> PolynomialSystem:
        network = PolynomialNetwork(self.widths, monomial(self.power), bias=(self.bias, False))
        return network.interpolation_system(self.inputs, self.targets)


def _data(*targets: int | Fraction) -> tuple[Fraction, ...]:
    return tuple(map(Fraction, targets))


PLANE, SPACE = ((1,), (-2,)), ((1, 0), (-2, 1), (1, 1))
FORM = ((1, 0), (0, 1), (1, 1))  # f at these points: m_11, m_22, m_11 + m_22 + 2 m_12
INSTANCES = (
    Instance((1, 1, 1), 2, True, PLANE[:1], _data(2)),
    Instance((1, 1, 1), 2, True, PLANE, _data(2, 3)),
    Instance((1, 1, 1), 2, True, PLANE, _data(2, -3)),
    Instance((1, 1, 1), 3, True, PLANE, _data(2, -3)),
    Instance((2, 1, 1), 2, True, SPACE, _data(2, 3, 1)),
    Instance((2, 1, 1), 3, True, SPACE, _data(2, 3, -1)),
    Instance((2, 2, 1), 2, False, FORM, _data(1, 1, Fraction(5, 2))),
    Instance((2, 2, 1), 2, False, FORM, _data(1, -1, Fraction(1, 2))),
)


@dataclass(frozen=True)
class Regions:
    """Irreducible components over the complex numbers, and connected components of the real points."""

    irreducible: int
    real: int


def bezout_number(system: PolynomialSystem) -> int:
    """Z, a bound for the number of irreducible components.

    Source: Bezout's inequality, J. Heintz, Definability and fast quantifier elimination in algebraically closed fields,
    Theoret. Comput. Sci. 24 (1983) 239-277: the degrees of the components add up to at most the product.
    """
    return prod(system.degrees)


def bound_on_pieces(system: PolynomialSystem) -> int:
    """A bound for the connected components of a smooth real zero set of m equations in n unknowns, of dimension n - m.

    Each has a point nearest to a generic centre, where the squared distance is critical; of complex critical points
    there are at most product of the degrees * sum over i_1 + ... + i_m <= n - m of prod (d_k - 1)^i_k.
    Source: J. Draisma, E. Horobet, G. Ottaviani, B. Sturmfels, R. Thomas, The Euclidean distance degree of an algebraic
    variety, Found. Comput. Math. 16 (2016) 99-149, section 2, where it is attained by general complete intersections.
    """
    excess = system.n_unknowns - system.n_equations
    series = [1] + [0] * excess  # of prod 1 / (1 - (d_k - 1) t), up to t^excess
    for degree in system.degrees:
        for i in range(1, excess + 1):
            series[i] += (degree - 1) * series[i - 1]
    return bezout_number(system) * sum(series)


def predicted(instance: Instance) -> Regions:
    """The closed forms of the file's docstring."""
    if instance.widths[1] == 1:
        count, even = len(instance.targets), instance.power % 2 == 0
        one_sign = len({y > 0 for y in instance.targets}) == 1
        return Regions(instance.power ** (count - 1), 2**count * one_sign if even else 2)
    a, b, c = instance.targets
    definite = a * b > ((c - a - b) / 2) ** 2
    return Regions(1, 2 if definite else comb(2, 1) * 4)  # O(2) has two components, O(1, 1) four


def observed(instance: Instance, seed: int) -> Regions:
    """By numerical irreducible decomposition, and by the critical points of a distance and the paths between them."""
    return _counted(instance.system(), seed)


def _counted(system: PolynomialSystem, seed: int) -> Regions:
    zeros = zero_set(system, seed=seed)
    return Regions(len(zeros.components), len(zeros.real_components()))


def control(seed: int) -> Control:
    """One target's sign turned after the prediction: no real weights are left, and the predicted pieces are wrong."""
    expected = predicted(INSTANCES[1])
    turned = replace(INSTANCES[1], targets=_data(2, -3))
    found = observed(turned, seed)
    return Control(
        f"{INSTANCES[1]} with one target's sign turned: the prediction of {expected.real} real pieces must fail",
        expected=0,
        observed=found.real,
        passed=found != expected and found.real == 0,
    )


def _lines(seed: int) -> Case:
    """A set that does consist of Z regions, which a count of them has to find."""
    x, one = Polynomial.variable(0, 2), Polynomial.constant(1, 2)
    system = PolynomialSystem.from_polynomials([x * (x - one) * (x - one * 2)], ("x", "y"))
    bezout, found = bezout_number(system), _counted(system, seed)
    return Case("three parallel lines, no network", _shown(Regions(bezout, bezout), system), _shown(found),
                found == Regions(bezout, bezout))  # fmt: skip


def _shown(regions: Regions, system: PolynomialSystem | None = None) -> dict[str, int]:
    """The numbers, with the bounds where they are predicted."""
    if system is None:
        return {"irreducible": regions.irreducible, "real pieces": regions.real}
    return {
        "irreducible": regions.irreducible,
        "at most (Z)": bezout_number(system),
        "real pieces": regions.real,
        "pieces at most": bound_on_pieces(system),
    }


def check(seed: int = 0) -> Claim:
    """All instances, each against the closed forms and both bounds."""
    cases, as_printed = [], []
    for instance in INSTANCES:
        system, expected, found = instance.system(), predicted(instance), observed(instance, seed)
        bezout, most = bezout_number(system), bound_on_pieces(system)
        within = found.irreducible <= bezout and found.real <= most
        cases.append(Case(str(instance), _shown(expected, system), _shown(found), found == expected and within))
        as_printed.append(Case(str(instance), bezout, _shown(found), bezout in (found.irreducible, found.real)))
    negative = control(seed)
    wrong = "; ".join(f"{c.instance}: Z = {c.predicted}, {c.observed}" for c in as_printed if not c.agrees)
    return Claim.from_cases(
        [*cases, _lines(seed)],
        negative,
        id=ID,
        side="theory",
        statement=STATEMENT,
        source=SOURCE,
        tolerance="none: whole numbers; components complete by the trace test, critical points proved by intervals",
        seed=seed,
        printed_verdict=judge(as_printed, negative),
        note=f"Z is neither number for {wrong}",
    )
