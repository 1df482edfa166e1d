"""A plugin made by ``equatorium plugins new``, installed by pip where it was never seen."""

import re

import pytest

from equatorium.cli.new import write_plugin

USE = """
import numpy as np, equatorium as eq
X = np.random.default_rng(0).random((30, 2))
model = eq.emulator("{}").fit(X, X @ [[1.0], [2.0]])
print(abs(model.predict([[0.5, 0.5]]) - 1.5).max() < 0.01)
"""


@pytest.fixture(scope="module")
def plugin(tmp_path_factory, shared):
    folder = tmp_path_factory.mktemp("plugin") / "my-plugin"
    write_plugin(folder)
    shared.install(folder)
    return folder


def test_it_is_listed_and_usable_by_name(shared, plugin):
    listed = shared.equatorium("plugins", "list")
    assert listed.returncode == 0, listed.stderr
    assert "my-plugin/my-plugin  " in listed.stdout
    assert shared.code(USE.format("my-plugin")) == "True\n"
    told = shared.equatorium("plugins", "info", "my-plugin").stdout
    assert "alpha = 0.001  (float)" in told and "Penalty on the squared slopes" in told


def test_it_passes_its_conformance(shared, plugin):
    done = shared.run("-m", "pytest", "-q", "-p", "no:cacheprovider", plugin, cwd=plugin)
    assert done.returncode == 0, done.stdout + done.stderr
    # That it can fail is shown by the tests of the kit.
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 20


def test_a_file_names_the_package_that_it_needs(environment, tmp_path):
    write_plugin(tmp_path / "gone", "soon-gone")
    environment.install(tmp_path / "gone")
    save = f"model.save({str(tmp_path / 'model.h5')!r})"
    environment.code(USE.format("soon-gone") + save)
    environment.pip("uninstall", "--quiet", "--yes", "soon-gone")
    done = environment.equatorium("info", tmp_path / "model.h5")
    assert done.returncode == 1 and done.stderr.startswith("Error: ")
    assert "needs a method that is not installed" in done.stderr
    assert "pip install soon-gone" in done.stderr and "Traceback" not in done.stderr
