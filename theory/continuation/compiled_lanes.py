"""Numba types for LANES numbers side by side, one path in each: what turns the tracker's loops into SIMD code.

Numba's own loops over short arrays are not turned into vector instructions reliably; LLVM's vector type is. On a
machine with shorter registers LLVM splits each operation, so the same code runs everywhere. Lanes never mix: every
operation is elementwise, so what happens to a path does not depend on its neighbours (bit for bit).

Memory is a contiguous float64 array, or a pair of them: high and low parts of double-double numbers, whose arithmetic
is in `compiled_doubles`. What is loaded from either is of the kind that it holds.
"""

import operator
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

LANES = 16
"""Paths side by side. Two AVX-512 registers of doubles, so that one operation need not wait for the one before: a
fifth faster than one register, which is 5 to 7 times faster than one path at a time."""

VECTOR = ir.VectorType(ir.DoubleType(), LANES)
PAIR = ir.LiteralStructType([VECTOR, VECTOR])
_MASK = ir.VectorType(ir.IntType(1), LANES)
_CONTRACT = ("contract",)  # a product and a sum may become one fused operation
_ZERO = ir.Constant(VECTOR, [0.0] * LANES)


class Lanes(types.Type):
    """LANES float64 values in one register."""

    def __init__(self) -> None:
        super().__init__(name=f"lanes_f64x{LANES}")


class Doubles(types.Type):
    """LANES double-double values: a register of high parts and one of low parts."""

    def __init__(self) -> None:
        super().__init__(name=f"lanes_dd64x{LANES}")


LANES_TYPE, DOUBLES_TYPE = Lanes(), Doubles()


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, fe_type: Any) -> None:
        super().__init__(manager, fe_type, VECTOR)


@register_model(Doubles)
class _DoublesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, fe_type: Any) -> None:
        super().__init__(manager, fe_type, PAIR)


def parts(builder: Any, kind: Any, value: Any) -> tuple[Any, Any]:
    """High and low parts of lanes of either kind."""
    if isinstance(kind, Lanes):
        return value, _ZERO
    return builder.extract_value(value, 0), builder.extract_value(value, 1)


def whole(builder: Any, kind: Any, of: Sequence[Any]) -> Any:
    """Lanes of the kind from their parts; to doubles the low part is lost."""
    if isinstance(kind, Lanes):
        return of[0]
    high = builder.insert_value(ir.Constant(PAIR, ir.Undefined), of[0], 0)
    return builder.insert_value(high, of[1], 1)


def common(left: Any, right: Any) -> Any:
    """The kind that holds both."""
    return DOUBLES_TYPE if DOUBLES_TYPE in (left, right) else LANES_TYPE


def _pointers(context: Any, builder: Any, kind: Any, memory: Any, index: Any) -> list[Any]:
    """To the entry `index` of each array that the memory consists of."""
    if isinstance(kind, types.BaseTuple):
        arrays = zip(kind, cgutils.unpack_tuple(builder, memory, len(kind)), strict=True)
    else:
        arrays = zip([kind], [memory], strict=True)
    return [builder.gep(context.make_array(k)(context, builder, array).data, [index]) for k, array in arrays]


def _vectors(context: Any, builder: Any, kind: Any, memory: Any, index: Any) -> list[Any]:
    return [builder.bitcast(p, VECTOR.as_pointer()) for p in _pointers(context, builder, kind, memory, index)]


@intrinsic
def load(typing_context: Any, memory: Any, index: Any) -> Any:
    """The LANES entries from index on. Nothing checks the bounds."""
    result = DOUBLES_TYPE if isinstance(memory, types.BaseTuple) else LANES_TYPE

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointers = _vectors(context, builder, signature.args[0], *args)
        return whole(builder, result, [builder.load(p, align=8) for p in pointers])

    return result(memory, types.intp), generate


@intrinsic
def at(typing_context: Any, array: Any, index: Any) -> Any:
    """array.ravel()[index] of a contiguous array. Nothing checks the bounds; numba's own indexing would ask for every
    operand of the tape whether its index is negative."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_pointers(context, builder, signature.args[0], *args)[0])

    return array.dtype(array, types.intp), generate


@intrinsic
def store(typing_context: Any, memory: Any, index: Any, value: Any) -> Any:
    """Write LANES entries from index on, rounded to what the memory holds. Nothing checks the bounds."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointers = _vectors(context, builder, signature.args[0], args[0], args[1])
        for pointer, part in zip(pointers, parts(builder, signature.args[2], args[2]), strict=False):
            builder.store(part, pointer, align=8)
        return context.get_dummy_value()

    return types.void(memory, types.intp, value), generate


@intrinsic
def peek(typing_context: Any, memory: Any, index: Any) -> Any:
    """A single entry, as a double."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_pointers(context, builder, signature.args[0], *args)[0])

    return types.float64(memory, types.intp), generate


@intrinsic
def put(typing_context: Any, memory: Any, index: Any, value: Any) -> Any:
    """Write a double to a single entry."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointers = _pointers(context, builder, signature.args[0], args[0], args[1])
        for pointer, number in zip(pointers, (args[2], ir.Constant(ir.DoubleType(), 0.0)), strict=False):
            builder.store(number, pointer)
        return context.get_dummy_value()

    return types.void(memory, types.intp, types.float64), generate


@intrinsic
def move(typing_context: Any, memory: Any, source: Any, target: Any) -> Any:
    """Copy a single entry."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointers = (_pointers(context, builder, signature.args[0], args[0], index) for index in args[1:])
        for here, there in zip(*pointers, strict=True):
            builder.store(builder.load(here), there)
        return context.get_dummy_value()

    return types.void(memory, types.intp, types.intp), generate


@intrinsic
def swap(typing_context: Any, memory: Any, i: Any, j: Any) -> Any:
    """Exchange two entries."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointers = (_pointers(context, builder, signature.args[0], args[0], index) for index in args[1:])
        for first, second in zip(*pointers, strict=True):
            x, y = builder.load(first), builder.load(second)
            builder.store(y, first)
            builder.store(x, second)
        return context.get_dummy_value()

    return types.void(memory, types.intp, types.intp), generate


def _everywhere(builder: Any, number: Any) -> Any:
    empty = ir.Constant(VECTOR, ir.Undefined)
    first = builder.insert_element(empty, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, empty, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))


@intrinsic
def splat(typing_context: Any, value: Any) -> Any:
    """The same double in every lane."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _everywhere(builder, args[0])

    return LANES_TYPE(types.float64), generate


@intrinsic
def like(typing_context: Any, memory: Any, value: Any) -> Any:
    """The same number in every lane, of the kind that the memory holds."""
    result = DOUBLES_TYPE if isinstance(memory, types.BaseTuple) else LANES_TYPE

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return whole(builder, result, [_everywhere(builder, args[1]), _ZERO])

    return result(memory, types.float64), generate


@intrinsic
def rounded(typing_context: Any, value: Any) -> Any:
    """As doubles."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return parts(builder, signature.args[0], args[0])[0]

    return LANES_TYPE(value), generate


def _chosen(builder: Any, signature: Any, mask: Any, values: Sequence[Any]) -> Any:
    """Parts of the first value where the mask says so, of the second elsewhere."""
    both = (parts(builder, kind, value) for kind, value in zip(signature.args[-2:], values, strict=True))
    return whole(builder, signature.return_type, [builder.select(mask, x, y) for x, y in zip(*both, strict=True)])


@intrinsic
def maximum(typing_context: Any, left: Any, right: Any) -> Any:
    """The larger entry, lane by lane; NaN on the left counts as larger, so that it is never lost."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        x, y = (parts(builder, kind, value)[0] for kind, value in zip(signature.args, args, strict=True))
        return _chosen(builder, signature, builder.fcmp_unordered(">", x, y), args)

    return common(left, right)(left, right), generate


@intrinsic
def less(typing_context: Any, left: Any, right: Any) -> Any:
    """An integer with bit k set where lane k of left is below that of right, rounded to doubles."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        x, y = (parts(builder, kind, value)[0] for kind, value in zip(signature.args, args, strict=True))
        bits = builder.bitcast(builder.fcmp_ordered("<", x, y), ir.IntType(LANES))
        return builder.zext(bits, ir.IntType(64))

    return types.int64(left, right), generate


@intrinsic
def blend(typing_context: Any, mask: Any, chosen: Any, other: Any) -> Any:
    """Lane k of `chosen` where bit k of the mask is set, of `other` elsewhere."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bits = builder.bitcast(builder.trunc(args[0], ir.IntType(LANES)), _MASK)
        return _chosen(builder, signature, bits, args[1:])

    return common(chosen, other)(types.int64, chosen, other), generate


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
