"""Commands on plugins: ``plugins list`` and ``plugins info NAME``."""

import inspect
import json
import warnings
from typing import Any

import click

from equatorium import registry
from equatorium.discovery import Entry
from equatorium.errors import PluginError, PluginWarning
from equatorium.plugin import ROLES


@click.group()
@click.pass_context
def plugins(context: click.Context) -> None:
    """See which methods are installed."""
    # Problems are told at the foot of the list, once.
    context.with_resource(warnings.catch_warnings(action="ignore", category=PluginWarning))


@plugins.command(name="list")
@click.option("--kind", type=click.Choice(list(ROLES)), help="Only methods of this kind.")
@click.option("--json", "as_json", is_flag=True, help="For other programs.")
@click.option("-v", "--verbose", is_flag=True, help="Capabilities, and traces of what is broken.")
def list_methods(kind: str | None, as_json: bool, verbose: bool) -> None:
    """List the methods; exit with 1 if a plugin is broken."""
    entries, problems = registry.methods(kind), registry.problems()
    if as_json:
        broken = [{"plugin": p.plugin, "version": p.version, "problem": p.text} for p in problems]
        rows = {"methods": [as_data(entry) for entry in entries], "problems": broken}
        click.echo(json.dumps(rows, indent=2))
    else:
        width = max((len(entry.qualname) for entry in entries), default=0)
        for entry in entries:
            click.echo(f"{entry.qualname:<{width}}  {', '.join(entry.roles):<10}  {_line(entry)}")
            if verbose and entry.method.capabilities:
                click.echo(" " * (width + 2) + ", ".join(sorted(entry.method.capabilities)))
        for problem in problems:
            click.echo(f"broken: {problem}", err=True)
            if verbose:
                click.echo(problem.trace, err=True)
    if problems:
        raise click.exceptions.Exit(1)


@plugins.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="For other programs.")
def info(name: str, as_json: bool) -> None:
    """Show all about the method NAME: what it can do, its options, what to cite."""
    entry = registry.get(None, name)
    try:
        data = {**as_data(entry), "options": _options(entry.load())}
    except PluginError as error:
        data = {**as_data(entry), "options": {}, "problem": str(error)}
    if as_json:
        click.echo(json.dumps(data, indent=2))
        return
    for key, value in data.items():
        if isinstance(value, dict):
            value = [f"{option} = {default}" for option, default in value.items()]
        lines = value if isinstance(value, list) else [str(value)]
        for i, line in enumerate(filter(None, lines)):
            click.echo(f"{key if i == 0 else '':<13} {line}")


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
    missing = f" [needs {', '.join(entry.missing)}]" if entry.missing else ""
    return entry.method.summary + missing


def _options(cls: type[Any]) -> dict[str, str]:
    """Return the options with their defaults, as they are written in Python."""
    options = inspect.signature(cls).parameters.values()
    return {
        option.name: "(required)" if option.default is option.empty else repr(option.default)
        for option in options
    }
