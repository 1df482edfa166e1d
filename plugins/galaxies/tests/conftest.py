"""Small forests that several tests share; nothing is kept in the user's own cache."""

import os

import pytest

from equatorium_galaxies.forest import grow
from equatorium_galaxies.outputs import run
from equatorium_galaxies.parameters import Parameters


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    before = os.environ.get("EQUATORIUM_CACHE")
    os.environ["EQUATORIUM_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["EQUATORIUM_CACHE"]
    else:
        os.environ["EQUATORIUM_CACHE"] = before


@pytest.fixture(scope="session")
def forest():
    return grow(1, scale=0.1)


@pytest.fixture(scope="session")
def default(forest):
    return run(forest, Parameters())
