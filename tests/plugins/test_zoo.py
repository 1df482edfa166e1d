"""A zoo of broken plugins, all installed at once, leaves every good method working."""

import re

import pytest

HOOK = "from equatorium import Method, hookimpl\n@hookimpl\ndef register_emulators({}):\n    "
METHOD = "return [Method(name='{0}', target='zoo_{0}.model:Flat'{1})]"
MODEL = """
import numpy as np
from equatorium import Diagonal, Emulator, Gaussian

class Flat(Emulator):
    def _fit(self, X, Y, noise):
        self.mean_ = Y.mean(axis=0)

    def _predict_dist(self, X):
        return Gaussian(np.tile(self.mean_, (len(X), 1)), Diagonal(np.ones_like(self.mean_)))
"""


def method(name, extra=""):
    return HOOK.format("") + METHOD.format(name, extra)


# What is wrong, and what the list says of it.
BROKEN = {
    "import": ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
    "signature": (HOOK.format("shelf") + "return []", "its hooks do not fit: .*{'shelf'}"),
    "raises": (HOOK.format("") + "raise RuntimeError('boom')", "failed: RuntimeError: boom"),
    "item": (HOOK.format("") + "return ['gp']", "'gp' instead of a Method"),
    "word": (
        method("word", ", capabilities={'varience'}"),
        "unknown capability 'varience'. Did you mean 'variance'",
    ),
    "typo": (
        method("typo").replace("emulators", "emulatrs"),
        "no such hook. Did you mean 'register_emulators'",
    ),
    "exits": ("raise SystemExit('not here')", "SystemExit: not here"),
    "syntax": ("def f(:", "SyntaxError"),
    "deaf": ("def register_emulators():\n    return []", "no function marked"),
}
# What can be listed, but not used by everybody.
LISTED = {
    "needs": method("needs", ", requires=['no_such_dep'], extra='fast'"),
    "promises": method("promises", ", capabilities={'loo'}"),
    "duplicate": method("trend-gp").replace("zoo_trend-gp", "zoo_duplicate"),
    "fine": method("fine"),
}
USE = """
import warnings, numpy as np, equatorium as eq
warnings.simplefilter("ignore")
X = np.random.default_rng(0).random((20, 1))
for name in ("fine", "eager", "rbf", "equatorium-gp/trend-gp", "zoo-duplicate/trend-gp"):
    print(name, np.isfinite(eq.emulator(name).fit(X, X).predict(X)).all())
"""
REFUSED = """
import warnings, equatorium as eq
from equatorium import registry
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    eq.methods(), eq.methods("emulator")
print(sum(w.category is eq.errors.PluginWarning for w in caught))
for name in ("trend-gp", "needs", "promises", "word"):
    try:
        eq.emulator(name)
    except eq.errors.PluginError as error:
        print(type(error).__name__, " ".join(str(error).split()))
print(*(p.plugin for p in registry.problems()))
"""
ALLOWED = """
import os, sys, warnings
os.environ["EQUATORIUM_PLUGINS"] = "zoo-fine, Equatorium_Example"
warnings.simplefilter("error")
import equatorium as eq
print({e.dist for e in eq.methods()} - {"equatorium"} == {"zoo-fine", "equatorium-example"})
"""


@pytest.fixture
def zoo(installed):
    for name, (plugin, _) in BROKEN.items():
        folder = installed(f"zoo-{name}", plugin, model=MODEL)
    for name, plugin in LISTED.items():
        installed(f"zoo-{name}", plugin, model=MODEL)
    return folder


@pytest.fixture
def eager(installed):
    return installed("zoo-eager", "import torch\n" + method("eager"), model=MODEL)


def test_without_the_zoo_all_is_well(shared):
    done = shared.equatorium("plugins", "list")
    assert done.returncode == 0 and done.stderr == ""


def test_the_list_explains_each_problem_in_one_line(shared, zoo):
    done = shared.equatorium("plugins", "list", path=zoo)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    broken = {line.split()[1]: line for line in lines if line.startswith("broken: ")}
    assert set(broken) == {f"zoo-{name}" for name in BROKEN}
    for name, (_, message) in BROKEN.items():
        assert re.search(message, broken[f"zoo-{name}"]), name
    (shared_name,) = [line for line in lines if not line.startswith("broken: ")]
    assert shared_name == (
        "ambiguous: 'trend-gp'; ask for equatorium-gp/trend-gp or zoo-duplicate/trend-gp, "
        "or uninstall the other"
    )
    listed = {line.split()[0]: line for line in done.stdout.splitlines()}
    good = {"equatorium/embedded", "equatorium-gp/trend-gp", "equatorium-example/rbf"}
    assert good | {f"zoo-{name}/{name}" for name in ("needs", "fine")} <= set(listed)
    assert "[needs no_such_dep: pip install 'zoo-needs[fast]']" in listed["zoo-needs/needs"]


def test_the_plugin_that_imports_torch_is_named(shared, zoo, eager):
    done = shared.equatorium("plugins", "list", "-v", path=zoo)
    assert done.returncode == 1
    eager = [line for line in done.stdout.splitlines() if "imports eagerly" in line]
    assert len(eager) == 1 and re.match(r"  zoo-eager 1.0: [\d.]+ ms, .*\btorch\b", eager[0])
    assert "Traceback" in done.stderr


def test_every_good_method_works(shared, zoo, eager):
    told = shared.code(USE, path=zoo).splitlines()
    assert len(told) == 5 and all(line.endswith(" True") for line in told)


def test_what_cannot_be_used_is_refused_with_the_reason_and_one_warning(shared, zoo):
    told = shared.code(REFUSED, path=zoo).splitlines()
    warned, ambiguous, needs, promises, word, problems = told
    assert int(warned) == len(BROKEN)
    assert ambiguous.startswith("NameCollisionError 2 plugins offer the emulator 'trend-gp':")
    assert needs.startswith("PluginLoadError") and "pip install 'zoo-needs[fast]'" in needs
    assert "claims the capability 'loo' but has no method 'loo'" in promises
    assert word.startswith("UnknownMethodError no emulator 'word'.") and "zoo-word 1.0" in word
    # All five stages are on record: import, signature, body, descriptor, and loading the class.
    stages = {"zoo-import", "zoo-signature", "zoo-raises", "zoo-word", "zoo-promises"}
    assert stages <= set(problems.split())


def test_those_that_are_not_allowed_are_not_read(shared, zoo):
    assert shared.code(ALLOWED, path=zoo) == "True\n"
