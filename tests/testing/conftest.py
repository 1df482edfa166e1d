"""A zoo of distributions, good and wrong, installed as pip would leave them."""

import sys
from pathlib import Path

import pytest

from equatorium import registry

ZOO = Path(__file__).parent / "zoo"
DISTS = ("zoo-good", "zoo-wrong", "zoo-broken", "zoo-hostile")


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """Install the zoo for the tests of a file, and take it away afterwards."""
    place = tmp_path_factory.mktemp("zoo")
    for dist in DISTS:
        module = dist.replace("-", "_")
        info = place / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.0\n")
        points = f"[equatorium.plugins]\nx = {module}_plugin\n"
        (info / "entry_points.txt").write_text(points)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(place)
        patch.syspath_prepend(ZOO)
        patch.setenv("EQUATORIUM_PLUGINS", ",".join(DISTS))
        patch.setenv("PYTHONDONTWRITEBYTECODE", "1")
        patch.setattr(sys, "dont_write_bytecode", True)
        with pytest.warns(match="out of methods"):
            registry.refresh()
        yield DISTS
    registry.refresh()
    for name in [name for name in sys.modules if name.startswith("zoo_")]:
        del sys.modules[name]
