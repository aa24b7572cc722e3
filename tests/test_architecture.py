"""The map of the README, enforced: who imports whom, and what an import costs."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import theory

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted([*ROOT.glob("theory/**/*.py"), *ROOT.glob("empirical/**/*.py")])


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in FILES}


def imports(path: Path, everywhere: bool = False) -> set[str]:
    """Modules that a file imports at its top level (or everywhere), blocks for type checkers left out."""
    found: set[str] = set()
    stack: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports are absolute"
            for alias in node.names:
                longer = f"{node.module}.{alias.name}"
                found.add(longer if longer in MODULES else str(node.module))
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            stack += node.orelse
            continue
        if everywhere or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            stack += ast.iter_child_nodes(node)
    return found


def package(name: str) -> str:
    return name.partition(".")[0]


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_theory_never_imports_empirical(path):
    if path.is_relative_to(ROOT / "theory"):
        assert not {name for name in imports(path, everywhere=True) if package(name) == "empirical"}


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_only_plotting_imports_matplotlib(path):
    if path != ROOT / "empirical" / "plotting.py":
        assert "matplotlib" not in {package(name) for name in imports(path, everywhere=True)}


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_theory_imports_torch_inside_functions_only(path):
    if path.is_relative_to(ROOT / "theory"):
        assert not {"torch", "torchvision"} & {package(name) for name in imports(path)}


def test_top_level_imports_have_an_order_from_the_ground_up():
    """No cycles: a file imports only what can stand above it in one list of all files."""
    graph = {name: {i for i in imports(path) if i in MODULES} for name, path in MODULES.items()}
    placed: set[str] = set()
    while len(placed) < len(graph):
        ready = {name for name in graph if name not in placed and graph[name] <= placed}
        assert ready, f"these import each other: {sorted(set(graph) - placed)}"
        placed |= ready


LAYERS = [  # the lines of the map that other files must respect: a file imports only from its own line or those above
    {"theory.polynomials", "theory.rank", "theory.formats", "theory.parser"},
    {"theory.activations", "theory.systems"},
    {"theory.networks"},
    {"theory.root_counts"},
    {"theory.continuation"},
    {"theory.zero_sets"},
    {"theory.local_geometry", "theory.critical_points"},
    {"theory.claims"},
    {"theory.__main__"},
]


def layer(name: str) -> int | None:
    for number, members in enumerate(LAYERS):
        if any(name == member or name.startswith(member + ".") for member in members):
            return number
    return None


@pytest.mark.parametrize("path", [p for p in FILES if layer(module_name(p)) is not None], ids=module_name)
def test_a_line_of_the_map_imports_nothing_from_below(path):
    own = layer(module_name(path))
    below = {name for name in imports(path) if (other := layer(name)) is not None and other > own}
    assert not below


@pytest.mark.parametrize("path", [p for p in FILES if p.is_relative_to(ROOT / "theory" / "claims")], ids=module_name)
def test_claims_do_not_lean_on_each_other(path):
    allowed = {"theory.claims.claim", "theory.claims.zero_set_dimension"}  # the second for its networks and data
    others = {name for name in imports(path) if name.startswith("theory.claims.")}
    assert others <= allowed | {module_name(path)}


def test_no_module_bears_the_name_of_a_public_function():
    public = set(theory.__all__)
    empirical = ast.parse((ROOT / "empirical" / "__init__.py").read_text(encoding="utf-8"))
    public |= {node.value for node in ast.walk(empirical) if isinstance(node, ast.Constant) and node.value in _NAMES}
    by_the_map = {"theory.continuation.solve", "theory.continuation.certify"}
    named_by_id = ("theory.claims.", "empirical.experiments.")  # a claim's file bears the claim's id
    others = {name for name in MODULES if not name.startswith(named_by_id) and name not in by_the_map}
    clashes = {name for name in others if name.rpartition(".")[2] in public}
    assert not clashes


_NAMES = {"load_data", "run", "surface", "compare", "list_experiments", "PlainCNN", "SmallNet"}


def test_every_public_name_can_be_loaded():
    for name in theory.__all__:
        assert getattr(theory, name) is not None


def test_import_theory_loads_no_heavy_library():
    code = "import sys, theory; print(*sorted({'torch', 'matplotlib', 'sympy', 'numba', 'scipy'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout.strip() == ""


def test_the_map_in_the_readme_names_every_module():
    described = set(re.findall(r"\w+", (ROOT / "README.md").read_text(encoding="utf-8")))
    by_claim = ("theory.claims.", "empirical.experiments.")
    names = {name.rpartition(".")[2] for name in MODULES if not name.startswith(by_claim)}
    assert {name for name in names if not name.startswith("__")} <= described
