"""Ram pressure: the stripping radius, and where the gas goes."""

import numpy as np
import pytest

from equatorium_galaxies.galaxies import Galaxies
from equatorium_galaxies.halo import pericentre
from equatorium_galaxies.stripping import kept_fraction, strip
from equatorium_galaxies.timeline import intervals

ONE = np.ones(1)


def test_at_the_stripping_radius_ram_pressure_is_the_restoring_force():
    hot, v, radius, pressure, alpha = 1e10, 90.0, 80.0, 1e8, 2.0
    kept = kept_fraction(alpha, hot * ONE, v * ONE, radius * ONE, pressure * ONE)[0]
    assert 0 < kept < 1
    r = kept * radius
    # alpha G M(r) rho(r) / r in an isothermal sphere: G M(r) / r = V^2, rho = M_hot/(4 pi R r^2).
    restoring = alpha * v**2 * hot / (4 * np.pi * radius * r**2)
    assert restoring == pytest.approx(pressure)


def test_limits():
    assert kept_fraction(2.0, 1e10 * ONE, 90.0, 80.0, 0 * ONE)[0] == 1.0
    assert kept_fraction(2.0, 0 * ONE, 90.0, 80.0, ONE)[0] == 0.0
    weak, strong = (kept_fraction(a, 1e10 * ONE, 90.0, 80.0, 1e8 * ONE)[0] for a in (1.0, 3.0))
    assert weak < strong


def test_hosts_receive_what_satellites_lose(forest):
    interval = list(intervals(forest))[25]
    n = len(interval.members)
    rng = np.random.default_rng(2)
    galaxies = Galaxies(rng.uniform(0.5, 1.5, (16, n)) * 1e9)
    before = galaxies.array.copy()
    orbit = forest.orbit[interval.members[interval.infalling]]
    strip(galaxies, interval, orbit, 2.0)
    assert np.all(galaxies.array >= 0)
    falling = interval.infalling
    after = Galaxies(galaxies.array - before)
    assert np.all(after.hot[falling] <= 0) and (after.hot[falling] < 0).any()
    for name in ("hot", "hot_z", "ejected", "ejected_z"):
        change = getattr(after, name)
        by_host = np.bincount(interval.host_of(falling), -change[falling], minlength=n)
        np.testing.assert_allclose(change[: interval.n_centrals], by_host[: interval.n_centrals])
    for name in ("cold", "disc", "bulge", "burst", "black_hole"):
        assert not getattr(after, name).any()
    # The first satellite, by hand.
    i, host = falling[0], interval.host_of(falling)[0]
    x, speed = (a[0] for a in pericentre(orbit[:1]))
    h, hot = interval.halos, before[0]
    density = hot[host] / (4 * np.pi * h.radius[host] * (x * h.radius[host]) ** 2)
    pressure = density * (speed * h.velocity[host]) ** 2
    radius = np.sqrt(2.0 * h.velocity[i] ** 2 * hot[i] / (4 * np.pi * h.radius[i] * pressure))
    assert galaxies.hot[i] == pytest.approx(hot[i] * min(1, radius / h.radius[i]))
