"""Polynomials of tensors, as layers of a net need them: fast, and with derivatives of any order.

On a CPU one compiled loop takes a block of numbers from the processor's first cache through all steps of Clenshaw's
rule, where operations of torch pass over memory two or three times a step (degree 10, 819,200 numbers, one thread: 0.9
against 9.7 ms; ReLU: 0.3).
"""

from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import torch

from theory.activations import PolynomialActivation, substitute, to_chebyshev
from theory.jit import ENGINE, njit

_BLOCK = 512  # numbers taken through all steps together
_KINDS: dict[torch.dtype, Any] = {torch.float32: np.float32, torch.float64: np.float64}


class Polynomial(torch.autograd.Function):
    """A polynomial whose gradient is its derivative polynomial, evaluated when needed.

    Recording the polynomial's own operations instead would keep some 50 arrays at degree 10: 6 times the time.
    """

    @staticmethod
    def forward(z: torch.Tensor, activation: PolynomialActivation) -> torch.Tensor:
        if activation.interval is None:
            value = activation(z)
            return value.clone() if value is z else value  # the identity: torch wants a new tensor
        return compiled(z, activation) if can_compile(z) else by_tensors(z, activation)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[torch.Tensor, PolynomialActivation], output: torch.Tensor) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.derivative = inputs[1].derivative

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        (z,) = ctx.saved_tensors
        return gradient * Polynomial.apply(z, ctx.derivative), None

    @staticmethod
    def vmap(_: Any, axes: tuple[int | None, None], z: torch.Tensor, activation: PolynomialActivation) -> Any:
        return Polynomial.apply(z, activation), axes[0]  # element by element: the batch axis is like any other


def by_tensors(z: torch.Tensor, activation: PolynomialActivation) -> torch.Tensor:
    """activation(z) by Clenshaw's rule in the Chebyshev basis of its interval, in three arrays that are overwritten."""
    scale, shift, (last, *others, first) = _chebyshev(activation)
    t = z * scale - shift
    high, low = torch.full_like(t, first), torch.zeros_like(t)
    for coefficient in reversed(others):
        low.neg_().add_(coefficient).addcmul_(t, high, value=2.0)
        high, low = low, high
    return low.neg_().add_(last).addcmul_(t, high)


def can_compile(z: torch.Tensor) -> bool:
    """Whether `compiled` takes a tensor: its numbers lie one after another, in some order, where the processor sees
    them."""
    dense = z.is_contiguous() or (z.ndim == 4 and z.is_contiguous(memory_format=torch.channels_last))
    return ENGINE == "numba" and z.device.type == "cpu" and z.dtype in _KINDS and dense


def compiled(z: torch.Tensor, activation: PolynomialActivation) -> torch.Tensor:
    """activation(z), equal to `by_tensors` up to rounding, for a tensor that `can_compile`.

    With u = 2 t^2 - 1 the polynomial is E(u) + t O(u), from T_2k(t) = T_k(u) and T_2k+1(t) = t V_k(u), V_k of the third
    kind: both halves take half the steps, and expansions of ReLU have an odd half of one term.
    """
    result = torch.empty_like(z)
    _evaluate(_numbers(z), _numbers(result), *_halves(activation, z.dtype))
    return result


@cache
def _halves(activation: PolynomialActivation, dtype: torch.dtype) -> tuple[Any, Any, np.ndarray, np.ndarray]:
    """scale and shift of t, the coefficients of E and of O without zeros at their ends, as numbers of this type."""
    scale, shift, basis = _chebyshev(activation)
    parts = (np.concatenate([basis[k : k + 1], np.trim_zeros(np.array(basis[k + 2 :: 2]), "b")]) for k in (0, 1))
    even, odd = (part.astype(_KINDS[dtype]) for part in parts)
    return _KINDS[dtype](scale), _KINDS[dtype](shift), even, odd


@cache
def _chebyshev(activation: PolynomialActivation) -> tuple[float, float, tuple[float, ...]]:
    """(s, c, coefficients): the activation is the sum of coefficient k times T_k(s * z - c), at least T_0 and T_1."""
    assert activation.interval is not None
    low, high = activation.interval
    middle, radius = (high + low) / 2, (high - low) / 2
    exact = [*activation.coefficients, Fraction(0)] if activation.degree == 0 else activation.coefficients
    basis = to_chebyshev(substitute(exact, middle, radius))
    return float(1 / radius), float(middle / radius), tuple(map(float, basis))


def _numbers(z: torch.Tensor) -> np.ndarray:
    """The numbers of a dense tensor in the order they lie in."""
    return z.detach().as_strided((z.numel(),), (1,)).numpy()


@njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
def _evaluate(z: np.ndarray, result: np.ndarray, scale: Any, shift: Any, even: np.ndarray, odd: np.ndarray) -> None:
    """result = E(u) + t O(u) at every number of z."""
    buffers = np.empty((4, _BLOCK), z.dtype)
    two, half, one = z.dtype.type(2), z.dtype.type(0.5), z.dtype.type(1)
    for begin in range(0, len(z), _BLOCK):
        some, values = z[begin : begin + _BLOCK], result[begin : begin + _BLOCK]
        t, twice, high, low = buffers[0], buffers[1], buffers[2], buffers[3]
        for i in range(len(some)):
            t[i] = some[i] * scale - shift
            twice[i] = (two * t[i]) * (two * t[i]) - two  # 2 u
        _steps(twice, even, high, low)
        for i in range(len(some)):
            values[i] = even[0] + (half * twice[i]) * high[i] - low[i]
        _steps(twice, odd, high, low)
        for i in range(len(some)):
            values[i] += t[i] * (odd[0] + (twice[i] - one) * high[i] - low[i])


@njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
def _steps(twice: np.ndarray, coefficients: np.ndarray, high: np.ndarray, low: np.ndarray) -> None:
    """Clenshaw's steps from the last coefficient to that of index 1, two at a time; they end in high and low."""
    high[:] = 0
    low[:] = 0
    k = len(coefficients) - 1
    if k % 2:
        high[:] = coefficients[k]
        k -= 1
    while k > 0:
        upper, lower = coefficients[k], coefficients[k - 1]
        for i in range(len(twice)):
            value = upper + twice[i] * high[i] - low[i]
            high[i], low[i] = lower + twice[i] * value - high[i], value
        k -= 2
