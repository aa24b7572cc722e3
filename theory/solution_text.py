"""Solution lists as text, for every peer: PHCpack, Bertini, HomotopyContinuation.jl, Macaulay2 and msolve."""

import re
from typing import NamedTuple

import numpy as np

from theory.formats import ParseError, legal_names

FORMATS = ("phcpack", "bertini", "julia", "macaulay2", "msolve")
_NUMBER = r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][+-]?\d+)?)"
_COORDINATE = re.compile(rf"\s*([A-Za-z_]\w*)\s*:\s*{_NUMBER}\s+{_NUMBER}\s*")
_MULTIPLICITY = re.compile(r"\s*m\s*:\s*(\d+)\s*")


class SolutionList(NamedTuple):
    """names (n,); points (p, n) complex; multiplicity (p,); residual (p,); condition (p,), inf where singular."""

    names: tuple[str, ...]
    points: np.ndarray
    multiplicity: np.ndarray
    residual: np.ndarray
    condition: np.ndarray


def write_solutions(solutions: SolutionList, format: str = "phcpack") -> str:
    """The list as "phcpack" prints it, as "bertini"'s finite_solutions, or as a literal of "julia" or "macaulay2".

    "msolve" gets the real points only, each coordinate as an interval of width 0. Numbers have 17 digits: read again,
    they are the same doubles. Names that PHCpack cannot take become x1, x2, ... as in the system's text.
    Raises ValueError for another format.
    """
    writers = dict(zip(FORMATS, (_phcpack, _bertini, _julia, _macaulay2, _msolve), strict=True))
    if format not in writers:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}, got {format!r}")
    return writers[format](solutions)


def _pair(z: complex, gap: str = "   ") -> str:
    return f"{z.real:.16E}{gap}{z.imag:.16E}"


def _phcpack(solutions: SolutionList) -> str:
    """t, m, the point, then estimates: err of the last Newton step, rco = 1 / condition, res = residual."""
    names = legal_names(solutions.names, "phcpack")
    lines = [f"{len(solutions.points)} {len(names)}", "=" * 75]
    eps = float(np.finfo(float).eps)
    columns = (solutions.points, solutions.multiplicity, solutions.residual, solutions.condition)
    for k, (point, multiplicity, residual, condition) in enumerate(zip(*columns, strict=True), 1):
        lines += [f"solution {k} :", f"t :  {_pair(1)}", f"m : {multiplicity}", "the solution for t :"]
        lines += [f" {name} :  {_pair(z)}" for name, z in zip(names, point.tolist(), strict=True)]
        error = min(1.0, eps * condition)
        lines.append(f"== err :  {error:.3E} = rco :  {1 / condition:.3E} = res :  {residual:.3E} =")
    return "\n".join(lines) + "\n"


def _bertini(solutions: SolutionList) -> str:
    blocks = ["\n".join(_pair(z, " ") for z in point) for point in solutions.points.tolist()]
    return "\n\n".join([str(len(blocks)), *blocks]) + "\n"


def _listed(solutions: SolutionList, imaginary: str, brackets: str) -> str:
    def number(z: complex) -> str:
        return f"{z.real!r}{'-' if str(z.imag).startswith('-') else '+'}{abs(z.imag)!r}*{imaginary}"

    opening, closing = brackets[0], brackets[1]
    points = [f"{opening}{', '.join(map(number, point))}{closing}" for point in solutions.points.tolist()]
    return f"{opening}\n  " + ",\n  ".join(points) + f"\n{closing}\n"


def _julia(solutions: SolutionList) -> str:
    return "solutions = Vector{ComplexF64}" + _listed(solutions, "im", "[]")


def _macaulay2(solutions: SolutionList) -> str:
    return "solutions = " + _listed(solutions, "ii", "{}").rstrip() + ";\n"


def _msolve(solutions: SolutionList) -> str:
    real = solutions.points[(solutions.points.imag == 0).all(axis=1)].real
    points = ["[" + ", ".join(f"[{x!r}, {x!r}]" for x in point) + "]" for point in real.tolist()]
    return "[0, [1,\n[" + ",\n".join(points) + "]\n]]:\n"


def read_phcpack_solutions(text: str) -> SolutionList:
    """The solutions in PHCpack's text: those after the last "THE SOLUTIONS", or of a file that holds nothing else.

    Raises ParseError where a solution lacks coordinates or there is no list.
    """
    text = re.split(r"THE SOLUTIONS.*", text)[-1]
    blocks = re.split(r"^\s*solution\s+\d+\s*:.*$", text, flags=re.MULTILINE)[1:]
    if not blocks and not re.match(r"\s*0\s+\d+", text):
        raise ParseError('there is no list of solutions as PHCpack writes them: "solution 1 :", ...')
    points, multiplicity, estimates = [], [], []
    names: tuple[str, ...] = ()
    for k, block in enumerate(blocks, 1):
        body, _, rest = block.partition("the solution for t")
        counted = _MULTIPLICITY.search(body)
        point = {m[1]: complex(_real(m[2]), _real(m[3])) for m in map(_COORDINATE.fullmatch, rest.splitlines()) if m}
        names = names or tuple(point)
        if not point or set(point) != set(names):
            raise ParseError(f"solution {k} gives {', '.join(point) or 'nothing'} instead of {', '.join(names)}")
        points.append([point[name] for name in names])
        multiplicity.append(int(counted[1]) if counted else 1)
        estimates.append([_estimate("res", rest), _estimate("rco", rest)])
    residual, rco = np.array(estimates, float).reshape(-1, 2).T
    with np.errstate(divide="ignore"):
        condition = 1 / rco
    return SolutionList(names, np.array(points, complex), np.array(multiplicity, int), residual, condition)


def _real(text: str) -> float:
    return float(re.sub("[dD]", "e", text))


def _estimate(name: str, text: str) -> float:
    found = re.search(rf"{name}\s*:\s*{_NUMBER}", text)
    return _real(found[1]) if found else float("nan")
