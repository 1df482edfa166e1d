"""One look for all figures, no window, no trace in the caller's settings, nothing loaded early."""

import subprocess
import sys

import matplotlib as mpl
import numpy as np

from equatorium import plots
from equatorium.plots.style import grid


def test_the_callers_settings_neither_matter_nor_change():
    with mpl.rc_context({"font.size": 30.0, "axes.labelsize": 40.0}):
        figure = plots.volumes([0.1])
        assert mpl.rcParams["font.size"] == 30.0
    assert figure.axes[0].xaxis.label.get_size() == 11.0
    assert figure.axes[0].get_xticklabels()[0].get_size() == 9.0


def test_no_window_is_opened_and_none_is_kept():
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    plots.volumes([0.1])
    assert pyplot.get_fignums() == before


def test_matplotlib_is_loaded_by_the_first_figure_only():
    code = (
        "import sys, equatorium.plots as p; dir(p); p.volumes; p.corner\n"
        "assert 'matplotlib' not in sys.modules and 'corner' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_figure_function_is_found():
    assert all(callable(getattr(plots, name)) for name in plots.__all__)


def test_grids_hold_their_panels():
    for count in range(1, 30):
        rows, columns = grid(count, 4)
        assert rows * columns >= count
        assert columns <= 4
        assert (rows - 1) * columns < count or np.isclose(rows, 1)
