"""Mean and variance of ten outputs at 20,000 points: `trend-gp` beside autoemulate, one thread.

    python -m benchmarks.many_points [--quick] [--environments .peers]

P1_1000, every third of its 30 outputs; CPU seconds, each method in a process of its own, one after
the other. autoemulate needs its environment: ``make bench-peers``. --quick takes 200 runs.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from benchmarks.gp import METHODS, ROOT, problems, run_cell

SHARED = ("ours", ("trend-gp", json.dumps({"sharing": "all"})), None)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--environments", type=Path, default=ROOT / ".peers", metavar="DIR")
    parser.add_argument("--quick", action="store_true", help="200 runs")
    options = parser.parse_args(arguments)
    METHODS["trend-gp, one kernel"] = SHARED
    data, outputs = problems().load(f"P1_{200 if options.quick else 1000}", 0), slice(None, None, 3)
    data["Xt"] = np.random.default_rng(7).random((20_000, 20))
    data["Yt"] = problems().galaxy(data["Xt"])[:, outputs]
    data["Y"] = data["Y"][:, outputs]
    for method in ("trend-gp, one kernel", "trend-gp", "autoemulate"):
        cell = run_cell(method, data, options.environments.absolute(), 600, False)
        print(method, cell, flush=True)


if __name__ == "__main__":
    main()
