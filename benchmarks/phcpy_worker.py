"""Times phcpy's total-degree tracking in a process of its own: `python phcpy_worker.py RESULT < request`.

Needs phcpy and nothing else. The request is {"polynomials": [text, ...], "seconds": float}; the answer, as JSON in the
file RESULT, {"start_seconds", "track_seconds", "tracked", "paths"}, in CPU seconds. If all paths would take longer than
`seconds`, evenly spread ones are tracked. The time depends on phcpy's random gamma, up to a factor of two and a half on
noon-5: short runs are made three times, with a gamma each, and the median counts.
"""

import json
import statistics
import sys
import time

PROBE = 60  # paths whose time tells how many will fit
SHORT = 5.0  # CPU seconds


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
    times: list[float] = []
    while len(times) < 3 and sum(times) < SHORT:
        clock = time.process_time()
        ends = track(target, start, chosen)
        times.append(time.process_time() - clock)
    answer = {
        "start_seconds": start_seconds,
        "track_seconds": statistics.median(times),
        "tracked": len(ends),
        "paths": len(solutions),
    }
    with open(result, "w", encoding="utf-8") as out:
        json.dump(answer, out)


if __name__ == "__main__":
    main(sys.argv[1])
