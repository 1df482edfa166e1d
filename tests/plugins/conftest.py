"""Virtual environments for one test: what is installed here, and whatever the test adds."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

# Whatever plugins the developer switched off, these environments see all of theirs.
SWITCHES = ("EQUATORIUM_PLUGINS", "EQUATORIUM_PLUGINS_STRICT", "PYTHONPATH", "PYTEST_ADDOPTS")


class Environment:
    """A virtual environment on top of the one that runs the tests, so that nothing is fetched."""

    def __init__(self, folder):
        venv.create(folder, with_pip=False, symlinks=os.name != "nt")
        self.python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
        ours = {"base": str(folder), "platbase": str(folder)}
        site = Path(sysconfig.get_path("purelib", scheme="venv", vars=ours))
        # addsitedir, unlike a plain path, also follows the links of editable installs.
        parents = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
        lines = [f"import site; site.addsitedir({parent!r})\n" for parent in parents]
        (site / "parent.pth").write_text("".join(lines))

    def run(self, *words, path=None, cwd=None):
        """Run the environment's Python and return what came of it."""
        clean = {name: value for name, value in os.environ.items() if name not in SWITCHES}
        return subprocess.run(
            [self.python, *map(str, words)],
            capture_output=True,
            text=True,
            cwd=cwd,
            env=clean | ({"PYTHONPATH": str(path)} if path else {}),
            timeout=300,
        )

    def code(self, text, path=None):
        """Run a program that must succeed, and return what it printed."""
        done = self.run("-c", text, path=path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def equatorium(self, *words, path=None):
        """Run the command line."""
        return self.run("-c", "from equatorium.cli import main; main()", *words, path=path)

    def pip(self, *words):
        """Run pip for this environment; no index is asked, so all it needs must be here."""
        how = ["--python", self.python, "--disable-pip-version-check"]
        done = subprocess.run(
            [sys.executable, "-m", "pip", *map(str, [*how, *words])],
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def install(self, folder):
        """Install a package with its dependencies, as a user does, but without an index."""
        self.pip("install", "--quiet", "--no-index", "--no-build-isolation", folder)


@pytest.fixture
def environment(tmp_path):
    return Environment(tmp_path / "environment")


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One environment for all tests of a file."""
    return Environment(tmp_path_factory.mktemp("shared") / "environment")


@pytest.fixture
def installed(tmp_path):
    """Give a function that makes an installed distribution, as pip would leave it."""

    def make(dist, plugin, **modules):
        package = tmp_path / "zoo" / dist.replace("-", "_")
        package.mkdir(parents=True)
        for name, text in {"__init__": "", "plugin": plugin, **modules}.items():
            (package / f"{name}.py").write_text(text)
        info = package.with_name(f"{package.name}-1.0.dist-info")
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.0\n")
        point = f"[equatorium.plugins]\nx = {package.name}.plugin\n"
        (info / "entry_points.txt").write_text(point)
        return package.parent

    return make
