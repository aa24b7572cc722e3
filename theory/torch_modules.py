"""Networks as torch modules and back; torch is imported only inside these functions."""

import copy
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from theory.activations import PolynomialActivation
from theory.layers import Activate, Dense, Layer


@cache
def _module_class() -> type:
    from torch import Tensor, nn

    class Polynomial(nn.Module):
        """A PolynomialActivation as a module; `activation` holds it."""

        def __init__(self, activation: PolynomialActivation) -> None:
            super().__init__()
            self.activation = activation

        def forward(self, z: Tensor) -> Tensor:
            return self.activation(z)

        def extra_repr(self) -> str:
            return repr(self.activation)

    return Polynomial


def to_module(layers: Sequence[Layer], slices: Sequence[slice], w: np.ndarray) -> Any:
    """A torch Sequential of Linear (float64) and activation modules with the real weights w (K,)."""
    import torch

    modules: list[torch.nn.Module] = []
    for layer, place in zip(layers, slices, strict=True):
        if isinstance(layer, Activate):
            modules.append(_module_class()(layer.activation))
            continue
        assert isinstance(layer, Dense)
        linear = torch.nn.utils.skip_init(
            torch.nn.Linear, layer.n_inputs, layer.n_outputs, bias=layer.bias, dtype=torch.float64
        )  # its own initialisation would advance torch's global generator
        torch.nn.utils.vector_to_parameters(torch.tensor(w[place]), linear.parameters())
        modules.append(linear)
    return torch.nn.Sequential(*modules)


def from_module(module: Any) -> tuple[list[Layer | PolynomialActivation], np.ndarray]:
    """Layers and weights (K,) of a torch module of Linear layers and modules with a PolynomialActivation `activation`.

    Containers are opened, in the order of their children; Identity and Flatten do nothing here. Raises TypeError for
    other modules.
    """
    import torch

    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"from_torch takes a torch module, got {type(module).__name__}")
    layers: list[Layer | PolynomialActivation] = []
    parts: list[np.ndarray] = []
    for leaf in module.modules():
        activation = getattr(leaf, "activation", None)
        if isinstance(leaf, torch.nn.Linear):
            layers.append(Dense(leaf.in_features, leaf.out_features, leaf.bias is not None))
            parts += [p.detach().cpu().to(torch.float64).numpy().ravel() for p in leaf.parameters()]
        elif isinstance(activation, PolynomialActivation):
            layers.append(activation)
        elif not isinstance(leaf, torch.nn.Identity | torch.nn.Flatten) and not list(leaf.children()):
            raise TypeError(
                f"from_torch takes Linear layers and polynomial activations, got {leaf}; "
                "relu_approximation gives a polynomial close to ReLU"
            )
    return layers, np.concatenate(parts) if parts else np.zeros(0)


def module_outputs(module: Any, w: np.ndarray, x: np.ndarray, n_outputs: int) -> np.ndarray:
    """What a float64 copy of the module with the weights w (K,) gives at inputs x (N, inputs): (N, n_outputs).

    Raises ValueError where it has not K parameters, and where it does not give N outputs for such inputs.
    """
    import torch

    twin = copy.deepcopy(module).cpu().double().eval()
    count = sum(parameter.numel() for parameter in twin.parameters())
    if count != len(w):
        raise ValueError(
            f"this module has {count} parameters, its Linear layers {len(w)}: the others have no place here"
        )
    torch.nn.utils.vector_to_parameters(torch.tensor(w), twin.parameters())
    try:
        with torch.no_grad():
            outputs = twin(torch.tensor(x)).numpy()
    except (RuntimeError, TypeError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"this module does not take a float64 tensor of shape {x.shape}: {reason}") from error
    if outputs.shape != (len(x), n_outputs):
        raise ValueError(
            f"this module gives outputs of shape {outputs.shape} where its layers give {(len(x), n_outputs)}"
        )
    return outputs
