"""Every method with emcee: the exact posterior of a two-parameter problem, or a named refusal.

What is registered is what is tested, so that a new plugin's methods come under this by themselves.
"""

import inspect
import re

import numpy as np
import pytest

import equatorium as eq
from equatorium.errors import EquatoriumError, InputError, NotValidatedError
from equatorium.testing.reference import lent

X = np.linspace(0.0, 1.0, 6)
ERROR = 0.3
TRUTH = np.array([0.4, -0.2])


def plane(slope, offset):
    """A bent plane, so that no emulator is exact."""
    return offset + slope * X + 0.15 * slope * offset * X**2


DATA = plane(*TRUTH)


def simulator():
    space = eq.Space([eq.Parameter("slope", -1.0, 1.0), eq.Parameter("offset", -1.0, 1.0)])
    outputs = eq.Outputs([f"y{i}" for i in range(len(X))], coords={"x": X})
    return eq.wrap(plane, space, outputs, version="1")


def observed():
    return eq.Observation(DATA, np.full(len(X), ERROR), coords={"x": X})


def exact(values=DATA):
    """Mean and standard deviation on a grid, without an emulator."""
    grid = np.linspace(-1.0, 1.0, 201)
    a, b = (values.ravel() for values in np.meshgrid(grid, grid, indexing="ij"))
    residual = np.stack([plane(s, o) - values for s, o in zip(a, b, strict=True)])
    weight = np.exp(-0.5 * np.sum(residual**2, axis=1) / ERROR**2)
    theta = np.stack([a, b], axis=1)
    mean = np.average(theta, axis=0, weights=weight)
    return mean, np.sqrt(np.average((theta - mean) ** 2, axis=0, weights=weight))


class Principal(eq.Embedder):
    """Principal components, so that embedded outputs are tested where no plugin brings any."""

    capabilities = frozenset({"inverse"})

    def _fit(self, X, ivar):
        self.mean_ = X.mean(axis=0)
        self.axes_ = np.linalg.svd(X - self.mean_, full_matrices=False)[2][:3]

    def _transform(self, X, ivar):
        return (X - self.mean_) @ self.axes_.T

    def _inverse_transform(self, Z):
        return Z @ self.axes_ + self.mean_

    def _inverse_jacobian(self, Z):
        return np.broadcast_to(self.axes_.T, (len(Z), *self.axes_.T.shape))


class Nearest(eq.Emulator):
    """The nearest run: numbers without an uncertainty."""

    capabilities = frozenset()

    def _fit(self, X, Y, noise):
        self.runs_, self.values_ = X, Y

    def _predict_dist(self, X):
        distance = np.square(X[:, None] - self.runs_).sum(axis=2)
        mean = self.values_[np.argmin(distance, axis=1)]
        return eq.Gaussian(mean, eq.Diagonal(np.zeros_like(mean)))


@pytest.fixture(autouse=True, scope="module")
def registered():
    eq.register("embedder", Principal, name="principal-of-test")
    eq.register("emulator", Nearest, name="nearest-of-test")
    with lent():  # the parts of composites' conformance_options
        yield


def has_gpu():
    """Whether torch, which plugins bring, sees a GPU."""
    try:
        import torch
    except ImportError:
        return False
    return torch.cuda.is_available()


def combinations():
    """Return all emulators on every device they have, and all embedders that know a way back."""
    for entry in eq.methods("emulator"):
        if entry.name == "embedded" or entry.missing:
            continue
        cls = entry.load()
        options = cls.conformance_options()
        yield pytest.param(entry.qualname, options, id=entry.name)
        if "gpu" in entry.method.capabilities:
            without = not has_gpu()
            marks = [pytest.mark.gpu, pytest.mark.skipif(without, reason="there is no GPU")]
            cuda = {**options, "device": "cuda"}
            yield pytest.param(entry.qualname, cuda, id=f"{entry.name}-cuda", marks=marks)
    yield pytest.param(
        "embedded", {"embedder": "principal-of-test", "emulator": "trend-gp"}, id="embedded-test"
    )
    for entry in eq.methods("embedder"):
        able = entry.method.capabilities
        if "inverse" in able and "fallback:inverse" not in able and not entry.missing:
            known = inspect.signature(entry.load()).parameters
            rank = {"n_components": 3} if "n_components" in known else {}
            embedder = {"use": entry.qualname, "options": rank}
            options = {"embedder": embedder, "emulator": "trend-gp"}
            yield pytest.param("embedded", options, id=f"embedded-{entry.name}")


def sampled(tmp_path, name, options):
    study = eq.Study(
        simulator(),
        observed(),
        emulator=eq.emulator(name, **options),
        store=tmp_path / "study.h5",
        seed=2,
        progress=False,
    )
    study.emulate(runs=60, executor="serial")
    return study.sample("emcee", walkers=16, until={"rhat": 1.02, "ess": 300}, max_steps=3000)


REFUSED = pytest.param("nearest-of-test", {}, id="nearest")


@pytest.mark.parametrize(("name", "options"), [*combinations(), REFUSED])
def test_every_method_gives_the_posterior_or_is_refused(tmp_path, name, options):
    if "variance" not in eq.emulator(name, **options).capabilities_:
        with pytest.raises(EquatoriumError, match="without a variance"):
            sampled(tmp_path, name, options)
        return
    mean, sd = exact()
    try:
        draws = sampled(tmp_path, name, options)
    except (NotValidatedError, InputError) as refused:
        # Lines and a few small trees cannot follow the plane, and no parts that are positive can.
        assert re.search("fails its validation|Negative values", str(refused))
        assert "-gp/" not in name
        return
    assert draws.converged
    # A step function, or a recurrent network of a few epochs, is off by a part of the variance that
    # it states; a smooth one is not.
    rough = "-trees/" in name or name.endswith("/rnn")
    bound = draws.std if rough else 0.2 * sd.min()
    assert (np.abs(draws.mean - mean) < bound).all()
    # An emulator adds its own variance, so that a posterior may be wider, but never narrower.
    assert (draws.std > 0.9 * sd).all()


def test_one_without_uncertainty_is_refused_by_name(tmp_path):
    with pytest.raises(EquatoriumError, match=r"Nearest .*without a variance.*'variance'"):
        sampled(tmp_path, "nearest-of-test", {})


def test_an_emulator_that_is_wrong_by_half_an_error_would_be_found_out():
    mean, sd = exact()
    wrong, _ = exact(DATA + 0.5 * ERROR)
    assert np.abs(wrong - mean).max() > 0.2 * sd.min()
