"""The 20 parameters against the table of the paper."""

import numpy as np
import pytest

from equatorium_galaxies.parameters import Parameters, parameter_space

# Name, range and default as in Rodrigues, Vernon & Bower (2017), Table 1; "log" as sampled there.
TABLE = """
nu0_sf         0.025 1.0   0.5      lin
P_sf           1e4   5e4   1.7e4    log
beta_sf        0.65  1.10  0.8      lin
f_dyn          1     100   10       log
tau_min_burst  1e-3  1     0.05     log
alpha_hot      1.0   3.7   3.2      lin
beta0_burst    0.5   40    11.16    lin
beta0_disc     0.5   40    11.16    lin
alpha_reheat   0.15  1.5   1.26027  lin
alpha_cool     0.1   2.0   0.6      log
eps_edd        0.004 0.1   0.03979  log
f_smbh         0.001 0.01  0.005    lin
f_burst        0.01  0.5   0.1      log
f_ellip        0.01  0.5   0.3      log
f_stab         0.61  1.1   0.8      lin
V_cut          20    60    30       lin
z_cut          5     15    10       lin
p_yield        0.02  0.05  0.021    lin
eps_strip      0.01  0.99  0.1      lin
alpha_rp       1.0   3.0   2.0      lin
"""
ROWS = [line.split() for line in TABLE.split("\n") if line]


def test_names_in_order():
    assert parameter_space().names == tuple(row[0] for row in ROWS) == Parameters._fields


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_ranges_defaults_and_scales(row):
    space = parameter_space()
    parameter = space.parameters[space.index(row[0])]
    low, high, default = map(float, row[1:4])
    assert (parameter.low, parameter.high, parameter.default) == (low, high, default)
    assert parameter.scale == {"lin": "linear", "log": "log"}[row[4]]
    assert getattr(Parameters(), row[0]) == default
    assert parameter.label.startswith("$") and parameter.description


def test_seven_logarithmic_thirteen_linear():
    scales = [p.scale for p in parameter_space().parameters]
    assert scales.count("log") == 7 and scales.count("linear") == 13
    middle = parameter_space().from_unit(np.full((1, 20), 0.5))[0]
    assert middle[3] == pytest.approx(10.0) and middle[5] == pytest.approx(2.35)
