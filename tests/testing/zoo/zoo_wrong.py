"""Wrong methods: each spoils one thing, and says in ``breaks`` which checks must find it."""

# ruff: noqa: RUF012

import copy
import ctypes

import numpy as np
from zoo_good import (
    Able,
    Axes,
    Card,
    Centroid,
    Line,
    Net,
    OneWay,
    Pair,
    Patient,
    Ridge,
    Sieve,
    Weighted,
)

from equatorium import Categorical, Diagonal, Gaussian, Model, Observation, Simulated
from equatorium.records.covariance import Dense

# -- all kinds -----------------------------------------------------------------------------


class Nameless(Ridge):
    breaks = {"the_summary_is_one_line"}
    summary = ""


class Unfindable(Ridge):
    breaks = {"references_can_be_found"}
    reference = ("Someone 1999, private communication",)


class Boastful(Ridge):
    breaks = None  # nothing of it can be made
    capabilities = frozenset({"variance", "joint"})


class Vague(Ridge):
    breaks = {"options_are_explicit"}

    def __init__(self, *, alpha=1.0, **more):
        self.alpha = alpha


class Judging(Ridge):
    breaks = {"the_constructor_stores_options"}

    def __init__(self, *, alpha=1.0):
        self.alpha = 1.0 * alpha


class Loser(Line):
    breaks = {"the_written_form_comes_back"}

    def __init__(self, *, slope=2.0, hidden=0.0):
        super().__init__(slope=slope)
        self.options = {"slope": slope}

    @classmethod
    def conformance_options(cls):
        return {"hidden": 3.0}


class Modest(Able):
    breaks = {"capabilities_are_as_registered"}
    capabilities_ = frozenset({"variance"})


# -- models --------------------------------------------------------------------------------


class Unlearned(Ridge):
    """Only scikit-learn minds."""

    breaks = {"scikit_learn_accepts_it"}

    def __init__(self, *, alpha=1.0):
        self.alpha = alpha
        self.extra = 1


class Copier(Ridge):
    breaks = {"fit_returns_the_model"}

    def fit(self, X, y, *, noise=None):
        super().fit(X, y, noise=noise)
        return copy.copy(self)


class Unseeded(Ridge):
    breaks = {"the_same_seed_gives_the_same_numbers", "a_second_fit_forgets_the_first"}

    def _fit(self, X, Y, noise):
        super()._fit(X, Y, noise)
        self.coef_ *= 1.0 + 1e-9 * np.random.default_rng().random()


class Grudging(Ridge):
    breaks = {"a_second_fit_forgets_the_first"}
    _old = 0.0

    def _fit(self, X, Y, noise):
        super()._fit(X, Y, noise)
        self.coef_ = self.coef_ + 1e-6 * self._old
        self._old = self.coef_.sum()


class Meddler(Ridge):
    breaks = {"data_are_left_alone"}

    def _fit(self, X, Y, noise):
        super()._fit(X, Y, noise)
        if X.flags.writeable:
            X[0, 0] += 1e-9


class Borrower(Ridge):
    breaks = {"arrays_that_change_later_change_no_model"}

    def _fit(self, X, Y, noise):
        super()._fit(X, Y, noise)
        self.lent_ = Y

    def _predict_dist(self, X):
        got = super()._predict_dist(X)
        return Gaussian(got.mean + 1e-9 * self.lent_.mean(), got.cov())


class Moody(Ridge):
    breaks = {"asking_changes_nothing"}
    _shift = 0.0

    def _predict_dist(self, X):
        got = super()._predict_dist(X)
        got = Gaussian(got.mean + self._shift, got.cov())
        self._shift = 1e-9 if len(X) == 40 else self._shift
        return got


class Lenient(Ridge):
    breaks = {"what_is_not_finite_is_refused"}

    def fit(self, X, y, *, noise=None):
        return super().fit(np.nan_to_num(X), np.nan_to_num(y))


class Cropper(Ridge):
    breaks = {"another_number_of_columns_is_named"}

    def predict_dist(self, X):
        return super().predict_dist(X[:, : self.n_features_in_])


class Herd(Ridge):
    breaks = {"a_row_alone_is_as_in_a_batch"}

    def _predict_dist(self, X):
        got = super()._predict_dist(X)
        return Gaussian(got.mean + 1e-3 * X.mean(), got.cov())


class Forgetful(Ridge):
    breaks = {
        "the_state_makes_the_same_model",
        "a_file_gives_the_same_numbers",
        "a_fresh_process_gives_the_same_numbers",
    }
    _offset = 0.0

    def _fit(self, X, Y, noise):
        super()._fit(X, Y, noise)
        self._offset = 1e-6 * np.abs(Y).max()

    def _predict_dist(self, X):
        got = super()._predict_dist(X)
        return Gaussian(got.mean + self._offset, got.cov())


class Rounded(Ridge):
    breaks = {"a_file_gives_the_same_numbers", "a_fresh_process_gives_the_same_numbers"}

    def save(self, path):
        twin = copy.copy(self)
        twin.coef_ = self.coef_.astype("f4").astype("f8")
        super(Rounded, twin).save(path)


class Homesick(Ridge):
    """Knows the process in which it was fitted."""

    breaks = {"a_fresh_process_gives_the_same_numbers"}
    home = 0.0

    def _fit(self, X, Y, noise):
        super()._fit(X, Y, noise)
        type(self).home = 1e-9

    def _predict_dist(self, X):
        got = super()._predict_dist(X)
        return Gaussian(got.mean + self.home, got.cov())


class Crashing(Ridge):
    """Believes an address that a state gives it."""

    breaks = {"a_damaged_state_is_refused"}

    def _fit(self, X, Y, noise):
        super()._fit(X, Y, noise)
        self.address_ = np.array([0])

    def _predict_dist(self, X):
        if self.address_[0]:
            ctypes.string_at(int(self.address_[0]))
        return super()._predict_dist(X)


class Gullible(OneWay):
    """Takes on any state, and maps rows to NaN."""

    breaks = {"a_damaged_state_is_refused"}

    def set_state(self, state):
        return Model.set_state(self, state)


class Overheated(Card):
    breaks = {"cuda_gives_the_same_numbers"}

    def _predict_dist(self, X):
        got = super()._predict_dist(X)
        return Gaussian(got.mean * (1.0 if self.device == "cpu" else 1.0 + 1e-5), got.cov())


# -- emulators -----------------------------------------------------------------------------


class Square(Ridge):
    breaks = {"predictions_have_the_shape_of_y"}

    def predict(self, X, return_std=False):
        got = self.predict_dist(X)
        return (got.mean, got.std) if return_std else got.mean


class TwoTongues(Ridge):
    breaks = {"predict_is_the_mean_of_predict_dist"}

    def predict(self, X, return_std=False):
        got = super().predict(X, return_std)
        return got if return_std else got + 1e-9


class Constant(Ridge):
    breaks = {"it_learns_something"}

    def _fit(self, X, Y, noise):
        super()._fit(X, Y, noise)
        self.coef_[0], self.coef_[1:] = Y.mean(axis=0), 0.0
        self.variance_ = Y.var(axis=0)


class Certain(Ridge):
    """Sure of the runs that it knows."""

    breaks = {"the_variance_is_positive"}

    def _fit(self, X, Y, noise):
        super()._fit(X, Y, noise)
        self.X_ = X.copy()

    def _predict_dist(self, X):
        got = super()._predict_dist(X)
        known = (X[:, None] == self.X_).all(axis=2).any(axis=1)
        return Gaussian(got.mean, Diagonal(np.where(known[:, None], 0.0, got.variance)))


class Bold(Ridge):
    breaks = {"errors_are_as_large_as_predicted"}

    def _predict_dist(self, X):
        got = super()._predict_dist(X)
        return Gaussian(got.mean, Diagonal(1e-3 * got.variance))


class Unsquared(Ridge):
    """Gives a standard deviation for a variance."""

    breaks = {"the_variance_has_the_units_of_y_squared"}

    def _predict_dist(self, X):
        got = super()._predict_dist(X)
        return Gaussian(got.mean, Diagonal(got.std))


class Independent(Weighted):
    breaks = {"the_covariance_is_one"}

    def _predict_dist(self, X):
        got = super()._predict_dist(X)
        return Gaussian(got.mean, Diagonal(got.variance))


class Impossible(Weighted):
    """Covariances that no errors can have."""

    breaks = {"the_covariance_is_one"}

    def _predict_dist(self, X):
        got = super()._predict_dist(X)
        std = got.std[:, :, None] * got.std[:, None, :]
        rho = np.full((got.p, got.p), -0.9) + 1.9 * np.eye(got.p)
        return Gaussian(got.mean, Dense._of(matrix=std * rho))


class Trusting(Weighted):
    breaks = {"a_run_of_huge_noise_is_ignored"}

    def _fit(self, X, Y, noise):
        super()._fit(X, Y, None if noise is None else np.minimum(noise, np.median(noise)))


class Double(Weighted):
    breaks = {"declared_noise_is_left_out"}

    def _fit(self, X, Y, noise):
        super()._fit(X, Y, noise)
        if noise is not None:
            self.covariance_ = self.covariance_ + np.diag(np.median(noise, axis=0))


class Whatever(Weighted):
    breaks = {"noise_that_is_none_is_refused"}

    def _validate_noise(self, noise, Y):
        if noise is not None:
            noise = np.abs(np.nan_to_num(np.asarray(noise)[: len(Y)])) + 1e-12
        return super()._validate_noise(noise, Y)


class Halfway(Able):
    """Forgets that the covariance has a slope too."""

    breaks = {"gradients_are_those_of_the_prediction"}

    def predict_dist_vjp(self, X, mean_bar, cov_bar):
        return super().predict_dist_vjp(X, mean_bar, 0.0 * cov_bar)


class Disjoint(Able):
    breaks = {"the_joint_covariance_is_one"}

    def predict_joint(self, X, output):
        return super().predict_joint(X, output) - np.eye(len(X)) * self.S_[output, output]


class Shuffled(Able):
    breaks = {"loo_leaves_a_run_out"}

    def loo(self):
        got = super().loo()
        return Gaussian(got.mean[::-1], got.cov())


class Included(Able):
    """What it calls left out, it has seen."""

    breaks = {"loo_leaves_a_run_out"}

    def loo(self):
        got = super().loo()
        return Gaussian(self.Y_, got.cov())


class Overcautious(Able):
    """It does not know how good it is."""

    breaks = {"loo_leaves_a_run_out"}

    def loo(self):
        got = super().loo()
        return Gaussian(got.mean, Diagonal(25.0 * got.variance))


class Stubborn(Able):
    breaks = {"an_update_is_as_good_as_a_refit"}

    def update(self, X, y):
        return self.fit(X, y)


class Impatient(Patient):
    breaks = {"inputs_may_be_missing"}

    def _fit(self, X, Y, noise):
        Ridge._fit(self, X, Y, noise)
        self.middle_ = np.zeros(X.shape[1])


# -- classifiers ---------------------------------------------------------------------------


class Excess(Centroid):
    breaks = {"probabilities_sum_to_one"}

    def _predict_proba(self, X):
        return super()._predict_proba(X) * (1.0 + 5e-7)


class Numbering(Centroid):
    breaks = {"labels_come_back_as_they_were"}

    def predict(self, X):
        label = super().predict(X)
        return label if label.dtype.kind == "U" else np.searchsorted(self.classes_, label)


class Tempered(Centroid):
    breaks = {"its_distribution_is_its_probabilities"}

    def predict_dist(self, X):
        P = self.predict_proba(X) + 0.01
        return Categorical(P / P.sum(axis=1, keepdims=True), self.classes_.tolist())


class Blind(Centroid):
    breaks = {"it_tells_separate_clouds_apart"}

    def _predict_proba(self, X):
        P = super()._predict_proba(X)
        return np.broadcast_to([0.5, 0.3, 0.2][: P.shape[1]], P.shape)


# -- embedders -----------------------------------------------------------------------------


class Shrinking(OneWay):
    breaks = {"latent_coordinates_have_a_shape"}

    def _transform(self, X, ivar):
        return super()._transform(X, ivar)[:, : 2 if len(X) > 20 else 1]


class Timid(Axes):
    breaks = {"the_way_back_recovers_a_line"}

    def _inverse_transform(self, Z):
        return 0.8 * Z @ self.components_ + self.mean_

    def _inverse_jacobian(self, Z):
        return 0.8 * self.components_.T


class Steep(Axes):
    breaks = {"the_way_back_carries_covariance"}

    def _inverse_jacobian(self, Z):
        return 1.5 * self.components_.T


class Equal(Axes):
    """All values that were observed count the same."""

    breaks = {"values_of_no_weight_do_not_matter"}

    def _fit(self, X, ivar):
        super()._fit(X, None if ivar is None else (ivar > 0).astype(float))

    def _transform(self, X, ivar):
        return super()._transform(X, None if ivar is None else (ivar > 0).astype(float))


class Zero(Axes):
    """Takes what was not observed for 0."""

    breaks = {"values_may_be_missing"}

    def _transform(self, X, ivar):
        return super()._transform(X, None if ivar is None else np.where(ivar > 0, ivar, 1.0))


# -- ensembles and networks ----------------------------------------------------------------


class Secretive(Pair):
    breaks = {"members_can_be_asked"}

    def predict_members(self, X):
        return super().predict_members(X)[:1]


class Diverged(Net):
    breaks = {"training_leaves_its_history"}

    def _fit(self, X, Y, noise):
        super()._fit(X, Y, noise)
        self.history_ = {"loss": np.array([3.0, np.nan])}


# -- simulators ----------------------------------------------------------------------------


class Numbered(Line):
    breaks = {"it_says_what_goes_in_and_out"}
    version = 1


class Talkative(Line):
    breaks = {"a_run_gives_finite_numbers"}

    def __call__(self, theta, *, rng):
        got = super().__call__(theta, rng=rng)
        return Simulated(got.values, got.variance, {"kinds": {1, 2}})


class Dice(Line):
    breaks = {"the_same_generator_gives_the_same_run"}

    def __call__(self, theta, *, rng):
        return super().__call__(theta, rng=np.random.default_rng())


class Kneading(Line):
    breaks = {"a_run_leaves_theta_alone"}

    def __call__(self, theta, *, rng):
        got = super().__call__(theta, rng=rng)
        if theta.flags.writeable:
            theta += 1e-9
        return got


class Filling(Line):
    breaks = {"a_wrong_theta_is_refused"}

    def evaluate(self, theta, *, rng=None):
        return super().evaluate(np.resize(theta, 2), rng=rng)


class Impostor(Line):
    breaks = {"options_decide_its_identity"}

    def identity(self):
        return "0" * 16


class Elsewhere(Line):
    breaks = {"its_observations_can_be_read"}
    observations = {"galaxies": "zoo_wrong:unrelated"}


def unrelated():
    return Observation([1.0], [0.1], coords={"log_mstar": [9.5]})


class Silent(Line):
    breaks = {"runs_bring_their_variance"}

    def __call__(self, theta, *, rng):
        return super().__call__(theta, rng=rng).values


# -- samplers ------------------------------------------------------------------------------


class Narrow(Sieve):
    breaks = {"draws_have_the_right_moments"}

    def _draws(self, posterior, chosen):
        middle = chosen.mean(axis=0)
        return super()._draws(posterior, middle + 0.6 * (chosen - middle))


class Shifted(Sieve):
    breaks = {"draws_have_the_right_moments"}

    def _draws(self, posterior, chosen):
        room = posterior.space.parameters[0].high - chosen
        return super()._draws(posterior, chosen + np.minimum(0.3, 0.5 * room))


class Priorless(Sieve):
    breaks = {"draws_know_what_they_are"}

    def _log_prob(self, posterior, theta):
        return posterior.log_likelihood(theta)


class Gambler(Sieve):
    breaks = {"the_same_seed_gives_the_same_draws"}
    capabilities = frozenset()

    def _seed(self, rng, store):
        return int(np.random.default_rng().integers(2**31))


class Rigid(Sieve):
    """One seed for all."""

    breaks = {"the_same_seed_gives_the_same_draws"}

    def _seed(self, rng, store):
        return 5


class Heedless(Sieve):
    breaks = {"starts_that_cannot_be_used_are_refused"}

    def _look_at(self, starts, posterior):
        pass


class Amnesiac(Sieve):
    breaks = {"an_interrupted_run_goes_on"}

    def _stored(self, store, name, make):
        return make()


class OneByOne(Sieve):
    breaks = {"many_points_are_asked_at_once"}
    blocks, block = 3, 1500

    def __init__(self, *, keep=320):
        self.keep = keep

    def _scores(self, posterior, points):
        return np.concatenate([posterior.log_likelihood(p) for p in np.array_split(points, 700)])


_BASES = {
    "simulator": Line,
    "sampler": Sieve,
    "classifier": Centroid,
    "embedder": (Axes, OneWay),
    "ensemble": Pair,
    "network": Net,
    "emulator": object,
}
WRONG = [cls for cls in list(globals().values()) if isinstance(cls, type) and "breaks" in vars(cls)]


def kind_of(cls):
    return next(kind for kind, base in _BASES.items() if issubclass(cls, base))
