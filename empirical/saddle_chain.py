"""A function with one strict saddle after another on the way down, and descents past all of them."""

import numpy as np

TAU = np.e  # half the width of a stage


def chain(x: np.ndarray, steep: float = 1.0, gamma: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Value (runs,) and gradient (runs, d) of the chain of d saddles at x (runs, d); even in every coordinate.

    The first coordinate below 2 tau is the one that leaves its saddle, along -gamma x^2; the later ones are held at 0
    by steep x^2, the earlier ones at 4 tau. Between tau and 2 tau a spline joins both, so that value and slope are
    continuous.
    Source: Du et al. 2017, arXiv 1705.10412, section 4.
    """
    sign, x = np.where(x < 0, -1.0, 1.0), np.abs(x)
    runs, d = x.shape
    value, slope = np.zeros(runs), np.zeros((runs, d))
    drop = 4 * steep * TAU**2 - _first(np.array([2 * TAU]), steep, gamma)[0][0]
    passed = np.cumprod(x >= 2 * TAU, axis=1).astype(bool)  # (runs, d): this saddle and all before it are behind
    now = passed.sum(1)  # the coordinate that is leaving, d at the end
    value += (np.where(passed, steep * (x - 4 * TAU) ** 2 - drop, 0.0)).sum(1)
    slope += np.where(passed, 2 * steep * (x - 4 * TAU), 0.0)
    later = np.arange(d) > now[:, None]
    value += np.where(later, steep * x**2, 0.0).sum(1)
    slope += np.where(later, 2 * steep * x, 0.0)
    on = np.flatnonzero(now < d)
    at = x[on, now[on]]
    first, first_slope = _first(at, steep, gamma)
    value[on] += first
    slope[on, now[on]] += first_slope
    with_next = on[now[on] + 1 < d]
    k = now[with_next]
    here, ahead = x[with_next, k], x[with_next, k + 1]
    hold, hold_slope = _hold(here, steep, gamma)
    value[with_next] += (hold - steep) * ahead**2
    slope[with_next, k] += hold_slope * ahead**2
    slope[with_next, k + 1] += 2 * (hold - steep) * ahead
    return value, sign * slope


def steps_past(
    starts: np.ndarray, *, eta: float, radius: float = 0.0, small: float = 1e-2, wait: int = 50, most: int = 100_000
) -> np.ndarray:
    """Steps (runs, d) after which each saddle is behind, by plain descent, or perturbed if radius > 0; `most` if never.

    starts: (runs, d). Perturbed: noise uniform in a ball of that radius where the gradient is below `small`, at most
    every `wait` steps; with the generator of seed 0.
    """
    x, rng = starts.astype(float), np.random.default_rng(0)
    found, last = np.full(x.shape, most), np.full(len(x), -wait)
    for step in range(1, most):
        slope = chain(x)[1]
        if radius:
            quiet = (np.linalg.norm(slope, axis=1) < small) & (step - last >= wait)
            if quiet.any():
                x[quiet] += ball(int(quiet.sum()), x.shape[1], radius, rng)
                last[quiet] = step
                slope = chain(x)[1]
        x -= eta * slope
        behind = np.cumprod(np.abs(x) >= 2 * TAU, axis=1).astype(bool)
        found[behind & (found == most)] = step
        if (found < most).all():
            break
    return found


def ball(n: int, dimension: int, radius: float, rng: np.random.Generator) -> np.ndarray:
    """n points (n, d) uniform in a ball."""
    direction = rng.standard_normal((n, dimension))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    return radius * rng.uniform(size=(n, 1)) ** (1 / dimension) * direction


def _first(x: np.ndarray, steep: float, gamma: float) -> tuple[np.ndarray, np.ndarray]:
    """Value and slope along the way out, from -gamma x^2 to a well of steepness `steep` at 4 tau."""
    y = np.maximum(x - TAU, 0.0)
    cubic, quartic = (10 * gamma - 14 * steep) / (3 * TAU), (5 * steep - 3 * gamma) / (2 * TAU**2)
    return -gamma * x**2 + cubic * y**3 + quartic * y**4, -2 * gamma * x + 3 * cubic * y**2 + 4 * quartic * y**3


def _hold(x: np.ndarray, steep: float, gamma: float) -> tuple[np.ndarray, np.ndarray]:
    """What multiplies the next coordinate's square, from steep at tau to -gamma at 2 tau, and its slope."""
    y, rise = np.clip(x, TAU, 2 * TAU) / TAU - 2, steep + gamma
    inside = (x > TAU) & (x < 2 * TAU)
    slope = np.where(inside, -rise / TAU * (30 * y**2 + 60 * y**3 + 30 * y**4), 0.0)
    return -gamma - rise * (10 * y**3 + 15 * y**4 + 6 * y**5), slope
