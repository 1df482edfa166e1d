"""A recurrent layer for series that are sampled unevenly and have gaps."""

import torch
from torch import nn

from equatorium_nets.blocks import Shape, whole

Tensor = torch.Tensor
_CLOSED = 1e4  # what a logistic function takes for infinity


class GRU(nn.Module):
    r"""Gated recurrent units that forget with time; the answer is the state after the last step.

    The first channel of a step is its time, the others are values, NaN where not observed. With the
    time :math:`\Delta_i` since the step before, the values :math:`v_i` (0 where not observed) and
    :math:`m_i`, 1 where observed,

    .. math:: h' &= e^{-\lambda \Delta_i} h_{i-1}, \qquad
              x_i = (v_i, m_i, \ln(1 + \Delta_i)), \\
              r, z &= \sigma(W x_i + U h' + b), \qquad
              n = \tanh(W_n x_i + b_n + r (U_n h' + c)), \\
              h_i &= (1 - z) n + z h',

    with a rate :math:`\lambda > 0` for every unit. Steps are taken in the order of time. One that
    has no time, or no value, is skipped, wherever it stands: it is padding.

    References
    ----------
    Cho K. et al. 2014, EMNLP, doi:10.3115/v1/D14-1179; Che Z. et al. 2018, Sci. Rep. 8, 6085,
    doi:10.1038/s41598-018-24271-9
    """

    def __init__(self, shape: Shape, units: int) -> None:
        super().__init__()
        values = shape[1] - 1
        self.units = units
        self.input = nn.Linear(2 * values + 1, 3 * units)
        self.state = nn.Linear(units, 3 * units)
        self.rate = nn.Parameter(torch.empty(units))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Let the units forget within 1 to 1000 typical gaps."""
        with torch.no_grad():
            self.rate.copy_(torch.linspace(0.0, -7.0, self.units, dtype=self.rate.dtype))

    def forward(self, x: Tensor) -> Tensor:
        """Map (examples, steps, channels) to (examples, units)."""
        x, here = _in_order(x)
        time, values = x[..., 0], x[..., 1:]
        gap = torch.cat([torch.zeros_like(time[..., :1]), time.diff(dim=-1)], dim=-1)
        gap = torch.where(here, gap, torch.zeros_like(gap))[..., None]
        seen = values.isfinite() & here[..., None]
        known = torch.where(seen, values, torch.zeros_like(values))
        given = self.input(torch.cat([known, seen.to(x.dtype), torch.log1p(gap)], dim=-1))
        gates, new = given.split([2 * self.units, self.units], dim=-1)
        # At padding the gate is closed: the state stays as it is, to the last bit.
        closed = torch.where(here, 0.0, _CLOSED).to(x.dtype)[..., None]
        gates = torch.cat([gates[..., : self.units], gates[..., self.units :] + closed], dim=-1)
        kept = torch.exp(-nn.functional.softplus(self.rate) * gap)
        h = torch.zeros_like(kept[..., 0, :])
        # Taken apart at once: the slope of a slice would be as large as the whole, at every step.
        steps = zip(*(a.unbind(dim=-2) for a in (gates, new, kept)), strict=True)
        for of_gates, of_new, of_state in steps:
            h = self._step(of_gates, of_new, of_state * h)
        return h

    def _step(self, gates: Tensor, new: Tensor, h: Tensor) -> Tensor:
        past = self.state(h)
        r, z = torch.sigmoid(gates + past[..., : 2 * self.units]).chunk(2, dim=-1)
        return torch.lerp(torch.tanh(new + r * past[..., 2 * self.units :]), h, z)


def _in_order(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the steps in the order of time, padding last, and which are no padding."""
    time, values = x[..., 0], x[..., 1:]
    here = time.isfinite()
    if values.shape[-1]:
        here = here & values.isfinite().any(dim=-1)
    late = torch.full_like(time, torch.inf)
    order = torch.where(here, time, late).argsort(dim=-1, stable=True)
    return x.gather(-2, order[..., None].expand_as(x)), here.gather(-1, order)


class Regular(nn.Module):
    """Steps of equal length: their numbers stand before the channels as times.

    Their place from -1 to 1 is a channel too, so that the first steps can count for other things
    than the last.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (examples, steps, channels) to (examples, steps, 2 + channels)."""
        times = torch.arange(x.shape[-2], dtype=x.dtype, device=x.device)
        places = torch.linspace(-1.0, 1.0, x.shape[-2], dtype=x.dtype, device=x.device)
        both = torch.stack([times, places], dim=-1)
        # A step without any value is padding, which must not be told by its place.
        seen = x.isfinite().any(dim=-1, keepdim=True)
        return torch.cat([torch.where(seen, both, torch.nan), x], dim=-1)


def gru(shape: Shape, units: float) -> nn.Module:
    """Return the layer for examples (steps, channels)."""
    return GRU(shape, whole(units))


def regular(_: Shape) -> nn.Module:
    """Return the layer that adds times and places to a regular series."""
    return Regular()
