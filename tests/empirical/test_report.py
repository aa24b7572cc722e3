"""The report: one page that opens from disk, every claim on it, values as a person would write them."""

import json
import re
import subprocess
import sys
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path

import pytest

from empirical.report import Report, Row, compare, page
from theory.claims.claim import Case, Claim, Control


def a_claim(side="theory", agrees=True, passed=True, **fields):
    return Claim.from_cases(
        [Case("K = 5, N = 3", 2, 2, agrees), Case("K = 7, N = 3", Fraction(1, 3), [1.25, None], True)],
        Control("Labels <swapped> & broken.", "fails", "fails", passed),
        id="zero-set-dimension",
        side=side,
        statement="Zero sets have dimension K − N",
        source="R §3",
        tolerance="exact",
        seed=0,
        **fields,
    )


class Collector(HTMLParser):
    def __init__(self):
        super().__init__()
        self.addresses = []

    def handle_starttag(self, tag, attrs):
        self.addresses += [value for name, value in attrs if name in ("src", "href")]


def test_page_fetches_nothing_and_escapes_text(tmp_path):
    png = tmp_path / "curve.png"
    png.write_bytes(b"\x89PNG fake")
    report = Report(
        (Row("zero-set-dimension", a_claim(), a_claim("empirical"), (png,)),), tmp_path / "r.html", "smoke", 0
    )
    text = page.render(report, "2026-01-01")
    collector = Collector()
    collector.feed(text)
    assert collector.addresses
    assert all(address.startswith(("data:image/png;base64,", "#")) for address in collector.addresses)
    assert "<script" not in text
    assert "@import" not in text
    assert "Labels &lt;swapped&gt; &amp; broken; expected" in text


def test_page_shows_both_verdicts_and_the_printed_one(tmp_path):
    theory = a_claim(printed_verdict="fails")
    empirical = a_claim("empirical", agrees=None)
    text = page.render(Report((Row("zero-set-dimension", theory, empirical),), tmp_path / "r.html", "smoke", 0), "now")
    badges = re.findall(r'class="badge (\w+)"', text)
    assert badges == ["holds", "inconclusive", "holds", "fails", "inconclusive"]  # summary, then the two sides


def test_a_control_that_passes_leaves_no_verdict():
    assert a_claim(passed=False).verdict == "inconclusive"
    assert a_claim(agrees=False, passed=False).verdict == "fails"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (True, "yes"),
        (0.123456, "0.1235"),
        (247_709.815, "247,709.8"),
        (Fraction(1, 3), "1/3"),
        (2**100_000, "an integer of 100001 bits"),
        ({"a": [1, 2]}, "a: 1, 2"),
        (list(range(20)), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, … (20 in all)"),
    ],
    ids=["nothing", "yes", "float", "large", "fraction", "huge", "mapping", "long list"],
)
def test_values_are_written_for_people(value, text):
    assert page.short(value) == text


def test_an_unknown_claim_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="no claim is called 'besout'"):
        compare(["besout"], out=tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_compare_writes_page_claims_and_figures(tmp_path):
    seen = []
    report = compare(
        ["bezout", "wide-minimum"], out=tmp_path, progress=lambda done, total, text: seen.append((done, total, text))
    )
    assert report.path.read_text(encoding="utf-8").startswith("<!doctype html>")
    content = json.loads((tmp_path / "claims.json").read_text(encoding="utf-8"))
    assert [claim["id"] for claim in content["claims"]] == ["bezout", "wide-minimum", "wide-minimum"]
    assert {path.suffix for path in (tmp_path / "figures").iterdir()} == {".png", ".svg"}
    assert report.path.read_text(encoding="utf-8").count("data:image/png;base64,") == len(report.rows[1].figures) > 0
    assert all((tmp_path / name).exists() for claim in content["claims"] for name in claim["artifacts"])
    assert content["claims"][0]["verdict"] in ("holds", "fails", "inconclusive")
    assert seen[-1][:2] == (3, 3)
    assert not list(Path(tmp_path).glob("*.partial"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ids": ["bezout"], "preset": "bar"}, "unknown preset 'bar'"),
        ({"ids": []}, "no claim is asked for"),
        ({"ids": "besout"}, "no claim is called 'besout'"),
    ],
    ids=["preset", "nothing", "one id"],
)
def test_bad_requests_are_refused_before_anything_is_written(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        compare(**arguments, out=tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "report").write_text("")
    with pytest.raises(ValueError, match="cannot be written"):
        compare(["bezout"], out=tmp_path / "report")


def test_a_plain_script_needs_no_guard(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import empirical as em\nprint(len(em.compare(['bezout', 'permutations'], out='report').rows))\n")
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2"]
