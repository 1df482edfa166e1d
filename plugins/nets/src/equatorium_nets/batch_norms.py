"""The batch norm of published networks, whose running averages are numbers like the weights."""

import torch
from torch import nn

_MOMENTUM, _LEAST = 0.1, 1e-5  # PyTorch's: weight of the newest batch, and what a variance is above
Tensor = torch.Tensor


class BatchNorm(nn.Module):
    r"""Normalises a channel by mean and variance: of a batch in training, averaged ones afterwards.

    .. math:: y = w (x - m) / \sqrt{v + \epsilon} + b, \qquad m \leftarrow 0.9\, m + 0.1\, m_{batch}

    and v in the same way. The averages are buffers without a count of batches, so that members,
    best epochs, files and checkpoints treat them as they do weights.

    Parameters
    ----------
    channels : int

    References
    ----------
    Ioffe S. & Szegedy C. 2015, ICML, doi:10.48550/arXiv.1502.03167
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = (nn.Parameter(torch.empty(channels)) for _ in range(2))
        self.register_buffer("running_mean", torch.empty(channels))
        self.register_buffer("running_var", torch.empty(channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Begin as what changes nothing."""
        with torch.no_grad():
            for part in (self.bias, self.running_mean):
                part.zero_()
            for part in (self.weight, self.running_var):
                part.fill_(1.0)

    def forward(self, x: Tensor) -> Tensor:
        """Map (examples, channels, ...) to the same."""
        numbers = (self.running_mean, self.running_var, self.weight, self.bias)
        return batch_norm(x, *numbers, self.training)


def batch_norm(
    x: Tensor, mean: Tensor, variance: Tensor, weight: Tensor, bias: Tensor, training: bool
) -> Tensor:
    """Apply a batch norm; in training, `mean` and `variance` are changed in place."""
    # One number has no variance: where a vector is left over as a batch, the averages serve.
    of_batch = training and x.numel() > x.shape[1]
    return nn.functional.batch_norm(x, mean, variance, weight, bias, of_batch, _MOMENTUM, _LEAST)
