"""Labels on axes."""

import numpy as np
import pytest

from equatorium import Parameter, Space
from equatorium.errors import InputError, UnknownNameError
from equatorium.plots.labels import chosen, on_axes, parameter_labels, pretty, pretty_unit, quantity


def test_powers_and_symbols():
    assert pretty_unit("erg s^-1 cm^-2") == "erg s$^{-1}$ cm$^{-2}$"
    assert pretty_unit("Mpc-3 dex-1") == "Mpc$^{-3}$ dex$^{-1}$"
    assert pretty_unit("cm**2 / g") == "cm$^{2}$ / g"
    assert pretty("log10 phi") == r"log$_{10}$ $\phi$"
    assert pretty("phi_z1") == "phi_z1"  # only whole words
    assert pretty(r"$x^2$") == "$x^2$"


def test_units_in_brackets_or_under_the_logarithm():
    assert quantity("T", "K") == "T [K]"
    assert quantity("T") == "T"
    assert quantity("log10 phi", "log10(Mpc^-3)") == r"log$_{10}$($\phi$ / Mpc$^{-3}$)"
    assert quantity(r"$\log\,n$", "dex(cm-3)") == r"$\log\,n$ [cm$^{-3}$]"


def test_log_parameters_are_shown_as_log10():
    space = Space([Parameter("a", 1, 100, "log", "K"), Parameter("b", 0, 1)])
    assert parameter_labels(space, ["b", "a"]) == ["b", "log$_{10}$ a [K]"]
    assert on_axes(space, np.array([[10.0, 0.5]]), ["a", "b"]).tolist() == [[1.0, 0.5]]
    with pytest.raises(UnknownNameError):
        parameter_labels(space, ["c"])


def test_choice_keeps_the_known_order():
    assert chosen(None, ["a", "b", "c"], np.array([3.0, 1.0, 2.0]), 2) == ["a", "c"]
    assert chosen(["c", "a"], ["a", "b", "c"], np.zeros(3), 1) == ["c", "a"]
    with pytest.raises(InputError, match="nothing"):
        chosen([], ["a"], np.zeros(1), 1)
