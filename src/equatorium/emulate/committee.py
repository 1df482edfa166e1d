"""Several emulators as one: their predictions are mixed, by what each of them is worth."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import clone

from equatorium import registry
from equatorium.checks import FloatArray
from equatorium.emulate.folds import deal
from equatorium.emulate.grouped import Grouped, Labels, told
from equatorium.emulate.nesting import checked_members, refuse_loops
from equatorium.emulate.stacking import as_mixture, held_out_scores, pruned_weights
from equatorium.errors import InputError, StateError, did_you_mean
from equatorium.interfaces.emulator import Emulator
from equatorium.interfaces.ensemble import Ensemble
from equatorium.interfaces.model import state_array
from equatorium.records.prediction import Mixture, Prediction

_RULES = ("stack", "average", "best")
_NESTED = "members__"


class Committee(Ensemble, Grouped):
    r"""Emulators that answer together: a mixture of their predictions.

    .. math:: p(y | \theta) = \sum_k w_k\, p_k(y | \theta)

    One weight a member, for all outputs and the whole space. Its mean is the weighted mean, its
    covariance the mean covariance plus that of the members' means: members that disagree are less
    sure together. Mixture members (committees) are taken apart into their Gaussians; draws
    (`Conformal`, forests) enter as the Gaussian of the same mean and covariance.

    - ``stack``: the weights maximise the log density of held-out values (five fixed folds, each
      output on its own, declared noise added); members below a weight of 0.05 are dropped and the
      rest weighed anew.
    - ``average``: equal weights, and no run is held out.
    - ``best``: the one member with the best mean log density of held-out values.

    A member that cannot be fitted is dropped with a warning.

    Parameters
    ----------
    members : sequence of Emulator, or of their names or specs
        Each with the capability ``variance``. Those given as objects have nested parameters,
        ``members__0__alpha``.
    rule : {"stack", "average", "best"}

    Attributes
    ----------
    members_ : list of k Emulator
        The fitted members that are used.
    weights_ : ndarray, shape (k,)
    kept_ : ndarray of int, shape (k,)
        Their places in `members`.
    scores_ : ndarray, one for each of `members`
        Mean log density of a held-out value; NaN if none was held out (``average``, one member)
        or the member failed.

    References
    ----------
    Yao Y., Vehtari A., Simpson D. & Gelman A. 2018, Bayesian Analysis 13, 917,
    doi:10.1214/17-BA1091
    """

    def __init__(self, members: Sequence[Any], rule: str = "stack") -> None:
        self.members = members
        self.rule = rule

    @classmethod
    def conformance_options(cls) -> dict[str, Any]:
        """Return two members of the kit's own."""
        stiff = {"use": "local/reference-ridge", "options": {"alpha": 1.0}}
        return {"members": ["local/reference-ridge", stiff]}

    @property
    def capabilities_(self) -> frozenset[str]:
        """What all members can do; once fitted, all that are used."""
        given = [member.capabilities_ for member in self._given()]
        used = [member.capabilities_ for member in getattr(self, "members_", ())]
        able: frozenset[str] = frozenset.intersection(*(used or given)) & {"variance", "covariance"}
        # A second fit hands the noise to all members, also to those that the first one dropped.
        return able | (frozenset.intersection(*given) & {"noise"})

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters; deep, also the members and theirs."""
        params: dict[str, Any] = super().get_params(deep=deep)
        several = deep and isinstance(self.members, list | tuple)
        for i, member in enumerate(self.members if several else ()):
            if hasattr(member, "get_params") and not isinstance(member, type):
                params[f"{_NESTED}{i}"] = member
                nested = member.get_params().items()
                params.update({f"{_NESTED}{i}__{name}": value for name, value in nested})
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters; ``members__0`` is a member, ``members__0__alpha`` one of its own."""
        nested = {key: value for key, value in params.items() if key.startswith(_NESTED)}
        super().set_params(**{k: v for k, v in params.items() if k not in nested})
        if not nested:
            return self
        known = self.get_params()
        members = list(self.members) if isinstance(self.members, list | tuple) else []
        for key, value in sorted(nested.items()):  # a member first, then its own parameters
            place, _, name = key.removeprefix(_NESTED).partition("__")
            if f"{_NESTED}{place}" not in known:
                raise InputError(
                    f"Invalid parameter {key!r} for a Committee with {len(members)} members; those "
                    f"that are given as objects have parameters: {', '.join(known)}."
                )
            if name:
                members[int(place)].set_params(**{name: value})
            else:
                members[int(place)] = value
        self.members = members
        return self

    def predict_members(self, X: Any) -> FloatArray:
        """Return the mean of every member that is used, shape (members, m, p)."""
        X = self._validate_query(X)
        return np.stack([member.predict_dist(X).mean for member in self.members_])

    def _fit(
        self, X: FloatArray, Y: FloatArray, noise: FloatArray | None, groups: Labels = None
    ) -> None:
        given = self._given()
        for i, member in enumerate(given):
            if "variance" not in member.capabilities_:
                raise InputError(
                    f"Member {i} of the Committee, {member!r:.80}, predicts without a variance, so "
                    f"nobody can tell what it is worth. Wrap it: "
                    f"equatorium.Conformal({type(member).__name__}(...))."
                )
        judged = self.rule != "average" and len(given) > 1
        why = f"A Committee with the rule {self.rule!r}"
        fold = deal(len(X), why, groups) if judged else None
        fitted, scores, failures = {}, np.full((len(given), *Y.shape), np.nan), {}
        for i, member in enumerate(given):
            try:
                if fold is not None:
                    scores[i] = held_out_scores(member, X, Y, noise, fold, groups)
                fitted[i] = clone(member).fit(X, Y, noise=noise, **told(member, groups))
            except Exception as error:  # a member may fail in any way; the others go on
                failures[i] = f"member {i}, {member!r:.80}, failed: {error}"
                last = error
        if not fitted:
            raise InputError(
                f"No member of the Committee could be fitted on {len(X)} runs: "
                f"{'; '.join(failures.values())}"
            ) from last
        for text in failures.values():
            warnings.warn(f"The Committee goes on without a member: {text}", stacklevel=4)
        able = np.array(sorted(fitted))
        weights = self._weigh(scores[able].reshape(len(able), -1))
        self.scores_ = np.where(np.isin(np.arange(len(given)), able), scores.mean((1, 2)), np.nan)
        self.kept_ = able[weights > 0]
        self.weights_ = weights[weights > 0]
        self.members_ = [fitted[i] for i in self.kept_.tolist()]

    def _weigh(self, scores: FloatArray) -> FloatArray:
        """Weights of the members that could be fitted, from their scores (k, n p)."""
        k = len(scores)
        if k == 1 or self.rule == "average":
            return np.full(k, 1 / k)
        if self.rule == "stack":
            return pruned_weights(scores)
        return np.asarray(np.arange(k) == np.argmax(scores.mean(axis=1)), dtype=np.float64)

    def _predict_dist(self, X: FloatArray) -> Prediction:
        if len(self.members_) == 1:
            alone: Prediction = self.members_[0].predict_dist(X)
            return alone
        parts = [as_mixture(member.predict_dist(X)) for member in self.members_]
        return Mixture(
            np.concatenate(
                [w * part.weights for w, part in zip(self.weights_, parts, strict=True)]
            ),
            np.concatenate([part.means for part in parts]),
            [covariance for part in parts for covariance in part.covariances],
        )

    def set_state(self, state: Mapping[str, Any]) -> Self:
        """Take on a state whose members and weights fit together."""
        if state:
            members = checked_members(state, "Committee")
            weights = state_array(state, "weights_", (len(members),))
            if (weights < 0).any() or abs(weights.sum() - 1) > 1e-9:
                raise StateError("'weights_' must not be negative, and must sum to one.")
            scores = state_array(state, "scores_", (None,), finite=False)
            kept = state_array(state, "kept_", (len(members),), kinds="i")
            if (kept < 0).any() or (kept >= len(scores)).any() or (np.diff(kept) <= 0).any():
                raise StateError("'kept_' must count up through places in 'scores_'.")
        return super().set_state(state)

    def _given(self) -> list[Any]:
        """Return the members, made from their specs where they are given so, and check them."""
        if self.rule not in _RULES:
            hint = did_you_mean(str(self.rule), _RULES)
            raise InputError(f"rule must be one of {', '.join(_RULES)}, not {self.rule!r}.{hint}")
        if not isinstance(self.members, list | tuple) or not self.members:
            raise InputError(
                f"A Committee needs a list of emulators, but members is {self.members!r:.80}."
            )
        refuse_loops(self)
        members = [registry.from_spec("emulator", member) for member in self.members]
        for i, member in enumerate(members):
            if not isinstance(member, Emulator):
                raise InputError(
                    f"Member {i} of the Committee must be an emulator, but it is {member!r:.80}."
                )
        return members
