"""Runs phcpy in a process of its own: `python phcpy_worker.py RESULT < request`. Needs phcpy and nothing else.

Its Ada run time prints to standard output, keeps global state and may end the process, so the answer goes to the file
RESULT, as JSON. The request is {"polynomials": [text, ...], "names": [...], "tasks": int, "seed": int}.
"""

import json
import sys


def main(result: str) -> None:
    request = json.load(sys.stdin)
    from phcpy import solver
    from phcpy.solutions import strsol2dict

    set_seed(request["seed"])
    # verbose=True on purpose: the silent mode of PHCpack 2.4.86 reads an uninitialised counter and returns nothing
    texts = solver.solve(request["polynomials"], verbose=True, tasks=request["tasks"])
    if not isinstance(texts, list):
        raise SystemExit(f"phcpy refused the system: {texts!r}")
    solutions = []
    for text in texts:
        values = strsol2dict(text)
        point = [[complex(values[name]).real, complex(values[name]).imag] for name in request["names"]]
        solutions.append({"point": point, "multiplicity": int(values["m"])})
    with open(result, "w", encoding="utf-8") as out:
        json.dump(solutions, out)


def set_seed(seed: int) -> None:
    """Without it PHCpack takes its random numbers from the clock, and now and then another run loses another path."""
    try:
        from phcpy.phcpy2c3 import py2c_set_seed  # 2.4
    except ImportError:
        from phcpy.dimension import set_seed as py2c_set_seed  # 3.0
    py2c_set_seed(seed)


if __name__ == "__main__":
    main(sys.argv[1])
