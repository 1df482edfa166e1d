"""What a prediction is: a distribution over named outputs at m points, in four final types.

``Gaussian``, ``Mixture``, ``Weighted`` (draws with weights: forests, conformal, flows) and
``Categorical`` answer the same questions, by closed forms where these exist.
"""

from equatorium.records.prediction_base import Gaussian, Prediction
from equatorium.records.prediction_categorical import Categorical
from equatorium.records.prediction_mixture import Mixture
from equatorium.records.prediction_weighted import Weighted

__all__ = ["Categorical", "Gaussian", "Mixture", "Prediction", "Weighted"]
