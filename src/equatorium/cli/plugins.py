"""Commands on plugins: ``plugins list``, ``plugins info NAME`` and ``plugins new DIR``."""

import json
import sys
import warnings
from contextlib import AbstractContextManager, redirect_stdout
from dataclasses import asdict
from typing import Any

import click

from equatorium import registry
from equatorium.cli.conform import check_distribution
from equatorium.cli.new import new
from equatorium.cli.options import Option, options_of
from equatorium.entry import Entry
from equatorium.errors import PluginError, PluginWarning
from equatorium.plugin import ROLES


@click.group()
@click.pass_context
def plugins(context: click.Context) -> None:
    """See which methods are installed, or start a plugin of your own."""
    # Problems are told at the foot of the list, once.
    context.with_resource(warnings.catch_warnings(action="ignore", category=PluginWarning))


plugins.add_command(new)
plugins.add_command(check_distribution)


@plugins.command(name="list")
@click.option("--kind", type=click.Choice(list(ROLES)), help="Only methods of this kind.")
@click.option("--capability", "words", multiple=True, help="Only methods that can do this.")
@click.option("--json", "as_json", is_flag=True, help="For other programs.")
@click.option(
    "-v", "--verbose", is_flag=True, help="Capabilities, the cost of each plugin, and traces."
)
def list_methods(kind: str | None, words: tuple[str, ...], as_json: bool, verbose: bool) -> None:
    """List the methods; exit with 1 if a plugin is broken or two offer the same name."""
    with _quietly():
        entries = registry.methods(kind, capabilities=words)
    problems, shared = registry.problems(), registry.collisions()
    if as_json:
        click.echo(json.dumps(_document(entries), indent=2))
    else:
        _print_rows(entries, verbose)
        for problem in problems:
            click.echo(f"broken: {problem}", err=True)
            if verbose and problem.trace:
                click.echo(problem.trace, err=True)
        for name, rivals in shared.items():
            full = " or ".join(rival.qualname for rival in rivals)
            click.echo(f"ambiguous: {name!r}; ask for {full}, or uninstall the other", err=True)
    if problems or shared:
        raise click.exceptions.Exit(1)


def _quietly() -> AbstractContextManager[Any]:
    """Let what a plugin prints when it is imported go elsewhere than into our answer."""
    return redirect_stdout(sys.stderr)


def _print_rows(entries: tuple[Entry, ...], verbose: bool) -> None:
    width = max((len(entry.qualname) for entry in entries), default=0)
    for entry in entries:
        click.echo(f"{entry.qualname:<{width}}  {', '.join(entry.roles):<10}  {_line(entry)}")
        if verbose and entry.method.capabilities:
            click.echo(" " * (width + 2) + ", ".join(sorted(entry.method.capabilities)))
    if verbose:
        click.echo("\nTime to import what lists the methods:")
        for timing in registry.timings():
            click.echo(f"  {timing}")


def _document(entries: tuple[Entry, ...]) -> dict[str, Any]:
    return {
        "methods": [as_data(entry) for entry in entries],
        "problems": [
            {"plugin": p.plugin, "version": p.version, "problem": p.text}
            for p in registry.problems()
        ],
        "ambiguous": {
            name: [rival.qualname for rival in rivals]
            for name, rivals in registry.collisions().items()
        },
        "timings": [
            {
                "plugin": t.plugin,
                "version": t.version,
                "milliseconds": round(t.milliseconds, 3),
                "imports eagerly": list(t.heavy),
            }
            for t in registry.timings()
        ],
    }


@plugins.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="For other programs.")
def info(name: str, as_json: bool) -> None:
    """Show all about the method NAME: what it can do, its options, what to cite."""
    with _quietly():
        entry = registry.get(None, name)
    data = as_data(entry)
    options: tuple[Option, ...] = ()
    try:
        with _quietly():
            options = options_of(entry.load())
    except PluginError as error:
        data["problem"] = str(error)
    if as_json:
        described = {option.name: asdict(option) for option in options}
        click.echo(json.dumps({**data, "options": described}, indent=2))
        return
    for key, value in data.items():
        _print_field(key, value if isinstance(value, list) else [str(value)])
    _print_field("options", [line for option in options for line in _explained(option)])


def _print_field(key: str, lines: list[str]) -> None:
    for i, line in enumerate(filter(None, lines)):
        click.echo(f"{key if i == 0 else '':<13} {line}")


def _explained(option: Option) -> list[str]:
    """Return an option as it is written, and what it means below."""
    kind = f"  ({option.type})" if option.type else ""
    text = click.wrap_text(option.text, 80, initial_indent="  ", subsequent_indent="  ")
    wrapped = [f"{'':<14}{line}" if i else line for i, line in enumerate(text.splitlines())]
    return [f"{option.name} = {option.default}{kind}", "\n".join(wrapped)]


def as_data(entry: Entry) -> dict[str, Any]:
    """Return what is known of a method without importing it, as JSON values."""
    method = entry.method
    return {
        "name": entry.name,
        "full name": entry.qualname,
        "version": entry.version,
        "roles": list(entry.roles),
        "summary": method.summary,
        "capabilities": sorted(method.capabilities),
        "aliases": list(method.aliases),
        "missing": list(entry.missing),
        "reference": list(method.reference),
    }


def _line(entry: Entry) -> str:
    lacks = f" [needs {', '.join(entry.missing)}: {entry.remedy}]" if entry.missing else ""
    return entry.method.summary + lacks
