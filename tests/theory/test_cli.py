"""The command line: answers, exit codes, and one clear line for every bad input."""

import json
import subprocess
import sys

import numpy as np
import pytest

import theory.__main__ as cli
from theory import printing
from theory.continuation.certify import certify
from theory.systems import PolynomialSystem

CIRCLE = "2\nx^2 + y^2 - 5;\nx*y - 2;\n"
PARABOLA = "1 2\ny - x^2;\n"


def run(capsys, *arguments):
    """(exit code, standard output, standard error)"""
    try:
        cli.main(list(arguments))
        code = 0
    except SystemExit as error:
        code = error.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def as_json(capsys, *arguments):
    code, out, err = run(capsys, *arguments, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


@pytest.fixture
def write(tmp_path):
    """write(text) -> path of a file that holds it."""

    def function(text, name="system.txt"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return function


def test_solve_finds_the_four_points(capsys, write):
    found = as_json(capsys, "solve", write(CIRCLE))
    points = sorted((x[0], y[0]) for x, y in found["solutions"])
    assert [tuple(map(round, p)) for p in points] == [(-2, -1), (-1, -2), (1, 2), (2, 1)]
    assert found["paths"]["tracked"] == 4


def test_a_system_without_solutions_is_an_answer(capsys, write):
    assert as_json(capsys, "solve", write("2\nx + y - 1;\nx + y - 2;\n"))["solutions"] == []
    assert as_json(capsys, "zero-set", write("2\nx + y - 1;\nx + y - 2;\n"))["dimension"] == -1


def test_zero_set_gives_dimension_degree_and_components(capsys, write):
    found = as_json(capsys, "zero-set", write(PARABOLA))
    assert (found["dimension"], found["degree"], found["seed"]) == (1, 2, 0)
    [component] = found["components"]
    assert (component["dimension"], component["degree"], component["multiplicity"]) == (1, 2, 1)
    assert len(component["points"]) == 2


def test_zero_set_counts_real_pieces_on_request(capsys, write, tmp_path):
    path = write("1\nx*y - 1;\n")
    found = as_json(capsys, "zero-set", path, "--real")["real_components"]
    assert sorted(np.sign(piece["point"][0]) for piece in found) == [-1, 1]
    assert [piece["euler_characteristic"] for piece in found] == [1, 1]
    certificate = tmp_path / "certificate.json"
    certificate.write_text(json.dumps(found[0]["certificate"]))
    assert "real" in as_json(capsys, "check-certificate", str(certificate))["proved"]
    code, out, err = run(capsys, "zero-set", path, "--real")
    assert (code, err) == (0, "")
    assert "2 connected real pieces" in out
    assert "real_components" not in as_json(capsys, "zero-set", path)


def test_degeneracy_at_a_point(capsys, write):
    found = as_json(capsys, "degeneracy", write(PARABOLA), "--point", write("1 1", "point.txt"))
    assert (found["jacobian_rank"], found["local_dimension"], found["is_zero"]) == (1, 1, True)
    assert found["symmetry_dimension"] is None


def test_the_point_may_come_with_names(capsys, write):
    found = as_json(capsys, "degeneracy", write(PARABOLA), "--point", write('{"x": 2, "y": 4}', "p.json"))
    assert found["residual"] == 0


def test_bounds_of_a_network_of_the_paper_and_of_a_file(capsys, write):
    small = as_json(capsys, "bounds", "--widths", "2,3,1", "--degree", "2", "--data", "6")
    assert (small["n_unknowns"], small["bezout"], small["paper_bezout"]) == (13, 3**6, 2**6)
    unbiased = as_json(capsys, "bounds", "--widths", "2,3,1", "--data", "6", "--no-bias")
    assert unbiased["n_unknowns"] == 9
    net = as_json(capsys, "bounds", "--net", "theory2-cnn", "--data", "50000")
    assert (net["n_unknowns"], net["log2_shub_smale"]) == (188_810, 1e5)
    assert as_json(capsys, "bounds", write(CIRCLE))["bezout"] == 4


def test_neurovariety_of_a_dense_network(capsys):
    found = as_json(capsys, "neurovariety", "--widths", "2,2,1", "--degree", "2", "--no-bias")
    assert (found["dimension"], found["ambient_dimension"], found["fills"]) == (3, 3, True)  # binary quadratic forms


def test_a_sweep_lists_every_network_of_the_ranges(capsys):
    found = as_json(capsys, "neurovariety", "--widths", "2,1-3,1", "--widths", "3,2,1", "--degree", "2,4", "--no-bias")
    assert [(tuple(f["widths"]), f["activation_degree"]) for f in found] == [
        (widths, degree) for widths in ((2, 1, 1), (2, 2, 1), (2, 3, 1), (3, 2, 1)) for degree in (2, 4)
    ]
    for row in found:
        single = as_json(
            capsys, "neurovariety", "--widths", ",".join(map(str, row["widths"])),
            "--degree", str(row["activation_degree"]), "--no-bias",
        )  # fmt: skip
        assert row == {"widths": row["widths"], "activation_degree": row["activation_degree"]} | single
    code, out, _ = run(capsys, "neurovariety", "--widths", "2,1-3,1", "--widths", "20,200,20")
    assert (code, "2,3,1" in out) == (0, True)
    assert "20,200,20, power 2: a neurovariety is the rank of a matrix of up to 4,000,000 entries" in out


def test_counts_come_on_request_and_say_where_they_end(capsys):
    found = as_json(capsys, "neurovariety", "--widths", "2,2,1", "--degree", "4", "--no-bias", "--count")
    assert (found["degree"], found["learning_degree"], found["fibre_points"]) == (3, 13, 2)
    assert "counts_limit" not in found
    assert found["fibre_is_finite"]
    assert "numerical" in found["fibre_reason"]
    rows = as_json(
        capsys, "neurovariety", "--widths", "2,2,1", "--degree", "3-4", "--no-bias", "--count", "--max-points", "5"
    )
    assert [row["degree"] for row in rows] == [1, 3]
    table = run(capsys, "neurovariety", "--widths", "2,2,1", "--degree", "3,4", "--no-bias", "--count")[1]
    assert "is not proved" in table
    assert rows[1]["learning_degree"] is None
    assert "learning_degree: more than 5 points, at most 9^4 by Bezout's count" in rows[1]["counts_limit"]


def test_an_infinite_fibre_is_printed_as_infinite(capsys):
    """(2,3,1) with squares: 9 weights, 3 coefficients of a quadratic form, 3 rescalings, and 3 dimensions more."""
    arguments = ("neurovariety", "--widths", "2,3,1", "--no-bias", "--count")
    found = as_json(capsys, *arguments)
    assert (found["fibre_points"], found["fibre_is_finite"], found["fibre_dimension"]) == (None, False, 6)
    out = run(capsys, *arguments)[1]
    assert [line.split()[3] for line in out.splitlines() if "fibre_points" in line] == ["infinite"]
    assert "counts_limit" not in out
    assert "infinite modulo the continuous symmetries" in found["fibre_reason"]
    assert "infinite" in run(capsys, *arguments, "--degree", "2,3")[1]


def test_a_range_that_runs_backwards_is_told_so(capsys):
    code, out, err = run(capsys, "neurovariety", "--widths", "2,2,1", "--degree", "5-2")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "such as 2-5, got '5-2': 5-2 runs backwards, write 2-5" in err


@pytest.mark.parametrize(
    ("text", "message"),
    [("1\ny^2 - x^3;\n", "singular"), ("1\nx*y - i;\n", "real coefficients"), ("1\nx^2 - y^2;\n", "singular")],
)
def test_where_real_pieces_cannot_be_counted_the_rest_is_printed_and_why(capsys, write, text, message):
    path = write(text)
    found = as_json(capsys, "zero-set", path, "--real")
    assert found["dimension"] == 1
    assert found["real_components"] is None
    assert message in found["real_components_reason"]
    code, out, err = run(capsys, "zero-set", path, "--real")
    assert (code, err) == (0, "")
    assert "The connected real pieces are not counted: " in out
    assert message in out


def test_rounding_is_printed_as_0():
    assert printing._coordinates([-4e-146, 1.5, 1e-9]) == ["0", "1.5", "1e-09"]


def test_the_backend_can_be_chosen(capsys, write, monkeypatch):
    from theory.continuation import phcpy_backend

    def missing(*_):
        raise phcpy_backend.BackendError("phcpy is not installed")

    path = write(CIRCLE)
    monkeypatch.setattr(phcpy_backend, "solve", missing)
    assert len(as_json(capsys, "solve", path, "--backend", "native")["solutions"]) == 4
    assert run(capsys, "solve", path, "--backend", "phcpy") == (2, "", "theory: phcpy is not installed\n")
    assert (
        "backend must be one of 'native', 'phcpy', got 'matlab'" in run(capsys, "solve", path, "--backend", "matlab")[2]
    )


def test_a_written_certificate_is_checked_and_a_changed_one_refused(capsys, write):
    system = PolynomialSystem.parse(CIRCLE)
    text = certify(system, [[1, 2]]).to_json()
    assert "1 regular zero proved: 1 distinct, 1 real" in as_json(capsys, "check-certificate", write(text))["proved"]
    nothing = certify(system, [[7, 7]]).to_json()
    assert run(capsys, "check-certificate", write(nothing)) == (
        2,
        "",
        "theory: the certificate proves nothing: none of its points is certified\n",
    )
    moved = json.loads(text)
    moved["system"] = moved["system"].replace("5", "6")
    code, out, err = run(capsys, "check-certificate", write(json.dumps(moved)))
    assert (code, out) == (2, "")
    assert err.count("\n") == 1


def test_claims_are_listed_and_verified(capsys):
    listed = as_json(capsys, "claims")
    assert "hessian-cases" in [claim["id"] for claim in listed]
    claim = as_json(capsys, "verify", "permutations")
    assert (claim["id"], claim["verdict"]) == ("permutations", "holds")
    two = as_json(capsys, "verify", "permutations", "hessian-cases")
    assert [claim["id"] for claim in two] == ["permutations", "hessian-cases"]


def test_verify_exits_1_only_where_a_statement_fails(capsys, monkeypatch):
    from dataclasses import replace

    from theory import claims

    holds = claims.verify("permutations")
    for verdict, expected in (("holds", 0), ("inconclusive", 0), ("fails", 1)):
        changed = replace(holds, verdict=verdict, printed_verdict="fails")
        monkeypatch.setattr(claims, "verify_all", lambda *_, changed=changed, **__: [changed])
        assert run(capsys, "verify", "permutations")[0] == expected


@pytest.mark.parametrize(
    "arguments",
    [
        ("bounds", "--widths", "2,3,1", "--data", "6"),
        ("solve", "SYSTEM"),
        ("zero-set", "SYSTEM"),
        ("claims",),
        ("neurovariety", "--widths", "2,2,1"),
        ("verify", "permutations"),
    ],
    ids=lambda a: a[0],
)
def test_tables_are_shown_without_json(capsys, write, arguments):
    path = write(CIRCLE)
    code, out, err = run(capsys, *(path if a == "SYSTEM" else a for a in arguments))
    assert (code, err) == (0, "")
    assert "│" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("verify", "zero-set-dimensions"), "did you mean zero-set-dimension"),
        (("solve", "no such file"), "cannot read no such file: No such file or directory"),
        (("solve", "."), "cannot read .: Is a directory"),
        (("bounds", "--widths", "2,-3,1", "--data", "4"), "-3"),
        (("bounds", "--widths", "2,x,1", "--data", "4"), "whole numbers separated by commas"),
        (("bounds", "--widths", "2,3,1"), "--data"),
        (("bounds", "--widths", "2,3,1", "--data", "0"), "--data"),
        (("bounds", "--widths", "2,3,1", "--degree", "-2", "--data", "2"), "degree"),
        (("bounds", "--net", "resnet", "--data", "5"), "theory2-cnn"),
        (("bounds", "--data", "5"), "give one of FILE, --widths and --net"),
        (("bounds", "FILE", "--data", "5"), "--data cannot be combined with FILE"),
        (
            ("bounds", "FILE", "--degree", "3", "--no-bias"),
            "--degree and --bias/--no-bias cannot be combined with FILE",
        ),
        (
            ("bounds", "--net", "theory2-cnn", "--no-bias", "--data", "5"),
            "--bias/--no-bias cannot be combined with --net",
        ),
        (("neurovariety",), "give --widths"),
        (("neurovariety", "--widths", "2,5-3,1"), "whole numbers or ranges separated by commas"),
        (("neurovariety", "--widths", "2,1-,1"), "whole numbers or ranges separated by commas"),
        (("neurovariety", "--widths", "2,0-3,1"), "above 0, got 0"),
        (("neurovariety", "--widths", "2,-3,1"), "above 0, got -3"),
        (("neurovariety", "--widths", "1-9999,1-9999,1"), "at most 10,000 networks, got 99,980,001"),
        (("neurovariety", "--widths", "1-99999999999999999999,1"), "whole numbers or ranges"),
        (("neurovariety", "--widths", "2,1", "--max-points", "3"), "--max-points belongs to --count"),
        (("neurovariety", "--widths", "2,3,1", "--degree", "1000000"), "at most 100,000, got 1000000"),
        (
            ("neurovariety", "--widths", "2,3,1", "--degree", "2000"),
            "up to degree 1,000 in the inputs, this one has 2,000",
        ),
        (("neurovariety", "--widths", "20,200,20"), "up to 4,000,000 entries"),
        (("no-such-command",), "no-such-command"),
        (("solve", "--no-such-option"), "--no-such-option"),
        (("verify", "permutations", "--seed", "-1"), "--seed"),
    ],
    ids=lambda a: " ".join(a) if isinstance(a, tuple) else None,
)
def test_bad_arguments_give_one_line_and_exit_2(capsys, arguments, message):
    code, out, err = run(capsys, *arguments)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("theory: ")
    assert message in err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "number of equations"),
        ("hello", "number of equations"),
        ("1\n__import__('os').system('x');", "line 2"),
        ("2\nx + y;\n3;", "constant 3"),
        ("1\n1;", "equation 1 is the constant 1 and cannot vanish: the system is inconsistent"),
        ("1\n0;", "equation 1 is identically 0"),
        ("2\nx + y - 1;", "2"),
        ("1\nx^(y);", "line 2"),
        ("1\nsin(x);", "line 2"),
        ("1\nx + nan*0;\nx", "line"),
    ],
)
@pytest.mark.parametrize("command", ["solve", "zero-set", "bounds"])
def test_files_that_are_no_system_give_one_line_and_exit_2(capsys, write, command, text, message):
    code, out, err = run(capsys, command, write(text))
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert message in err


@pytest.mark.parametrize(
    ("text", "message"),
    [("[" * 100_000, "nested too deeply"), ("hello", "one JSON object"), ("[1]", "not a certificate")],
)
def test_what_is_no_certificate_is_one_line_and_exit_2(capsys, write, text, message):
    code, out, err = run(capsys, "check-certificate", write(text))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


@pytest.mark.parametrize("point", ["1 nan", "1", "[1, NaN]", "1 two", "[" * 100_000])
def test_bad_points_give_one_line_and_exit_2(capsys, write, point):
    code, _, err = run(capsys, "degeneracy", write(PARABOLA), "--point", write(point, "point.txt"))
    assert code == 2
    assert err.count("\n") == 1


def test_too_few_paths_allowed_is_refused_with_the_count(capsys, write):
    code, _, err = run(capsys, "zero-set", write(CIRCLE), "--max-paths", "3")
    assert code == 2
    assert "needs 6 paths" in err
    code, _, err = run(capsys, "solve", write(CIRCLE), "--max-paths", "3")
    assert code == 2
    assert "4" in err


def test_an_underdetermined_system_is_sent_to_zero_set(capsys, write):
    code, _, err = run(capsys, "solve", write(PARABOLA))
    assert code == 2
    assert "zero_set" in err


def test_an_interrupt_is_one_line_and_exit_130(capsys, write, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "read_system", interrupted)
    code, out, err = run(capsys, "solve", "any")
    assert (code, out) == (130, "")
    assert err.strip() == "theory: interrupted"


def test_standard_input_and_a_closed_pipe():
    command = [sys.executable, "-m", "theory", "solve", "-", "--json"]
    answer = subprocess.run(command, input=CIRCLE, capture_output=True, text=True, check=True)
    assert len(json.loads(answer.stdout)["solutions"]) == 4
    script = '"$0" -m theory claims --json | head -c 5'
    piped = subprocess.run(["sh", "-c", script, sys.executable], capture_output=True, text=True, check=True)
    assert piped.stderr == ""


def test_help_answers_without_loading_anything_heavy():
    code = "import sys, theory.__main__ as m\ntry: m.main(['--help'])\nexcept SystemExit: pass\n"
    code += "print(*sorted({'numpy', 'sympy', 'numba', 'scipy', 'torch', 'rich'} & set(sys.modules)), file=sys.stderr)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "zero-set" in answer.stdout
    assert answer.stderr.strip() == ""


def test_solve_starts_fast_because_it_loads_neither_sympy_nor_torch(write):
    code = f"import sys, theory.__main__ as m\nm.main(['solve', {write(CIRCLE)!r}, '--json'])\n"
    code += "print(*sorted({'sympy', 'torch', 'flint', 'joblib', 'rich'} & set(sys.modules)), file=sys.stderr)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert len(json.loads(answer.stdout)["solutions"]) == 4
    assert answer.stderr.strip() == ""
