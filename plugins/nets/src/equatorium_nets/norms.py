"""The group norm of maps whose channels are last, of groups of few channels, on the CPU."""

from typing import Any

import torch

Tensor = torch.Tensor
_NARROW = 4  # channels of a group from which PyTorch's own is as fast


def group_norm(x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Do as `torch.nn.functional.group_norm`, to maps (B, C, ...) of any layout."""
    # Single pixels lie in both orders; of these PyTorch sums in two passes, which is more accurate.
    last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    if last and weight.numel() < _NARROW * groups and x.device.type == "cpu":
        out: Tensor = _ChannelsLast.apply(x, groups, weight, bias, eps)
        return out
    return torch.nn.functional.group_norm(x, groups, weight, bias, eps)


class _ChannelsLast(torch.autograd.Function):
    r"""Sums over places first, all channels at once, and then over the channels of a group.

    .. math:: y = x\, a_{bc} + s_{bc}, \qquad a = w / \sqrt{v + \epsilon}, \quad s = b - m a

    with the mean m and the variance v of the group. PyTorch goes through each group by itself, and
    takes twice as long where a group has two channels.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float
    ) -> Tensor:
        def mean_of(a: Tensor) -> Tensor:
            return a.mean((2, 3)).view(len(x), groups, -1).mean(-1)

        mean = mean_of(x)
        variance = (mean_of(x * x) - mean * mean).clamp_min(0.0)  # as there, in one pass
        root = (variance + eps).rsqrt()
        factor = root[..., None] * weight.view(groups, -1)
        offset = torch.addcmul(bias.view(groups, -1), mean[..., None], factor, value=-1)
        ctx.groups = groups
        ctx.save_for_backward(x, weight, mean, root)
        each = (len(x), -1, 1, 1)
        return torch.addcmul(offset.view(each), x, factor.view(each))

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, root = ctx.saved_tensors
        n, channels, *size = x.shape
        needed = [ctx.needs_input_grad[i] for i in (0, 2, 3)]
        slope = slope.contiguous(memory_format=torch.channels_last)
        of_x, of_weight, of_bias = torch.ops.aten.native_group_norm_backward(
            slope, x, mean, root, weight, n, channels, size[0] * size[1], ctx.groups, needed
        )
        return of_x, None, of_weight, of_bias, None
