r"""Observed galaxy mass functions, brought to the model's IMF, Hubble constant, bins and redshifts.

Every prepared value is a linear combination ``W y`` of published values ``y`` (log10 phi of a
survey bin), so that errors are propagated exactly: the covariance is ``W diag(sigma^2) W^T``, which
correlates data that draw on the same survey bin, plus one rank-one term a redshift for the
disagreement of the two surveys there, plus a small error of interpolation. The steps of ``W``:

1. *Units.* Masses go from the survey's stellar initial mass function (IMF) to that of Kennicutt
   (1983) by a constant factor (`MASS_FACTOR`), and from the survey's Hubble constant to h = 0.704:
   mass scales as h^-2 (it comes from a luminosity distance squared), number density as h^3.
2. *Mass.* log phi is interpolated linearly in log M to the centres of the model's bins, never
   extrapolated. Survey bins below the survey's completeness limit are not used.
3. *Redshift.* log phi is interpolated linearly in z between the centres of the survey's redshift
   bins. The local surveys have one bin each and stand for z = 0.
4. *Two surveys, one constraint.* Where both surveys of a pair reach, the datum is their mean, and
   half their difference is an error common to all masses at that redshift; where only one reaches
   (Tomczak below, Muzzin above the other's range), it stands alone.

Only errors of measurement enter: the model discrepancy belongs to the study. Asymmetric errors are
symmetrised by the larger side. Errors within a survey are taken as independent between its bins,
because no covariance is published; part of them is cosmic variance, common to neighbouring masses.

References
----------
Baldry et al. 2012, MNRAS 421, 621, doi:10.1111/j.1365-2966.2012.20340.x
    GAMA, z < 0.06; low surface brightness makes it incomplete below 10^8 Msun.
Kennicutt 1983, ApJ 272, 54, doi:10.1086/161261
    The IMF of the model.
Lacey et al. 2016, MNRAS 462, 3854, doi:10.1093/mnras/stw1888
    Table B2: stellar masses inferred with other IMFs relative to that of Kennicutt (1983).
Li & White 2009, MNRAS 398, 2177, doi:10.1111/j.1365-2966.2009.15268.x
    SDSS, published in units of h; measured from 10^8 h^-2 Msun.
Muzzin et al. 2013, ApJ 777, 18, doi:10.1088/0004-637X/777/1/18
    COSMOS/UltraVISTA; completeness limits as in its Table 1.
Tomczak et al. 2014, ApJ 783, 85, doi:10.1088/0004-637X/783/2/85
    ZFOURGE; Table 1 lists complete bins only, so that the lower edge of the first bin listed at
    each redshift stands for the limit (approximate to half a bin, 0.125 dex).
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.linalg import block_diag

from equatorium import Observation
from equatorium.errors import InputError
from equatorium_galaxies.outputs import BIN_CENTRES

__all__ = ["stellar_mass_functions", "stellar_mass_functions_path", "survey_bins"]

HUBBLE = 0.704
"""The model's Hubble constant in units of 100 km/s/Mpc (WMAP7)."""

MASS_FACTOR = {"Kennicutt": 1.0, "Chabrier": 0.81, "Kroupa": 0.74}
"""M*(Kennicutt 1983 IMF) / M*(survey's IMF) for the same light; Lacey et al. (2016), Table B2."""

SURVEYS = {
    0.0: ("Baldry2012", "LiWhite2009"),
    0.5: ("Muzzin2013", "Tomczak2014"),
    1.0: ("Muzzin2013", "Tomczak2014"),
    1.5: ("Muzzin2013", "Tomczak2014"),
}
"""The redshifts of the data, and the pair of surveys that makes one constraint at each."""

INTERPOLATION_ERROR = 0.01
"""Independent error of each datum, dex: what a straight line over a survey's bin (0.2 to 0.25 dex)
misses of a mass function's curvature (rms 0.008 to 0.013 dex below 10^11.1 for that of Baldry)."""

_DATA = Path(__file__).parent / "data"


def survey_bins() -> npt.NDArray[np.void]:
    """Return the published survey bins above their completeness limit, one record a bin.

    Returns
    -------
    structured array (n,)
        ``source``, ``doi``, ``imf``, the redshift range ``z_lo``, ``z_hi``, and as published
        ``log_mstar`` [log10 h^-2 Msun], ``log_phi`` [log10 h^3 Mpc^-3 dex^-1], ``err_up``,
        ``err_dn`` [dex], ``h``, ``log_mstar_complete``. Added here, for the IMF of Kennicutt (1983)
        and h = 0.704: ``mass`` [log10 Msun], ``phi`` [log10 Mpc^-3 dex^-1], and ``sigma`` [dex],
        the larger error.
    """
    file = _DATA / "stellar_mass_functions.csv"
    raw = np.genfromtxt(file, delimiter=",", names=True, dtype=None, encoding="utf-8")
    raw = raw[raw["log_mstar"] >= raw["log_mstar_complete"]]
    bins = np.empty(
        raw.shape, [*raw.dtype.descr, ("mass", float), ("phi", float), ("sigma", float)]
    )
    for name in raw.dtype.names or ():
        bins[name] = raw[name]
    ratio = np.log10(HUBBLE / raw["h"])
    bins["mass"] = raw["log_mstar"] + np.log10([MASS_FACTOR[imf] for imf in raw["imf"]]) - 2 * ratio
    bins["phi"] = raw["log_phi"] + 3 * ratio
    bins["sigma"] = np.maximum(raw["err_up"], raw["err_dn"])
    return bins


def stellar_mass_functions(log_mstar: tuple[float, float] = (8.9, 11.3)) -> Observation:
    """Return the observed mass functions at z = 0, 0.5, 1, 1.5 on the model's bins.

    Parameters
    ----------
    log_mstar : (low, high)
        The bins whose centres lie in this range, ends included, log10 M* / Msun. Below 8.7 the
        model's merger trees do not resolve galaxies; above 11.3 it lacks intracluster light.

    Returns
    -------
    Observation
        log10 phi [Mpc^-3 dex^-1] with coordinates ``log_mstar`` and ``z`` and the full covariance,
        ordered by redshift, then mass. Masses that no survey reaches at a redshift are left out.

    Raises
    ------
    InputError
        When no bin lies in the range.

    Examples
    --------
    >>> observation = stellar_mass_functions()
    >>> observation.q, observation.names[0]
    (51, 'phi_z0.0_m8.9')
    """
    bins = survey_bins()
    low, high = log_mstar
    centres = np.round(BIN_CENTRES, 6)
    masses = centres[(centres > low - 1e-6) & (centres < high + 1e-6)]
    if masses.size == 0:
        raise InputError(
            f"log_mstar = ({low}, {high}) holds none of the bins' centres, {centres[0]} (0.2) "
            f"{centres[-1]}: give a (low, high) that does, such as (8.9, 11.3)"
        )
    operators, shifts, coords = [], [], []
    for z, pair in SURVEYS.items():
        weights = np.stack([_survey_weights(bins, survey, z, masses) for survey in pair])
        reached = np.asarray(np.isfinite(weights).all(axis=2))  # (2, masses)
        some = reached.any(axis=0)
        weights, reached = np.where(reached[..., None], weights, 0)[:, some], reached[:, some]
        first, second = weights @ bins["phi"]
        operators.append(weights.sum(axis=0) / reached.sum(axis=0)[:, None])
        shifts.append(np.where(reached.all(axis=0), (second - first) / 2, 0.0))
        coords.append(np.column_stack([masses[some], np.full(some.sum(), z)]))
    operator = np.concatenate(operators)
    covariance = (operator * bins["sigma"] ** 2) @ operator.T
    covariance += block_diag(*(np.outer(shift, shift) for shift in shifts))
    covariance += INTERPOLATION_ERROR**2 * np.eye(len(covariance))
    mass, redshift = np.concatenate(coords).T
    return Observation(
        operator @ bins["phi"],
        (covariance + covariance.T) / 2,
        coords={"log_mstar": mass, "z": redshift},
        names=[f"phi_z{z:.1f}_m{m:.1f}" for m, z in zip(mass, redshift, strict=True)],
        unit="log10(Mpc^-3 dex^-1)",
        units={"log_mstar": "log10(Msun)"},
        label="log10 phi",
        meta={
            "imf": "Kennicutt 1983",
            "h": HUBBLE,
            "prepared_by": "equatorium_galaxies.observations.stellar_mass_functions",
            "references": [f"doi:{doi}" for doi in (*np.unique(bins["doi"]), _IMF_REFERENCE)],
        },
    )


_IMF_REFERENCE = "10.1093/mnras/stw1888"


def stellar_mass_functions_path() -> Path:
    """Return the file with the default `stellar_mass_functions`, for ``Observation.read``."""
    return _DATA / "stellar_mass_functions.ecsv"


def _survey_weights(
    bins: npt.NDArray[np.void], survey: str, z: float, masses: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the weights (t, n) by which a survey's bins make log phi at z; NaN out of reach."""
    weights = np.zeros((masses.size, bins.size))
    mine = bins["source"] == survey
    epochs = np.unique(np.column_stack([bins["z_lo"][mine], bins["z_hi"][mine]]), axis=0)
    at_z = np.array([z if len(epochs) > 1 else epochs.mean()])
    for (z_lo, z_hi), share in zip(epochs, _hats(at_z, epochs.mean(axis=1))[0], strict=True):
        if share == 0:  # an epoch that takes no part may well be incomplete at these masses
            continue
        rows = np.flatnonzero(mine & (bins["z_lo"] == z_lo) & (bins["z_hi"] == z_hi))
        rows = rows[np.argsort(bins["mass"][rows])]
        weights[:, rows] = share * _hats(masses, bins["mass"][rows])
    return weights


def _hats(x: npt.NDArray[np.float64], nodes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the weights (t, n) of linear interpolation between rising nodes; NaN outside."""
    columns = [np.interp(x, nodes, hat, left=np.nan, right=np.nan) for hat in np.eye(nodes.size)]
    return np.column_stack(columns)


if __name__ == "__main__":  # writes the shipped file anew
    stellar_mass_functions().write(stellar_mass_functions_path())
