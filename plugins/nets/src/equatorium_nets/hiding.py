"""Values hidden from an autoencoder in training, so that it learns to do without them."""

from typing import Any

import numpy as np
import torch

from equatorium.errors import InputError
from equatorium_nets.augment import Change, Changed

Tensor = torch.Tensor


def hiding(most: Any, p: int) -> Change | None:
    """Return what hides values of half of the rows of a batch, anew every time.

    Such a row loses a share drawn between 0 and `most`: single values here and there, or all
    values of a window, half of the rows each.

    Parameters
    ----------
    most : float
        From 0 to below 1.
    p : int
        Values of a row.

    Returns
    -------
    callable or None
        (rows of values, variances and labels (B, 2 p + c), generator) -> the same, with infinite
        variances where values are hidden; and None.

    Raises
    ------
    InputError
    """
    if isinstance(most, bool) or not isinstance(most, int | float) or not 0 <= most < 1:
        raise InputError(f"hide must be a share from 0 to below 1, not {most!r}.")
    if most == 0:
        return None

    def change(rows: Tensor, rng: np.random.Generator, _: Tensor | None = None) -> Changed:
        chosen, kind, share, start = rng.random((4, len(rows), 1))
        single = rng.random((len(rows), p)) < most * share
        window = (np.arange(p) / p - start) % 1.0 < most * share
        hidden = (chosen < 0.5) & np.where(kind < 0.5, single, window)
        x, V, c = rows[:, :p], rows[:, p : 2 * p], rows[:, 2 * p :]
        V = torch.where(torch.from_numpy(hidden).to(V.device), torch.inf, V)
        return torch.cat([x, V, c], dim=1), None

    return change
