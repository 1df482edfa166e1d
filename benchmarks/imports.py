"""What the lightness of imports amounts to: equatorium beside numpy, in pairs, as ratios."""

import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

PAIRS = 9
NUMPY = [sys.executable, "-c", "import numpy"]


def command():
    """Return the installed program, which is what users start."""
    beside = Path(sys.executable).with_name("equatorium")
    return str(beside) if beside.exists() else shutil.which("equatorium")


def seconds(words):
    """Return wall and CPU seconds of a process, its start included."""
    before, start = os.times(), time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, os.times()
    cpu = after.children_user + after.children_system
    return wall, cpu - before.children_user - before.children_system


def compare(words, pairs=PAIRS):
    """Return the medians of both, and of the ratios of runs made one right after the other."""
    for once in (words, NUMPY):
        seconds(once)  # bytecode and disk caches
    rows = [(seconds(words), seconds(NUMPY)) for _ in range(pairs)]
    ours = [statistics.median(row[0][k] for row in rows) for k in (0, 1)]
    theirs = [statistics.median(row[1][k] for row in rows) for k in (0, 1)]
    ratio = [statistics.median(row[0][k] / max(row[1][k], 0.001) for row in rows) for k in (0, 1)]
    return ours, theirs, ratio


def main():
    cases = {
        "python -c 'import equatorium'": [sys.executable, "-c", "import equatorium"],
        "equatorium plugins list --json": [command(), "plugins", "list", "--json"],
        "python -c pass": [sys.executable, "-c", "pass"],
    }
    print(
        f"{'':32} {'wall ms':>8} {'numpy':>8} {'ratio':>6} {'CPU ms':>8} {'numpy':>8} {'ratio':>6}"
    )
    for name, words in cases.items():
        ours, theirs, ratio = compare(words)
        wall = f"{1e3 * ours[0]:8.0f} {1e3 * theirs[0]:8.0f} {ratio[0]:6.2f}"
        print(f"{name:32} {wall} {1e3 * ours[1]:8.0f} {1e3 * theirs[1]:8.0f} {ratio[1]:6.2f}")


if __name__ == "__main__":
    main()
