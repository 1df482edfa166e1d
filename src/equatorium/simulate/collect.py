"""Collecting outcomes: each goes to the ledger and to the progress bar as it comes.

A simulator that fails from the start is stopped before it has failed everywhere.
"""

import contextlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from equatorium.checks import FloatArray
from equatorium.errors import SimulatorError
from equatorium.interfaces.simulator import Simulator
from equatorium.simulate.journal import RunRecord
from equatorium.simulate.ledger import Ledger
from equatorium.simulate.outcome import WRONG_FORM, Outcome

_ENOUGH = 10  # first runs that fail alike before the design is stopped


class Collector:
    """The outcomes of a design so far.

    Failures are recorded only once a run of the design has succeeded: while nothing works, the
    fault is the set-up's, and these points must be run again after it has been mended.

    Parameters
    ----------
    simulator : Simulator
        What is run.
    theta : (n, D) array
        All points, complete.
    keys : sequence of str
        The key of each run.
    outcomes : dict of int to Outcome
        The runs that are known from before.
    ledger : Ledger or None
        Where new ones are recorded.
    bar : tqdm
        Shows them.
    """

    def __init__(
        self,
        simulator: Simulator,
        theta: FloatArray,
        keys: Sequence[str],
        outcomes: dict[int, Outcome],
        ledger: Ledger | None,
        bar: Any,
    ) -> None:
        self.simulator = simulator
        self.theta = theta
        self.keys = keys
        self.outcomes = outcomes
        self.ledger = ledger
        self.bar = bar
        self._any_good = any(outcome.ok for outcome in outcomes.values())
        self._failures: list[tuple[int, Outcome]] = []
        self._n_failed = sum(not outcome.ok for outcome in outcomes.values())

    @property
    def p(self) -> int:
        """Number of outputs."""
        return self.simulator.outputs.p

    def add(self, batch: Sequence[tuple[int, Outcome]]) -> None:
        """Take the outcomes of some runs.

        Raises
        ------
        SimulatorError
            When the first runs have all failed in the same way.
        """
        self.outcomes.update(batch)
        self._n_failed += sum(not outcome.ok for _, outcome in batch)
        if self._n_failed:
            self.bar.set_postfix_str(f"{self._n_failed} failed", refresh=False)
        self.bar.update(len(batch))
        self._any_good = self._any_good or any(outcome.ok for _, outcome in batch)
        if self._any_good:
            self._record([*self._failures, *batch])
            self._failures = []
        else:
            self._failures += batch
            self._stop_if_hopeless(self._failures, min(_ENOUGH, len(self.theta)))

    def note_lost(self, lost: Sequence[tuple[int, Outcome]]) -> None:
        """Take note of runs whose process died, and which will be tried again."""
        if not self._any_good:
            self._stop_if_hopeless([*self._failures, *lost], _ENOUGH)

    def finish(self) -> None:
        """Record the failures of a design in which nothing succeeded, each for its own reason."""
        self._record(self._failures)
        self._failures = []

    def _record(self, batch: Iterable[tuple[int, Outcome]]) -> None:
        if self.ledger is not None:
            identity = self.simulator.identity()
            self.ledger.append(
                *(
                    RunRecord(
                        key=self.keys[i],
                        simulator=identity,
                        theta=self.theta[i],
                        values=outcome.values,
                        variance=outcome.variance,
                        status=outcome.status,
                        info=outcome.info,
                        wall=outcome.wall,
                        time=outcome.time,
                    )
                    for i, outcome in batch
                )
            )

    def _stop_if_hopeless(self, failures: Sequence[tuple[int, Outcome]], enough: int) -> None:
        kinds = {outcome.kind for _, outcome in failures}
        if len(kinds) != 1 or (len(failures) < enough and WRONG_FORM not in kinds):
            return
        i, first = failures[0]
        names = self.simulator.space.all_names
        point = ", ".join(f"{k}={x:.6g}" for k, x in zip(names, self.theta[i], strict=True))
        what = "The first run" if len(failures) == 1 else f"All of the first {len(failures)} runs"
        raise SimulatorError(
            f"{what} of simulator {self.simulator.name!r} failed, so the others were not tried: "
            f"{first.reason.rstrip('.')}. (Run {i}, at {point}.) Mend the simulator and start "
            "again; these runs count as not done."
        )


def recalled(record: RunRecord) -> Outcome:
    """Turn a record of the ledger back into an outcome."""
    reason = "" if record.ok else record.status.removeprefix("failed: ")
    return Outcome(
        kind="ok" if record.ok else "recorded",
        reason=reason,
        values=record.values,
        variance=record.variance,
        info=record.info,
        wall=record.wall,
        time=record.time,
    )


@contextlib.contextmanager
def progress_bar(name: str, total: int, done: int, shown: bool) -> Iterator[Any]:
    """Show runs done, rate and failures on stderr; outside terminals a line twice a minute."""
    from tqdm.auto import tqdm

    live = sys.stderr.isatty() or "ipykernel" in sys.modules
    interval = 0.2 if live else 30.0
    with tqdm(
        desc=name,
        total=total,
        initial=done,
        unit="run",
        disable=not shown,
        mininterval=interval,
        maxinterval=max(10.0, interval),
        dynamic_ncols=True,
    ) as bar:
        yield bar
