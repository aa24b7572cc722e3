"""Text in and out: what is read is exact, what is wrong is said in one line, peers read what is written."""

import shutil
import subprocess
import time
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import known_systems
from theory import formats
from theory.formats import ParseError, parse_system, write_system
from theory.polynomials import GaussianRational, Polynomial
from theory.systems import ConstantEquationError, PolynomialSystem


def terms(text: str) -> dict:
    (polynomial,), _ = parse_system(f"1\n{text};")
    return {e: (c.re, c.im) for e, c in polynomial.terms.items()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2.5e-3*x", {(1,): (Fraction(1, 400), 0)}),
        (".5*x + 1.E1", {(1,): (Fraction(1, 2), 0), (0,): (10, 0)}),
        ("x/3 - 1/3*x + 2/7", {(0,): (Fraction(2, 7), 0), (1,): None}),
        ("-x^2", {(2,): (-1, 0)}),
        ("-(-x)**3", {(3,): (1, 0)}),
        ("x - -1", {(1,): (1, 0), (0,): (1, 0)}),
        ("(x + I)*(x - i)", {(2,): (1, 0), (0,): (1, 0)}),
        ("i^2*x", {(1,): (-1, 0)}),
        ("x/(1 + i)", {(1,): (Fraction(1, 2), Fraction(-1, 2))}),
        ("e*e3 + 2e3", {(1, 1): (1, 0), (0, 0): (2000, 0)}),
        ("(x + y)^2", {(2, 0): (1, 0), (1, 1): (2, 0), (0, 2): (1, 0)}),
        ("x^(2 + 1) + x^2.0 + y^0", {(3, 0): (1, 0), (2, 0): (1, 0), (0, 0): (1, 0)}),
        ("x*\n y\t+\r\n1", {(1, 1): (1, 0), (0, 0): (1, 0)}),
    ],
)
def test_every_form_of_the_grammar_is_read_exactly(text, expected):
    assert terms(text) == {e: c for e, c in expected.items() if c is not None}


def test_unknowns_are_numbered_as_they_appear_even_in_terms_that_cancel():
    _, names = parse_system("2\nz - z + b*a;\n a^2 - e;")
    assert names == ("z", "b", "a", "e")


def test_a_list_of_solutions_after_the_system_is_skipped():
    text = "2\nx + y - 3;\nx*y - 2;\n\nTITLE : two\n\nTHE SOLUTIONS :\n2 2\n====\nsolution 1 :\nt :  1.0 0.0\n"
    assert parse_system(text)[1] == ("x", "y")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: expected the number of equations"),
        ("x^2 - 1;", "line 1: expected the number of equations"),
        ("\x00\x01\xff\xfe", "line 1: expected the number of equations"),
        ("0\n", "0 equations"),
        ("1\n__import__('os').system('x');", "line 2, column 11: expected an operator"),
        ("1\nx'y;", 'line 2, column 2: unexpected character "\'"'),
        ("2\nx - 1\ny - 1;", "line 3, column 1: expected an operator, or ';' to end equation 1, got 'y'"),
        ("1\nx - 1", "got the end of the text"),
        ("2\nx - 1;", "declares 2 equations, but the text has 1"),
        ("1\nx - 1;\ny;", "line 3, column 1: expected the end of the text"),
        ("1 1\nx*y - 1;", "line 2, column 3: unknown 'y' is one more than the 1"),
        ("1 3\nx*y - 1;", "declares 3 unknowns, but only 2 appear: x, y"),
        ("1\nx^-1;", "whole number"),
        ("1\nx^1.5;", "whole number"),
        ("1\nx^y;", "whole number"),
        ("1\nx^i;", "whole number"),
        ("1\nx^2^2;", "parentheses"),
        ("1\n1/x;", "constant other than 0 after '/'"),
        ("1\nx/(1 - 1);", "constant other than 0 after '/', got 0"),
        ("1\n2x;", "expected an operator"),
        ("1\n1.2.3*x;", "expected an operator"),
        ("1\nx +;", "expected a number, an unknown or '(', got ';'"),
        ("1\n(x;", "expected an operator or ')', got ';'"),
        ("1\nx);", "expected an operator, or ';'"),
        ("1\nx^1001;", "degree 1001 is over the limit of 1000"),
        ("1\n(x^999)*x*y;", "degree 1001 is over the limit of 1000"),
        ("1\n(9^99)^9999*x;", "digits"),
        ("1\n1e99999*x;", "exponent"),
        ("1\n" + 5000 * "7" + "*x;", "digits"),
        ("1\n" + 9999 * "(" + "x" + 9999 * ")" + ";", "nested more than"),
        ("1\n(a+b+c+d+e+f+g+h)^99;", "products of terms"),
    ],
)
def test_bad_text_is_refused_in_one_line_that_says_where(text, said):
    started = time.process_time()
    with pytest.raises(ParseError) as caught:
        PolynomialSystem.parse(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200
    assert time.process_time() - started < 20


@pytest.mark.parametrize("text", ["1\nx - x;", "2\nx;\n0*x + 1;", "1\n3 + 0*x;"])
def test_a_constant_equation_is_refused(text):
    with pytest.raises(ConstantEquationError):
        PolynomialSystem.parse(text)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="012 xyieE.*/+-^();\n_", max_size=40))
def test_any_text_is_either_read_or_refused_by_a_parse_error(text):
    try:
        polynomials, names = parse_system("1\n" + text)
    except ParseError:
        return
    assert len(polynomials) == 1
    assert polynomials[0].n_variables == len(names)


NUMBERS = st.fractions(max_denominator=10**6) | st.floats(-1e9, 1e9).map(Fraction)
COEFFICIENTS = st.builds(GaussianRational, NUMBERS, NUMBERS | st.just(Fraction(0))).filter(bool)
POLYNOMIALS = st.dictionaries(st.tuples(*[st.integers(0, 5)] * 3), COEFFICIENTS, max_size=6).map(
    lambda found: Polynomial(found, 3)
)


@settings(max_examples=100, deadline=None)
@given(st.lists(POLYNOMIALS, min_size=1, max_size=4))
def test_reading_what_was_written_gives_the_same_system(polynomials):
    names = ("b", "a", "w1_2")
    read, read_names = parse_system(write_system(polynomials, names, "phcpack"))
    assert read_names == names
    assert read == tuple(polynomials)


@pytest.mark.parametrize("known", known_systems.ISOLATED, ids=lambda known: known.name)
def test_known_systems_survive_the_round_trip(known):
    again = PolynomialSystem.parse(known.system.to_text("phcpack"))
    assert again.polynomials == known.system.polynomials
    assert again.names == known.system.names


def test_large_systems_are_read_in_milliseconds():
    text = "\n".join([known_systems.EVERY[name].system.to_text() for name in ("cyclic-7",)])
    parse_system(text)
    started = time.process_time()
    parse_system(text)
    assert time.process_time() - started < 0.1


@pytest.mark.parametrize("format", ["phcpack", "bertini", "macaulay2", "julia", "msolve"])
def test_names_that_a_program_cannot_take_are_replaced_consistently(format):
    names = ("i", "e", "w1_1_1", "I", "E", "im", "x1")
    polynomials = [Polynomial.variable(k, 7) * Polynomial.variable((k + 1) % 7, 7) - 1 for k in range(7)]
    text = write_system(polynomials, names, format)
    written = formats.legal_names(names, format)
    assert len(set(written)) == 7
    assert written[6] == "x1"  # a name that is free stays
    assert all(
        f"{a}*{b}" in text or f"{b}*{a}" in text for a, b in zip(written, (*written[1:], written[0]), strict=True)
    )


def test_msolve_gets_integers_and_refuses_complex_coefficients():
    (polynomial,), names = parse_system("1\nx/3 - y/4 + 1;")
    assert "4*x - 3*y + 12" in write_system([polynomial], names, "msolve")
    (polynomial,), names = parse_system("1\nx - i;")
    with pytest.raises(ValueError, match="real rational coefficients"):
        write_system([polynomial], names, "msolve")


def test_an_unknown_format_is_refused_with_the_list_of_known_ones():
    with pytest.raises(ValueError, match=r"phcpack.*julia.*got 'latex'"):
        write_system([Polynomial.variable(0, 1)], ("x",), "latex")


SMALL = "2\n(1/3)*x^2*e + i*x - 2.5;\nx - 2*e + 1/7;"


@pytest.mark.skipif(shutil.which("phc") is None, reason="PHCpack's phc is not installed")
def test_phcpack_reads_what_is_written_for_it(tmp_path):
    (tmp_path / "in").write_text(PolynomialSystem.parse(SMALL).to_text("phcpack"))
    subprocess.run(["phc", "-b", "in", "out"], cwd=tmp_path, check=True, timeout=60, capture_output=True)
    answer = (tmp_path / "in").read_text()  # phc appends its solutions there
    assert answer.count("== err") == 3
    assert parse_system(answer) == parse_system(PolynomialSystem.parse(SMALL).to_text("phcpack"))


@pytest.mark.skipif(shutil.which("M2") is None, reason="Macaulay2 is not installed")
def test_macaulay2_reads_what_is_written_for_it(tmp_path):
    program = PolynomialSystem.parse("2\nx^2*e - 1/3*x + 2.5;\nx - 2*e + 1/7;").to_text("macaulay2")
    (tmp_path / "in.m2").write_text(program + "print degree ideal F\nexit 0\n")
    done = subprocess.run(["M2", "--script", "in.m2"], cwd=tmp_path, timeout=120, capture_output=True, text=True)
    assert done.stdout.strip() == "3", done.stderr


def test_long_whole_numbers_become_decimals_for_phcpack_where_those_are_exact():
    text = "1\n10000000000000000000000000*x^2 - 3/100000000000000000000000*x + 123456789012345678901234567;\n"
    names, polynomial = ("x",), parse_system(text)[0][0]
    written = write_system([polynomial], names, "phcpack")
    assert "1E+25*x^2" in written
    assert "3E-23*x" in written
    assert "123456789012345678901234567" in written
    assert parse_system(written)[0][0].terms == polynomial.terms
    assert "10000000000000000000000000" in write_system([polynomial], names, "macaulay2")


@pytest.mark.parametrize(
    "text", ["\ufeff1\nx^2 - 2;", "1\nx^2 - 2; THE SOLUTIONS :\n1 1\n", "1\nx^2 - 2;\nTHE SOLUTIONS :\n1 1"]
)
def test_byte_order_marks_and_appended_solutions_are_skipped(text):
    assert PolynomialSystem.parse(text).to_text() == PolynomialSystem.parse("1\nx^2 - 2;").to_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\nx - 1e100000;", "exponent of 1e100000 is over"),
        ("1\nx - nan;", "finite number or an unknown, got 'nan'"),
        ("1\nx - inf;", "finite number or an unknown, got 'inf'"),
    ],
)
def test_numbers_that_are_too_large_or_none_say_so(text, message):
    with pytest.raises(ValueError, match=message):
        PolynomialSystem.parse(text)


@pytest.mark.parametrize("name", ["variable_group", "function", "END", "sin", "constant"])
def test_words_of_bertini_are_no_names_there(name):
    assert name not in formats.legal_names([name, "y"], "bertini")
