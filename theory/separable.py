"""A potential as a sum of potentials that have no variables in common: its integral is the product of theirs."""

import sympy as sp

from theory.potentials import Potential
from theory.regions import Domain


def blocks(potential: Potential) -> list[tuple[Potential, list[int]]]:
    """The potentials, without common variables, that this one is the sum of, each with the axes that are its own."""
    groups: list[tuple[set[sp.Basic], list[sp.Expr]]] = []
    constant, dependent = potential.expression.as_independent(*potential.variables, as_Add=True)
    for term in sp.Add.make_args(dependent):
        symbols, terms = set(term.free_symbols), [term]
        for group in [g for g in groups if g[0] & symbols]:
            groups.remove(group)
            symbols, terms = symbols | group[0], terms + group[1]
        groups.append((symbols, terms))
    covered = set().union(*(symbols for symbols, _ in groups))
    if len(groups) < 2 or potential.axial or covered != set(potential.variables):
        return [(potential, list(range(potential.dimension)))]
    groups[0][1].append(constant)
    found, domain = [], potential.domain
    for symbols, terms in groups:
        axes = [i for i, v in enumerate(potential.variables) if v in symbols]
        sides = [tuple(bounds[i] for i in axes) for bounds in (domain.lower, domain.upper) if bounds]
        part = Potential(
            potential.name, sp.Add(*terms), tuple(potential.variables[i] for i in axes), Domain(domain.kind, *sides)
        )
        found.append((part, axes))
    return found
