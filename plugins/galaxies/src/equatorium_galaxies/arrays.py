"""The array types that the plugin's signatures speak of."""

import numpy as np
import numpy.typing as npt

from equatorium.checks import FloatArray

IntArray = npt.NDArray[np.int32]
IndexArray = npt.NDArray[np.intp]
BoolArray = npt.NDArray[np.bool_]

__all__ = ["BoolArray", "FloatArray", "IndexArray", "IntArray"]
