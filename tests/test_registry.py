"""Discovery, isolation of broken plugins, look-up, creation, and the written form of a method."""

import json
import subprocess
import sys
import threading
import types
import warnings

import numpy as np
import pytest

import equatorium as eq
from equatorium import Diagonal, Emulator, Gaussian, errors, registry, shelf
from equatorium.catalogue import Catalogue
from equatorium.plugin import HOOKS, Method

HEAVY = {"numpy", "scipy", "sklearn", "torch", "gpytorch", "h5py", "astropy", "matplotlib", "emcee"}

PLUGIN = """
from equatorium.plugin import Method, hookimpl

@hookimpl
def register_emulators():
    yield Method(name="{name}", target="{module}.model:Mean", summary="The mean", aliases=["old"],
                 capabilities=["variance"], reference="Someone 2001, doi:10.1000/xyz")
"""
MODEL = """
import numpy as np
from equatorium import Diagonal, Emulator, Gaussian

class Mean(Emulator):
    def __init__(self, *, scale=1.0):
        self.scale = scale

    def _fit(self, X, Y, noise):
        self.mean_ = self.scale * Y.mean(axis=0)

    def _predict_dist(self, X):
        mean = np.tile(self.mean_, (len(X), 1))
        return Gaussian(mean, Diagonal(np.ones_like(mean)))
"""


class Constant(Emulator):
    """Predicts one number.

    More about it.
    """

    def __init__(self, *, value=1.0, parts=()):
        self.value = value
        self.parts = parts

    def _fit(self, X, Y, noise):
        self.p_ = Y.shape[1]

    def _predict_dist(self, X):
        mean = np.full((len(X), self.p_), self.value)
        return Gaussian(mean, Diagonal(np.ones_like(mean)))


@pytest.fixture(autouse=True)
def own_names(monkeypatch):
    # What a test installs or registers must not stay in the library's own catalogue.
    monkeypatch.setattr(registry._CATALOGUE, "_found", None)
    monkeypatch.setattr(registry._CATALOGUE, "_local", {})


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Give a function that makes an installed distribution, as pip would leave it."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    made = []

    def make(dist, plugin=None, name="mean", version="1.0"):
        module = dist.replace("-", "_")
        package = tmp_path / module
        package.mkdir()
        (package / "__init__.py").write_text("")
        (package / "plugin.py").write_text(plugin or PLUGIN.format(name=name, module=module))
        (package / "model.py").write_text(MODEL)
        info = tmp_path / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[equatorium.plugins]\nx = {module}.plugin\n")
        made.append(dist)
        monkeypatch.setenv("EQUATORIUM_PLUGINS", ",".join(made))

    monkeypatch.setenv("EQUATORIUM_PLUGINS", "")
    yield make
    for dist in made:
        for name in [m for m in sys.modules if m.split(".")[0] == dist.replace("-", "_")]:
            del sys.modules[name]


def names(catalogue, kind=None):
    return {entry.qualname for entry in catalogue.methods(kind)}


OWN = [(kind, m) for hook, kind in HOOKS.items() for m in getattr(shelf, hook, list)()]
CORE = {f"equatorium/{method.name}" for _, method in OWN}
CORE_EMULATORS = {f"equatorium/{m.name}" for kind, m in OWN if "emulator" in (kind, *m.roles)}


# -- discovery -----------------------------------------------------------------------------


def test_the_core_alone(install):
    catalogue = Catalogue()
    assert names(catalogue) == CORE
    assert catalogue.problems() == ()


def test_an_installed_plugin_is_found(install):
    install("Their_Plugin")
    entry = Catalogue().get("emulator", "mean")
    assert (entry.qualname, entry.version) == ("their-plugin/mean", "1.0")
    assert entry.roles == ("emulator",)
    model = entry.load()(scale=2.0).fit([[0.0], [1.0]], [1.0, 3.0])
    assert model.predict([[5.0]]).tolist() == [4.0]


def test_a_plugin_installed_later_is_found_after_refresh(install):
    catalogue = Catalogue()
    assert names(catalogue) == CORE
    install("late")
    assert names(catalogue) == CORE
    catalogue.refresh()
    assert names(catalogue) == CORE | {"late/mean"}


HOOK = (
    "from equatorium.plugin import Method, hookimpl\n@hookimpl\ndef register_emulators({}):\n    "
)
BROKEN = {
    "import": ("import no_such_module", "No module named 'no_such_module'"),
    "syntax": ("def f(:", "SyntaxError"),
    "raises": (HOOK.format("") + "raise RuntimeError('boom')", "hook register_emulators .*boom"),
    "argument": (HOOK.format("x") + "return []", "hooks do not fit"),
    "typo": (HOOK.format("").replace("emulators", "emulatrs") + "return []", "no such hook.*Did"),
    "no-iterable": (HOOK.format("") + "return 3", "it gave 3 instead of a list"),
    "no-method": (HOOK.format("") + "return ['gp']", "'gp' instead of a Method"),
    "no-hook": ("def register_emulators():\n    return []", "no function marked with .*hookimpl"),
    "exits": ("raise SystemExit('not on this machine')", "SystemExit: not on this machine"),
    "exits-late": (HOOK.format("") + "raise SystemExit(3)", "hook register_emulators .*SystemExit"),
    "panics": ("raise BaseException('at the disco')", "BaseException: at the disco"),
    "panics-late": (HOOK.format("") + "raise GeneratorExit", "hook .* failed: GeneratorExit"),
    "mute": (
        "class E(Exception):\n    def __str__(self):\n        raise KeyError\nraise E",
        "an error that cannot be printed",
    ),
    "none": (HOOK.format("") + "return None", "it gave None instead of a list of equatorium.Me"),
    "subclass": (
        "from equatorium.plugin import Method, hookimpl\n"
        "class Own(Method):\n    def __post_init__(self):\n        pass\n"
        "@hookimpl\ndef register_emulators():\n    return [Own(name='A/ b', target=3)]",
        "instead of a Method",
    ),
    "lines": (
        HOOK.format("") + "return [Method(name='a', target='a:B', summary='one\\ntwo')]",
        "must be one line of text",
    ),
    "bad-method": (HOOK.format("") + "return [Method(name='GP', target='a:B')]", "lower-case"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_one_broken_plugin_never_breaks_another(install, kind):
    code, message = BROKEN[kind]
    install("alpha", name="first")
    install("broken-one", plugin=code)
    install("zeta", name="last")
    catalogue = Catalogue()
    with pytest.warns(errors.PluginWarning, match=f"broken-one 1.0: .*{message}") as caught:
        assert names(catalogue, "emulator") == CORE_EMULATORS | {"alpha/first", "zeta/last"}
    assert len(caught) == 1
    (problem,) = catalogue.problems()
    assert problem.plugin == "broken-one" and "\n" not in problem.text
    assert "Traceback" in problem.trace or kind in ("no-hook", "mute")
    # The warning is given once, the problem stays on record.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(catalogue.methods()) == len(CORE) + 2


def test_what_a_hook_yields_before_it_fails_is_kept(install):
    code = HOOK.format("") + "yield Method(name='good', target='half.model:Mean')\n    1 / 0"
    install("half", plugin=code)
    catalogue = Catalogue()
    with pytest.warns(errors.PluginWarning, match=r"ZeroDivisionError"):
        assert "half/good" in names(catalogue)


def test_a_wrapper_is_refused(install):
    code = (
        "import pluggy\n@pluggy.HookimplMarker('equatorium')(wrapper=True)\n"
        "def register_emulators():\n    yield"
    )
    install("wrap", plugin=code)
    with pytest.warns(errors.PluginWarning, match=r"cannot be a wrapper"):
        assert names(Catalogue()) == CORE


def test_a_distribution_offers_a_name_once(install):
    code = HOOK.format("") + (
        "return [Method(name='one', target='twice.model:Mean', summary='first'),"
        " Method(name='two', target='twice.model:Mean', aliases=['one'])]"
    )
    install("twice", plugin=code)
    catalogue = Catalogue()
    with pytest.warns(errors.PluginWarning, match=r"offers twice/one twice; the first is kept"):
        assert catalogue.get("emulator", "one").method.summary == "first"
    with pytest.raises(errors.UnknownMethodError):
        catalogue.get("emulator", "two")


def test_a_hook_without_an_end_is_stopped(install):
    code = HOOK.format("") + (
        "for i in range(10**9):\n        yield Method(name=f'm{i}', target='a:B')"
    )
    install("endless", plugin=code)
    catalogue = Catalogue()
    with pytest.warns(errors.PluginWarning, match=r"more than 1000 methods"):
        assert "endless/m0" in names(catalogue)


def test_a_plugin_that_looks_methods_up_while_it_is_read_is_told_so(install, monkeypatch):
    code = "from equatorium import registry\n" + HOOK.format("") + "return registry.methods()"
    install("asks", plugin=code)
    catalogue = Catalogue()
    monkeypatch.setattr(registry, "methods", catalogue.methods)
    with pytest.warns(errors.PluginWarning, match=r"looked up while the plugins are") as caught:
        assert names(catalogue) == CORE
    assert len(caught) == 1
    assert names(catalogue) == CORE  # and the lock is free again


def test_ctrl_c_is_never_a_problem_of_a_plugin(install):
    install("stopped", plugin="raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        Catalogue().methods()


def test_damaged_distributions_hide_no_other(install, tmp_path, monkeypatch):
    install("fine")
    for dist in ("nameless", "garbled", "local", "doubled", "function"):
        install(dist, name=dist)
    (tmp_path / "nameless-1.0.dist-info" / "METADATA").write_text("")
    (tmp_path / "garbled-1.0.dist-info" / "entry_points.txt").write_text("[equatorium.plugins]\nx")
    twice = "[equatorium.plugins]\nx = doubled.plugin\ny = doubled.plugin\n"
    (tmp_path / "doubled-1.0.dist-info" / "entry_points.txt").write_text(twice)
    point = "[equatorium.plugins]\nx = function.plugin:register_emulators\n"
    (tmp_path / "function-1.0.dist-info" / "entry_points.txt").write_text(point)
    with pytest.warns(errors.PluginWarning):
        assert names(Catalogue()) == CORE | {"fine/mean", "doubled/doubled"}
    monkeypatch.delenv("EQUATORIUM_PLUGINS")
    catalogue = Catalogue()
    with pytest.warns(errors.PluginWarning):
        found = names(catalogue)
    assert {"fine/mean", "doubled/doubled"} <= found
    assert not any(name.startswith(("local/", "nameless/")) for name in found)
    told = {problem.plugin: problem.text for problem in catalogue.problems()}
    assert "its distribution has no name" in told["nameless.plugin"]
    assert "entry_points.txt cannot be read" in told["garbled"]
    assert "no distribution may be called 'local'" in told["local"]
    assert told["doubled"].startswith("two of its entry points lead to doubled.plugin")
    assert told["function"] == "its entry point must name a module, but leads to a function"


def test_nor_do_they_where_the_backport_finds_them(install, tmp_path, monkeypatch):
    pytest.importorskip("importlib_metadata")  # once imported, it finds distributions for all
    test_damaged_distributions_hide_no_other(install, tmp_path, monkeypatch)


def test_a_name_allowed_in_vain_is_told(install, monkeypatch):
    install("fine-one")
    monkeypatch.setenv("EQUATORIUM_PLUGINS", " fine-noe, ,equatorium ,")
    catalogue = Catalogue()
    with pytest.warns(errors.PluginWarning, match=r"fine-noe .*Did you mean 'fine-one'"):
        assert names(catalogue) == CORE


@pytest.mark.parametrize("value", ["", " ", "0", "False", "no"])
def test_strict_mode_is_off(install, monkeypatch, value):
    install("broken-one", plugin="import no_such_module")
    monkeypatch.setenv("EQUATORIUM_PLUGINS_STRICT", value)
    with pytest.warns(errors.PluginWarning, match=r"no_such_module"):
        assert names(Catalogue()) == CORE


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: registry.register("emulator", "constant"), "this is 'constant'"),
        (lambda: registry.register("emulator", Constant()), r"this is Constant\(\)"),
        (
            lambda: registry.register("emulator", Method(name="b", target=Constant), name="c"),
            "with name",
        ),
        (lambda: registry.register("emulator", Constant, sumary="x"), "Did you mean 'summary'"),
        (lambda: registry.register("emulator", Constant, target="a:B"), "no field 'target'"),
        (lambda: registry.register([], Constant), r"no kind \[\]"),
        (lambda: registry.methods(["emulator"]), r"no kind \['emulator'\]"),
        (lambda: registry.methods(capabilities=3), "list of words, not 3"),
        (lambda: registry.methods(capabilities=[None]), r"list of words, not \[None\]"),
        (lambda: Method(name="a", target="a:B", extra="x]'; rm"), "extra must be a word"),
        (lambda: Method(name="a", target="a:B", reference="a\x1b[31m"), "must be one line"),
        (
            lambda: registry.from_spec("emulator", {"use": "committee", "options": {3: 4}}),
            "a method is written",
        ),
    ],
)
def test_what_cannot_be_registered_or_asked_for(call, message):
    with pytest.raises((errors.InputError, errors.UnknownNameError), match=message):
        call()


def test_strict_mode_raises(install, monkeypatch):
    install("broken-one", plugin="import no_such_module")
    monkeypatch.setenv("EQUATORIUM_PLUGINS_STRICT", "1")
    catalogue = Catalogue()
    for _ in range(2):
        with pytest.raises(errors.PluginError, match=r"no_such_module"):
            catalogue.methods()


def test_the_allow_list_is_read_before_anything_is_imported(install, monkeypatch):
    install("broken-one", plugin="raise SystemError('must not be imported')")
    install("fine")
    monkeypatch.setenv("EQUATORIUM_PLUGINS", "Fine")
    assert names(Catalogue()) == CORE | {"fine/mean"}


def test_the_heavy_modules_that_a_plugin_imports_are_its_own(install, tmp_path, monkeypatch):
    # Two stand-ins for torch: listing two plugins must blame the one that brought it in, and only
    # for what was not there before.
    for name in ("jax", "tensorflow"):
        monkeypatch.delitem(sys.modules, name, raising=False)
        (tmp_path / f"{name}.py").write_text("")
    install("eager", plugin="import jax, numpy\n" + HOOK.format("") + "return []")
    install("late", plugin="import jax\n" + HOOK.format("") + "import tensorflow\n    return []")
    install("light")
    catalogue = Catalogue()
    eager, late, light = catalogue.timings()
    assert (eager.plugin, eager.version, eager.heavy) == ("eager", "1.0", ("jax",))
    assert late.heavy == ("tensorflow",) and light.heavy == ()
    assert min(t.milliseconds for t in (eager, late, light)) > 0
    assert str(eager).endswith(" ms, imports eagerly: jax") and "eagerly" not in str(light)
    # What is imported already costs nothing: the first reading is the one to tell of.
    catalogue.refresh()
    assert catalogue.timings() == (eager, late, light)
    for name in ("jax", "tensorflow"):
        sys.modules.pop(name)


def test_many_threads_discover_once(install):
    install("fine")
    calls, found = [], []

    def find():
        from equatorium.discovery import discover

        calls.append(1)
        return discover()

    catalogue = Catalogue(find)
    threads = [threading.Thread(target=lambda: found.append(names(catalogue))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1 and found == [CORE | {"fine/mean"}] * 16


# -- look-up -------------------------------------------------------------------------------


def test_a_name_offered_twice_is_never_resolved_silently(install):
    install("first")
    install("second", version="2.0")
    catalogue = Catalogue()
    with pytest.raises(errors.NameCollisionError) as caught:
        catalogue.get("emulator", "mean")
    for part in ("2 plugins offer the emulator 'mean'", "first/mean", "second/mean", "2.0"):
        assert part in str(caught.value)
    assert catalogue.get("emulator", "second/mean").version == "2.0"
    assert catalogue.get("emulator", "Second/old").version == "2.0"
    # Nothing else is disturbed.
    assert catalogue.get("emulator", "embedded").dist == "equatorium"


def test_collisions_are_told_before_anybody_asks(install):
    install("first")
    assert Catalogue().collisions() == {}
    install("second")
    shared = Catalogue().collisions()
    assert {name: [e.qualname for e in rivals] for name, rivals in shared.items()} == {
        "mean": ["first/mean", "second/mean"],
        "old": ["first/mean", "second/mean"],
    }
    # The same name for another use is no collision: the kind tells them apart.
    monopoly = HOOK.format("").replace("emulators", "simulators")
    install("third", plugin=monopoly + "return [Method(name='embedded', target='a:B')]")
    assert "embedded" not in Catalogue().collisions()


def test_methods_by_capability(install):
    install("theirs")
    code = "return [Method(name='two', target='a:B', capabilities=['variance', 'mine:fast'])]"
    install("mine", plugin=HOOK.format("") + code)
    catalogue = Catalogue()

    def found(*words):
        return {e.qualname for e in catalogue.methods("emulator", capabilities=words)}

    assert found() == CORE_EMULATORS | {"mine/two", "theirs/mean"}
    assert {"mine/two", "theirs/mean", "equatorium/embedded"} <= found("variance")
    assert found("variance", "mine:fast") == {"mine/two"}
    assert found("gradient") == set()
    with pytest.raises(
        errors.UnknownNameError, match=r"no capability 'varience'. Did .*'variance'"
    ):
        found("varience")


def test_a_method_that_does_not_load_becomes_a_problem_and_harms_no_other(install):
    wrong = "return [Method(name='m', target='bad.gone:Mean'), Method(name='n', target='{}')]"
    install("bad", plugin=HOOK.format("") + wrong.format("bad.model:Mean"))
    catalogue = Catalogue()
    entry = catalogue.get("emulator", "m")
    for _ in range(2):
        with pytest.raises(errors.PluginLoadError):
            catalogue.load(entry)
    (problem,) = catalogue.problems()
    assert problem.plugin == "bad" and "cannot load the emulator 'm'" in problem.text
    assert "No module named 'bad.gone'" in problem.trace
    assert catalogue.load(catalogue.get("emulator", "n")).__name__ == "Mean"
    # Mended: the problem goes.
    mean = sys.modules["bad.model"].Mean
    sys.modules["bad.gone"] = types.ModuleType("bad.gone")
    sys.modules["bad.gone"].Mean = type("Mean", (mean,), {"__module__": "bad.gone"})
    catalogue.load(entry)
    assert catalogue.problems() == ()


def test_an_alias_is_a_name(install):
    install("theirs")
    assert Catalogue().get("emulator", "old").name == "mean"
    install("mine", name="old")
    with pytest.raises(errors.NameCollisionError):
        Catalogue().get("emulator", "old")


def test_unknown_names():
    with pytest.raises(errors.UnknownMethodError, match=r"no sampler 'emce'. Did you mean 'emcee'"):
        eq.sampler("emce")
    with pytest.raises(
        errors.UnknownMethodError, match=r"known as sampler: use equatorium.sampler"
    ):
        eq.emulator("emcee")
    with pytest.raises(
        errors.UnknownNameError, match=r"no kind 'emulatr'. Did you mean 'emulator'"
    ):
        eq.methods("emulatr")
    with pytest.raises(errors.InputError, match=r"asked for by its name, but this is 3"):
        eq.emulator(3)


def test_an_unknown_name_tells_of_broken_plugins(install):
    install("broken-one", plugin="import no_such_module")
    catalogue = Catalogue()
    with (
        pytest.warns(errors.PluginWarning),
        pytest.raises(errors.UnknownMethodError, match=r"broken: broken-one 1.0: .*no_such_module"),
    ):
        catalogue.get("emulator", "theirs")


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (
            "target='bad.model:Mean', requires=['no_such_dep', 'numpy'], extra='fast'",
            r"needs no_such_dep, not installed here; pip install 'bad\[fast\]'",
        ),
        ("target='bad.model:Mean', requires=['no_such_dep']", "pip install bad"),
        ("target='bad.gone:Mean'", "ModuleNotFoundError: No module named 'bad.gone'"),
        ("target='bad.model:Gone'", "AttributeError"),
        ("target='bad.model:MODEL'", "AttributeError"),
        ("target='bad.model:np'", "is not a class"),
        ("target='equatorium:Diagonal'", "has the role 'emulator' but does not derive"),
        ("target='equatorium:Emulator'", "does not define _fit, _predict_dist"),
        ("target='equatorium:Conformal'", r"write 'equatorium\.emulate\.conformal:Conformal'"),
        ("target='bad.model:Mean', capabilities=['loo']", "claims .*'loo' but has no method 'loo'"),
        ("target='bad.model:Mean', roles=['embedder']", "role 'embedder'"),
    ],
)
def test_a_class_that_is_not_what_was_promised(install, method, message):
    install("bad", plugin=HOOK.format("") + f"return [Method(name='m', {method})]")
    catalogue = Catalogue()
    (entry,) = [entry for entry in catalogue.methods() if entry.dist == "bad"]
    with pytest.raises(errors.PluginLoadError, match=f"'m' of bad 1.0: .*{message}"):
        entry.load()


def test_roles_decide_where_a_method_is_found(install):
    code = HOOK.format("").replace("emulators", "ensembles") + (
        "return [Method(name='forest', target='trees.model:Mean', roles=['emulator'])]"
    )
    install("trees", plugin=code)
    catalogue = Catalogue()
    assert "trees/forest" in names(catalogue, "emulator") & names(catalogue, "ensemble")
    with pytest.raises(errors.UnknownMethodError, match=r"known as ensemble and emulator"):
        catalogue.get("classifier", "forest")


# -- registration within a script ----------------------------------------------------------


def test_a_class_of_the_script():
    entry = eq.register("emulator", Constant)
    assert (entry.qualname, entry.method.summary) == ("local/constant", "Predicts one number.")
    assert entry.method.capabilities == {"variance"}
    assert eq.emulator("constant", value=3.0).get_params()["value"] == 3.0
    assert registry.name_of(Constant) == "local/constant"
    # A notebook's cell, run again.
    again = type("Constant", (Constant,), {"__module__": Constant.__module__})
    eq.register("emulator", again)
    assert type(eq.emulator("constant")) is again
    assert len([e for e in eq.methods("emulator") if e.dist == "local"]) == 1


def test_a_taken_name_is_refused():
    eq.register("emulator", Constant)
    other = type("Other", (Constant,), {})
    with pytest.raises(errors.NameCollisionError, match=r"'constant' is registered for .*Constant"):
        eq.register("emulator", other, name="constant")
    eq.register("emulator", Method(name="another", target=other, aliases=["oth"]))
    assert type(eq.emulator("oth")) is other
    eq.register("emulator", Constant, name="embedded")
    with pytest.raises(errors.NameCollisionError, match=r"local/embedded"):
        eq.emulator("embedded")


def test_only_what_fits_is_registered():
    with pytest.raises(errors.PluginLoadError, match=r"does not derive"):
        eq.register("emulator", dict)
    with pytest.raises(errors.UnknownNameError, match=r"Did you mean 'emulator'"):
        eq.register("emulatr", Constant)


# -- creation and the written form ---------------------------------------------------------


def test_options_are_checked_by_name():
    eq.register("emulator", Constant)
    with pytest.raises(errors.UnknownNameError, match=r"no option 'valeu'. Did you mean 'value'"):
        eq.emulator("constant", valeu=2.0)
    with pytest.raises(errors.InputError, match=r"embedded needs the option 'embedder'"):
        eq.emulator("embedded", emulator="constant")


def test_nested_specs_become_methods():
    eq.register("emulator", Constant)
    model = eq.emulator(
        "constant",
        value={"use": "constant", "options": {"value": 2.0}},
        parts=[{"use": "constant"}, 3, ({"use": "local/constant"},)],
    )
    assert model.value.value == 2.0
    assert isinstance(model.parts[0], Constant) and isinstance(model.parts[2][0], Constant)
    assert model.parts[1] == 3


def test_a_spec_goes_around():
    eq.register("emulator", Constant)
    model = Constant(value=np.float64(0.5), parts=(Constant(value=2), {"a": [None, "b"]}))
    spec = registry.to_spec(model)
    inner = {"use": "local/constant", "options": {"value": 2, "parts": []}}
    assert spec == {
        "use": "local/constant",
        "options": {"value": 0.5, "parts": [inner, {"a": [None, "b"]}]},
    }
    again = registry.from_spec("emulator", json.loads(json.dumps(spec)))
    assert registry.to_spec(again) == spec
    assert registry.from_spec("emulator", model) is model
    assert type(registry.from_spec("emulator", "constant")) is Constant


def test_a_simulator_has_a_spec():
    spec = registry.to_spec(eq.simulator("borehole"))
    assert spec == {"use": "equatorium/borehole", "options": {}}


@pytest.mark.parametrize("value", [lambda x: x, np.ones(2), float("nan"), {1: 2}, {"a": object()}])
def test_an_option_without_a_written_form_is_named(value):
    eq.register("emulator", Constant)
    with pytest.raises(errors.NotSavableError, match=r"option 'value' of local/constant"):
        registry.to_spec(Constant(value=value))


def test_an_unregistered_class_has_no_name():
    with pytest.raises(
        errors.NotSavableError, match=r"equatorium.register\('emulator', Constant\)"
    ):
        registry.name_of(Constant)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"use": "emcee", "optoins": {}}, "not 'optoins'. Did you mean 'options'"),
        ({"options": {}}, "is written"),
        ({"use": "emcee", "options": 3}, "is written"),
    ],
)
def test_malformed_specs(spec, message):
    with pytest.raises(errors.ConfigurationError, match=message):
        registry.from_spec("sampler", spec)


# -- lightness -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    [
        "import equatorium",
        "import equatorium; equatorium.methods()",
        "from equatorium.cli import main; main(['plugins', 'list'], standalone_mode=False)",
        "from equatorium.cli import main; main(['plugins', 'list', '--json'], standalone_mode=0)",
        "from equatorium.cli import main; main(['plugins', 'new', '--help'], standalone_mode=0)",
        "from equatorium.cli import main; main(['--help'], standalone_mode=False)",
    ],
)
def test_listing_imports_nothing_heavy(code):
    code += "\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in json.loads(out.stdout.splitlines()[-1])}
    assert not loaded & HEAVY
