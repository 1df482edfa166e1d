r"""What Hamiltonian Monte Carlo learns in its warm-up: step size, metric, length of trajectories.

All of it is a mapping of names to arrays that each step replaces: a checkpoint holds it as it is,
and a resumed run goes on with the very same numbers.

- Step size: dual averaging towards a wanted acceptance.
- Metric: the covariance of all chains over windows that double in length.
- Length T: ascent of the ChEES criterion
  :math:`\tfrac14 E[(|y' - \bar y'|^2 - |y - \bar y|^2)^2]`, in whitened coordinates y, by Adam.
  Trajectories last u T with u quasi-uniform in (0.4, 1.6), so that no period is hit each time.

References
----------
Hoffman, Radul & Sountsov 2021, AISTATS, PMLR 130, 3907 (ChEES); Sountsov & Hoffman 2021,
doi:10.48550/arXiv.2110.11576 (what becomes of it in other coordinates); Hoffman & Gelman 2014,
JMLR 15, 1593, doi:10.48550/arXiv.1111.4246 (dual averaging); Kingma & Ba 2015,
doi:10.48550/arXiv.1412.6980 (Adam); Carpenter et al. 2017, J. Stat. Softw. 76, 1,
doi:10.18637/jss.v076.i01 (windows).
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from equatorium.checks import FloatArray
from equatorium_samplers.trajectory import End

Memory = dict[str, FloatArray]
Metric = Literal["dense", "diagonal"]

_RATE = 0.05  # of Adam, in log T
_DECAY = (0.9, 0.95)
_JITTER = 0.6
_FIRST = 16  # leapfrogs of a trajectory before there is a metric; twice as many with each new one
_GOLDEN = 0.6180339887498949


def first_memory(d: int, gradient: FloatArray) -> Memory:
    """Return the state before the first step, gradient (m, d) at the starts."""
    step = 0.1
    return {
        "gradient": gradient,
        "root": np.eye(d),
        "length": np.array(0.3),
        "adam": np.zeros(3),
        **_averaging(step),
        **_empty(d),
        "told": np.zeros(6),
    }


def windows(warmup: int) -> tuple[int, ...]:
    """Return the steps after which the metric is learned anew; each window is twice the last.

    >>> windows(400)
    (30, 60, 120, 320)
    """
    start, last = max(1, (3 * warmup) // 40), (8 * warmup) // 10
    ends, length = [start], start
    while ends[-1] + 3 * length <= last:
        ends.append(ends[-1] + length)
        length *= 2
    return (*ends, last)


def duration(
    memory: Mapping[str, FloatArray], step: int, most: int, warmup: int
) -> tuple[float, int, float]:
    """Return step size, number of steps, and u of trajectory number `step`: it lasts u T.

    T is such that `most` steps are enough for any u: if they were not, all trajectories would be
    as long. Without a metric a trajectory may need very many steps to get anywhere: at first it
    does not try.
    """
    size = float(memory["size"])
    u = 1.0 + _JITTER * (2.0 * ((_GOLDEN * (step + 1)) % 1.0) - 1.0)
    steps = int(np.ceil(u * min(float(memory["length"]), _longest(size, most)) / size))
    if step < warmup:
        most = min(most, _FIRST * 2 ** sum(end <= step for end in windows(warmup)))
    return size, int(np.clip(steps, 1, most)), u


def learned(
    memory: Mapping[str, FloatArray],
    z: FloatArray,
    end: End,
    u: float,
    target: float,
    most: int,
) -> Memory:
    """Learn step size and length from trajectories from z (m, d) to `end`, of `most` steps."""
    # A wall says nothing about the step size.
    honest = ~end.wall
    accept = np.exp(np.minimum(end.log_accept, 0.0))
    found = {**memory}
    if honest.any():
        found |= _averaged(memory, target - float(accept[honest].mean()))
    # The size goes up and down from step to step, its average hardly.
    found |= _lengthened(memory, z, end, accept, u, _longest(np.exp(found["averaging"][2]), most))
    return found


def gathered(memory: Mapping[str, FloatArray], z: FloatArray) -> Memory:
    """Add positions z (m, d) to the running mean and covariance."""
    n, mean, squares = float(memory["n"]), memory["mean"], memory["squares"]
    m, own = len(z), z.mean(axis=0)
    away, shift = z - own, own - mean
    share = n * m / (n + m)
    return {
        "n": np.array(n + m),
        "mean": mean + shift * m / (n + m),
        "squares": squares + away.T @ away + share * np.outer(shift, shift),
    }


def whitened(memory: Mapping[str, FloatArray], metric: Metric, steps: int) -> Memory:
    """Take the covariance of what was gathered over `steps` as the metric; begin a new window.

    It is drawn towards its diagonal as if d more positions without correlation had been seen: the
    chains of a step are independent, but steps hardly are, so that few are counted.
    """
    d = len(memory["mean"])
    covariance = memory["squares"] / (float(memory["n"]) - 1.0)
    variance = np.maximum(np.diag(covariance), 1e-20)
    count = 0.0 if metric == "diagonal" else float(memory["n"]) / np.sqrt(steps)
    shrunk = (count * covariance + d * np.diag(variance)) / (count + d)
    return {
        "root": np.linalg.cholesky(shrunk),
        "length": np.clip(memory["length"], 0.5, 3.0),
        "adam": np.zeros(3),
        **_averaging(d**-0.25),
        **_empty(d),
    }


def settled(memory: Mapping[str, FloatArray]) -> Memory:
    """Keep the averages of the last window for good."""
    return {
        **memory,
        "size": np.exp(memory["averaging"][2]),
        "length": np.exp(memory["lengths"][0] / max(1.0, float(memory["lengths"][1]))),
    }


def _longest(size: float, most: int) -> float:
    """Length T at which the longest trajectory, 1.6 T, takes `most` steps."""
    return most * size / (1.0 + _JITTER)


def _empty(d: int) -> Memory:
    return {"n": np.array(0.0), "mean": np.zeros(d), "squares": np.zeros((d, d))}


def _averaging(size: float) -> Memory:
    """Begin dual averaging at a step size: (error, step, log of average, centre)."""
    start = np.log(size)
    return {
        "size": np.array(size),
        "averaging": np.array([0.0, 0.0, start, start + np.log(4.0)]),
        "lengths": np.zeros(2),
    }


def _averaged(memory: Mapping[str, FloatArray], missing: float) -> Memory:
    """Follow Hoffman & Gelman's equation 6: gamma = 0.05, t0 = 10, kappa = 0.75."""
    error, t, mean, centre = memory["averaging"]
    t += 1.0
    error += (missing - error) / (t + 10.0)
    log_size = centre - error * np.sqrt(t) / 0.05
    mean += t**-0.75 * (log_size - mean)
    return {
        "averaging": np.array([error, t, mean, centre]),
        "size": np.exp(log_size),
    }


def _lengthened(
    memory: Mapping[str, FloatArray],
    z: FloatArray,
    end: End,
    accept: FloatArray,
    u: float,
    longest: float,
) -> Memory:
    first, second, t = memory["adam"]
    log_length = float(np.log(memory["length"]))
    if accept.mean() < 0.1:
        # Nearly all end behind a wall: shorter ones may not.
        slope = -1.0
    else:
        inverse = np.linalg.inv(memory["root"])
        before, after = (x @ inverse.T for x in (z, end.z))
        weight = accept / accept.sum()
        before, after = before - before.mean(axis=0), after - weight @ after
        gain = np.square(after).sum(axis=1) - np.square(before).sum(axis=1)
        turning = (after * end.momentum).sum(axis=1)
        # Of the criterion, by log length, up to a factor that Adam does not see.
        slope = float(u * np.exp(log_length) * (weight @ (gain * turning)))
        slope = slope if np.isfinite(slope) else 0.0
    first = _DECAY[0] * first + (1 - _DECAY[0]) * slope
    second = _DECAY[1] * second + (1 - _DECAY[1]) * slope**2
    t += 1.0
    unbiased = first / (1 - _DECAY[0] ** t), second / (1 - _DECAY[1] ** t)
    log_length += _RATE * unbiased[0] / (np.sqrt(unbiased[1]) + 1e-8)
    log_length = min(log_length, np.log(longest))
    total, count = memory["lengths"]
    return {
        "adam": np.array([first, second, t]),
        "length": np.exp(log_length),
        "lengths": np.array([total + log_length, count + 1.0]),
    }
