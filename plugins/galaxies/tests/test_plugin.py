"""What the plugin lists, and that listing it loads nothing."""

import json
import subprocess
import sys

import pytest

import equatorium_galaxies
from equatorium_galaxies.plugin import register_simulators


def test_the_method():
    (method,) = register_simulators()
    assert method.name == "galaxy-formation" and method.roles == ("simulator",)
    module, _, name = method.target.partition(":")
    assert getattr(__import__(module, fromlist=[name]), name).name == method.name


def test_listing_is_light():
    code = "import json, sys, equatorium_galaxies.plugin; print(json.dumps(list(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in json.loads(out.stdout)}
    assert not loaded & {"numpy", "scipy", "h5py", "astropy"}


def test_public_names():
    for name in equatorium_galaxies.__all__:
        assert getattr(equatorium_galaxies, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'GalaxyFormatoin'"):
        _ = equatorium_galaxies.GalaxyFormatoin
