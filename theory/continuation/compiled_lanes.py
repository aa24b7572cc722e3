"""A numba type for LANES doubles side by side, one path in each: what turns the tracker's loops into SIMD code.

Numba's own loops over short arrays are not turned into vector instructions reliably; LLVM's vector type is. On a
machine with shorter registers LLVM splits each operation, so the same code runs everywhere. Lanes never mix: every
operation is elementwise, so what happens to a path does not depend on its neighbours (bit for bit).
"""

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, overload, register_model

LANES = 16
"""Paths side by side. Two AVX-512 registers of doubles, so that one operation need not wait for the one before: a
fifth faster than one register, which is 5 to 7 times faster than one path at a time."""

_LLVM = ir.VectorType(ir.DoubleType(), LANES)
_MASK = ir.VectorType(ir.IntType(1), LANES)
_CONTRACT = ("contract",)  # a product and a sum may become one fused operation


class Lanes(types.Type):
    """LANES float64 values in one register."""

    def __init__(self) -> None:
        super().__init__(name=f"lanes_f64x{LANES}")


LANES_TYPE = Lanes()


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, fe_type: Any) -> None:
        super().__init__(manager, fe_type, _LLVM)


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), _LLVM.as_pointer())


@intrinsic
def load(typing_context: Any, array: Any, index: Any) -> Any:
    """The LANES entries of a contiguous float64 array from index on. Nothing checks the bounds."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_pointer(context, builder, signature.args[0], args[0], args[1]), align=8)

    return LANES_TYPE(array, types.intp), generate


@intrinsic
def at(typing_context: Any, array: Any, index: Any) -> Any:
    """array.ravel()[index] of a contiguous array. Nothing checks the bounds; numba's own indexing would ask for every
    operand of the tape whether its index is negative."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.load(builder.gep(data, [args[1]]))

    return array.dtype(array, types.intp), generate


@intrinsic
def store(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    """Write LANES entries of a contiguous float64 array from index on. Nothing checks the bounds."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[2], _pointer(context, builder, signature.args[0], args[0], args[1]), align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, LANES_TYPE), generate


@intrinsic
def splat(typing_context: Any, value: Any) -> Any:
    """The same number in every lane."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        empty = ir.Constant(_LLVM, ir.Undefined)
        first = builder.insert_element(empty, args[0], ir.Constant(ir.IntType(32), 0))
        return builder.shuffle_vector(first, empty, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))

    return LANES_TYPE(types.float64), generate


@intrinsic
def maximum(typing_context: Any, left: Any, right: Any) -> Any:
    """The larger entry, lane by lane; NaN on the left counts as larger, so that it is never lost."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_unordered(">", args[0], args[1]), args[0], args[1])

    return LANES_TYPE(LANES_TYPE, LANES_TYPE), generate


@intrinsic
def less(typing_context: Any, left: Any, right: Any) -> Any:
    """An integer with bit k set where lane k of left is below that of right."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bits = builder.bitcast(builder.fcmp_ordered("<", args[0], args[1]), ir.IntType(LANES))
        return builder.zext(bits, ir.IntType(64))

    return types.int64(LANES_TYPE, LANES_TYPE), generate


@intrinsic
def blend(typing_context: Any, mask: Any, chosen: Any, other: Any) -> Any:
    """Lane k of `chosen` where bit k of the mask is set, of `other` elsewhere."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bits = builder.bitcast(builder.trunc(args[0], ir.IntType(LANES)), _MASK)
        return builder.select(bits, args[1], args[2])

    return LANES_TYPE(types.int64, LANES_TYPE, LANES_TYPE), generate


def _arithmetic(instruction: str) -> Any:
    @intrinsic
    def operation(typing_context: Any, left: Any, right: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return getattr(builder, instruction)(args[0], args[1], flags=_CONTRACT)

        return LANES_TYPE(LANES_TYPE, LANES_TYPE), generate

    return operation


def _overload(symbol: Callable, operation: Any) -> None:
    """Let numba read `left symbol right` on lanes as the operation."""

    @overload(symbol)
    def choose(left: Any, right: Any) -> Callable | None:
        def run(left: Any, right: Any) -> Any:
            return operation(left, right)

        return run if isinstance(left, Lanes) and isinstance(right, Lanes) else None


for _symbol, _instruction in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _overload(_symbol, _arithmetic(_instruction))
