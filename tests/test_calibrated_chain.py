"""Emulator, likelihood and sampler together are calibrated; with too small errors they are not."""

import pytest
from benchmarks.calibration import Kept, calibrate, galaxies, galaxy_sampler, toy, toy_sampler

import equatorium as eq


@pytest.mark.timeout(900)
def test_the_emulated_toy_in_brief(tmp_path):
    posterior, true = toy()
    hmc = eq.sampler("hmc", chains=8, warmup=40, until={}, max_steps=16)
    sampler = Kept(hmc, str(tmp_path / "draws"), thin=2)
    found, wrong = calibrate(posterior, true, sampler, 12, 12, factor=0.5, executor="serial")
    assert found.passed, found.summary()
    assert any("too narrow" in reason for reason in wrong.reasons), wrong.summary()


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("against", ["emulator", "simulator"])
def test_the_emulated_toy(against, tmp_path):
    posterior, true = toy()
    simulator = true if against == "simulator" else None
    found, wrong = calibrate(posterior, simulator, toy_sampler(tmp_path / "draws"), 500, 500)
    assert found.passed, found.summary()
    assert not wrong.passed


@pytest.mark.slow
@pytest.mark.timeout(36000)
def test_twenty_parameters_of_galaxies(tmp_path):
    posterior, mocks = galaxies(tmp_path)
    found, wrong = calibrate(
        posterior, mocks, galaxy_sampler(tmp_path / "draws"), 200, 200, executor="serial"
    )
    assert min(found.p_values[name] for name in found.judged) > 0.01, found.summary()
    # Not calibrated: 0.003, where trend-gp has 0.0003. benchmarks/RESULTS.md tells why.
    assert found.p_values["log-likelihood"] > 1e-3, found.summary()
    assert found.coverage_p > 0.01 and abs(found.mean_square - 1) < found.bound, found.summary()
    assert min(wrong.p_values[name] for name in wrong.judged) < 0.01
    assert wrong.mean_square - 1 > wrong.bound
