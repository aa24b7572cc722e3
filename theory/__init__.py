"""What the claims predict, computed: polynomial networks, root counts, path tracking, zero sets, degeneracy, proof.

Everything public is a name of this module, loaded when it is first used, so that `import theory` stays fast and needs
neither torch nor matplotlib.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "PolynomialActivation": "activations",
    "monomial": "activations",
    "relu_approximation": "activations",
    "relu_degree": "activations",
    "PolynomialSystem": "systems",
    "PolynomialNetwork": "networks",
    "Dense": "layers",
    "Flatten": "layers",
    "Normalise": "layers",
    "Convolution": "image_layers",
    "AveragePool": "image_layers",
    "bounds": "root_counts",
    "solve": "continuation.solve",
    "SolutionSet": "continuation.solve",
    "certify": "continuation.certify",
    "Certificates": "continuation.certify",
    "prove_manifold": "continuation.certify",
    "check_certificate": "certificate_files",
    "family": "continuation.families",
    "trace_paths": "continuation.traces",
    "zero_set": "zero_sets",
    "degeneracy": "local_geometry",
    "gram_rank": "gram",
    "local_dimension": "local_geometry",
    "rank_lower_bound": "precise_rank",
    "classify": "critical_points",
    "critical_pieces": "landscapes",
    "Potential": "potentials",
    "Domain": "regions",
    "Box": "regions",
    "Ball": "regions",
    "network_potential": "network_potentials",
    "concentration": "network_potentials",
    "partition": "quadrature",
    "log_partition": "quadrature",
    "mass": "quadrature",
    "marginal": "quadrature",
    "expectation": "quadrature",
    "Claim": "claims.claim",
    "list_claims": "claims",
    "verify": "claims",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'theory' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(import_module(f"theory.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
