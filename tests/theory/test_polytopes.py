"""Mixed volumes: known values, laws, PHCpack's, and cells that are what they claim to be."""

import itertools
import math
import re
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import known_systems
from theory import mixed_cells, polytopes
from theory.polytopes import MixedVolumeError, mixed_subdivision, mixed_volume, stable_mixed_volume


def supports_of(name: str) -> tuple[np.ndarray, ...]:
    return known_systems.EVERY[name].system.supports


def network_supports(inputs, hidden, n_data, power, bias=True):
    """n_data equations sum_j v_j (a_j . x + b_j)^power - y, and affine equations up to the number of weights."""
    per_unit = inputs + bias
    unknowns = hidden * (per_unit + 1)
    rows = [np.zeros(unknowns, int)]
    for j in range(hidden):
        for chosen in itertools.combinations_with_replacement(range(per_unit), power):
            row = np.zeros(unknowns, int)
            row[hidden * per_unit + j] = 1
            for k in chosen:
                row[j * per_unit + k] += 1
            rows.append(row)
    affine = np.vstack([np.zeros((1, unknowns), int), np.eye(unknowns, dtype=int)])
    return [np.array(rows)] * n_data + [affine] * (unknowns - n_data)


def critical_supports(inputs, hidden, power, bias=True):
    """Gradient of the squared error plus a generic weight decay."""
    residual = network_supports(inputs, hidden, 1, power, bias)[0]
    n = residual.shape[1]
    loss = np.vstack([np.unique([a + b for a in residual for b in residual], axis=0), 2 * np.eye(n, dtype=int)])
    gradient = []
    for k in range(n):
        rows = loss[loss[:, k] > 0].copy()
        rows[:, k] -= 1
        gradient.append(np.unique(rows, axis=0))
    return gradient


@pytest.mark.parametrize(
    ("name", "volume"),
    [("cyclic-5", 70), ("cyclic-6", 156), ("cyclic-7", 924), ("noon-3", 21), ("noon-4", 73), ("noon-5", 233)],
)
def test_sparse_classics_have_as_many_zeros_as_their_mixed_volume(name, volume):
    assert mixed_volume(supports_of(name)) == volume


@pytest.mark.parametrize(("name", "volume"), [("katsura-6", (54, 64)), ("eco-7", (32, 32)), ("katsura-8", (240, 256))])
def test_zeros_with_zero_coordinates_are_in_the_stable_volume_alone(name, volume):
    """phc -b splits katsura-6 into 10 zeros with zero coordinates and 54 without."""
    assert (mixed_volume(supports_of(name)), stable_mixed_volume(supports_of(name))) == volume


@pytest.mark.parametrize(
    ("arguments", "volume"),
    [
        ((1, 2, 3, 2), 24),
        ((2, 2, 4, 2), 60),
        ((2, 2, 5, 2), 96),
        ((2, 2, 3, 2, False), 24),
        ((2, 3, 5, 2), 216),
        ((2, 3, 6, 2), 504),
        ((1, 2, 4, 3), 144),
        ((2, 2, 4, 3, False), 144),
        ((1, 3, 4, 3), 252),
    ],
)
def test_sliced_networks_have_the_volumes_that_phcpack_found(arguments, volume):
    supports = network_supports(*arguments)
    assert mixed_volume(supports) == volume
    assert stable_mixed_volume(supports) == volume


@pytest.mark.parametrize(
    ("arguments", "volumes"),
    [
        ((1, 1, 2), (32, 33)),
        ((2, 1, 2, False), (32, 33)),
        ((1, 2, 2, False), (64, 81)),
        ((1, 1, 3, False), (12, 13)),
        ((2, 1, 2), (104, 105)),
        ((1, 2, 2), (1024, 1089)),
    ],
)
def test_critical_systems_have_the_volumes_that_phcpack_found(arguments, volumes):
    supports = critical_supports(*arguments)
    assert (mixed_volume(supports), stable_mixed_volume(supports)) == volumes


def test_dense_systems_have_bezout_s_number():
    for degrees in ((3,), (2, 5), (1, 4, 3), (2, 2, 2, 2)):
        n = len(degrees)
        supports = [np.array([e for e in itertools.product(range(d + 1), repeat=n) if sum(e) <= d]) for d in degrees]
        assert mixed_volume(supports) == stable_mixed_volume(supports) == math.prod(degrees)


def area(points: np.ndarray) -> float:
    """Of the convex hull, by Andrew's chain and the shoelace formula."""
    ordered = sorted(map(tuple, points.tolist()))

    def half(sequence):
        chain = []
        for p in sequence:
            while len(chain) > 1:
                (ax, ay), (bx, by) = chain[-2:]
                if (bx - ax) * (p[1] - ay) - (by - ay) * (p[0] - ax) > 0:
                    break
                chain.pop()
            chain.append(p)
        return chain[:-1]

    hull = half(ordered) + half(ordered[::-1])
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(hull, [*hull[1:], *hull[:1]], strict=True)) / 2


POLYGON = st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4)), min_size=1, max_size=7).map(
    lambda points: np.array(points)
)


@settings(max_examples=150, deadline=None)
@given(POLYGON, POLYGON)
def test_in_the_plane_it_is_the_area_of_the_sum_less_the_areas(p, q):
    total = (p[:, None] + q[None]).reshape(-1, 2)
    assert mixed_volume([p, q]) == area(total) - area(p) - area(q)


SUPPORT = st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=2, max_size=6).map(lambda points: np.array(points))


@settings(max_examples=40, deadline=None)
@given(SUPPORT, SUPPORT, SUPPORT, st.integers(0, 100))
def test_it_does_not_depend_on_the_lifting_the_order_or_a_shift(p, q, r, seed):
    volume = mixed_volume([p, q, r])
    assert mixed_volume([r, p, q], seed=seed) == volume
    assert mixed_volume([p + 5, q - [1, 2, 3], r], seed=seed) == volume
    assert mixed_volume([p[:, [2, 0, 1]], q[:, [2, 0, 1]], r[:, [2, 0, 1]]]) == volume


@settings(max_examples=40, deadline=None)
@given(SUPPORT, SUPPORT, SUPPORT, SUPPORT)
def test_it_is_additive_in_each_support(p, q, r, s):
    total = (r[:, None] + s[None]).reshape(-1, 3)
    assert mixed_volume([p, q, total]) == mixed_volume([p, q, r]) + mixed_volume([p, q, s])


@settings(max_examples=40, deadline=None)
@given(SUPPORT, SUPPORT, SUPPORT)
def test_the_stable_volume_lies_between_the_volume_and_that_with_the_origin(p, q, r):
    supports = [p, q, r]
    with_origin = [np.vstack([s, np.zeros((1, 3), int)]) for s in supports]
    assert mixed_volume(supports) <= stable_mixed_volume(supports) <= mixed_volume(with_origin)


@pytest.mark.parametrize("name", ["cyclic-6", "eco-6", "noon-4"])
def test_every_cell_is_one_in_rational_arithmetic(name):
    """Independently of how the cells were found: edges on the lower hull, all other points above, volumes by det."""
    found = mixed_subdivision(supports_of(name), seed=4)
    for edges, normal, volume in zip(found.edges, found.normals.tolist(), found.volumes.tolist(), strict=True):
        matrix = []
        for support, heights, (a, b) in zip(found.supports, found.heights, edges.tolist(), strict=True):
            levels = [
                volume * h + sum(g * e for g, e in zip(normal, point, strict=True))
                for point, h in zip(support.tolist(), heights.tolist(), strict=True)
            ]
            assert levels[a] == levels[b]
            assert all(level > levels[a] for k, level in enumerate(levels) if k not in (a, b))
            matrix.append(support[b] - support[a])
        assert abs(round(np.linalg.det(np.array(matrix, float)))) == volume


@pytest.mark.skipif(shutil.which("phc") is None, reason="PHCpack's phc is not installed")
@pytest.mark.parametrize("name", ["cyclic-5", "eco-6", "noon-3", "katsura-5"])
def test_phcpack_finds_the_same_volumes(name, tmp_path):
    (tmp_path / "in").write_text(known_systems.EVERY[name].system.to_text("phcpack"))
    subprocess.run(["phc", "-b", "in", "out"], cwd=tmp_path, check=True, timeout=120, capture_output=True)
    said = (tmp_path / "out").read_text()
    found = [
        int(re.search(rf"^{kind} : (\d+)", said, re.MULTILINE)[1]) for kind in ("mixed volume", "stable mixed volume")
    ]
    assert found == [mixed_volume(supports_of(name)), stable_mixed_volume(supports_of(name))]


def test_a_lifting_with_ties_is_thrown_away(monkeypatch):
    """Heights of one bit tie all the time; the answer comes from a lifting that does not, or not at all."""
    monkeypatch.setattr(polytopes, "LIFT", 2)
    with pytest.raises(MixedVolumeError, match="same moment"):
        mixed_volume(supports_of("cyclic-5"))


def test_a_missing_cell_is_noticed(monkeypatch):
    def lossy(*arguments):
        state, table = mixed_cells.flip(*arguments)
        return state, table[1:]

    monkeypatch.setattr(polytopes, "mixed_cells", type("Lossy", (), {**vars(mixed_cells), "flip": staticmethod(lossy)}))
    with pytest.raises(MixedVolumeError, match="do not fill"):
        mixed_volume(supports_of("noon-3"))


def test_work_and_size_have_limits_that_are_said():
    with pytest.raises(MixedVolumeError, match="max_work"):
        mixed_volume(supports_of("cyclic-7"), max_work=1e4)
    far = np.array([[0, 0], [2**33, 1], [1, 2**33]])
    with pytest.raises(MixedVolumeError, match="64-bit"):
        mixed_volume([far, far])


@pytest.mark.parametrize(
    ("supports", "said"),
    [
        ([], "at least one support"),
        ([np.zeros((2, 2), int)], "shape"),
        ([np.zeros((2, 1))], "integer points"),
        ([np.zeros((0, 1), int)], "shape"),
    ],
)
def test_bad_supports_are_refused(supports, said):
    with pytest.raises(ValueError, match=said):
        mixed_volume(supports)
    with pytest.raises(ValueError, match="not negative"):
        stable_mixed_volume([np.array([[-1], [0]])])
