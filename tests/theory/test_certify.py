"""Proofs of zeros: what must be certified is, what must not be is not, and the checker believes no false claim."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import theory as th
from tests.known_systems import CLEBSCH, EVERY, SINGULAR, cyclic, names, variables
from theory.continuation.boxes import meetings
from theory.continuation.straight_line import record
from theory.polynomials import GaussianRational, gaussian

ROOT = Path(__file__).resolve().parents[2]


def system(*polynomials):
    return th.PolynomialSystem.from_polynomials(polynomials, names(polynomials[0].n_variables))


def turned(points):
    """Cyclic-5 is unchanged when its unknowns are turned round, reversed, or all multiplied by a fifth root of 1."""
    roots = np.exp(2j * np.pi / 5 * np.arange(5))
    return [c * np.roll(z[::way], k) for z in points for c in roots for k in range(5) for way in (1, -1)]


@pytest.fixture(scope="module")
def cyclic5():
    """The system and its 70 roots: Newton's method from random points, closed under the symmetries."""
    square = th.PolynomialSystem.from_polynomials(cyclic(5), names(5))
    rng = np.random.default_rng(0)
    found = np.zeros((0, 5), dtype=complex)
    while len(found) < 70:
        z = rng.normal(size=(40, 5)) + 1j * rng.normal(size=(40, 5))
        for _ in range(40):
            z = z - np.linalg.solve(square.jacobian(z), square.evaluate(z)[..., None])[..., 0]
        good = np.abs(square.evaluate(z)).max(axis=1) < 1e-10
        for root in turned(z[good]):
            if not len(found) or np.abs(found - root).max(axis=1).min() > 1e-6:
                found = np.vstack([found, root])
    return square, found


@pytest.fixture(scope="module")
def proved(cyclic5):
    return th.certify(*cyclic5)


# ---- what must be proved


def test_all_70_roots_of_cyclic_5_are_proved_and_10_of_them_real(proved):
    assert proved.certified.all()
    assert proved.distinct.all()
    assert proved.n_distinct == 70
    assert proved.real.sum() == 10  # Bjorck and Froberg
    assert proved.not_real.sum() == 60
    assert (proved.radius < 1e-12).all()


@pytest.mark.parametrize("name", ["katsura-6", "noon-4", "eco-6", "clebsch-27-lines"])
def test_the_solutions_that_solve_finds_are_proved_and_the_real_ones_counted(name):
    known = EVERY[name]
    proofs = th.certify(known.system, th.solve(known.system, seed=0).solutions)
    assert (proofs.certified.sum(), proofs.n_distinct, proofs.real.sum()) == (known.roots, known.roots, known.real)
    assert (proofs.real | proofs.not_real).all()


def test_the_radius_bounds_the_distance_from_the_point_as_given():
    (x,) = variables(1)
    offsets = np.array([[1e-6], [-1e-9], [0.0]])
    proofs = th.certify(system(x * x - 2), np.sqrt(2) + offsets)
    root = Fraction(1414213562373095048801688724209698, 10**33)
    errors = [abs(Fraction(float(p)) - root) for p in proofs.points[:, 0].real]
    assert all(error <= Fraction(float(r)) for error, r in zip(errors, proofs.radius, strict=True))
    assert (proofs.radius <= np.abs(offsets[:, 0]) * 1.001 + 1e-14).all()


def test_two_copies_of_a_point_are_not_distinct(cyclic5):
    square, roots = cyclic5
    proofs = th.certify(square, np.vstack([roots[:3], roots[1] + 1e-13]))
    assert proofs.certified.all()
    assert list(proofs.distinct) == [True, False, True, False]
    assert proofs.n_distinct == 3


def test_roots_closer_than_double_precision_are_told_apart():
    """(x - 1)^2 = 2^-110: the roots differ by 2^-54, so that both round to 1."""
    (x,) = variables(1)
    near = Fraction(1, 2**55)
    square = system((x - 1 - near) * (x - 1 + near))
    points = np.array([[1 + 2.0**-52], [1 - 2.0**-53]])
    proofs = th.certify(square, points)
    assert proofs.certified.all()
    assert proofs.real.all()
    assert proofs.distinct.all()
    assert proofs.precision.min() > 53


def test_roots_next_to_the_real_axis_are_proved_not_real():
    (x,) = variables(1)
    square = system((x - 1) * (x - 1) + Fraction(1, 2**80))  # 1 +- 2^-40 i
    points = np.array([[1 + 2.0**-40 * 1j], [1 - 2.0**-40 * 1j]])
    proofs = th.certify(square, points)
    assert proofs.not_real.all()
    assert proofs.distinct.all()
    assert not proofs.real.any()


def test_a_badly_scaled_system_is_proved_and_its_twin_with_close_roots_takes_more_bits():
    x, y = variables(2)
    scaled = system(x * x * Fraction(1, 10**24) - 2, y * y * 10**24 - x * Fraction(1, 10**12))
    root = 2**0.5 * 1e12
    easy = th.certify(scaled, [[root, 2**0.25 * 1e-12]])
    assert easy.real.all()
    close = system((x - 1) * (x - 1) - Fraction(1, 10**20), y * y * 10**24 - x)
    hard = th.certify(close, [[1 + 1e-10, 1e-12]])
    assert hard.real.all()
    assert hard.precision[0] > easy.precision[0]


def test_networks_are_proved_through_their_layers_and_never_expanded(monkeypatch):
    network = th.PolynomialNetwork((2, 2, 1), th.PolynomialActivation([Fraction(1, 3), 1, Fraction(1, 2)]))
    rng = np.random.default_rng(3)
    sliced = network.interpolation_system(rng.integers(-4, 5, (3, 2)), rng.integers(-9, 10, 3)).slice(seed=1, real=True)
    points = th.solve(sliced, seed=0).solutions
    monkeypatch.setattr(type(sliced.network), "polynomials", lambda self: pytest.fail("expanded"))
    proofs = th.certify(sliced, points)
    assert len(points)
    assert proofs.certified.all()
    assert proofs.distinct.all()


def test_all_critical_points_of_a_regularised_network_are_proved():
    network = th.PolynomialNetwork((1, 1, 1), th.monomial(2))
    critical = network.critical_system(np.array([[1], [2], [-1]]), np.array([1, 2, 4]), Fraction(1, 10))
    points = th.solve(critical, seed=0).solutions
    proofs = th.certify(critical, points)
    assert proofs.certified.all()
    assert th.check_certificate(proofs.to_json()).startswith(f"{len(points)} regular zeros proved")


def test_the_program_of_a_network_is_the_network_exactly_even_for_complex_data():
    third = GaussianRational(Fraction(1, 3), Fraction(-1, 7))
    network = th.PolynomialNetwork((1, 2, 1), th.PolynomialActivation([0, Fraction(1, 9), Fraction(2, 7)]))
    data = np.array([[third], [gaussian(2)]], dtype=object)
    program = record(network.interpolation_system(data, data[:, 0]))
    point = [gaussian(Fraction(k, 5)) for k in range(1, network.n_parameters + 1)]
    registers = program.run(point, program.constants)
    expanded = network.interpolation_system(data, data[:, 0]).polynomials
    exact = [p.evaluate(point, lambda c: c) for p in expanded]
    assert [registers[r] for r in program.values] == exact
    zero = gaussian(0)
    jacobian = {(i, k): registers[r] for i, k, r in program.derivatives}
    for i, polynomial in enumerate(expanded):
        for k in range(len(point)):
            assert jacobian.get((i, k), zero) == polynomial.diff(k).evaluate(point, lambda c: c)


def test_the_answer_does_not_depend_on_the_number_of_processes(cyclic5, proved):
    seen = []
    again = th.certify(*cyclic5, workers=2, progress=lambda done, total, text: seen.append((done, total)))
    assert again.to_json() == proved.to_json()
    assert seen[-1] == (70, 70)


def test_the_sweep_finds_the_pairs_that_meet_and_no_others(proved):
    doubled = (*proved.boxes, *proved.boxes[:5], None)
    assert meetings(doubled) == {k: {other} for i in range(5) for k, other in ((i, 70 + i), (70 + i, i))}


# ---- what must not be proved


@pytest.mark.parametrize("known", SINGULAR, ids=lambda known: known.name)
def test_a_singular_zero_is_never_proved(known):
    """By the theorem it cannot be; the starting points come from all sides and include the zero itself."""
    rng = np.random.default_rng(1)
    for root in known.singular:
        around = 10.0 ** rng.uniform(-12, -5, size=(6, 1)) * rng.normal(size=(6, len(root)))
        points = np.vstack([np.array(root, dtype=complex), np.array(root) + around, np.array(root) + 1j * around])
        proofs = th.certify(known.system, points)
        assert not proofs.certified.any()
        assert all("residual" in reason for reason in proofs.reasons)
        assert np.isinf(proofs.radius).all()


@pytest.mark.parametrize("gap", [1e-3, 1e-6, 1e-9])
def test_a_near_miss_is_never_proved(gap):
    """x^2 + gap has no real zero: its complex ones are sqrt(gap) away. A parabola that does not reach the line."""
    x, y = variables(2)
    square = system(x * x + gaussian(gap) - y, y)
    starts = np.linspace(-1.7e-5, 1.3e-5, 7) * (1 if gap < 1e-6 else 0)
    proofs = th.certify(square, np.stack([starts, 0 * starts], axis=1))
    assert not proofs.certified.any()


def test_a_point_far_from_every_zero_is_not_proved_though_newton_finds_one():
    (x,) = variables(1)
    proofs = th.certify(system(x * x - 2), [[1.5], [1.4142]])
    assert list(proofs.certified) == [False, True]
    assert "leads away" in proofs.reasons[0]


def test_points_of_a_curve_are_not_proved():
    x, y = variables(2)
    proofs = th.certify(system(x * y, x * x * y), [[0.0, 1.0], [0.5, 0.0], [0.0, 0.0]])
    assert not proofs.certified.any()


# ---- wrong input


def test_systems_that_are_not_square_are_refused_with_the_way_out():
    x, y = variables(2)
    with pytest.raises(ValueError, match=r"1 equations in 2 unknowns.*slice\(\).*prove_manifold"):
        th.certify(system(x * y - 1), [[1, 1]])
    with pytest.raises(ValueError, match=r"3 equations in 2 unknowns.*combinations"):
        th.certify(system(x * y - 1, x - 1, y - 1), [[1, 1]])


@pytest.mark.parametrize("points", [[[1.0, 2.0]], [[np.nan]], [[[1.0]]], ["x"]])
def test_wrong_points_are_refused(points):
    (x,) = variables(1)
    with pytest.raises(ValueError, match="certify takes points of shape"):
        th.certify(system(x * x - 2), points)


def test_no_points_give_no_proofs():
    (x,) = variables(1)
    proofs = th.certify(system(x * x - 2), np.zeros((0, 1)))
    assert len(proofs) == 0
    assert proofs.certified.shape == proofs.distinct.shape == (0,)
    with pytest.raises(ValueError, match="proves nothing"):
        th.check_certificate(proofs.to_json())


# ---- manifolds


def hyperplane_free(n_equations=2, seed=0):
    network = th.PolynomialNetwork((2, 2, 1), th.PolynomialActivation([Fraction(1, 5), 1, Fraction(1, 2)]))
    rng = np.random.default_rng(seed)
    X = rng.integers(-3, 4, (n_equations, 2))
    weights = rng.normal(size=network.n_parameters)
    targets = network.evaluate(weights, X.astype(float))[:, 0]
    return network.interpolation_system(X, targets), weights


def test_a_network_has_a_manifold_of_exact_zero_error_weights_of_dimension_k_minus_n():
    equations, weights = hyperplane_free(3)
    rng = np.random.default_rng(5)
    proof = th.prove_manifold(equations, weights + 1e-4 * rng.normal(size=len(weights)))
    assert proof.certified[0]
    assert proof.real[0]
    assert proof.dimension == 9 - 3
    assert proof.radius[0] < 1e-2
    assert "manifold of zeros of dimension 6" in th.check_certificate(proof.to_json())


def test_the_zero_of_a_manifold_is_on_the_sphere():
    x, y, z = variables(3)
    proof = th.prove_manifold(system(x * x + y * y + z * z - 1), [0.6, 0.0, 0.8 + 1e-5])
    middle = [Fraction(re[0]) * Fraction(2) ** re[1] for re, _ in proof.boxes[0].midpoint]
    assert proof.dimension == 2
    assert abs(sum(c**2 for c in middle) - 1) < Fraction(1, 10**14)
    assert proof.boxes[0].radii.count(None) == 2


def test_there_is_no_manifold_where_the_zero_set_is_singular_or_the_equations_are_dependent():
    x, y, z = variables(3)
    cone = th.prove_manifold(system(x * x + y * y - z * z), [0.0, 0.0, 0.0])
    twice = th.prove_manifold(system(x * y - 1, x * x * y - x), [1.0, 1.0, 0.5])
    assert not cone.certified[0]
    assert cone.reasons[0]
    assert not twice.certified[0]


def test_a_real_point_off_a_set_without_real_points_is_not_proved():
    x, y = variables(2)
    assert not th.prove_manifold(system(x * x + y * y + Fraction(1, 10**8)), [1e-5, 1e-5]).certified[0]


def test_manifolds_of_complex_systems_and_points_are_refused():
    x, y = variables(2)
    with pytest.raises(ValueError, match="real coefficients"):
        th.prove_manifold(system(x * x + y * GaussianRational(Fraction(0), Fraction(1))), [1.0, 1.0])
    with pytest.raises(ValueError, match="one real point"):
        th.prove_manifold(system(x * x + y), [1j, 1.0])
    with pytest.raises(ValueError, match="at most as many equations"):
        th.prove_manifold(system(x, y, x + y), [0.0, 0.0])


# ---- written certificates


def test_what_is_written_is_read_back_and_holds(proved):
    text = proved.to_json()
    again = th.Certificates.from_json(text)
    assert again.to_json() == text
    assert np.array_equal(again.radius, proved.radius)
    assert np.array_equal(again.points, proved.points)
    expected = "70 regular zeros proved: 70 distinct, 10 real, 60 not real, 0 undecided"
    assert th.check_certificate(text) == expected


def test_complex_coefficients_fractions_and_repeated_signs_survive_writing():
    x, y = variables(2)
    i = GaussianRational(Fraction(0), Fraction(1))
    square = system(x * x * Fraction(-3, 7) + y * i - i * Fraction(2, 3), x * y * (i + Fraction(1, 2)) - 1)
    proofs = th.certify(square, th.solve(square, seed=0).solutions)
    assert len(proofs) == 3
    assert proofs.certified.all()
    assert th.check_certificate(proofs.to_json()).startswith("3 regular zeros proved")


def _two_points():
    """A certificate with a real and a non-real zero, both held by boxes of their own: (x^2 - 2) (x^2 + 3) = 0."""
    x, y = variables(2)
    square = system((x * x - 2) * (x * x + 3), x * x * y - x + Fraction(1, 3))
    return th.certify(square, th.solve(square, seed=0).solutions)


def _shift(text, bits):
    mantissa, exponent = map(int, text.split("p"))
    return f"{mantissa}p{exponent + bits}"


def _nudge(text):
    """2^-20 more."""
    mantissa, exponent = map(int, text.split("p"))
    return f"{mantissa * 2**60 + 2 ** (40 - exponent)}p{exponent - 60}"


TAMPERINGS = {
    "another coefficient": lambda d, e: d.update(system=d["system"].replace("1/3", "1/4")),
    "another power": lambda d, e: d.update(system=d["system"].replace("x0^4", "x0^3")),
    "another sign": lambda d, e: d.update(system=d["system"].replace("+ 1/3", "- 1/3")),
    "an equation less": lambda d, e: d.update(system="1\n" + d["system"].split(";")[-2] + ";"),
    "another dimension": lambda d, e: d.update(dimension=1),
    "a midpoint moved": lambda d, e: e["midpoint"][0].__setitem__(0, _nudge(e["midpoint"][0][0])),
    "an imaginary part moved": lambda d, e: e["midpoint"][1].__setitem__(1, _nudge(e["midpoint"][1][1])),
    "a box too small": lambda d, e: e["radii"].__setitem__(0, _shift(e["radii"][0], -40)),
    "a box too large": lambda d, e: e["radii"].__setitem__(0, _shift(e["radii"][0], 60)),
    "a box without inside": lambda d, e: e.update(radii=["0p0", "0p0"]),
    "a negative radius": lambda d, e: e.update(radii=["-1p-30", "-1p-30"]),
    "a coordinate declared constant": lambda d, e: e["radii"].__setitem__(0, None),
    "a matrix of zeros": lambda d, e: e.update(matrix=[[["0p0", "0p0"]] * 2] * 2),
    "a row of the matrix": lambda d, e: e["matrix"][0].__setitem__(0, ["5p0", "1p0"]),
    "a matrix too short": lambda d, e: e.update(matrix=e["matrix"][:1]),
    "the other reality": lambda d, e: e.update(reality="real" if e["reality"] == "not real" else "not real"),
    "a reality unheard of": lambda d, e: e.update(reality="imaginary"),
    "the point moved": lambda d, e: e["point"][0].__setitem__(0, _nudge(e["point"][0][0])),
    "a distance too small": lambda d, e: e.update(distance=_shift(e["distance"], -8)),
    "a point twice": lambda d, e: d["points"].append(e),
    "an exponent without end": lambda d, e: e["radii"].__setitem__(0, "1p-99999999999"),
    "a number that is none": lambda d, e: e["radii"].__setitem__(0, "NaNp0"),
    "a field missing": lambda d, e: e.pop("matrix"),
    "an unproved point claimed": lambda d, e: d["points"].append({**e, "matrix": []}),
    "no list of points": lambda d, e: d.update(points=3),
    "an expression to run": lambda d, e: d.update(system="1\n__import__('os').system('true');"),
}


@pytest.mark.parametrize("which", [0, -1], ids=["first point", "last point"])
@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_certificate_that_was_tampered_with_is_rejected(name, which):
    text = _two_points().to_json()
    th.check_certificate(text)
    data = json.loads(text)
    TAMPERINGS[name](data, data["points"][which])
    assert json.dumps(data) != json.dumps(json.loads(text))
    with pytest.raises(ValueError, match=r".+"):
        th.check_certificate(json.dumps(data))


def _dropped(where, key):
    where.pop(key)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d, e: d.update(dimension=0.0), r"dimension must be 0, got 0\.0"),
        (lambda d, e: d.update(dimension=False), "dimension must be 0, got False"),
        (lambda d, e: e.update(radii=e["radii"][:1]), "radii must have 2 entries, got 1"),
        (lambda d, e: e.update(midpoint=e["midpoint"] * 2), "midpoint must have 2 entries, got 4"),
        (lambda d, e: e.update(matrix=e["matrix"][:1]), "matrix must have 2 entries, got 1"),
        (lambda d, e: e.update(reality="imaginary"), "reality .* none of real, not real, undecided: 'imaginary'"),
        *((lambda d, e, key=key: _dropped(e, key), f"the field '{key}' is missing") for key in ("matrix", "distinct")),
        *((lambda d, e, key=key: _dropped(d, key), f"the field '{key}' is missing") for key in ("system", "points")),
        (lambda d, e: d.update(points=[{"certified": False}]), "proves nothing"),
        (lambda d, e: d.update(points=[]), "proves nothing"),
    ],
)
def test_the_checker_names_the_field_that_is_wrong(change, message):
    data = json.loads(_two_points().to_json())
    change(data, data["points"][0])
    with pytest.raises(ValueError, match=message) as caught:
        th.check_certificate(json.dumps(data))
    assert "\n" not in str(caught.value)


def test_one_zero_is_told_in_the_singular_and_no_text_is_a_type_error():
    x, y = variables(2)
    one = th.certify(system(x - 1, y * x - 2), [[1, 2]])
    assert th.check_certificate(one.to_json()).startswith("1 regular zero proved: 1 distinct")
    with pytest.raises(TypeError, match="takes the text of a certificate, got NoneType"):
        th.check_certificate(None)


@pytest.mark.parametrize("change", ["dimension", "free coordinate", "constant"])
def test_a_manifold_certificate_that_was_tampered_with_is_rejected(change):
    x, y, z = variables(3)
    data = json.loads(th.prove_manifold(system(x * x + y * y + z * z - 1), [0.6, 0.0, 0.8]).to_json())
    entry = data["points"][0]
    if change == "dimension":
        data["dimension"] = 1
    elif change == "free coordinate":
        entry["radii"] = [None, "1p-40", None]  # x or z can be solved for there, y cannot
    else:
        held = entry["radii"].index(None)
        entry["midpoint"][held] = ["1p-3", "0p0"]
    with pytest.raises(ValueError, match=r".+"):
        th.check_certificate(json.dumps(data))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"system": "1\\nx;", "dimension": 0, "points": [7]}', "null"])
def test_what_is_no_certificate_is_refused_in_one_line(text):
    for read in (th.check_certificate, th.Certificates.from_json):
        with pytest.raises(ValueError, match=r".+") as error:
            read(text)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("body", ["x + ;", "x + 2*;", "x 2;", "(x+1)*x;", "x^2^3;", "2*i*x;", "x/2;", "x^-1;", "2x;"])
def test_the_checker_guesses_at_nothing_in_the_text_of_a_system(body):
    with pytest.raises(ValueError, match="not an expanded equation"):
        th.check_certificate(json.dumps({"system": f"1\n{body}\n", "dimension": 0, "points": []}))


def test_the_checker_is_a_file_of_under_100_lines_that_imports_the_standard_library_only():
    source = (ROOT / "theory" / "certificates.py").read_text(encoding="utf-8")
    assert len(source.splitlines()) < 100
    imported = {line.split()[1] for line in source.splitlines() if line.lstrip().startswith(("import ", "from "))}
    assert imported == {"re", "collections", "fractions", "math", "typing"}


def test_clebschs_lines_are_all_proved_real():
    """The configuration of 27 real lines, with ill-conditioned ones among them."""
    proofs = th.certify(CLEBSCH.system, th.solve(CLEBSCH.system, seed=0).solutions)
    assert proofs.real.sum() == 27
    assert "27 real" in th.check_certificate(proofs.to_json())
