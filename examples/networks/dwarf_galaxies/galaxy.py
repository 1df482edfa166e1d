r"""Mock dwarf galaxies: stars of a Plummer sphere in the halo of a dwarf, seen from one side.

Stars weigh nothing; with :math:`u = r/a` their density is :math:`\nu \propto (1 + u^2)^{-5/2}`.
The halo is coreNFW (Read, Agertz & Collins 2016, doi:10.1093/mnras/stw713): an NFW profile whose
mass within r is multiplied by :math:`\tanh(r / r_c)^n`, :math:`r_c = 1.75 a`; n = 0 is a cusp, 1 a
core. Its concentration is that of the mass (Dutton & Maccio 2014, doi:10.1093/mnras/stu742), but
for an offset. The anisotropy is :math:`\beta = b\, u^2 / (1 + u^2)`, with which the Jeans equation

.. math:: \frac{d (\nu \sigma_r^2)}{dr} + \frac{2 \beta}{r} \nu \sigma_r^2 = -\nu \frac{G M}{r^2}

has the integrating factor :math:`(1 + u^2)^b`. Velocities are Gaussian with its dispersions.
Units: kpc, km/s, solar masses. A table of galaxies theta has the columns of `SPACE`.
"""

import numpy as np
from scipy.integrate import cumulative_simpson

import equatorium as eq

G = 4.30092e-6  # kpc (km/s)^2 / Msun
H = 0.671  # of the fits of Dutton & Maccio
CRITICAL = 277.5 * H**2  # Msun / kpc^3
ERROR = 2.0  # of a velocity, km/s

SPACE = eq.Space(
    [
        eq.Parameter("log_mass", 9.0, 10.0, label=r"$\log M_{200}/M_\odot$"),
        eq.Parameter("offset", -0.4, 0.4, prior="normal(0, 0.11)", unit="dex"),
        eq.Parameter("core", 0.0, 1.0, label="$n$"),
        eq.Parameter("log_radius", -0.7, 0.0, label=r"$\log a/{\rm kpc}$"),
        eq.Parameter("b", -1.0, 1.0),
    ]
)
ISOTROPIC = SPACE.fix(b=0.0)


def columns(theta):
    """Take a table (m, 5) apart, into columns (m, 1)."""
    return np.moveaxis(np.asarray(theta)[..., None], -2, 0)


def nfw(r, theta):
    """Return the mass within r, shape (m, k), of the cusp, and its density."""
    log_mass, offset, *_ = columns(theta)
    concentration = 10 ** (0.905 - 0.101 * (log_mass - 12 + np.log10(H)) + offset)
    scale = np.cbrt(3 * 10**log_mass / (800 * np.pi * CRITICAL)) / concentration
    unit = 10**log_mass / (np.log1p(concentration) - concentration / (1 + concentration))
    x = r / scale
    inside = unit * (np.log1p(x) - x / (1 + x))
    return inside, unit / (4 * np.pi * scale**3 * x * (1 + x) ** 2)


def mass(r, theta):
    """Return the mass within r, shape (m, k), of the halo."""
    _, _, core, log_radius, _ = columns(theta)
    return nfw(r, theta)[0] * np.tanh(r / (1.75 * 10**log_radius)) ** core


def slope(r, theta):
    """Return d log rho / d log r of the halo at r, shape (m, k)."""
    _, _, core, log_radius, _ = columns(theta)

    def log_density(r):
        inside, density = nfw(r, theta)
        radius = 1.75 * 10**log_radius
        f = np.tanh(r / radius)
        shallower = core * (1 - f**2) * inside / (4 * np.pi * r**2 * radius * f)
        return core * np.log(f) + np.log(density + shallower)

    step = 1e-4
    return (log_density(r * (1 + step)) - log_density(r * (1 - step))) / (2 * step)


def slopes(theta):
    """Return the slopes (m, 2) at 150 pc, and at the half-light radius in space, 1.305 a."""
    half = 1.305 * 10 ** columns(theta)[3]
    return slope(np.hstack([np.full_like(half, 0.15), half]), theta)


def radial_dispersion(u, theta):
    """Return the dispersion along the radius at rising u = r/a, shape (k,), of galaxies: (m, k)."""
    a, b = 10 ** columns(theta)[3], columns(theta)[4]
    stars, factor = (1 + u**2) ** -2.5, (1 + u**2) ** b
    pull = factor * stars * G * mass(a * u, theta) / (a * u)
    inwards = cumulative_simpson(pull[:, ::-1], x=-np.log(u[::-1]), initial=0.0)[:, ::-1]
    return np.sqrt(inwards / (factor * stars))


def dispersion_seen(U, theta):
    """Return the dispersion along the line of sight at R = a U, shape (k,): (m, k), isotropic."""
    a = 10 ** columns(theta)[3][..., None]
    t = np.linspace(0.0, 7.0, 36)
    u = U[:, None] * np.cosh(t)  # away from the plane of the sky, without the singularity
    inside = mass((a * u).reshape(len(a), -1), theta).reshape(len(a), *u.shape)
    pull = np.sinh(t) ** 2 * (1 + u**2) ** -2.5 * G * inside / (a * np.cosh(t) ** 2)
    return np.sqrt(1.5 * (1 + U**2) ** 2 * np.trapezoid(pull, t, axis=-1))


def observed(theta, rng, stars=1000, error=ERROR):
    """Return projected radii and velocities, shape (m, stars) each, of galaxies."""
    b = columns(theta)[4]
    grid = np.geomspace(1e-3, 1e4, 300)
    u = (rng.random((len(b), stars)) ** (-2 / 3) - 1) ** -0.5
    radial = np.array(
        [np.interp(x, grid, y) for x, y in zip(u, radial_dispersion(grid, theta), strict=True)]
    )
    across = 1 - rng.random(u.shape) ** 2  # R^2 / r^2
    seen = radial * np.sqrt(1 - b * u**2 / (1 + u**2) * across)
    v = np.sqrt(seen**2 + error**2) * rng.normal(size=u.shape)
    return 10 ** columns(theta)[3] * u * np.sqrt(across), v


def images(R, v, pixels=24):
    """Return images of log R and the speed, shape (m, pixels^2): the root of a kernel estimate.

    From 0.01 to 10 kpc and 0 to 60 km/s; a kernel is as wide as a pixel. The root makes the noise
    of stars the same everywhere.
    """
    middle = (np.arange(pixels) + 0.5) / pixels

    def kernels(x):
        return np.exp(-0.5 * ((x[:, None] - middle) * pixels) ** 2)

    both = ((kernels(x), y) for x, y in zip((np.log10(R) + 2) / 3, v / 60, strict=True))
    return np.sqrt([(x.T @ (kernels(y) + kernels(-y))).ravel() for x, y in both])
