"""Real data, at a size that takes seconds: what the benchmark shows in full, `benchmarks/nets.py`."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kstest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import GroupShuffleSplit

import equatorium as eq
from equatorium.emulate.validate import crps
from equatorium_nets.adversarial import sensitivity

DATA = Path(os.environ.get("EQUATORIUM_DATA", Path(__file__).parents[4] / "shared" / "data"))
real = [
    pytest.mark.realdata,
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason="EQUATORIUM_DATA is not set"),
]


def realdata(test):
    for mark in real:
        test = mark(test)
    return test
