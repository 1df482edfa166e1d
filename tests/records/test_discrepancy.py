import numpy as np
import pytest
from scipy import stats
from sklearn.gaussian_process.kernels import Matern

from equatorium import Dense, Diagonal, Discrepancy, LowRank, Observation
from equatorium.errors import InputError, StateError, UnknownNameError
from equatorium.records.covariance import Banded
from equatorium.records.discrepancy import slope


@pytest.fixture
def one_epoch():
    mass = 8.7 + 0.2 * np.arange(14)
    return Observation(-2 - 0.3 * (mass - 9) ** 2, np.full(14, 0.05), {"log_mstar": mass})


@pytest.fixture
def epochs():
    z, m = (g.ravel() for g in np.meshgrid([0.0, 1.0], [9.0, 9.5, 10.5], indexing="ij"))
    order = np.random.default_rng(0).permutation(6)
    z, m = z[order], m[order]
    return Observation(m**2 - z, np.full(6, 0.1), {"z": z, "m": m})


def test_a_common_offset_costs_chi2_of_about_three(one_epoch):
    """0.1 dex on 14 bins is one systematic error, not 14 independent ones."""
    offset = np.full(14, 0.1)
    correlated = Discrepancy(0.1, length={"log_mstar": 0.5}).covariance(one_epoch)
    assert 2.5 < correlated.mahalanobis(offset) < 3.5
    assert np.linalg.cond(correlated.dense()) < 1e4
    alone = Discrepancy(0.1, diagonal=True).covariance(one_epoch)
    assert alone.mahalanobis(offset) == pytest.approx(14.0)
    assert type(alone) is Diagonal


def test_the_correlation_is_sklearns_matern(epochs):
    x = epochs.coords["m"][:, None]
    expected = 0.04 * Matern(0.5, nu=2.5)(x)
    expected[epochs.coords["z"][:, None] != epochs.coords["z"]] = 0.0
    got = Discrepancy(0.2, length={"m": 0.5}).covariance(epochs)
    assert type(got) is Dense
    np.testing.assert_allclose(got.dense(), expected, atol=1e-15)
    both = Discrepancy(0.2, length={"m": 0.5, "z": 2.0}).covariance(epochs)
    scaled = np.column_stack([epochs.coords["z"] / 2.0, epochs.coords["m"] / 0.5])
    np.testing.assert_allclose(both.dense(), 0.04 * Matern(1.0, nu=2.5)(scaled), atol=1e-15)


def test_a_fraction_scales_with_the_values(epochs):
    v = np.abs(epochs.values)
    c = Discrepancy(0.2, fraction=0.1, length={"m": 0.5}).covariance(epochs)
    np.testing.assert_allclose(c.diagonal(), 0.04 + 0.01 * v**2)
    unit = Discrepancy(1.0, length={"m": 0.5}).covariance(epochs).dense()
    np.testing.assert_allclose(c.dense(), (0.04 + 0.01 * np.outer(v, v)) * unit)
    d = Discrepancy(fraction=0.1, diagonal=True).covariance(epochs)
    np.testing.assert_allclose(d.dense(), np.diag(0.01 * v**2))


def test_a_shift_is_a_rank_one_term_of_the_slope(epochs):
    c = Discrepancy(shift={"m": 0.05}).covariance(epochs)
    assert type(c) is LowRank
    assert np.linalg.matrix_rank(c.dense()) == 1
    # Within each epoch v = m^2 - z: a parabola through three data is exact.
    np.testing.assert_allclose(c.diagonal(), (0.05 * 2 * epochs.coords["m"]) ** 2, rtol=1e-10)
    assert (c.dense() > 0).all()  # one shift for all epochs


def schechter(mass, knee=10.5):
    """log10 of a Schechter function of slope -1.2 (+ constant), and its slope."""
    ratio = 10 ** (mass - knee)
    return -0.2 * (mass - knee) - ratio / np.log(10), -0.2 - ratio


@pytest.mark.parametrize("knee", [10.3, 10.8])
@pytest.mark.parametrize("std", [0.03, 0.06, 0.1])
def test_slopes_of_noisy_data_are_those_of_a_smooth_curve(knee, std):
    """The differences of neighbours, which follow the noise, are farther from the true slope."""
    mass, rng = 8.9 + 0.2 * np.arange(13), np.random.default_rng(3)
    values, true = schechter(mass, knee)
    smooth, rough = [], []
    for noise in std * rng.standard_normal((100, 13)):
        seen = Observation(values + noise, np.full(13, std), {"log_mstar": mass})
        smooth.append(slope(seen, "log_mstar") - true)
        rough.append(np.gradient(seen.values, mass) - true)
    assert np.sqrt(np.mean(np.square(smooth))) < 0.75 * np.sqrt(np.mean(np.square(rough)))


def test_slopes_of_a_cubic_are_exact_in_any_order():
    rng = np.random.default_rng(0)
    x = rng.permutation(np.sort(rng.uniform(8, 12, 9)) + np.arange(9))
    seen = Observation(x**3 - 5 * x, rng.uniform(0.1, 10.0, 9), {"x": x})
    np.testing.assert_allclose(slope(seen, "x"), 3 * x**2 - 5, rtol=1e-7)
    two = Observation([1.0, 3.0], [0.1, 0.1], {"x": [4.0, 5.0]})
    np.testing.assert_allclose(slope(two, "x"), 2.0)
    far = np.append(0.0, 90 + np.arange(40) / 4)
    line = Observation(3 * far, np.full(41, 0.1), {"x": far})
    np.testing.assert_allclose(slope(line, "x"), 3.0, rtol=1e-6)


def test_a_shifted_straight_line_is_one_standard_deviation_away():
    """Data displaced along the coordinate by one sigma cost chi2 = 1, whatever their number."""
    x = np.linspace(0, 1, 10)
    seen = Observation(3 * x, np.full(10, 1e-6), {"x": x})
    total = Discrepancy(shift={"x": 0.1}).covariance(seen) + seen.covariance
    assert type(total) is LowRank
    assert total.mahalanobis(np.full(10, 0.3)) == pytest.approx(1.0, rel=1e-6)


def test_parts_add_up(epochs):
    whole = Discrepancy(0.2, 0.1, {"m": 0.5}, {"m": 0.05, "z": 0.1}).covariance(epochs)
    parts = [
        Discrepancy(0.2, 0.1, {"m": 0.5}),
        Discrepancy(shift={"m": 0.05}),
        Discrepancy(shift={"z": 0.1}),
    ]
    total = sum(p.covariance(epochs).dense() for p in parts)
    np.testing.assert_allclose(whole.dense(), total, atol=1e-14)
    draws = whole.sample(20_000, 0)
    chi2 = whole.mahalanobis(draws)
    assert stats.kstest(chi2, stats.chi2(6).cdf).pvalue > 1e-3


def test_inflation_scales_every_part(epochs):
    d = Discrepancy(0.2, 0.1, {"m": 0.5}, {"m": 0.05})
    np.testing.assert_allclose(
        d.inflated(2.0).covariance(epochs).dense(), 4 * d.covariance(epochs).dense()
    )


def test_none_is_zero(epochs):
    c = Discrepancy.none().covariance(epochs)
    np.testing.assert_array_equal(c.dense(), 0.0)
    assert type(c + epochs.covariance) is Diagonal


def test_a_tiny_length_means_independence():
    seen = Observation([1.0, 2.0], [0.1, 0.1], {"m": [1.0, 2.0]})
    covariance = Discrepancy(0.1, length={"m": 1e-200}).covariance(seen)
    np.testing.assert_allclose(covariance.dense(), 0.01 * np.eye(2))


def test_data_without_coordinates_may_be_independent():
    seen = Observation([1.0, 2.0], [0.1, 0.1], names=["a", "b"])
    np.testing.assert_allclose(Discrepancy(0.3).covariance(seen).dense(), 0.09 * np.eye(2))


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda o: Discrepancy(0.1).covariance(o), InputError, "diagonal=True"),
        (lambda o: Discrepancy(fraction=0.1).covariance(o), InputError, "correlation length"),
        (lambda o: Discrepancy(0.1, length={"mm": 1}).covariance(o), UnknownNameError, "mean 'm'"),
        (lambda o: Discrepancy(shift={"q": 1}).covariance(o), UnknownNameError, "known: z, m"),
        (lambda o: Discrepancy(shift={"m": 1}).covariance(o.select(m=9)), InputError, "two data"),
        (lambda o: Discrepancy(-0.1), InputError, "std .*>= 0.*-0.1"),
        (lambda o: Discrepancy("a"), InputError, "'a'"),
        (lambda o: Discrepancy(1e200), InputError, r"1e\+200"),
        (lambda o: Discrepancy(0.1, length=0.5), InputError, "goes by coordinate"),
        (lambda o: Discrepancy(np.nan), InputError, "nan"),
        (lambda o: Discrepancy(0.1, length={"m": 0}), InputError, "must be positive"),
        (lambda o: Discrepancy(0.1, length={"m": -1}), InputError, "along 'm'"),
        (lambda o: Discrepancy(0.1, length={"m": 1}, diagonal=True), InputError, "either"),
        (lambda o: Discrepancy(0.1).inflated(-1), InputError, "inflation"),
        (lambda o: Discrepancy.from_state({"std": 1}), StateError, "fraction"),
        (
            lambda o: Discrepancy.from_state(Discrepancy().get_state() | {"std": -1}),
            StateError,
            "not valid",
        ),
    ],
)
def test_bad_input_is_named(epochs, make, error, says):
    with pytest.raises(error, match=says):
        make(epochs)


def test_state_round_trip():
    d = Discrepancy(0.2, 0.1, {"m": 0.5}, {"m": 0.05})
    assert Discrepancy.from_state(d.get_state()) == d
    assert d != d.inflated(1.1)


def test_the_noise_of_a_spectrum_is_kept_in_bands():
    wave = np.linspace(5000.0, 5600.0, 700)
    rng = np.random.default_rng(0)
    values = 1 + 0.1 * rng.standard_normal(700)
    seen = Observation(values, np.full(700, 0.05), {"wavelength": wave})
    found = Discrepancy(0.02, 0.03, length={"wavelength": 2.0}).covariance(seen)
    assert isinstance(found, Banded)
    lag = np.sqrt(5) * np.abs(wave[:, None] - wave) / 2.0
    S = (0.02**2 + 0.03**2 * np.outer(values, values)) * (1 + lag + lag**2 / 3) * np.exp(-lag)
    np.testing.assert_allclose(found.dense(), S, atol=1e-11)
    total = seen.covariance + found + LowRank(np.zeros(700), rng.standard_normal((700, 3)))
    dense = total.dense()
    r = rng.standard_normal(700)
    assert total.mahalanobis(r) == pytest.approx(r @ np.linalg.solve(dense, r), rel=1e-9)
    assert total.logdet() == pytest.approx(np.linalg.slogdet(dense)[1], rel=1e-9)
    long = Discrepancy(0.02, length={"wavelength": 200.0}).covariance(seen)
    assert not isinstance(long, Banded)


@pytest.mark.parametrize(("q", "length", "error"), [(1000, 6.0, 1e-4), (500, 1.0, 0.0)])
def test_the_likelihood_of_bands_is_the_dense_one_where_noise_is_small(
    q, length, error, monkeypatch
):
    wave = np.arange(5000.0, 5000.0 + q)
    seen = Observation(np.ones(q), np.full(q, 0.05), {"wavelength": wave})
    noise = Discrepancy(1.0, length={"wavelength": length})
    r, found = None, []
    for many in (q, q + 1):  # bands, then not
        monkeypatch.setattr("equatorium.records.discrepancy._MANY", many)
        own = noise.covariance(seen)
        assert isinstance(own, Banded) == (many == q)
        total = own + Diagonal(np.full(q, error**2)) if error else own
        r = total.sample(1, 0)[0] if r is None else r
        found.append(total.mahalanobis(r) + total.logdet())
    assert found[0] == pytest.approx(found[1], rel=0, abs=2e-6)  # of twice the logarithm
