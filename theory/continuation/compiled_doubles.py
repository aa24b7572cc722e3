"""Arithmetic of double-double numbers in lanes: unevaluated sums of two doubles, 31 digits for 30 times the work.

Each operation is an LLVM function that is called, not inlined, so that the tracker compiles as fast as in doubles. None
of its instructions may be fused or reordered, since some compute the rounding errors of others.
Source: T. Dekker, A floating-point technique for extending the available precision, Numer. Math. 18 (1971).
"""

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.extending import intrinsic, overload

from theory.continuation.compiled_lanes import DOUBLES_TYPE, LANES, PAIR, VECTOR, Doubles, Lanes, parts, whole

Pair = tuple[Any, Any]  # values of LLVM
Rule = Callable[[Any, Pair, Pair], Pair]


def _two_sum(builder: Any, x: Any, y: Any) -> Pair:
    """The rounded sum and its error."""
    total = builder.fadd(x, y)
    part = builder.fsub(total, x)
    return total, builder.fadd(builder.fsub(x, builder.fsub(total, part)), builder.fsub(y, part))


def _quick_two_sum(builder: Any, x: Any, y: Any) -> Pair:
    """The rounded sum and its error, where |x| >= |y|."""
    total = builder.fadd(x, y)
    return total, builder.fsub(y, builder.fsub(total, x))


def _two_product(builder: Any, x: Any, y: Any) -> Pair:
    """The rounded product and its error."""
    product, name = builder.fmul(x, y), f"llvm.fma.v{LANES}f64"
    fused = builder.module.globals.get(name) or ir.Function(builder.module, ir.FunctionType(VECTOR, [VECTOR] * 3), name)
    return product, builder.call(fused, [x, y, builder.fneg(product)])


def _sum(builder: Any, x: Pair, y: Pair) -> Pair:
    total, error = _two_sum(builder, x[0], y[0])
    return _quick_two_sum(builder, total, builder.fadd(error, builder.fadd(x[1], y[1])))


def _difference(builder: Any, x: Pair, y: Pair) -> Pair:
    return _sum(builder, x, (builder.fneg(y[0]), builder.fneg(y[1])))


def _product(builder: Any, x: Pair, y: Pair) -> Pair:
    product, error = _two_product(builder, x[0], y[0])
    cross = builder.fadd(builder.fmul(x[0], y[1]), builder.fmul(x[1], y[0]))
    return _quick_two_sum(builder, product, builder.fadd(error, cross))


def _quotient(builder: Any, x: Pair, y: Pair) -> Pair:
    first = builder.fdiv(x[0], y[0])
    left = _difference(builder, x, _product(builder, y, (first, ir.Constant(VECTOR, [0.0] * LANES))))
    return _quick_two_sum(builder, first, builder.fdiv(left[0], y[0]))


def _function(module: Any, name: str, rule: Rule) -> Any:
    """The operation as a function of the module, made where the module has none yet."""
    name = f"double_double_{name}_{LANES}"
    if name not in module.globals:
        function = ir.Function(module, ir.FunctionType(PAIR, [VECTOR] * 4), name)
        function.linkage = "internal"
        function.attributes.add("noinline")
        builder = ir.IRBuilder(function.append_basic_block())
        x, y = function.args[:2], function.args[2:]
        builder.ret(whole(builder, DOUBLES_TYPE, rule(builder, x, y)))
    return module.globals[name]


def _arithmetic(name: str, rule: Rule) -> Any:
    @intrinsic
    def operation(typing_context: Any, left: Any, right: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            x, y = (parts(builder, kind, value) for kind, value in zip(signature.args, args, strict=True))
            return builder.call(_function(builder.module, name, rule), [*x, *y])

        return DOUBLES_TYPE(left, right), generate

    return operation


def _overload(symbol: Callable, operation: Any) -> None:
    """Let numba read `left symbol right` as the operation where one side is double-double, the other of either kind."""

    @overload(symbol)
    def choose(left: Any, right: Any) -> Callable | None:
        def run(left: Any, right: Any) -> Any:
            return operation(left, right)

        lanes = isinstance(left, Lanes | Doubles) and isinstance(right, Lanes | Doubles)
        return run if lanes and (isinstance(left, Doubles) or isinstance(right, Doubles)) else None


for _symbol, _name, _rule in (
    (operator.add, "sum", _sum),
    (operator.sub, "difference", _difference),
    (operator.mul, "product", _product),
    (operator.truediv, "quotient", _quotient),
):
    _overload(_symbol, _arithmetic(_name, _rule))
