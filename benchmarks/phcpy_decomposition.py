"""Times phcpy's numerical irreducible decomposition in a process of its own: `python phcpy_decomposition.py RESULT`.

Needs phcpy and nothing else. Standard input is {"polynomials": [text, ...], "unknowns": int, "top": dimension};
the answer, as JSON in the file RESULT, {"seconds", "pieces": [[dimension, degree], ...]}, in CPU seconds.
"""

import json
import sys
import time


def main(result: str) -> None:
    request = json.load(sys.stdin)
    from phcpy.factor import solve

    clock = time.process_time()
    found = solve(request["unknowns"], request["top"], request["polynomials"], verbose=False)
    seconds = time.process_time() - clock
    pieces = [[0, 1] for _ in found.get(0, ([], []))[1]]
    for dimension, parts in found.items():
        groups = parts[2] if dimension and parts else []
        pieces += [[dimension, len(group[0])] for group in groups]
    with open(result, "w", encoding="utf-8") as out:
        json.dump({"seconds": seconds, "pieces": sorted(pieces, reverse=True)}, out)


if __name__ == "__main__":
    main(sys.argv[1])
