"""Every operation of every type against the matrix written out, with numpy and scipy as judges."""

import numpy as np
import pytest
from scipy import stats

from equatorium import Dense, Diagonal, LowRank
from equatorium.errors import InputError, ShapeError, StateError
from equatorium.records.covariance import Banded, as_covariance

P = 8
KINDS = ["diagonal", "lowrank", "wide", "zero", "banded", "dense"]


def make(kind, batch=(), p=P, seed=0):
    rng = np.random.default_rng(seed)
    variance = rng.uniform(0.5, 2.0, (*batch, p))
    if kind == "diagonal":
        return Diagonal(variance)
    if kind == "lowrank":
        return LowRank(variance, rng.normal(size=(*batch, p, 2)))
    if kind == "wide":  # 3 k >= p: takes the dense road
        return LowRank(variance, rng.normal(size=(*batch, p, p)))
    if kind == "zero":  # an output with shared errors only
        variance[..., 0] = 0
        return LowRank(variance, rng.normal(size=(*batch, p, 2)))
    if kind == "banded":
        bands = np.concatenate(
            [variance[..., None, :] + 2, rng.normal(size=(*batch, 2, p)) / 2], -2
        )
        return Banded(bands, rng.normal(size=(*batch, p, 2)))
    a = rng.normal(size=(*batch, p, p))
    return Dense(a @ a.swapaxes(-1, -2) + np.eye(p))


def written_out(c):
    """Independent of the library's own dense()."""
    if isinstance(c, Diagonal):
        return np.apply_along_axis(np.diag, -1, c.variance)
    if isinstance(c, LowRank):
        shared = np.einsum("...ik,...jk->...ij", c.factor, c.factor)
        return np.apply_along_axis(np.diag, -1, c.variance) + shared
    if isinstance(c, Banded):
        S = np.einsum("...ik,...jk->...ij", c.factor, c.factor)
        for j in range(c.p):
            for i in range(min(c.bands.shape[-2], c.p - j)):
                S[..., j + i, j] += c.bands[..., i, j]
                S[..., j, j + i] += c.bands[..., i, j] * (i > 0)
        return S
    return c.matrix


@pytest.fixture(params=[(), (5,), (2, 3)], ids=str)
def batch(request):
    return request.param


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def test_algebra_equals_numpy(kind, batch):
    c = make(kind, batch)
    S = written_out(c)
    r = np.random.default_rng(1).normal(size=(*batch, P))
    x = np.linalg.solve(S, r[..., None])[..., 0]
    assert c.p == P
    assert c.batch == batch
    np.testing.assert_allclose(c.dense(), S, atol=1e-14)
    np.testing.assert_allclose(c.diagonal(), np.diagonal(S, axis1=-2, axis2=-1), rtol=1e-13)
    np.testing.assert_allclose(c.solve(r), x, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(c.mahalanobis(r), (r * x).sum(-1), rtol=1e-9)
    np.testing.assert_allclose(c.logdet(), np.linalg.slogdet(S)[1], rtol=1e-10, atol=1e-11)
    assert c.logdet().shape == c.mahalanobis(r).shape == batch
    inverse = np.diagonal(np.linalg.inv(S), axis1=-2, axis2=-1)
    np.testing.assert_allclose(c.precision_diagonal(), inverse, rtol=1e-9)


def test_one_covariance_serves_many_residuals(kind):
    c = make(kind)
    r = np.random.default_rng(2).normal(size=(3, 4, P))
    x = np.linalg.solve(c.dense(), r.reshape(-1, P).T).T.reshape(r.shape)
    np.testing.assert_allclose(c.solve(r), x, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(c.mahalanobis(r), (r * x).sum(-1), rtol=1e-9)


def test_density_equals_scipys(kind):
    c = make(kind)
    r = np.random.default_rng(3).normal(size=P)
    ours = -0.5 * (c.mahalanobis(r) + c.logdet() + P * np.log(2 * np.pi))
    theirs = stats.multivariate_normal(np.zeros(P), c.dense()).logpdf(r)
    np.testing.assert_allclose(ours, theirs, rtol=1e-10)


@pytest.mark.parametrize("other", KINDS)
def test_sums_are_exact_and_of_the_cheapest_type(kind, other, batch):
    a, b = make(kind, batch), make(other, (), seed=9)
    for total in (a + b, b + a):
        np.testing.assert_allclose(total.dense(), written_out(a) + written_out(b), atol=1e-13)
        assert total.batch == batch
        if {kind, other} == {"diagonal"}:
            assert type(total) is Diagonal
        elif {kind, other} <= {"diagonal", "lowrank", "zero"} and "diagonal" in (kind, other):
            assert type(total) is LowRank
        elif "banded" in (kind, other) and "dense" not in (kind, other):
            assert type(total) is Banded
        else:  # dense, or joined factors of 4 columns: 3 k >= 8
            assert type(total) is Dense


@pytest.mark.parametrize("other", KINDS)
def test_batches_broadcast_and_the_terms_keep_their_values(kind, other):
    a, b = make(kind, (1, 3)), make(other, (2, 1), seed=9)
    before = [a.dense().copy(), b.dense().copy()]
    np.testing.assert_allclose((a + b).dense(), before[0] + before[1], atol=1e-13)
    assert (a + b).batch == (2, 3)
    np.testing.assert_array_equal(a.dense(), before[0])
    np.testing.assert_array_equal(b.dense(), before[1])


def test_low_rank_sums_stay_low_rank_while_that_is_cheaper():
    a, b = make("lowrank", (4,), p=20), make("lowrank", p=20, seed=1)
    total = a + b
    assert type(total) is LowRank
    assert total.factor.shape == (4, 20, 4)
    np.testing.assert_allclose(total.dense(), a.dense() + b.dense(), atol=1e-13)


def test_marginal_and_project(kind, batch):
    c = make(kind, batch)
    S = c.dense()
    rng = np.random.default_rng(4)
    pick = [5, 0, 3]
    part = c.marginal(pick)
    # In another order there are no bands.
    assert type(part) is (Dense if kind == "banded" else type(c))
    np.testing.assert_allclose(part.dense(), S[..., pick, :][..., pick], atol=1e-14)
    np.testing.assert_allclose(c.marginal(2).dense()[..., 0, 0], S[..., 2, 2])
    np.testing.assert_allclose(c.marginal(np.arange(P) > 5).dense(), S[..., 6:, 6:])
    assert type(c.marginal(np.arange(P) > 5)) is type(c)
    chosen = np.zeros((3, P))
    chosen[range(3), pick] = [1.0, -2.0, 0.5]
    interpolating = np.zeros((2, P))
    interpolating[0, :2], interpolating[1, 3:5] = [0.3, 0.7], [0.5, 0.5]
    for R in (chosen, interpolating, rng.normal(size=(4, P)), np.eye(P), chosen[[0, 0]]):
        np.testing.assert_allclose(c.project(R).dense(), R @ S @ R.T, atol=1e-11)
    assert type(c.project(chosen)) is type(part)
    if kind == "diagonal":
        assert type(c.project(interpolating)) is Diagonal
        assert type(c.project(chosen[[0, 0]])) is Dense


def test_scaled_broadcast_and_index(kind):
    c = make(kind, (5,))
    s = np.linspace(-1, 2, P)
    np.testing.assert_allclose(c.scaled(s).dense(), c.dense() * np.outer(s, s), atol=1e-13)
    np.testing.assert_allclose(c.scaled(2.0).dense(), 4 * c.dense(), rtol=1e-13)
    np.testing.assert_array_equal(c[3].dense(), c.dense()[3])
    np.testing.assert_array_equal(c[[1, 4]].dense(), c.dense()[[1, 4]])
    np.testing.assert_array_equal(c[1:3].diagonal(), c.diagonal()[1:3])
    assert [one.batch for one in c] == [()] * 5
    wide = make(kind).broadcast((2, 5))
    assert wide.batch == (2, 5)
    np.testing.assert_array_equal(wide[1, 2].dense(), make(kind).dense())
    with pytest.raises(IndexError):
        c[5]
    with pytest.raises(InputError, match="no batch"):
        make(kind)[0]


def test_samples_have_the_covariance(kind):
    c = make(kind, (2,), p=3)
    draws = c.sample(40_000, 1)
    assert draws.shape == (40_000, 2, 3)
    S = written_out(c)
    for b in range(2):
        got = np.cov(draws[:, b].T)
        # standard error of a sample covariance: sqrt((S_ii S_jj + S_ij^2) / n)
        d = np.diag(S[b])
        error = np.sqrt((np.outer(d, d) + S[b] ** 2) / 40_000)
        assert (np.abs(got - S[b]) < 4.5 * error + 1e-12).all()
    np.testing.assert_array_equal(c.sample(3, 1), c.sample(3, np.random.default_rng(1)))


def test_a_singular_matrix_is_sampled_but_not_inverted():
    ones = Dense(np.ones((3, 3)))
    draws = ones.sample(100, 0)
    np.testing.assert_allclose(draws, draws[:, :1].repeat(3, 1), atol=1e-7)
    with pytest.raises(InputError, match="smallest eigenvalue"):
        ones.logdet()


def test_woodbury_keeps_its_digits_when_shared_errors_dominate():
    """r = F z + e: the textbook formula subtracts two numbers of 1e14 to get about p."""
    rng = np.random.default_rng(0)
    p, F = 30, rng.normal(size=(30, 2)) * 1e3
    variance = np.full(p, 1e-8)
    e = rng.normal(size=p) * 1e-4
    r = F @ [1.0, -1.0] + e
    # For F -> infinity, chi2 is the least-squares residual plus |z|^2, here with z = (1, -1).
    residual = e - F @ np.linalg.lstsq(F, e, rcond=None)[0]
    expected = (residual**2).sum() / 1e-8 + 2.0
    np.testing.assert_allclose(LowRank(variance, F).mahalanobis(r), expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("make_it", "error", "says"),
    [
        (lambda: Diagonal([1.0, -1.0]), InputError, r"variance\[1\] is -1"),
        (lambda: Diagonal([1.0, np.nan]), InputError, "finite"),
        (lambda: Diagonal(1.0), ShapeError, "number"),
        (lambda: LowRank([1.0, 1.0], np.ones((3, 1))), ShapeError, r"\(\.\.\., 2, k\)"),
        (lambda: Dense(np.ones((2, 3))), ShapeError, "square"),
        (lambda: Dense([[1.0, 0.5], [0.4, 1.0]]), InputError, "symmetric"),
        (lambda: Dense([[-1.0, 0.0], [0.0, 1.0]]), InputError, "negative"),
        (lambda: Dense([[1.0, 2.0], [2.0, 1.0]]).logdet(), InputError, "smallest eigenvalue is -1"),
        (lambda: Dense([[1.0, 2.0], [2.0, 1.0]]).sample(1), InputError, "positive definite"),
        (lambda: Diagonal([1.0, 0.0]).solve([1.0, 1.0]), InputError, "output 1 is zero"),
        (lambda: Diagonal([1.0]) + Diagonal([1.0, 1.0]), ShapeError, "1 and 2"),
        (lambda: Diagonal([1.0]) + 1.0, InputError, "Only a Covariance"),
        (lambda: Diagonal([1.0]).mahalanobis([1.0, 2.0]), ShapeError, "1 outputs"),
        (lambda: Diagonal([1.0, 1.0]).marginal([0, 0]), InputError, "once"),
        (lambda: Diagonal([1.0, 1.0]).marginal(2), InputError, "0 to 1"),
        (lambda: Diagonal([1.0, 1.0]).project(np.ones((2, 3))), ShapeError, r"\(q, 2\)"),
        (lambda: Diagonal.from_state({}), StateError, "variance"),
        (lambda: Diagonal.from_state({"variance": [-1.0]}), StateError, "not valid"),
    ],
)
def test_bad_input_is_named(make_it, error, says):
    with pytest.raises(error, match=says):
        make_it()


def test_a_bad_member_of_a_batch_is_found():
    good = np.eye(2)
    with pytest.raises(InputError, match="number 1 of the batch"):
        Dense([good, [[1.0, 1.0], [1.0, 1.0]], good]).logdet()


def test_records_are_frozen_and_round_trip(kind, batch):
    c = make(kind, batch)
    again = type(c).from_state(c.get_state())
    assert again == c
    assert c != make(kind, batch, seed=1)
    for array in c.get_state().values():
        assert not array.flags.writeable
    own = np.ones(2)
    kept = Diagonal(own)
    own[0] = 5
    assert kept.variance[0] == 1


def test_as_covariance():
    assert as_covariance([1.0, 2.0]) == Diagonal([1.0, 4.0])
    assert as_covariance(np.eye(2)) == Dense(np.eye(2))
    c = Diagonal([1.0])
    assert as_covariance(c) is c
