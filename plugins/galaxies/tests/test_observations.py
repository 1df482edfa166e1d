"""The prepared mass functions against the papers' own numbers, converted here by hand."""

import numpy as np
import pytest

from equatorium import Observation
from equatorium.errors import InputError
from equatorium_galaxies.observations import (
    INTERPOLATION_ERROR,
    stellar_mass_functions,
    stellar_mass_functions_path,
    survey_bins,
)
from equatorium_galaxies.simulator import GalaxyFormation

# The papers' numbers as printed, independent of the data file.
BALDRY = {8.5: 19.2, 9.1: 10.2, 9.9: 5.71, 10.3: 5.48, 10.5: 5.12, 10.7: 3.55, 11.3: 0.338}  # 1e-3
TOMCZAK_Z1375 = [-2.14, -2.28, -2.46, -2.53, -2.61, -2.68, -2.71, -2.84, -3.12, -3.65]
# Li & White at h = 0.704 with their own IMF, log M 8.5 (0.2) 11.5: galaxy_formation.md, B.8.
LI_WHITE = [-1.77, -1.81, -1.85, -1.89, -1.96, -2.05, -2.11, -2.14]
LI_WHITE += [-2.16, -2.18, -2.28, -2.43, -2.68, -3.06, -3.59, -4.27]

CHABRIER, KROUPA = np.log10(0.81), np.log10(0.74)  # to Kennicutt: Lacey et al. 2016, Table B2
H70 = np.log10(0.704 / 0.70)


@pytest.fixture(scope="module")
def bins():
    return survey_bins()


@pytest.fixture(scope="module")
def observation():
    return stellar_mass_functions()


def epoch(bins, survey, z_lo):
    rows = bins[(bins["source"] == survey) & np.isclose(bins["z_lo"], z_lo)]
    return rows[np.argsort(rows["mass"])]


def at(observation, z, mass):
    return int(
        np.flatnonzero(
            np.isclose(observation.coords["z"], z)
            & np.isclose(observation.coords["log_mstar"], mass)
        )[0]
    )


def test_the_file_holds_the_published_numbers(bins):
    baldry = epoch(bins, "Baldry2012", 0.002)
    for mass, phi in BALDRY.items():
        row = baldry[np.isclose(baldry["log_mstar"], mass)][0]
        assert row["log_phi"] == pytest.approx(np.log10(phi * 1e-3), abs=5e-4)
    tomczak = epoch(bins, "Tomczak2014", 1.25)
    inside = (tomczak["log_mstar"] > 8.9) & (tomczak["log_mstar"] < 11.3)
    assert tomczak["log_phi"][inside] == pytest.approx(TOMCZAK_Z1375)


def test_tomczak_total_is_the_sum_of_its_star_forming_and_quiescent_columns(bins):
    # Table 1, 0.2 < z < 0.5, log M = 8.25 (0.25) 11.25; rounding of three columns to 0.01 dex.
    star_forming = [1.59, 1.76, 1.91, 2.08, 2.06, 2.17, 2.25, 2.36, 2.50, 2.63, 2.91, 3.43, 4.39]
    quiescent = [2.41, 2.62, 2.82, 2.96, 2.96, 2.98, 2.91, 2.86, 2.78, 2.80, 2.76, 3.07, 3.52]
    total = np.log10(10.0 ** -np.array(star_forming) + 10.0 ** -np.array(quiescent))
    rows = epoch(bins, "Tomczak2014", 0.2)
    assert rows["log_mstar"][1:] == pytest.approx(np.arange(8.25, 11.3, 0.25))
    assert rows["log_phi"][1:] == pytest.approx(total, abs=0.025)


def test_li_and_white_at_the_models_hubble_constant(bins):
    rows = epoch(bins, "LiWhite2009", 0.001)
    own_imf = np.interp(np.arange(8.5, 11.6, 0.2), rows["mass"] - CHABRIER, rows["phi"])
    assert own_imf == pytest.approx(LI_WHITE, abs=0.02)


def test_units_of_mass_and_density(bins):
    row = epoch(bins, "Baldry2012", 0.002)
    row = row[np.isclose(row["log_mstar"], 10.5)][0]
    assert row["mass"] == pytest.approx(10.5 + np.log10(0.81) - 2 * H70)  # h up, distance down
    assert row["phi"] == pytest.approx(np.log10(5.12e-3) + 3 * H70, abs=5e-4)
    shift = {row["imf"]: row["mass"] - row["log_mstar"] for row in bins[bins["h"] == 0.7]}
    # What is usually quoted between the two.
    assert shift["Chabrier"] - shift["Kroupa"] == pytest.approx(0.04, abs=0.005)


def test_local_datum_by_hand(bins, observation):
    # Baldry brackets 10.1 by its bins at 10.1 and 10.3; Li & White by bins 0.1 dex apart.
    low, high = (m + CHABRIER - 2 * H70 for m in (10.1, 10.3))
    w = (10.1 - low) / (high - low)
    baldry = (1 - w) * np.log10(5.51e-3) + w * np.log10(5.48e-3) + 3 * H70
    other = epoch(bins, "LiWhite2009", 0.001)
    li_white = np.interp(10.1, other["mass"], other["phi"])
    i = at(observation, 0.0, 10.1)
    assert observation.values[i] == pytest.approx((baldry + li_white) / 2, abs=5e-4)
    own = (1 - w) ** 2 * 0.02766**2 + w**2 * 0.02782**2  # the larger of each pair of errors
    k = np.searchsorted(other["mass"], 10.1)
    v = (10.1 - other["mass"][k - 1]) / (other["mass"][k] - other["mass"][k - 1])
    theirs = ((1 - v) * 0.036) ** 2 + (v * 0.036) ** 2
    expected = (own + theirs) / 4 + ((li_white - baldry) / 2) ** 2 + INTERPOLATION_ERROR**2
    assert observation.errors[i] ** 2 == pytest.approx(expected, rel=2e-2)


def test_surveys_of_a_pair_disagree_in_common_over_mass(observation):
    dense = observation.covariance.dense()
    i, j = at(observation, 0.0, 9.7), at(observation, 0.0, 10.1)
    far = dense[i, j] / np.sqrt(dense[i, i] * dense[j, j])
    assert far > 0.7  # both lie where Li & White exceed Baldry by 0.1 dex
    i, j = at(observation, 0.0, 9.7), at(observation, 0.0, 11.1)
    assert dense[i, j] < 0  # where Baldry exceeds Li & White


def test_redshifts_share_survey_bins(bins, observation):
    dense = observation.covariance.dense()
    z = observation.coords["z"]
    block = dense[np.ix_(z == 1.0, z == 1.5)]
    assert not dense[np.ix_(z == 0.0, z > 0)].any()
    assert not dense[np.ix_(z == 0.5, z == 1.5)].any()
    assert dense[np.ix_(z == 0.5, z == 1.0)].max() > 0
    assert block.min() >= 0
    # 11.3: Muzzin alone at z = 1, half of the mean at 1.5; at both, its bins at 1.0 < z < 1.5
    # have half the weight.
    rows = epoch(bins, "Muzzin2013", 1.0)
    k = np.searchsorted(rows["mass"], 11.3)
    v = (11.3 - rows["mass"][k - 1]) / (rows["mass"][k] - rows["mass"][k - 1])
    shared = ((1 - v) * rows["sigma"][k - 1]) ** 2 + (v * rows["sigma"][k]) ** 2
    i, j = at(observation, 1.0, 11.3), at(observation, 1.5, 11.3)
    assert dense[i, j] == pytest.approx(0.5 * (0.5 * 0.5) * shared)


def test_nearest_bin_instead_of_interpolation_would_be_biased(bins):
    # The mass function falls by 0.3 dex from z = 0.62 to 1.38: half a bin of 0.25 is 0.05 dex.
    masses = np.arange(9.1, 11.0, 0.2)
    phi = [
        np.interp(masses, e["mass"], e["phi"])
        for e in (epoch(bins, "Tomczak2014", z) for z in (0.5, 0.75, 1.0, 1.25))
    ]
    assert np.mean(phi[0] - phi[3]) == pytest.approx(0.3, abs=0.05)
    interpolated = (phi[1] + phi[2]) / 2
    assert np.mean(phi[1] - interpolated) == pytest.approx(0.05, abs=0.02)


def test_interpolation_error_is_that_of_a_curved_mass_function():
    def log_phi(mass):  # the double Schechter function of Baldry et al. (2012), their abstract
        x = 10 ** (mass - 10.66)
        return np.log10(np.log(10) * np.exp(-x) * x * (3.96e-3 * x**-0.35 + 0.79e-3 * x**-1.47))

    masses = np.arange(8.9, 11.2, 0.2)
    for step, expected in ((0.2, 0.008), (0.25, 0.013)):
        grids = [np.arange(8.0, 12.4, step) + shift for shift in np.linspace(0, step, 11)]
        missed = [np.interp(masses, grid, log_phi(grid)) - log_phi(masses) for grid in grids]
        assert np.sqrt(np.mean(np.square(missed))) == pytest.approx(expected, abs=1e-3)
        assert 0.6 < expected / INTERPOLATION_ERROR < 1.5


def test_evolution_is_that_of_the_surveys(observation):
    drop = [
        observation.values[at(observation, 0.5, m)] - observation.values[at(observation, 1.5, m)]
        for m in (9.5, 10.1, 10.7)
    ]
    assert np.all(np.array(drop) > 0.25)
    assert np.all(np.array(drop) < 0.45)


def test_one_survey_alone_where_the_other_ends(bins, observation):
    # z = 1 at 10^9.1: UltraVISTA is complete at z = 0.75 but not at 1.25, ZFOURGE at both.
    near, far = (epoch(bins, "Tomczak2014", z) for z in (0.75, 1.0))
    near, far = (np.interp(9.1, e["mass"], e["phi"]) for e in (near, far))
    assert observation.values[at(observation, 1.0, 9.1)] == pytest.approx((near + far) / 2)
    for z in (0.0, 0.5, 1.0, 1.5):
        steps = np.diff(observation.values[observation.coords["z"] == z])
        assert np.all(steps < 0)  # the mass functions fall ...
        assert np.all(np.abs(np.diff(steps)) < 0.35)  # ... without a jump where a survey ends


def test_incomplete_masses_are_left_out(observation):
    assert observation.q == 51
    z, mass = observation.coords["z"], observation.coords["log_mstar"]
    assert mass[z == 1.5].min() == pytest.approx(9.1)  # Tomczak's first bin lies at 8.904
    assert all(mass[z == other].min() == pytest.approx(8.9) for other in (0.0, 0.5, 1.0))
    assert mass.max() == pytest.approx(11.3)


def test_covariance_is_positive_definite_and_well_conditioned(observation):
    dense = observation.covariance.dense()
    eigenvalues = np.linalg.eigvalsh(dense)
    assert np.array_equal(dense, dense.T)
    assert eigenvalues[0] > 1e-4
    assert eigenvalues[-1] / eigenvalues[0] < 200
    assert 0.01 < observation.errors.min() < observation.errors.max() < 0.15


def test_a_narrower_range_is_the_same_data(observation):
    narrow = stellar_mass_functions(log_mstar=(9.5, 10.5))
    mass = observation.coords["log_mstar"]
    inside = np.flatnonzero((mass > 9.4) & (mass < 10.6))
    assert narrow.names == tuple(observation.names[i] for i in inside)
    assert narrow.values == pytest.approx(observation.values[inside])
    part = observation.covariance.dense()[np.ix_(inside, inside)]
    assert narrow.covariance.dense() == pytest.approx(part, abs=1e-15)


def test_a_range_without_bins_raises():
    with pytest.raises(InputError, match=r"\(11.3, 8.9\) holds none"):
        stellar_mass_functions(log_mstar=(11.3, 8.9))


def test_the_data_are_outputs_of_the_simulator(observation):
    outputs = GalaxyFormation().outputs
    response = observation.match(outputs)
    assert response.shape == (51, 80)
    where = [outputs.index(name) for name in observation.names]
    expected = np.zeros((51, 80))
    expected[np.arange(51), where] = 1.0
    assert response == pytest.approx(expected, abs=1e-9)


def test_the_shipped_file_is_this_preparation(observation):
    shipped = Observation.read(stellar_mass_functions_path())
    assert shipped.names == observation.names
    assert shipped.values == pytest.approx(observation.values, abs=1e-12)
    assert shipped.covariance.dense() == pytest.approx(observation.covariance.dense(), abs=1e-14)
    for coordinate in ("log_mstar", "z"):
        assert shipped.coords[coordinate] == pytest.approx(observation.coords[coordinate])
    assert shipped.unit == observation.unit
    assert shipped.meta["references"] == observation.meta["references"]
