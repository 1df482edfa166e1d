"""One run of a simulator and what came of it: this is what happens inside a worker."""

import json
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from equatorium.checks import FloatArray
from equatorium.errors import EquatoriumError
from equatorium.interfaces.simulator import Simulator

WRONG_FORM = "wrong form"  # the result cannot be of this simulator at all
LOST = "lost"  # the process or the executor failed, not the simulator
_LONGEST_REASON = 500
_LONGEST_TRACEBACK = 4000


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of one run.

    Attributes
    ----------
    kind : str
        ``"ok"``, `WRONG_FORM`, ``"not finite"``, `LOST` or the name of the exception.
    reason : str
        Why it failed, in one line; empty when it did not.
    values : (p,) array
        Outputs; NaN when the run failed.
    variance : (p,) array or None
        Noise variance that the simulator declares.
    info : dict
        What else the simulator tells, as JSON; the traceback of a failed run.
    wall, time : float
        Seconds that the run took; when it ended (seconds since 1970).
    """

    kind: str
    reason: str
    values: FloatArray
    variance: FloatArray | None = None
    info: dict[str, Any] = field(default_factory=dict)
    wall: float = 0.0
    time: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether the outputs are usable."""
        return self.kind == "ok"

    @property
    def status(self) -> str:
        """``"ok"`` or ``"failed: reason"``."""
        return "ok" if self.ok else f"failed: {self.reason}"


def failed(p: int, kind: str, reason: str, **rest: Any) -> Outcome:
    """Give the outcome of a run that failed."""
    line = " ".join(reason.split())
    if len(line) > _LONGEST_REASON:
        line = line[: _LONGEST_REASON - 3] + "..."
    return Outcome(kind, line, np.full(p, np.nan), time=time.time(), **rest)


def run_once(simulator: Simulator, theta: FloatArray, seed: int, index: int) -> Outcome:
    """Run the simulator at one point; whatever it raises or returns becomes an `Outcome`.

    Parameters
    ----------
    simulator : Simulator
        What to run.
    theta : (D,) array
        All its parameters.
    seed, index : int
        The run's random numbers come from ``SeedSequence(seed, spawn_key=(index,))``, so that they
        depend neither on the order of the runs nor on where they are done.
    """
    p = simulator.outputs.p
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))
    start = time.perf_counter()
    try:
        result = simulator(theta.copy(), rng=rng)
    except (Exception, SystemExit) as error:  # a simulator that calls sys.exit() has failed, too
        return failed(
            p,
            type(error).__name__,
            f"{type(error).__name__}: {error}",
            info={"traceback": _shortened(traceback.format_exc())},
            wall=time.perf_counter() - start,
        )
    wall = time.perf_counter() - start
    try:
        answer = simulator.judge(result)
    except EquatoriumError as error:
        return failed(p, WRONG_FORM, str(error), wall=wall)
    info = _as_json(answer.info)
    for name, array in (("value", answer.values), ("variance", answer.variance)):
        problem = None if array is None else _problem(name, array, simulator.outputs.names)
        if problem is not None:
            return failed(p, "not finite", problem, info=info, wall=wall)
    return Outcome("ok", "", answer.values, answer.variance, info, wall, time.time())


def _shortened(text: str) -> str:
    half = _LONGEST_TRACEBACK // 2
    return text if len(text) <= 2 * half else f"{text[:half]}\n...\n{text[-half:]}"


def _problem(name: str, array: FloatArray, outputs: Sequence[str]) -> str | None:
    """Name the first output that cannot be used, or None."""
    bad = ~np.isfinite(array) | (array < 0 if name == "variance" else False)
    if not bad.any():
        return None
    j = int(np.flatnonzero(bad)[0])
    return (
        f"the {name} of output {outputs[j]!r} is {array[j]}, and {bad.sum()} of {bad.size} are bad"
    )


def _as_json(info: Any) -> dict[str, Any]:
    """Keep what JSON can hold; numbers and arrays of numpy become plain, the rest its text."""

    def plain(thing: Any) -> Any:
        return thing.tolist() if isinstance(thing, np.ndarray | np.generic) else repr(thing)

    return dict(json.loads(json.dumps(dict(info), default=plain, skipkeys=True)))
