"""`gp` and `trend-gp` beside eight peers: same runs, one thread, each peer in its own environment.

    python -m benchmarks.gp --setup .peers        make the peers' environments (minutes, 3 GB)
    python -m benchmarks.gp [--quick] [--problems ...] [--peers ...] [--designs N] [--limit 150]

The problems and metrics are those of ``benchmarks/problems.py`` of the project's shared folder:
``../shared/benchmarks``, or ``benchmarks`` beside the folder that EQUATORIUM_DATA names. A cell is
one method on one design of one problem, run by ``benchmarks/peers`` in a process of its own. Cells
go to a JSON file as they end, and are not run again; what could not be run is a cell too, with the
reason. Times are CPU seconds of one thread; the limit counts a cell's CPU seconds.
"""

import argparse
import datetime
import importlib.util
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import equatorium as eq

ROOT = Path(__file__).resolve().parents[1]
PEERS = ROOT / "benchmarks" / "peers"
# name: (script, its arguments, environment or None for the project's own)
METHODS = {
    "gp": ("ours", ("gp",), None),
    "trend-gp": ("ours", ("trend-gp",), None),
    "scikit-learn": ("sklearn_gpr", (), None),
    "gpytorch-adam": ("gpytorch_exact", ("adam",), None),
    "gpytorch-lbfgs": ("gpytorch_exact", ("lbfgs",), None),
    "autoemulate": ("autoemulate_gp", (), "autoemulate"),
    "surmise": ("surmise_pcgp", (), "surmise"),
    "swiftemulator": ("swift_gp", (), "swiftemulator"),
    "smt": ("smt_krg", (), "smt"),
    "tinygp": ("tinygp_matern", (), "tinygp"),
    "mogp": ("mogp_map", ("default",), "mogp"),
    "mogp-theta0": ("mogp_map", ("theta0",), "mogp"),
}
OURS = ("gp", "trend-gp")
SMALL = ("borehole_100", "otl_100", "piston_100", "friedman_200")
PROBLEMS = (*SMALL, "cardiac1_200", "P1_200", "engineering1", "P1o5_1000")
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
SCORES = ("nrmse", "crps", "mse_std", "cov95", "mlpd")


def problems() -> Any:
    """Import the shared definition of the benchmark problems."""
    folders = [ROOT.parent / "shared" / "benchmarks"]
    if "EQUATORIUM_DATA" in os.environ:
        folders.insert(0, Path(os.environ["EQUATORIUM_DATA"]).resolve().parent / "benchmarks")
    for folder in folders:
        if (folder / "problems.py").is_file():
            spec = importlib.util.spec_from_file_location("problems", folder / "problems.py")
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
    raise SystemExit(f"No problems.py in {' or '.join(map(str, folders))}; set EQUATORIUM_DATA.")


def setup(folder: Path) -> None:
    """Make the environment of every peer; say which could not be made."""
    for wanted in sorted((PEERS / "requirements").glob("*.txt")):
        name = wanted.stem.removesuffix("-alone")
        python = folder / name / "bin" / "python"
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", folder / name], check=True)
        alone = ["--no-deps"] if wanted.stem.endswith("-alone") else []
        command = [python, "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt"]
        done = subprocess.run([*command, *alone, "-r", wanted], check=False)
        print(f"{wanted.stem}: {'ready' if done.returncode == 0 else 'FAILED'}", flush=True)


def revision() -> str:
    """Commit of our sources, with a plus where they differ from it."""

    def git(*command: str) -> str:
        command = ("git", "-C", str(Path(eq.__file__).parents[2]), *command)
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    return git("rev-parse", "--short", "HEAD") + "+" * bool(git("diff", "HEAD", "src", "plugins"))


def run_cell(
    method: str, data: dict[str, Any], folder: Path, limit: float, timings: bool
) -> dict[str, Any]:
    """One method on one design: what its script measured, or why there is nothing."""
    script, arguments, environment = METHODS[method]
    python = Path(sys.executable) if environment is None else folder / environment / "bin/python"
    if not python.exists():
        return {"failed": f"no environment {environment}"}
    with tempfile.TemporaryDirectory() as scratch:
        source, out = Path(scratch, "in.npz"), Path(scratch, "out")
        np.savez(source, X=data["X"], Y=data["Y"], Xt=data["Xt"])
        command = [python, PEERS / f"{script}.py", source, out, str(int(timings)), *arguments]
        allowed = int(limit)
        try:
            done = subprocess.run(
                command,
                env={**os.environ, **ONE_THREAD},
                capture_output=True,
                text=True,
                check=False,
                timeout=8 * limit,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (allowed, allowed + 5)),
            )
        except subprocess.TimeoutExpired:
            return {"failed": f"> {8 * limit:.0f} s of wall time"}
        predicted, measured = out.with_suffix(".npz"), out.with_suffix(".json")
        record = json.loads(measured.read_text()) if measured.exists() else {}
        if done.returncode and not record:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            late = done.returncode in (-24, -9)
            return {"failed": f"> {limit:.0f} CPU s" if late else last[:120]}
        found = np.load(predicted)
        scores = problems().metrics(data["Yt"], found["mean"], found["std"], data["Y"])
    if not np.isfinite(found["mean"]).all():
        return {"failed": "predicted NaN"}
    return {**record, **{name: scores[name] for name in SCORES}}


def measure(options: argparse.Namespace, cells: dict[str, Any]) -> None:
    """Run what has not been run, and write after each cell; failures are tried again on request."""
    shared = problems()
    for seed in range(options.designs):
        for problem in options.problems:
            data = shared.load(problem, seed)
            for method in options.peers:
                key = f"{problem}|{seed}|{method}"
                again = options.again and "failed" in cells.get(key, {})
                if key in cells and not again:
                    continue
                cell = run_cell(method, data, options.environments, options.limit, seed == 0)
                if method in OURS:
                    cell["revision"] = revision()
                cells[key] = cell
                brief = {k: f"{cell[k]:.4g}" for k in ("fit_cpu_s", *SCORES) if k in cell}
                print(key, cell.get("failed", brief), flush=True)
                write(options.out, cells)


def write(path: Path, cells: dict[str, Any]) -> None:
    """Write all cells, with the machine."""
    record = {
        "written": datetime.date.today().isoformat(),
        "cores": os.cpu_count(),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "cells": cells,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n")


def gather(cells: dict[str, Any], problem: str, method: str) -> dict[int, dict[str, Any]]:
    """Cells of a method on a problem by design."""
    found = {}
    for key, cell in cells.items():
        place, seed, name = key.split("|")
        if (place, name) == (problem, method):
            found[int(seed)] = cell
    return found


def spread(values: Any, digits: str) -> str:
    """Mean with its standard error."""
    values = np.asarray(values, float)
    digits = ".1e" if np.abs(values).max() > 1e3 else digits
    error = f" +- {values.std(ddof=1) / len(values) ** 0.5:{digits}}" if len(values) > 1 else ""
    return f"{values.mean():{digits}}{error}"


def short(value: float) -> str:
    """Three digits, or a dash for what was not measured."""
    if not np.isfinite(value):
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def table_row(method: str, found: dict[int, Any], ours: dict[int, Any]) -> str:
    """One line of the table: a method's means, and `gp` against it on the designs they share."""
    good = {seed: cell for seed, cell in found.items() if "failed" not in cell}
    if not good:
        reason = next(iter(found.values()))["failed"].replace("|", "/")
        return f"| {method} | 0 of {len(found)} | {reason} |" + " |" * 9

    def mean(name: str) -> float:
        return float(np.mean([cell[name] for cell in good.values() if name in cell] or [np.nan]))

    both = [s for s in good if "failed" not in ours.get(s, {"failed": ""})]
    versus = ["", "", ""]
    if method != "gp" and both:
        time, crps = (
            np.mean([ours[s][c] for s in both]) / np.mean([good[s][c] for s in both])
            for c in ("fit_cpu_s", "crps")
        )
        gains = [ours[s]["mlpd"] - good[s]["mlpd"] for s in both]
        versus = [f"{time:.2g}", f"{crps:.2f}", spread(gains, "+.3f").replace("+- +", "+- ")]
    count = str(len(good)) if len(good) == len(found) else f"{len(good)} of {len(found)}"
    points = " / ".join(short(mean(f"us_cpu_{b}")) for b in (1, 64, 10_000))
    columns = [
        method,
        count,
        short(mean("fit_cpu_s")),
        versus[0],
        f"{mean('nrmse'):.2g}",
        f"{mean('crps'):.3g}",
        versus[1],
        spread([c["mse_std"] for c in good.values()], ".2f"),
        spread([c["cov95"] for c in good.values()], ".3f"),
        f"{mean('mlpd'):.2f}",
        versus[2],
        f"{points} | {mean('fit_peak_mb'):.0f}",
    ]
    return "| " + " | ".join(columns) + " |"


def table(cells: dict[str, Any]) -> str:
    """Give all cells as Markdown, a problem at a time, the best mean CRPS of a method first."""
    names = (
        "method", "designs", "fit CPU s", "gp / it", "NRMSE", "CRPS", "gp / it", "z2", "cov95",
        "MLPD", "gp - it", "CPU us a point: 1 / 64 / 10,000", "peak MB",
    )  # fmt: skip
    lines = []
    places = dict.fromkeys(key.split("|")[0] for key in cells)
    for problem in sorted(places, key=lambda p: PROBLEMS.index(p) if p in PROBLEMS else 99):
        found = {m: gather(cells, problem, m) for m in METHODS}
        lines += [f"\n**{problem}**\n", "| " + " | ".join(names) + " |", "|---" * 13 + "|"]

        def order(method: str, found: Any = found) -> float:
            crps = [c["crps"] for c in found[method].values() if "failed" not in c]
            return float(np.mean(crps)) if crps else np.inf

        for method in sorted((m for m in METHODS if found[m]), key=order):
            lines.append(table_row(method, found[method], found["gp"]))
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--setup", type=Path, metavar="DIR", help="make the environments and end")
    parser.add_argument("--environments", type=Path, default=ROOT / ".peers", metavar="DIR")
    parser.add_argument("--problems", nargs="*", default=PROBLEMS)
    parser.add_argument("--peers", nargs="*", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--designs", type=int, default=1, help="design seeds 0 to N - 1")
    parser.add_argument("--limit", type=float, default=150, help="CPU seconds of one cell")
    parser.add_argument("--again", action="store_true", help="run what has failed again")
    parser.add_argument("--quick", action="store_true", help="two small problems, one design")
    parser.add_argument("--out", type=Path, default=Path("results/gp.json"))
    options = parser.parse_args(arguments)
    if options.setup:
        return setup(options.setup.absolute())
    if options.quick:
        options.problems, options.designs = SMALL[:2], 1
    options.environments = options.environments.absolute()
    cells = json.loads(options.out.read_text())["cells"] if options.out.exists() else {}
    measure(options, cells)
    print(table(cells))
    options.out.with_suffix(".md").write_text(table(cells) + "\n")
    return None


if __name__ == "__main__":
    main(sys.argv[1:])
