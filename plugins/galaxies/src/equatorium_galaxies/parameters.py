"""The 20 parameters: ranges of Rodrigues, Vernon & Bower (2017), defaults of the published GALFORM.

References
----------
Rodrigues, Vernon & Bower 2017, MNRAS 466, 2418, doi:10.1093/mnras/stw3269.
Gonzalez-Perez et al. 2014, MNRAS 439, 264, doi:10.1093/mnras/stt2410 (defaults).
Font et al. 2008, MNRAS 389, 1619, doi:10.1111/j.1365-2966.2008.13698.x (those of eps_strip and
alpha_rp, processes that the published default model does not have).
"""

from typing import NamedTuple

from equatorium import Parameter, Space

__all__ = ["Parameters", "parameter_space"]


class Parameters(NamedTuple):
    """One point of the space, in the order that the simulator takes; see `parameter_space`."""

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


# Name, range, scale, unit, label and what it is.
# fmt: off
_TABLE = (
    # Star formation in discs
    ("nu0_sf", 0.025, 1.0, "linear", "Gyr^-1", r"\nu_{0,\mathrm{sf}}",
        "rate at which molecular gas forms stars"),
    ("P_sf", 1e4, 5e4, "log", "K cm^-3", r"P_\mathrm{sf}/k_\mathrm{B}",
        "pressure at which half of the gas is molecular"),
    ("beta_sf", 0.65, 1.1, "linear", "", r"\beta_\mathrm{sf}",
        "slope of the molecular-to-atomic ratio with pressure"),
    # Bursts
    ("f_dyn", 1.0, 100.0, "log", "", r"f_\mathrm{dyn}",
        "duration of bursts in dynamical times of the bulge"),
    ("tau_min_burst", 1e-3, 1.0, "log", "Gyr", r"\tau_\mathrm{min,burst}",
        "shortest duration of bursts"),
    # Supernova feedback
    ("alpha_hot", 1.0, 3.7, "linear", "", r"\alpha_\mathrm{hot}",
        "slope of the outflows' mass loading with velocity"),
    ("beta0_burst", 0.5, 40.0, "linear", "", r"\beta_{0,\mathrm{burst}}",
        "mass loading of outflows from bursts at V_SN = 200 km/s"),
    ("beta0_disc", 0.5, 40.0, "linear", "", r"\beta_{0,\mathrm{disc}}",
        "mass loading of outflows from discs at V_SN = 200 km/s"),
    ("alpha_reheat", 0.15, 1.5, "linear", "", r"\alpha_\mathrm{reheat}",
        "rate at which ejected gas returns, per dynamical time of the halo"),
    # Active galactic nuclei
    ("alpha_cool", 0.1, 2.0, "log", "", r"\alpha_\mathrm{cool}",
        "largest free-fall time from the cooling radius for AGN feedback; more is more feedback"),
    ("eps_edd", 0.004, 0.1, "log", "", r"\epsilon_\mathrm{Edd}",
        "largest heating over the black hole's Eddington luminosity"),
    ("f_smbh", 0.001, 0.01, "linear", "", r"f_\mathrm{SMBH}",
        "black-hole mass per mass of stars formed in bursts"),
    # Mergers and instabilities
    ("f_burst", 0.01, 0.5, "log", "", r"f_\mathrm{burst}",
        "mass ratio above which a merger starts a burst"),
    ("f_ellip", 0.01, 0.5, "log", "", r"f_\mathrm{ellip}",
        "mass ratio above which a merger makes an elliptical"),
    ("f_stab", 0.61, 1.1, "linear", "", r"f_\mathrm{stab}",
        "threshold of disc stability; more is less stable"),
    # Reionisation
    ("V_cut", 20.0, 60.0, "linear", "km s^-1", r"V_\mathrm{cut}",
        "virial velocity below which gas does not cool after reionisation"),
    ("z_cut", 5.0, 15.0, "linear", "", r"z_\mathrm{cut}",
        "redshift of reionisation"),
    # Metals and stripping
    ("p_yield", 0.02, 0.05, "linear", "", r"p_\mathrm{yield}",
        "metals made per mass of stars formed"),
    ("eps_strip", 0.01, 0.99, "linear", "", r"\epsilon_\mathrm{strip}",
        "share of a satellite's outflow that its host takes"),
    ("alpha_rp", 1.0, 3.0, "linear", "", r"\alpha_\mathrm{rp}",
        "geometric factor of the ram-pressure stripping radius"),
)
# fmt: on


def parameter_space() -> Space:
    """Make the space of the 20 parameters, uniform in their ranges or in the logarithms of them.

    Examples
    --------
    >>> space = parameter_space()
    >>> space.names == Parameters._fields
    True
    >>> float(space.defaults[space.index("alpha_hot")])
    3.2
    """
    return Space(
        Parameter(
            name,
            low,
            high,
            scale,
            unit=unit,
            label=f"${label}$",
            default=Parameters._field_defaults[name],
            description=description,
        )
        for name, low, high, scale, unit, label, description in _TABLE
    )
