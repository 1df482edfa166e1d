import numpy as np
import pytest

from equatorium import Outputs
from equatorium.errors import InputError, ShapeError, StateError, UnknownNameError


@pytest.fixture
def phi():
    z, m = np.meshgrid([0.0, 0.5], [9.0, 9.2, 9.4], indexing="ij")
    names = [f"z{a:g}m{b:g}" for a, b in zip(z.ravel(), m.ravel(), strict=True)]
    return Outputs(names, {"z": z.ravel(), "m": m.ravel()}, {"m": "dex"}, "log phi", "Mpc-3")


def test_select_by_value_range_and_list(phi):
    assert phi.p == 6
    np.testing.assert_array_equal(phi.select(z=0.5), [3, 4, 5])
    np.testing.assert_array_equal(phi.select(m=(9.1, 9.4)), [1, 2, 4, 5])
    np.testing.assert_array_equal(phi.select(m=[9.0, 9.4], z=0), [0, 2])
    np.testing.assert_array_equal(phi.select(m=9 + 2 * 0.1 + 1e-12), [1, 4])
    np.testing.assert_array_equal(phi.select(), np.arange(6))


def test_subset_keeps_everything_together(phi):
    part = phi.subset(phi.select(z=0.5))
    assert part.names == ("z0.5m9", "z0.5m9.2", "z0.5m9.4")
    np.testing.assert_array_equal(part.coords["m"], [9.0, 9.2, 9.4])
    assert (part.units, part.label, part.unit) == (phi.units, phi.label, phi.unit)
    assert phi.subset(2).names == ("z0m9.4",)
    assert phi.index("z0m9.4") == 2


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda o: Outputs(["a", "a"]), InputError, "'a' occurs more than once"),
        (lambda o: Outputs("ab"), InputError, "must be a list"),
        (lambda o: Outputs(None), InputError, "None"),
        (lambda o: Outputs([]), InputError, "at least one"),
        (lambda o: Outputs(["a", ""]), InputError, "empty"),
        (lambda o: Outputs(["a"], {"z": [1, 2]}), ShapeError, "'z' .*1 values, but it has 2"),
        (lambda o: Outputs(["a"], {"z": ["b"]}), InputError, "real numbers"),
        (lambda o: Outputs(["a"], {"zed": [1]}, {"zeb": "m"}), UnknownNameError, "mean 'zed'"),
        (lambda o: o.select(zz=1), UnknownNameError, "known: z, m"),
        (lambda o: o.select(z=2), InputError, "runs from 0 to 0.5"),
        (lambda o: o.select(m=("9.0", "9.5")), InputError, "selection in 'm' must hold real"),
        (lambda o: o.select(m=(9.5, 9.0)), InputError, "low <= high"),
        (lambda o: o.select(z=0.5, m=(9.05, 9.1)), InputError, "No element"),
        (lambda o: o.index("z0m9.5"), UnknownNameError, "Did you mean"),
        (lambda o: Outputs.from_state({"names": ["a"]}), StateError, "coords"),
        (lambda o: Outputs.from_state(o.get_state() | {"names": ["a"]}), StateError, "not valid"),
    ],
)
def test_bad_input_is_named(phi, make, error, says):
    with pytest.raises(error, match=says):
        make(phi)


def test_state_round_trip(phi):
    assert Outputs.from_state(phi.get_state()) == phi
    assert phi != phi.subset([0])
    assert not phi.coords["m"].flags.writeable
