"""``rnn`` and ``rnn-classifier``: recurrent units over light curves and other series with gaps."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

import numpy as np

from equatorium.checks import FloatArray
from equatorium.errors import InputError
from equatorium_nets.classifier import NetworkClassifier
from equatorium_nets.emulator import NetworkEmulator
from equatorium_nets.examples import input_units
from equatorium_nets.fitting import example_shape
from equatorium_nets.networks import Networks


class Series(Networks):
    """Networks over series: a row of X is the flat form of (steps, channels).

    With ``shape=(steps, channels)`` the first channel is the time of a step, the others are what
    was observed then: values, their errors, one channel for each band. NaN is what was not
    observed. A step without a time, or without any value, is padding, so that series of any length
    up to `steps` fit; steps may stand in any order. Without a shape a row is a series of single
    values at equal steps.
    """

    LAYERS: ClassVar[str] = "gru(64) dense(64) silu"

    @classmethod
    def conformance_options(cls) -> dict[str, Any]:
        """Two small networks."""
        return {**super().conformance_options(), "layers": "gru(8)"}

    @property
    def architecture(self) -> str:
        """The layers in words; a series without times is given them."""
        return f"{'regular ' if self.shape is None else ''}{super().architecture}"

    def _shape_of(self, d: int) -> tuple[int, ...]:
        if isinstance(self.augment, Mapping) and set(self.augment) - {"noise", "errors"}:
            raise InputError("augment of a series can be {'noise': amount, 'errors': times} only.")
        shape = (d, 1) if self.shape is None else example_shape(self.shape, d)
        if len(shape) != 2:
            raise InputError(f"shape={self.shape!r} of a series must be (steps, channels).")
        return shape

    def _input_units(self, X: Iterable[FloatArray], d: int) -> tuple[FloatArray, FloatArray]:
        """Return centre and spread of each channel; of the time, the typical step."""
        steps, channels = self._shape_of(d)
        gaps: list[FloatArray] = []

        def by_channel() -> Iterator[FloatArray]:
            for rows in X:
                table = rows.reshape(-1, steps, channels)
                gaps.append(_gaps(table[..., 0]))
                yield table.reshape(-1, channels)

        center, spread = input_units(by_channel(), (channels,))
        if self.shape is not None:
            total, count = np.sum(gaps, axis=0)
            spread[0] = total / count if count else 1.0
        return np.tile(center, steps), np.tile(spread, steps)


def _gaps(time: FloatArray) -> FloatArray:
    """Return sum and number of the steps of times (n, steps), NaN where there is none."""
    gaps = np.diff(np.sort(time, axis=1), axis=1)  # NaN goes last
    gaps = gaps[gaps > 0]
    return np.array([gaps.sum(), len(gaps)])


class RNN(Series, NetworkEmulator):
    """Recurrent networks on series with gaps, whose answer is one Gaussian.

    Give ``shape=(steps, channels)``, the first channel being time; NaN is what was not observed.

    References
    ----------
    Cho K. et al. 2014, EMNLP, doi:10.3115/v1/D14-1179; Che Z. et al. 2018, Sci. Rep. 8, 6085,
    doi:10.1038/s41598-018-24271-9

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> series = np.stack([np.sort(rng.random((80, 9))), rng.normal(size=(80, 9))], axis=-1)
    >>> y = series[..., 1].mean(axis=1)
    >>> series[:, 5, 1] = np.nan
    >>> options = {"shape": (9, 2), "layers": "gru(8)", "n_members": 1, "epochs": 5}
    >>> model = RNN(**options, random_state=0).fit(series.reshape(80, 18), y)
    >>> model.predict(series[:3].reshape(3, 18)).shape
    (3,)
    """


class RNNClassifier(Series, NetworkClassifier):
    """Recurrent networks on series with gaps, whose probabilities are averaged.

    Give ``shape=(steps, channels)``, the first channel being time; NaN is what was not observed.

    References
    ----------
    Cho K. et al. 2014, EMNLP, doi:10.3115/v1/D14-1179; Che Z. et al. 2018, Sci. Rep. 8, 6085,
    doi:10.1038/s41598-018-24271-9
    """
