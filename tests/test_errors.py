import pytest

from equatorium import errors


@pytest.mark.parametrize(
    ("error", "also"),
    [
        (errors.InputError, ValueError),
        (errors.ShapeError, errors.InputError),
        (errors.NotFiniteError, errors.InputError),
        (errors.ConfigurationError, errors.InputError),
        (errors.UnknownNameError, LookupError),
        (errors.UnknownMethodError, LookupError),
        (errors.PluginLoadError, ImportError),
        (errors.StateError, errors.EquatoriumError),
        (errors.EmptyRegionError, errors.EquatoriumError),
    ],
)
def test_an_error_is_caught_by_our_base_and_by_pythons_own(error, also):
    assert issubclass(error, errors.EquatoriumError)
    with pytest.raises(also, match=r"^plain words$"):
        raise error("plain words")


def test_lookup_errors_show_their_message_unquoted():
    assert str(errors.UnknownNameError("no 'x'")) == "no 'x'"


@pytest.mark.parametrize(
    ("name", "said"),
    [("alpah", " Did you mean 'alpha'?"), ("zzz", ""), ("ALPHA", " Did you mean 'alpha'?")],
)
def test_did_you_mean(name, said):
    assert errors.did_you_mean(name, ["alpha", "beta"]) == said


def test_did_you_mean_takes_any_iterable():
    assert errors.did_you_mean("ab1", (n for n in ["ab2"])) == " Did you mean 'ab2'?"
    assert errors.did_you_mean("a", []) == ""
