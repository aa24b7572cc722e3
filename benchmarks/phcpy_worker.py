"""Times phcpy's total-degree tracking in a process of its own: `python phcpy_worker.py RESULT < request`.

Needs phcpy and nothing else. The request is {"polynomials": [text, ...], "seconds": float}; the answer, as JSON in the
file RESULT, {"start_seconds", "track_seconds", "tracked", "paths"}, in CPU seconds. If all paths would take longer than
`seconds`, evenly spread ones are tracked.
"""

import json
import sys
import time

PROBE = 60  # paths whose time tells how many will fit


def main(result: str) -> None:
    request = json.load(sys.stdin)
    from phcpy.solver import total_degree_start_system
    from phcpy.trackers import track

    target = request["polynomials"]
    clock = time.process_time()
    start, solutions = total_degree_start_system(target)
    start_seconds = time.process_time() - clock
    fitting = len(solutions)
    if fitting > 4 * PROBE:
        clock = time.process_time()
        track(target, start, solutions[:: len(solutions) // PROBE][:PROBE])
        fitting = int(request["seconds"] / (time.process_time() - clock) * PROBE)
    chosen = solutions[:: max(1, -(-len(solutions) // max(1, fitting)))]
    clock = time.process_time()
    ends = track(target, start, chosen)
    answer = {
        "start_seconds": start_seconds,
        "track_seconds": time.process_time() - clock,
        "tracked": len(ends),
        "paths": len(solutions),
    }
    with open(result, "w", encoding="utf-8") as out:
        json.dump(answer, out)


if __name__ == "__main__":
    main(sys.argv[1])
