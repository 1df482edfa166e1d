"""``plugins new DIR``: a working plugin, written from the template beside this file."""

import keyword
import os
import shlex
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path
from string import Template

import click

import equatorium
from equatorium import registry
from equatorium.entry import LOCAL
from equatorium.errors import InputError
from equatorium.plugin import is_name

# What the files of the template are called in the package that comes of it.
PLACES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "package/__init__.py": "src/{package}/__init__.py",
    "package/plugin.py": "src/{package}/plugin.py",
    "package/method.py": "src/{package}/{module}.py",
    "tests/test_conformance.py": "tests/test_conformance.py",
}


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--name", help="Of the package, such as equatorium-mine; by default that of DIR.")
def new(folder: Path, name: str | None) -> None:
    """Write a working plugin into DIR, to be changed into yours."""
    for path in write_plugin(folder, name):
        click.echo(path)
    install, test = shlex.quote(f"{folder}[test]"), shlex.quote(str(folder))
    click.echo(f"\nNext: pip install -e {install} && python -m pytest {test}")


def write_plugin(folder: Path, name: str | None = None) -> list[Path]:
    """Write a plugin package and return its files.

    Parameters
    ----------
    folder : Path
        New, or empty.
    name : str, optional
        Of the distribution; by default that of the folder.

    Raises
    ------
    InputError
        If the folder holds something, or the name is malformed or taken.
    """
    words = _words(folder.absolute().name if name is None else name)
    if os.path.lexists(folder) and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} holds something already; name a folder that is new or empty.")
    template, written = files("equatorium.cli") / "template", []
    for source, place in PLACES.items():
        path = folder / place.format(**words)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_filled(template / f"{source}.txt", words), encoding="utf-8")
        written.append(path)
    return written


def _filled(source: Traversable, words: dict[str, str]) -> str:
    return Template(source.read_text(encoding="utf-8")).substitute(words)


def _words(dist: str) -> dict[str, str]:
    """Return what the template is filled with, from the name of the distribution."""
    if not is_name(dist):
        raise InputError(
            f"the name {dist!r} must be lower-case words joined by hyphens, such as "
            f"'equatorium-mine': give one with --name."
        )
    package, method = dist.replace("-", "_"), dist.removeprefix("equatorium-")
    module = method.replace("-", "_")
    classname = "".join(word.capitalize() for word in method.split("-"))
    for word in (package, module, classname):
        if not word.isidentifier() or keyword.iskeyword(word) or word in ("plugin", LOCAL):
            raise InputError(
                f"{word!r} cannot be the name of a module or class here: give another with --name."
            )
    _refuse_taken(dist, package, method)
    major, minor = map(int, equatorium.__version__.split(".")[:2])
    return {
        "dist": dist,
        "package": package,
        "method": method,
        "module": module,
        "classname": classname,
        "core": f"equatorium>={major}.{minor},<{major}.{minor + 1}",
    }


def _refuse_taken(dist: str, package: str, method: str) -> None:
    rivals = [entry.qualname for entry in registry.methods() if method in entry.names]
    try:
        what = f"the installed distribution {distribution(dist).name}"
    except PackageNotFoundError:
        what = f"the method {rivals[0]}" if rivals else ""
        if not what and find_spec(package) is not None:
            what = f"the importable module {package}"
    if what:
        raise InputError(f"the name {dist!r} is taken by {what}: give another with --name.")
