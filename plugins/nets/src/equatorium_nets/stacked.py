"""How several networks of one architecture are computed at once, in the fastest way for its layers.

Dense networks become products of stacked matrices, in which all members share the cost of every
call. Convolutions of small maps become one with a group for each member: ten take a third of the
time. One of large maps keeps a processor busy alone, and members take turns. Whatever else there is
goes through `torch.func.vmap`.
"""

from collections.abc import Callable, Mapping

import torch
from torch import nn
from torch.func import functional_call, vmap

from equatorium_nets.batch_norms import BatchNorm, batch_norm
from equatorium_nets.norms import group_norm

Tensor = torch.Tensor
Forward = Callable[[nn.Sequential, Mapping[str, Tensor], Tensor], Tensor]
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d)
_LARGEST = (nn.MaxPool1d, nn.MaxPool2d)
_POOLS = (*_LARGEST, nn.AvgPool1d, nn.AvgPool2d)
_AVERAGES = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d)
_SMALL = 1024  # numbers of an example of which groups are faster than turns
_BY_ELEMENT = (nn.ReLU, nn.LeakyReLU, nn.Tanh, nn.Sigmoid, nn.SiLU, nn.Identity, nn.Dropout)


def way(plan: nn.Sequential) -> Forward:
    """Return the function (plan, weights (K, ...), examples (K, B, *shape)) -> (K, B, outputs).

    Parameters
    ----------
    plan : Sequential
        The architecture; its own weights are not used.
    """
    if all(isinstance(layer, (nn.Linear, nn.LayerNorm, BatchNorm, *_BY_ELEMENT)) for layer in plan):
        return _dense
    by_channel = (*_CONVOLUTIONS, *_POOLS, *_AVERAGES, nn.GroupNorm, BatchNorm, nn.Flatten)
    known = (*by_channel, nn.Linear, nn.LayerNorm, *_BY_ELEMENT)
    once = sum(isinstance(layer, nn.Flatten) for layer in plan) == 1  # maps before, vectors after
    if once and isinstance(plan[0], _CONVOLUTIONS) and all(isinstance(p, known) for p in plan):
        return _in_groups
    if any(isinstance(part, _CONVOLUTIONS) for part in plan.modules()):
        return _in_turn
    return _mapped


def _dense(plan: nn.Sequential, weights: Mapping[str, Tensor], x: Tensor) -> Tensor:
    for name, layer in plan.named_children():
        x = _stacked(name, layer, weights, x)
    return x


def _stacked(name: str, layer: nn.Module, weights: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """Apply a layer of vectors (K, B, n) with the weights of each member."""
    if isinstance(layer, nn.Linear):
        # In this order the gradient of the weights is laid out as they are, and need not be copied.
        bias = weights[f"{name}.bias"].unsqueeze(2)
        return torch.baddbmm(bias, weights[f"{name}.weight"], x.mT).mT
    if isinstance(layer, nn.LayerNorm):
        x = nn.functional.layer_norm(x, layer.normalized_shape, eps=layer.eps)
        return weights[f"{name}.bias"].unsqueeze(1) + x * weights[f"{name}.weight"].unsqueeze(1)
    if isinstance(layer, BatchNorm):
        side_by_side = x.transpose(0, 1).flatten(1)
        out = batch_norm(side_by_side, *_side_by_side(name, weights), layer.training)
        return out.view(-1, len(x), x.shape[-1]).transpose(0, 1)
    out: Tensor = layer(x)
    return out


def _side_by_side(name: str, weights: Mapping[str, Tensor]) -> list[Tensor]:
    """Return the numbers of a batch norm, (K channels,): views, of which averages are changed."""
    parts = ("running_mean", "running_var", "weight", "bias")
    return [weights[f"{name}.{part}"].flatten() for part in parts]


def _in_groups(plan: nn.Sequential, weights: Mapping[str, Tensor], x: Tensor) -> Tensor:
    k = len(x)
    if k == 1 or x[0, 0].numel() > _SMALL:
        return _in_turn(plan, weights, x)
    x = x.transpose(0, 1).flatten(1, 2)  # (B, K channels, ...): the members' maps side by side
    if x.ndim == 4:
        x = x.contiguous(memory_format=torch.channels_last)
    maps = True
    for name, layer in _in_order(plan):
        if maps and isinstance(layer, BatchNorm):
            x = batch_norm(x, *_side_by_side(name, weights), layer.training)
        elif isinstance(layer, (*_CONVOLUTIONS, nn.GroupNorm)):
            own = [weights[f"{name}.{part}"].flatten(0, 1) for part in ("weight", "bias")]
            if isinstance(layer, nn.GroupNorm):
                x = group_norm(x, k * layer.num_groups, *own, layer.eps)
            else:
                convolve = nn.functional.conv1d if x.ndim == 3 else nn.functional.conv2d
                x = convolve(x, *own, layer.stride, layer.padding, 1, k)
        elif isinstance(layer, nn.Flatten):
            x, maps = x.unflatten(1, (k, -1)).flatten(2).transpose(0, 1), False
        else:
            x = _stacked(name, layer, weights, x)
    return x


def _in_turn(plan: nn.Sequential, weights: Mapping[str, Tensor], x: Tensor) -> Tensor:
    if x.ndim == 5:  # poolings are several times faster with the channels last
        x = x.flatten(0, 1).contiguous(memory_format=torch.channels_last).view(x.shape)
    # The gradient of a squeezed axis is a view, that of an unbound one a copy.
    alone = len(x) == 1
    parts = [(w.squeeze(0),) if alone else w.unbind() for w in weights.values()]
    each = zip(*parts, strict=True)
    found = []
    for own, rows in zip(each, x, strict=True):
        named = dict(zip(weights, own, strict=True))
        for name, layer in _in_order(plan):
            rows = _layer(name, layer, named, rows)
        found.append(rows)
    return torch.stack(found)


def _in_order(plan: nn.Sequential) -> list[tuple[str, nn.Module]]:
    """Return the layers by name, poolings before what never falls: a quarter of it is left to do.

    The largest number of a window stays the largest, and the answer is the same.
    """
    found = list(plan.named_children())
    for i in range(1, len(found)):
        if isinstance(found[i][1], _LARGEST) and _never_falls(found[i - 1][1]):
            found[i - 1 : i + 1] = found[i], found[i - 1]
    return found


def _never_falls(layer: nn.Module) -> bool:
    if isinstance(layer, nn.LeakyReLU):
        return layer.negative_slope >= 0
    return isinstance(layer, (nn.ReLU, nn.Tanh, nn.Sigmoid))


def _layer(name: str, layer: nn.Module, weights: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """Apply one layer with its weights; `functional_call` on all of them costs a tenth more."""
    if isinstance(layer, nn.Linear):
        return nn.functional.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])
    if isinstance(layer, nn.GroupNorm):
        own = (weights[f"{name}.weight"], weights[f"{name}.bias"])
        return nn.functional.group_norm(x, layer.num_groups, *own, layer.eps)
    if isinstance(layer, nn.Conv2d):
        own = (weights[f"{name}.weight"], weights[f"{name}.bias"])
        return nn.functional.conv2d(x, *own, layer.stride, layer.padding)
    own = {key[len(name) + 1 :]: w for key, w in weights.items() if key.startswith(f"{name}.")}
    out: Tensor = functional_call(layer, own, (x,)) if own else layer(x)
    return out


def _mapped(plan: nn.Sequential, weights: Mapping[str, Tensor], x: Tensor) -> Tensor:
    def one(own: Mapping[str, Tensor], rows: Tensor) -> Tensor:
        out: Tensor = functional_call(plan, dict(own), (rows,))
        return out

    found: Tensor = vmap(one, randomness="different")(dict(weights), x)
    return found
