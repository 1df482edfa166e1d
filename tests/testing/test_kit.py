"""The kit itself: good methods pass, and for every check a wrong method fails it, and no other."""

import sys
from types import SimpleNamespace

import pytest

import equatorium as eq
from equatorium import leaves, registry
from equatorium.errors import InputError, NameCollisionError, UnknownNameError
from equatorium.plugin import CAPABILITIES
from equatorium.testing import check, check_for, conformance, expect
from equatorium.testing.declared import _CHECKS, all_checks, summary_of
from equatorium.testing.distribution import Distribution
from equatorium.testing.kit import outcome_of, pairs_of
from equatorium.testing.reference import lent

SLOW = "scikit_learn_accepts_it"  # finds most of what the others find, so it is tried on its own


@pytest.fixture(scope="module")
def fake_torch():
    """A machine that has a CUDA device, as far as the checks can see."""
    with pytest.MonkeyPatch.context() as patch:
        cuda = SimpleNamespace(is_available=lambda: True)
        patch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
        yield


def failed(dist, keep=lambda subject, one: True):
    """Which checks of which method fail."""
    found = {}
    for subject, one in pairs_of(Distribution(dist)):
        if keep(subject, one):
            result = outcome_of(subject, one)
            assert result.status != "skipped", result
            found.setdefault(subject.name, {})
            if result.status == "failed":
                found[subject.name][one.name] = result.text
    return found


@pytest.fixture(scope="module")
def wrong(zoo, fake_torch):
    """What fails of every wrong method; scikit-learn's checks only where nothing else does."""

    def keep(subject, one):
        return one.name != SLOW or subject.name == "unlearned"

    return failed("zoo-wrong", keep)


def test_good_methods_pass_every_check(zoo, fake_torch):
    bad = {name: found for name, found in failed("zoo-good").items() if found}
    assert not bad


def test_each_wrong_method_fails_what_it_should_and_nothing_else(wrong):
    import zoo_wrong

    for cls in zoo_wrong.WRONG:
        found = wrong[cls.__name__.lower()]
        if cls.breaks is None:
            assert "it_is_what_it_claims" in found, cls
        else:
            assert set(found) == cls.breaks, (cls, found)
            # It is found by what the check looks at, not by some accident.
            accidents = [text for text in found.values() if "Traceback" in text]
            assert not accidents or cls.__name__ == "Impatient", accidents[0]


def test_a_plugin_that_imports_its_methods_is_named(wrong):
    assert set(wrong["zoo-wrong"]) == {"listing_is_light"}
    assert "numpy" in wrong["zoo-wrong"]["listing_is_light"]


def test_a_hook_that_fails_is_found(zoo):
    found = failed("zoo-broken", lambda subject, one: one.name in ("the_plugin_is_whole",))
    assert "out of methods" in found["zoo-broken"]["the_plugin_is_whole"]


def test_a_reader_that_believes_too_much_is_found(zoo, monkeypatch):
    # The plugin weakens the reader of this process too; this puts it right in the end.
    monkeypatch.setattr(leaves.Reader, "_compare", leaves.Reader._compare)
    found = failed("zoo-hostile", lambda subject, one: one.once)
    assert set(found["zoo-hostile"]) == {"hostile_files_are_refused"}
    assert "a wrong number was accepted" in found["zoo-hostile"]["hostile_files_are_refused"]


def test_every_check_is_failed_by_a_wrong_method(zoo):
    import zoo_wrong

    tripped = set().union(*(cls.breaks for cls in zoo_wrong.WRONG if cls.breaks))
    tripped |= {"it_is_what_it_claims", "listing_is_light"}
    tripped |= {"the_plugin_is_whole", "hostile_files_are_refused"}
    assert tripped == {one.name for one in all_checks()}


def test_every_capability_is_checked():
    checked = set().union(*(one.capabilities for one in all_checks()))
    assert checked >= set(CAPABILITIES) - {"missing"} and "missing" in checked


def test_every_check_says_what_it_proves():
    for one in all_checks():
        assert summary_of(one).endswith("."), one.name


def test_a_crash_is_told_with_what_it_came_of(wrong):
    text = wrong["crashing"]["a_damaged_state_is_refused"]
    assert "SIGSEGV" in text and "address_ filled with huge numbers" in text


def test_scikit_learns_checks_are_named(wrong):
    assert "check_no_attributes_set_in_init" in wrong["unlearned"][SLOW]


# -- the two doors -------------------------------------------------------------------------


def test_check_needs_no_pytest(zoo):
    import subprocess

    code = (
        "import sys; sys.modules['pytest'] = None\n"
        "from equatorium.testing import check\n"
        "print([r.check for r in check('zoo-broken') if r.status == 'failed'])"
    )
    paths = {"PYTHONPATH": ":".join(filter(None, sys.path)), "EQUATORIUM_PLUGINS": "zoo-broken"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], env=paths, capture_output=True, text=True
    )
    assert done.stdout == "['the_plugin_is_whole']\n", done.stderr


def test_expected_failures_are_strict(zoo):
    reasons = {
        "the_plugin_is_whole": "it is broken on purpose",
        "oneway:fit_returns_the_model": "a mistake",
    }
    pairs = [p for p in pairs_of(Distribution("zoo-broken")) if p[1].name in str(reasons)]
    announced, passing = (outcome_of(*pair, reasons) for pair in pairs)
    assert announced.status == "expected"
    assert announced.text.startswith("it is broken on purpose (")
    assert passing.status == "failed" and "take it off expected_failures" in passing.text


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"fit_returns_the_model": ""}, "needs a reason"),
        ({"fit_returns_the_modle": "x"}, "Did you mean 'fit_returns_the_model'"),
        ({"able:it_learns_something": "x"}, "no such check is made here"),
    ],
)
def test_expected_failures_are_checked(zoo, given, message):
    for door in (check, conformance):
        with pytest.raises(InputError, match=message):
            door("zoo-broken", expected_failures=given)


def test_a_distribution_that_is_not_there():
    with pytest.raises(InputError, match=r"'equatorium-gpp' offers no method.*Did you mean"):
        check("equatorium-gpp")


def test_the_test_that_conformance_makes(zoo):
    pytest.importorskip("pytest")
    test = conformance("zoo-broken", expected_failures={"the_plugin_is_whole": "on purpose"})
    (mark,) = test.pytestmark
    rows = {row.id: row.values for row in mark.args[1]}
    test(*rows["oneway-fit_returns_the_model"])
    with pytest.raises(pytest.xfail.Exception, match="on purpose"):
        test(*rows["zoo-broken-the_plugin_is_whole"])
    strict = conformance("zoo-broken")
    with pytest.raises(pytest.fail.Exception, match="out of methods"):
        strict(*rows["zoo-broken-the_plugin_is_whole"])


def test_methods_of_the_running_process_can_be_checked(monkeypatch):
    from equatorium.testing.reference import ReferencePCA

    monkeypatch.setattr(registry._CATALOGUE, "_local", {})

    class Mine(ReferencePCA):
        """My own."""

    eq.register("embedder", Mine)
    results = [
        outcome_of(*pair) for pair in pairs_of(Distribution("local")) if pair[1].name != SLOW
    ]
    assert {r.method for r in results} == {"mine"}
    assert not [str(r) for r in results if r.status != "passed"]
    assert "a_fresh_process_gives_the_same_numbers" not in {r.check for r in results}


def test_the_reference_methods_are_gone_afterwards(zoo):
    with lent():
        with lent():
            pass
        assert eq.emulator("local/reference-ridge") and eq.embedder("local/reference-pca")
    assert not {e.name for e in eq.methods()} & {"reference-ridge", "reference-pca"}


# -- checks of one's own -------------------------------------------------------------------


def test_checks_can_be_added(zoo, monkeypatch):
    monkeypatch.setattr("equatorium.testing.declared._CHECKS", dict(_CHECKS))

    @check_for("embedder")
    def has_two_axes(case):
        """It has two axes."""
        expect(len(case.fitted().axes_) == 3, "it has not three axes")

    pairs = [p for p in pairs_of(Distribution("zoo-broken")) if p[1].name == "has_two_axes"]
    (result,) = [outcome_of(*pair) for pair in pairs]
    assert (result.status, result.text) == ("failed", "it has not three axes")

    def fit_returns_the_model(case):
        pass

    with pytest.raises(NameCollisionError, match="checks_model"):
        check_for("model")(fit_returns_the_model)


@pytest.mark.parametrize("words", [("emulatr",), ("emulator", "varience")])
def test_mistyped_words_are_refused(words):
    with pytest.raises(UnknownNameError, match="Did you mean"):
        check_for(*words)
