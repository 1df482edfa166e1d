"""Series: padding and order change nothing, what is masked is not seen, time gaps are."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import binom
from torch import nn

import equatorium as eq
from equatorium.errors import InputError
from equatorium_nets.recurrent import GRU, Regular
from equatorium_nets.rnn import RNN, RNNClassifier

STEPS = 8
DATA = Path(os.environ.get("EQUATORIUM_DATA", Path(__file__).parents[4] / "shared" / "data"))


def series(n, seed=0):
    """Make (n, STEPS, 3): time, two values with gaps, and padding at the end."""
    rng = np.random.default_rng(seed)
    x = np.concatenate(
        [rng.exponential(size=(n, STEPS, 1)).cumsum(axis=1), rng.normal(size=(n, STEPS, 2))], axis=2
    )
    x[rng.random((n, STEPS)) < 0.3, 1] = np.nan
    x[rng.integers(3, STEPS + 1, n)[:, None] <= np.arange(STEPS)] = np.nan
    return x


def layer(seed=0):
    torch.manual_seed(seed)
    return GRU((STEPS, 3), 5).double()


def test_without_gaps_and_forgetting_it_is_the_gru_of_pytorch():
    ours, theirs = layer(), nn.GRU(5, 5, batch_first=True).double()
    with torch.no_grad():
        ours.rate.fill_(-torch.inf)  # nothing is forgotten
        theirs.weight_ih_l0.copy_(ours.input.weight)
        theirs.bias_ih_l0.copy_(ours.input.bias)
        theirs.weight_hh_l0.copy_(ours.state.weight)
        theirs.bias_hh_l0.copy_(ours.state.bias)
        rng = np.random.default_rng(0)
        gaps, values = rng.exponential(size=(4, STEPS)), rng.normal(size=(4, STEPS, 2))
        gaps[:, 0] = 0.0
        x = torch.tensor(np.concatenate([gaps.cumsum(axis=1)[..., None], values], axis=2))
        given = np.concatenate([values, np.ones_like(values), np.log1p(gaps)[..., None]], axis=2)
        _, last = theirs(torch.tensor(given))
        np.testing.assert_allclose(ours(x).numpy(), last[0].numpy(), atol=1e-12)


def test_a_state_left_alone_fades_at_its_rate():
    gru = layer()
    x = torch.tensor(series(1)[:, :2])
    x[0, :, 1:] = 0.3
    x[0, :, 0] = torch.tensor([0.0, 7.0])
    with torch.no_grad():
        first = gru(x[:, :1])
        faded = torch.exp(-7.0 * nn.functional.softplus(gru.rate)) * first
        given = torch.cat([x[:, 1, 1:], torch.ones(1, 2), torch.log1p(torch.tensor([[7.0]]))], -1)
        np.testing.assert_allclose(
            gru(x), gru._step(*gru.input(given).split([10, 5], dim=-1), faded), atol=1e-12
        )


def test_where_padding_stands_and_in_which_order_the_steps_is_all_one():
    gru, x = layer(), series(20)
    with torch.no_grad():
        first = gru(torch.tensor(x))
        rng = np.random.default_rng(3)
        mixed = np.stack([row[rng.permutation(STEPS)] for row in x])
        assert torch.equal(gru(torch.tensor(mixed)), first)
        longer = np.concatenate([np.full((20, 5, 3), np.nan), x], axis=1)
        np.testing.assert_allclose(gru(torch.tensor(longer)), first, atol=1e-14)
        later = torch.tensor(x + np.array([1000.0, 0.0, 0.0]))
        np.testing.assert_allclose(gru(later), first, atol=1e-10)


def test_what_is_masked_is_never_seen():
    gru, x = layer(), series(20)
    empty = np.isnan(x[..., 0])
    for hidden in (1e30, -1e30):
        told = x.copy()
        told[empty, 1:] = hidden  # values of a step without a time
        with torch.no_grad():
            assert torch.equal(gru(torch.tensor(told)), gru(torch.tensor(x)))
    told = x.copy()
    told[empty, 0] = 5.0  # the time of a step without values
    told[empty, 1:] = np.nan
    with torch.no_grad():
        assert torch.equal(gru(torch.tensor(told)), gru(torch.tensor(x)))
    seen = ~np.isnan(x[..., 1])
    told = x.copy()
    told[..., 1][seen] += 1e-3
    with torch.no_grad():
        assert not torch.equal(gru(torch.tensor(told)), gru(torch.tensor(x)))


def gapped(n, seed):
    """Make steps whose values say nothing; the class is whether the longest gap is large."""
    rng = np.random.default_rng(seed)
    late = rng.random(n) < 0.5
    gap = rng.uniform(0.5, 1.5, (n, STEPS))
    gap[np.arange(n), rng.integers(1, STEPS, n)] = np.where(late, 6.0, 1.0)
    x = np.stack([gap.cumsum(axis=1), rng.normal(size=(n, STEPS))], axis=-1)
    return x, late


def test_a_class_that_depends_on_time_gaps_is_learned_and_not_without_times():
    (x, y), (new, truth) = gapped(400, 0), gapped(400, 1)
    how = {"layers": "gru(8)", "n_members": 2, "epochs": 15, "learning_rate": 0.02}
    model = RNNClassifier(shape=(STEPS, 2), **how, random_state=0).fit(x.reshape(400, -1), y)
    assert (model.predict(new.reshape(400, -1)) == truth).mean() > 0.95
    x[..., 0] = new[..., 0] = np.arange(STEPS)
    blind = RNNClassifier(shape=(STEPS, 2), **how, random_state=0).fit(x.reshape(400, -1), y)
    assert (blind.predict(new.reshape(400, -1)) == truth).mean() < 0.6


def test_gaps_come_back_from_a_file_and_have_slopes(tmp_path):
    x = series(60)
    X, y = x.reshape(60, -1), np.nanmean(x[..., 2], axis=1)
    how = {"layers": "gru(6)", "n_members": 2, "epochs": 4, "random_state": 0}
    model = RNN(shape=(STEPS, 3), **how).fit(X, y)
    model.save(tmp_path / "net.h5")
    again = eq.load(tmp_path / "net.h5")
    assert again.predict(X).tobytes() == model.predict(X).tobytes()
    nothing = model.predict_dist(np.full((1, X.shape[1]), np.nan))
    assert np.isfinite(nothing.mean).all() and np.isfinite(nothing.variance).all()
    slope = model.predict_dist_vjp(X[:3], np.ones((3, 1)), np.zeros((3, 1, 1)))
    assert np.isfinite(slope).all() and (slope[np.isnan(X[:3])] == 0).all()
    place = int(np.flatnonzero(np.isfinite(X[0]))[4])
    step = 1e-5 * np.eye(X.shape[1])[place]
    true = (model.predict(X[:1] + step) - model.predict(X[:1] - step)) / 2e-5
    assert slope[0, place] == pytest.approx(true[0], rel=1e-5, abs=1e-9)


def test_a_regular_series_is_given_times_and_places():
    x = torch.tensor([[5.0], [torch.nan], [7.0]])[None]
    got = Regular()(x)[0]
    truth = [[0.0, -1.0, 5.0], [np.nan] * 3, [2.0, 1.0, 7.0]]
    np.testing.assert_array_equal(got.numpy(), np.array(truth, dtype=np.float32))


def test_units_are_those_of_channels_and_of_steps():
    x = series(50)
    x[..., 2] = 5.0 + 3.0 * x[..., 2]
    x[..., 0] *= 10.0
    model = RNN(shape=(STEPS, 3))
    rows = x.reshape(50, -1)
    center, spread = (
        a.reshape(STEPS, 3) for a in model._input_units([rows[:20], rows[20:]], STEPS * 3)
    )
    gaps = np.diff(x[..., 0], axis=1)
    np.testing.assert_allclose(spread[:, 0], np.nanmean(gaps), rtol=1e-12)
    np.testing.assert_allclose(center[:, 2], np.nanmean(x[..., 2]), rtol=1e-12)
    np.testing.assert_allclose(spread[:, 2], np.nanstd(x[..., 2]), rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"shape": (2, 3, 2)}, "(steps, channels)"),
        ({"shape": (5, 3)}, "as many as X has columns"),
        ({"shape": (4, 3), "augment": {"flip": 1}}, "{'noise': amount, 'errors': times} only"),
        ({"shape": (4, 3), "layers": "gru(0)"}, "gru(units)"),
        ({"layers": "gru(3) gru(3)"}, "needs 2 dimensions"),
        ({"layers": "norm gru(3)"}, "norm stands before gru"),
        ({"shape": (4, 3), "layers": "relu batch-norm gru(3)"}, "batch-norm stands before gru"),
        ({"shape": (4, 3), "layers": "conv(4, 1) gru(3)"}, "conv stands before gru"),
    ],
)
def test_wrong_series_are_named(options, says):
    with pytest.raises(InputError) as caught:
        RNN(**{"layers": "gru(3)", "epochs": 2, "n_members": 1, **options}).fit(
            np.random.default_rng(0).random((9, 12)), np.arange(9.0)
        )
    assert says in str(caught.value)


def light_curves(path, labels, each):
    """Return PLAsTiCC curves in steps of twelve days: time, and mean flux in six bands, as rows."""
    table = dict(np.load(path))
    parts = np.split(np.arange(len(table["mjd"])), table["start"][1:])
    chosen = [i for label in labels for i in np.flatnonzero(table["target"] == label)[:each]]
    X = np.full((len(chosen), 70, 7), np.nan)
    for row, i in zip(X, chosen, strict=True):
        nights, place = np.unique(table["mjd"][parts[i]] // 12, return_inverse=True)
        sums = np.zeros((2, len(nights), 6))
        for total, weight in zip(sums, (table["flux"][parts[i]], 1.0), strict=True):
            np.add.at(total, (place, table["passband"][parts[i]]), weight)
        row[: len(nights), 0] = 12 * nights
        mean = np.divide(*sums, out=np.full_like(sums[0], np.nan), where=sums[1] > 0)
        row[: len(nights), 1:] = np.arcsinh(mean / 10)
    return X.reshape(len(chosen), -1), table["target"][chosen]


@pytest.mark.realdata
@pytest.mark.skipif(not DATA.is_dir(), reason="EQUATORIUM_DATA is not set")
def test_eclipses_flares_quasars_and_supernovae_are_told_apart_by_their_light_curves():
    """PLAsTiCC, simulated for LSST: Kessler et al. 2019, doi:10.1088/1538-3873/ab26f1."""
    path = DATA / "time_series" / "plasticc_light_curves.npz"
    X, label = light_curves(path, (16, 65, 88, 90), 120)
    order = np.random.default_rng(0).permutation(len(X))
    fit, test = order[120:], order[:120]
    how = {"shape": (70, 7), "layers": "gru(24)", "n_members": 1, "epochs": 8, "random_state": 0}
    scores = [
        (RNNClassifier(**how, learning_rate=0.02).fit(X[fit], y).predict(X[test]) == label[test])
        for y in (label[fit], np.random.default_rng(1).permutation(label[fit]))
    ]
    right, by_chance = (int(score.sum()) for score in scores)
    # A quarter is right by chance, which is what exchanged labels leave.
    assert by_chance <= binom.ppf(0.995, 120, 0.25) < binom.ppf(0.995, 120, 0.6) < right
