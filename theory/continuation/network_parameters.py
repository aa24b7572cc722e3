"""The parameters of a network's interpolation equations: targets and slices; moving targets where there is no slice."""

import numpy as np

from theory.continuation.homotopy import Reduced
from theory.continuation.monodromy import MonodromyError, Space
from theory.continuation.tape import Node, Recorder, Tape
from theory.network_equations import NetworkEquations
from theory.rank import numerical_rank
from theory.systems import PolynomialSystem


def recorded(reduced: Reduced, equations: NetworkEquations, tilted: bool) -> Tape:
    """The equations with the targets, the slice and its offset as parameters; tilted: those of s = a . w + c."""
    recorder = Recorder(reduced.n_free)

    def affine() -> Node:
        factors = recorder.parameters(reduced.n_free + 1)
        return sum((f * x for f, x in zip(factors, recorder.unknowns, strict=False)), factors[-1])

    targets = recorder.parameters(reduced.n_equations)
    values = [recorder.constant(0)] * len(reduced.scales)
    for k, node in zip(reduced.reduction.free, recorder.unknowns, strict=True):
        values[k] = node
    for k in dependent(reduced):
        values[k] = affine()
    if tilted:
        moved, direction = affine(), complex_normal(np.random.default_rng(0), len(targets))
        targets = [t + moved * complex(v) for t, v in zip(targets, direction, strict=True)]
    rows = np.array(targets, dtype=object).reshape(np.shape(equations.targets))
    return recorder.tape(equations.residuals([recorder.homogenised(v) for v in values], targets=rows))


def recorded_on_slices(reduced: Reduced, equations: NetworkEquations) -> Tape:
    """The equations on the slices that the system has, with the targets as parameters: quicker than all of them."""
    recorder = Recorder(reduced.n_free)
    targets = np.array(recorder.parameters(reduced.n_equations), dtype=object)
    values = [recorder.homogenised(v) for v in reduced.reduction.nodes(recorder.unknowns)]
    return recorder.tape(equations.residuals(values, targets=targets.reshape(np.shape(equations.targets))))


def equations_of(system: PolynomialSystem) -> NetworkEquations:
    if not isinstance(system.network, NetworkEquations) or system.network.kind != "interpolation":
        raise MonodromyError("monodromy needs the interpolation equations of a network")
    return system.network


def complex_normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)) / np.sqrt(2)


def dependent(reduced: Reduced) -> list[int]:
    return [k for k in range(len(reduced.scales)) if k not in reduced.reduction.free]


def check_rank(equations: NetworkEquations, weights: np.ndarray) -> None:
    rank = numerical_rank(equations.jacobian(weights[None])[0]).rank
    if rank < equations.n_equations:
        raise MonodromyError(
            f"the network cannot fit {equations.n_equations} generic targets: its outputs on these inputs form a set "
            f"of dimension {rank}, so there is no zero"
        )


def parameters_of(targets: np.ndarray, reduced: Reduced) -> np.ndarray:
    """Parameters of a system: its targets, then for each dependent weight its row of the reduction and the offset."""
    rows = dependent(reduced)
    slices = np.hstack([reduced.reduction.matrix[rows], reduced.reduction.offset[rows, None]])
    return np.concatenate([np.asarray(targets, complex).ravel(), slices.ravel()])


def through(
    rng: np.random.Generator, reduced: Reduced, weights: np.ndarray, equations: NetworkEquations, tilted: bool
) -> np.ndarray:
    """Random parameters that the weights solve."""
    rows, free = dependent(reduced), list(reduced.reduction.free)
    matrix = complex_normal(rng, len(rows) + tilted, len(free)) / np.sqrt(len(free))
    targets = equations.evaluate(weights[None])[0] + np.asarray(equations.targets).ravel()
    if tilted:  # the targets do not move at this point
        offset = -matrix @ weights[free]
    else:
        offset = weights[rows] - matrix @ weights[free]
    return np.concatenate([targets, np.hstack([matrix, offset[:, None]]).ravel()])


def generic(rng: np.random.Generator, reduced: Reduced, like: np.ndarray, tilted: bool) -> np.ndarray:
    """Generic parameters, of the size of those given."""
    slices = complex_normal(rng, len(dependent(reduced)) + tilted, reduced.n_free + 1)
    slices[:, :-1] /= np.sqrt(reduced.n_free)
    return np.concatenate([generic_targets(rng, like[: reduced.n_equations]), slices.ravel()])


def generic_targets(rng: np.random.Generator, like: np.ndarray) -> np.ndarray:
    return np.sqrt((np.abs(like) ** 2).mean()) * complex_normal(rng, len(like))


def space_of(tape: Tape, reduced: Reduced, like: np.ndarray, tilted: bool) -> Space:
    """Targets and slices of the size of those given; offsets of the slices are what moves in the trace test."""
    n, free = reduced.n_equations, reduced.n_free

    def shift(rng: np.random.Generator) -> np.ndarray:
        direction = np.zeros(tape.n_parameters, complex)
        rows = direction[n:].reshape(-1, free + 1)
        rows[:, -1] = complex_normal(rng, len(rows))
        return direction

    return Space(tape, lambda rng: generic(rng, reduced, like, tilted), shift)
