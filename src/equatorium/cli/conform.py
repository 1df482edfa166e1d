"""The command ``plugins check DIST``: the conformance kit without pytest."""

import json
import sys
from collections import Counter
from contextlib import redirect_stdout
from dataclasses import asdict

import click


@click.command(name="check")
@click.argument("dist")
@click.option("--json", "as_json", is_flag=True, help="For other programs.")
@click.option("-v", "--verbose", is_flag=True, help="Show what passed, and traces of what failed.")
def check_distribution(dist: str, as_json: bool, verbose: bool) -> None:
    """Check that the methods of the distribution DIST keep their contracts; 1 if one does not.

    Known failures, with their reasons, belong into its tests: see equatorium.testing.conformance.
    """
    from equatorium.testing import check  # imports what listing must not

    with redirect_stdout(sys.stderr):  # what methods print is no part of the answer
        results = check(dist)
    counts = Counter(result.status for result in results)
    if as_json:
        click.echo(json.dumps([asdict(result) for result in results], indent=2))
    else:
        for result in results:
            lines = result.text.splitlines()
            if result.status != "passed" or verbose:
                why = "\n    ".join(lines if verbose else [_told(lines)])
                click.echo(f"{result.status:<8} {result.method}: {result.check}")
                if why:
                    click.echo(f"    {why}")
        click.echo(", ".join(f"{n} {status}" for status, n in sorted(counts.items())))
    if counts["failed"]:
        raise click.exceptions.Exit(1)


def _told(lines: list[str]) -> str:
    """Leave a trace out, but no list of what failed."""
    told = []
    for line in lines:
        if line.startswith("Traceback"):
            break
        told.append(line)
    return "\n    ".join(told)
