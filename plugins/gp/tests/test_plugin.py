"""Listing the plugin is light; what it lists exists."""

import subprocess
import sys

import equatorium as eq


def test_listing_imports_nothing_heavy():
    code = (
        "import sys, equatorium_gp.plugin as p; list(p.register_emulators());"
        "sys.exit(bool({'torch', 'gpytorch', 'sklearn'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_registered():
    model = eq.emulator("trend-gp", trend="linear")
    assert type(model).__name__ == "TrendGP" and model.trend == "linear"
    assert {"variance", "covariance", "noise", "loo"} <= model.capabilities_
