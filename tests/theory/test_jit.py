"""What numba keeps on disk is compiled anew when a file changes whose functions or constants are compiled into it."""

from pathlib import Path

import pytest

from theory import jit
from theory.continuation import lanes


@pytest.fixture
def package(tmp_path):
    """top.py imports from middle.py, that from low.py (all compile), low.py from plain.py, and that from far.py."""
    folder = tmp_path / "theory"
    folder.mkdir()
    chain = ["top", "middle", "low", "plain", "far"]
    for name, following in zip(chain, [*chain[1:], None], strict=True):
        compiles = "@njit(cache=True)\n" if name in ("top", "middle", "low") else ""
        line = f"from theory.{following} import f\n" if following else ""
        (folder / f"{name}.py").write_text(f"import os\n{line}{compiles}def f(): return 1\n")
    return folder


@pytest.mark.parametrize(
    ("changed", "stale"), [("top", True), ("middle", True), ("low", True), ("plain", True), ("far", False)]
)
def test_a_digest_changes_with_every_file_that_is_compiled_in(package, changed, stale):
    before = jit.sources_digest(package / "top.py", package.parent)
    (package / f"{changed}.py").write_text((package / f"{changed}.py").read_text().replace("return 1", "return 2"))
    for known in (jit._read, jit.sources_digest):
        known.cache_clear()
    assert (jit.sources_digest(package / "top.py", package.parent) != before) == stale


@pytest.mark.skipif(jit.ENGINE != "numba", reason="nothing is compiled without numba")
def test_what_is_kept_of_the_tracker_carries_the_digest_of_its_sources():
    kept = [f for f in vars(lanes).values() if hasattr(f, "py_func") and f.targetoptions.get("cache", True)]
    stamps = {f._cache._cache_file._source_stamp[1] for f in kept if f.py_func.__module__ == lanes.__name__}
    assert stamps == {jit.sources_digest(Path(lanes.__file__))}
