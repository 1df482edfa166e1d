"""What an emulator with a fitted process can do: predictions, their slopes, joint errors, draws."""

from typing import Any

from equatorium import Emulator, Gaussian
from equatorium.checks import FloatArray, Rng, generator
from equatorium_gp.domain import Box
from equatorium_gp.process import Process


class ProcessEmulator(Emulator):
    """Base of emulators whose `set_state` builds a process and the box of the runs."""

    X_: FloatArray
    domain: str
    _process: Process
    _box: Box

    def _predict_dist(self, X: FloatArray) -> Gaussian:
        return self._process.predict(X, self._box.inflation(X, self.domain))

    def loo(self) -> Gaussian:
        """Predict every run from all others at the hyperparameters of all, in closed form.

        Returns
        -------
        Gaussian
            (n, p), as `predict_dist` would give: with the nugget, without the declared noise.
        """
        self._validate_query(self.X_)
        return self._process.leave_one_out()

    def predict_dist_vjp(self, X: Any, mean_bar: FloatArray, cov_bar: FloatArray) -> FloatArray:
        """Gradient (m, d) of ``sum(mean_bar * mean) + sum(cov_bar * covariance)`` by X.

        Parameters
        ----------
        X : array_like, shape (m, d)
        mean_bar : (m, p) array
        cov_bar : (m, p, p) array
        """
        return self._process.pulled(self._validate_query(X), mean_bar, cov_bar)

    def predict_joint(self, X: Any, output: int = 0) -> FloatArray:
        """Covariance (m, m) of one output between points X (m, d), the nugget on its diagonal."""
        return self._process.joint(self._validate_query(X), output)

    def sample_functions(
        self, X: Any, size: int = 1, rng: Rng = None, *, prior: bool = False
    ) -> FloatArray:
        """Draw smooth functions, without nugget, at points X (m, d).

        Parameters
        ----------
        X : array_like, shape (m, d)
        size : int
        rng : int, Generator or None
        prior : bool
            Draw the process from its prior, around the fitted trend, in place of the posterior.

        Returns
        -------
        (size, m, p) array
        """
        draw = self._process.prior_functions if prior else self._process.functions
        return draw(self._validate_query(X), size, generator(rng))

    def distance(self, X: Any) -> FloatArray:
        """Distance (m,) of X (m, d) to the nearest run, in widths of the box of the runs."""
        return self._box.distance(self._validate_query(X))
