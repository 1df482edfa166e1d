"""The 20 parameters: ranges of Rodrigues, Vernon & Bower (2017), defaults of the published GALFORM.

References
----------
Rodrigues, Vernon & Bower 2017, MNRAS 466, 2418, doi:10.1093/mnras/stw3269.
Gonzalez-Perez et al. 2014, MNRAS 439, 264, doi:10.1093/mnras/stt2410 (defaults).
Font et al. 2008, MNRAS 389, 1619, doi:10.1111/j.1365-2966.2008.13698.x (eps_strip, alpha_rp).
"""

from typing import NamedTuple

__all__ = ["Parameters"]


class Parameters(NamedTuple):
    """One point of the parameter space, in the order that the simulator takes.

    Attributes
    ----------
    nu0_sf : float
        Rate at which molecular gas forms stars in discs [1/Gyr].
    P_sf : float
        Pressure P/k_B at which half of the gas is molecular [K/cm^3].
    beta_sf : float
        Slope of the molecular-to-atomic ratio with pressure.
    f_dyn : float
        Burst timescale in dynamical times of the bulge.
    tau_min_burst : float
        Its smallest value [Gyr].
    alpha_hot : float
        Slope of the mass loading of outflows with velocity.
    beta0_burst, beta0_disc : float
        Mass loading at V_SN = 200 km/s, in bursts and in discs.
    alpha_reheat : float
        Rate at which ejected gas returns, per dynamical time of the halo.
    alpha_cool : float
        Ratio of dynamical to cooling time above which AGN feedback is off; larger is more feedback.
    eps_edd : float
        Largest heating rate over the Eddington luminosity.
    f_smbh : float
        Black-hole mass per mass of stars formed in bursts.
    f_burst, f_ellip : float
        Mass ratios above which a merger starts a burst, and makes an elliptical.
    f_stab : float
        Disc-stability threshold.
    V_cut : float
        Virial velocity below which gas does not cool after reionisation [km/s].
    z_cut : float
        Redshift of reionisation.
    p_yield : float
        Metals per mass of stars formed.
    eps_strip : float
        Fraction of a satellite's outflow that its host takes.
    alpha_rp : float
        Geometric factor of the ram-pressure stripping radius.
    """

    nu0_sf: float = 0.5
    P_sf: float = 1.7e4
    beta_sf: float = 0.8
    f_dyn: float = 10.0
    tau_min_burst: float = 0.05
    alpha_hot: float = 3.2
    beta0_burst: float = 11.16
    beta0_disc: float = 11.16
    alpha_reheat: float = 1.26027
    alpha_cool: float = 0.6
    eps_edd: float = 0.03979
    f_smbh: float = 0.005
    f_burst: float = 0.1
    f_ellip: float = 0.3
    f_stab: float = 0.8
    V_cut: float = 30.0
    z_cut: float = 10.0
    p_yield: float = 0.021
    eps_strip: float = 0.1
    alpha_rp: float = 2.0
