"""What the options of ``trend-gp`` mean for given runs."""

from typing import Any

import gpytorch
import numpy as np

from equatorium import Embedder
from equatorium.errors import InputError, did_you_mean
from equatorium_gp.trend import terms

RICH = "scale(matern52) + scale(rbf)"  # two scales of variation: needs runs to tell them apart
PLAIN = "matern52"
SHARING = ("auto", "components", "all", "each")


def chosen_trend(trend: str, n: int, d: int) -> str:
    """Give the trend of n runs with d active inputs; "auto" is linear with 3 runs per term.

    Raises
    ------
    InputError
        If it is not known, or has as many terms as there are runs.
    """
    if trend == "auto":
        trend = "linear" if n >= 3 * (d + 1) else "constant"
    t = len(terms(trend, range(d)))
    if t >= n:
        raise InputError(
            f"trend={trend!r} in {d} active inputs has {t} terms, but there are only {n} runs. "
            "Use a lower trend, fewer active inputs (active=k), or more runs."
        )
    return str(trend)


def chosen_kernel(kernel: Any, values: int, d: int) -> str:
    """Give the kernel's specification for so many values of outputs; empty for a live one."""
    if isinstance(kernel, gpytorch.kernels.Kernel):
        return ""
    if not isinstance(kernel, str):
        raise InputError(
            f"kernel={kernel!r} must be text such as 'matern52', or a GPyTorch kernel."
        )
    if kernel == "auto":
        return RICH if tells_two_scales(values, d) else PLAIN
    return kernel


def tells_two_scales(values: int, d: int) -> bool:
    """Whether so many values of outputs can teach the parameters of `RICH` over d inputs."""
    return values >= 20 * (2 * d + 2)


def check_choice(option: str, given: Any, known: tuple[str, ...]) -> None:
    """Refuse what is none of the known words."""
    if not isinstance(given, str) or given not in known:
        hint = did_you_mean(str(given), known)
        raise InputError(f"{option}={given!r} is not known.{hint} Choose {', '.join(known)}.")


def check_sharing(given: Any) -> None:
    """Refuse what is no way of sharing kernels; an embedder has a composite of its own."""
    if isinstance(given, Embedder):
        raise InputError(
            f"sharing={given!r} must be a word. To share what an embedder finds in the outputs, "
            "use eq.emulator('embedded', embedder=..., emulator=eq.emulator('trend-gp'))."
        )
    check_choice("sharing", given, SHARING)


def check_whole(option: str, given: Any, least: int) -> None:
    """Refuse what is no whole number from `least`."""
    whole = isinstance(given, int | np.integer) and not isinstance(given, bool)
    if not whole or given < least:
        raise InputError(f"{option}={given!r} must be a whole number, {least} at least.")


def check_flag(option: str, given: Any, *words: str) -> None:
    """Refuse what is neither True nor False, nor one of the words."""
    if isinstance(given, str) and given in words:
        return
    if not isinstance(given, bool | np.bool_):
        wanted = " or ".join(["True or False", *map(repr, words)])
        raise InputError(f"{option}={given!r:.80} must be {wanted}.")


def check_seed(given: Any) -> None:
    """Refuse a `random_state` that is no seed."""
    if given is not None:
        check_whole("random_state", given, 0)
