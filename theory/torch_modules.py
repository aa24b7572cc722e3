"""Networks as torch modules and back; torch is imported only inside these functions."""

import copy
import math
import sys
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from theory.activations import PolynomialActivation
from theory.image_layers import AveragePool, Convolution, checked_shape
from theory.layers import Activate, Dense, Flatten, Layer, Normalise, Shape
from theory.network_equations import NetworkEquations

if TYPE_CHECKING:
    from theory.networks import PolynomialNetwork

_MORE_PIXELS = 8  # tried beyond the smallest images that fit
MAX_SIDE = 256  # of images that are tried on a module which does not say what it takes
_SMALL = 20_000  # weights up to which a module is checked at 64 inputs; beyond, at 8
_ROUNDING = 1e-10  # relative to the sum of absolute terms: what two orders of evaluation in float64 may differ by


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


# ---- from layers to a module


def to_module(layers: Sequence[Layer], slices: Sequence[slice], w: np.ndarray) -> Any:
    """A torch Sequential (float64, in eval mode where that matters) with the real weights w (K,)."""
    import torch

    modules: list[torch.nn.Module] = []
    for layer, place in zip(layers, slices, strict=True):
        module = _module(layer)
        if layer.n_weights:
            torch.nn.utils.vector_to_parameters(torch.tensor(w[place]), module.parameters())
        modules.append(module)
    return torch.nn.Sequential(*modules)


def _module(layer: Layer) -> Any:
    from torch import float64, nn

    init, double = nn.utils.skip_init, {"dtype": float64}  # the usual initialisation would advance global randomness
    if isinstance(layer, Dense):
        return init(nn.Linear, layer.n_inputs, layer.n_outputs, bias=layer.bias, **double)
    if isinstance(layer, Convolution):
        sizes = (layer.kernel_size, layer.stride, layer.padding)
        return init(nn.Conv2d, layer.in_channels, layer.out_channels, *sizes, bias=layer.bias, **double)
    if isinstance(layer, AveragePool):
        return nn.AvgPool2d(layer.kernel_size, layer.stride)
    if isinstance(layer, Flatten):
        return nn.Flatten()
    if isinstance(layer, Normalise):
        return _batch_norm(layer)
    assert isinstance(layer, Activate)
    return _module_class()(layer.activation)


def _batch_norm(layer: Normalise) -> Any:
    """Batch normalisation with the statistics that give this map. It has positive scales only; ValueError otherwise."""
    import torch
    from torch import nn

    if min(layer.scale) <= 0:
        raise ValueError("batch normalisation has positive scales only: this network has no torch module")
    kind = nn.BatchNorm2d if len(layer.input_shape) == 3 else nn.BatchNorm1d
    module = kind(len(layer.scale), eps=0.0, affine=False, dtype=torch.float64).eval()
    scale, shift = (torch.tensor([float(v) for v in values], dtype=torch.float64) for values in _statistics(layer))
    module.running_var, module.running_mean = scale, shift
    return module


def _statistics(layer: Normalise) -> tuple[list[Any], list[Any]]:
    """Variances and means: (x - mean) / sqrt(variance) = scale * x + shift."""
    pairs = list(zip(layer.scale, layer.shift, strict=True))
    return [1 / scale**2 for scale, _ in pairs], [-shift / scale for scale, shift in pairs]


# ---- from a module to layers


def from_module(
    module: Any, input_shape: Sequence[int] | None = None
) -> tuple[list[Layer | PolynomialActivation], np.ndarray]:
    """Layers and weights (K,) of a torch module on inputs of a shape, needed where it begins with a convolution.

    Containers are opened, in the order of their children; Identity does nothing, neither does dropout in eval mode. A
    Linear layer that takes all numbers of an image stands behind a step that makes a row of them, seen or not.
    Raises TypeError for modules that are no layers of a polynomial network, ValueError for those whose options are not
    known here, for batch normalisation and dropout in training mode, and for weights that are not finite.
    """
    import torch

    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"from_torch takes a torch module, got {type(module).__name__}")
    layers: list[Layer | PolynomialActivation] = []
    parts: list[np.ndarray] = []
    shape = None if input_shape is None else checked_shape(input_shape)
    for _, leaf in module.named_modules(remove_duplicate=False):  # one activation may serve several layers
        layer = None if list(leaf.children()) else _layer(leaf, shape)
        if isinstance(layer, PolynomialActivation):
            layers.append(layer)
        elif layer is not None:
            if shape is None:
                shape = _first_shape(layer)
            if isinstance(layer, Dense) and len(shape) > 1 and math.prod(shape) == layer.n_inputs:
                layers += [Flatten(shape)] if layers else []
                shape = layer.input_shape
            layer = layer.placed(shape)
            shape = layer.output_shape
            if layers or not isinstance(layer, Flatten):  # images that are rows at once
                layers.append(layer)
            if layer.n_weights:
                parts += [p.detach().cpu().to(torch.float64).numpy().ravel() for p in leaf.parameters()]
    weights = np.concatenate(parts) if parts else np.zeros(0)
    if not np.isfinite(weights).all():
        raise ValueError("the weights of a module must be finite, got NaN or infinity")
    return layers, weights


def is_module(value: Any) -> bool:
    """Whether this is a torch module; torch is not imported for it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


def fitting_shape(module: Any) -> Shape | None:
    """The smallest square images (channels, height, width) that a module in eval mode takes; None where it takes rows.

    Raises what `from_module` raises where no images of up to MAX_SIDE pixels a side fit.
    """
    from torch import nn

    first = next((leaf for leaf in module.modules() if isinstance(leaf, nn.Conv2d | nn.Linear)), None)
    if not isinstance(first, nn.Conv2d):
        return None
    said: list[str] = []
    for side in range(1, MAX_SIDE + 1):
        try:
            from_module(module, (first.in_channels, side, side))
        except ValueError as error:
            said.append(str(error))
        else:
            return (first.in_channels, side, side)
    if len(set(said)) == 1:  # the size is not what it lacks
        raise ValueError(said[0])
    raise ValueError(
        f"no square images of up to {MAX_SIDE} pixels a side fit this module; with the largest, {said[-1]}"
    )


def outputs_vary(module: Any, shape: Shape, n_outputs: int) -> bool:
    """Whether images of a few pixels more than this shape give another number of outputs."""
    channels, height, width = shape
    for more in range(1, _MORE_PIXELS + 1):
        try:
            layers, _ = from_module(module, (channels, height + more, width + more))
        except ValueError:
            continue
        sizes = [layer.n_outputs for layer in layers if not isinstance(layer, PolynomialActivation)]
        if sizes and sizes[-1] != n_outputs:
            return True
    return False


def _first_shape(layer: Layer) -> Shape:
    if isinstance(layer, Dense):
        return layer.input_shape
    raise ValueError(f"a module that begins with {layer} needs input_shape=(channels, height, width)")


def _layer(leaf: Any, shape: Shape | None) -> Layer | PolynomialActivation | None:
    """The layer that a module without children is, on inputs of a shape where that is known; None for no layer."""
    from torch import nn

    activation = getattr(leaf, "activation", None)
    if isinstance(activation, PolynomialActivation):
        return activation
    if isinstance(leaf, nn.Linear):
        return Dense(leaf.in_features, leaf.out_features, leaf.bias is not None)
    if isinstance(leaf, nn.Conv2d):
        return _convolution(leaf)
    if isinstance(leaf, nn.AvgPool2d):
        _refuse(leaf, ceil_mode=False, divisor_override=None)
        if leaf.padding not in (0, (0, 0)):
            raise ValueError(f"from_torch takes average pooling without padding, got {leaf}")
        return AveragePool(leaf.kernel_size, leaf.stride)
    if isinstance(leaf, nn.AdaptiveAvgPool2d):
        return _adaptive_pool(leaf, shape)
    if isinstance(leaf, nn.BatchNorm1d | nn.BatchNorm2d):
        return _normalise(leaf)
    if isinstance(leaf, nn.Flatten):
        _refuse(leaf, start_dim=1, end_dim=-1)
        return None if shape is None or len(shape) == 1 else Flatten()
    if isinstance(leaf, nn.Dropout | nn.Dropout2d):
        if leaf.training and leaf.p:
            raise ValueError(f"{leaf} in training mode is random: call eval() on the module first")
        return None
    if isinstance(leaf, nn.Identity):
        return None
    raise TypeError(
        "from_torch takes Linear, Conv2d, AvgPool2d, Flatten, BatchNorm and polynomial activations, "
        f"got {leaf}; relu_approximation gives a polynomial close to ReLU"
    )


def _refuse(leaf: Any, **expected: Any) -> None:
    for name, value in expected.items():
        if getattr(leaf, name) != value:
            raise ValueError(f"from_torch takes {type(leaf).__name__} with {name}={value!r}, got {leaf}")


def _convolution(leaf: Any) -> Convolution:
    _refuse(leaf, groups=1, dilation=(1, 1), padding_mode="zeros")
    padding = leaf.padding
    if isinstance(padding, str):
        if padding == "same" and any(size % 2 == 0 for size in leaf.kernel_size):
            raise ValueError(f'from_torch takes padding="same" with kernels of odd size, got {leaf}')
        padding = (0, 0) if padding == "valid" else tuple(size // 2 for size in leaf.kernel_size)
    sizes = (leaf.kernel_size, leaf.stride, padding)
    return Convolution(leaf.in_channels, leaf.out_channels, *sizes, bias=leaf.bias is not None)


def _adaptive_pool(leaf: Any, shape: Shape | None) -> AveragePool:
    if shape is None or len(shape) != 3:
        raise ValueError(f"{leaf} takes images (channels, height, width), got inputs of shape {shape}")
    wanted = leaf.output_size if isinstance(leaf.output_size, tuple) else (leaf.output_size,) * 2
    sizes = [(given, given if out is None else out) for given, out in zip(shape[1:], wanted, strict=True)]
    if any(given % out for given, out in sizes):
        raise ValueError(f"from_torch takes {leaf} where its windows are equal, got images of {shape[1]} x {shape[2]}")
    return AveragePool((sizes[0][0] // sizes[0][1], sizes[1][0] // sizes[1][1]))


def _normalise(leaf: Any) -> Normalise:
    import torch

    if leaf.training or leaf.running_mean is None:
        raise ValueError(
            f"{leaf} takes its statistics from the batch and is not polynomial: call eval() on the module first"
            if leaf.running_mean is not None
            else f"{leaf} keeps no statistics, so that it takes them from the batch and is not polynomial"
        )
    if leaf.affine:
        raise ValueError(f"from_torch takes batch normalisation with affine=False, got {leaf}")
    mean, variance = (v.detach().cpu().to(torch.float64) for v in (leaf.running_mean, leaf.running_var))
    scale = (variance + leaf.eps).rsqrt()
    return Normalise(tuple(scale.tolist()), tuple((-mean * scale).tolist()))


def check_module(module: Any, network: "PolynomialNetwork", weights: np.ndarray) -> None:
    """Raises ValueError where a float64 copy of the module is not the network, with these weights (K,) and with others.

    Compared to rounding, at inputs of size 1/4 to 32.
    """
    rng = np.random.default_rng(0)
    scales = np.repeat(2.0 ** np.arange(-2, 6), 8 if network.n_parameters <= _SMALL else 1)[:, None]
    x = scales * rng.uniform(-1, 1, (len(scales), network.n_inputs))
    for w in (weights, rng.uniform(-1, 1, network.n_parameters)):
        equations = NetworkEquations(network, x, np.zeros((len(x), network.n_outputs)))
        with np.errstate(over="ignore", invalid="ignore"):  # high degrees overflow at the largest inputs
            outputs = _outputs(module, w, x.reshape(len(x), *network.input_shape), network.n_outputs)
            expected = equations.evaluate(w[None])[0]
            differ = np.abs(outputs.ravel() - expected) > _ROUNDING * (1 + equations.magnitude(w[None])[0])
        if differ.any():
            raise ValueError("this module does not compute its layers one after the other in the order of registration")


def _outputs(module: Any, w: np.ndarray, x: np.ndarray, n_outputs: int) -> np.ndarray:
    """What a float64 copy of the module with the weights w (K,) gives at inputs x (N, ...): (N, n_outputs).

    Raises ValueError where it has not K parameters, and where it does not give N outputs for such inputs.
    """
    import torch

    twin = copy.deepcopy(module).cpu().double().eval()
    count = sum(parameter.numel() for parameter in twin.parameters())
    if count != len(w):
        raise ValueError(f"this module has {count} parameters, its layers {len(w)}: the others have no place here")
    torch.nn.utils.vector_to_parameters(torch.tensor(w), twin.parameters())
    try:
        with torch.no_grad():
            outputs = twin(torch.tensor(x)).numpy()
    except (RuntimeError, TypeError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"this module does not take a float64 tensor of shape {x.shape}: {reason}") from error
    if outputs.shape[:1] != (len(x),) or outputs.size != len(x) * n_outputs:
        raise ValueError(
            f"this module gives outputs of shape {outputs.shape} where its layers give {(len(x), n_outputs)}"
        )
    return outputs.reshape(len(x), n_outputs)
