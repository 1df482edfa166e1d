"""Citations: every method that was used, wherever it is kept, once."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

import equatorium as eq
from equatorium import Diagonal, Embedder, Emulator, Gaussian, cite, errors, registry
from equatorium.plugin import Method


class Mean(Emulator):
    def _fit(self, X, Y, noise):
        self.mean_ = Y.mean(axis=0)

    def _predict_dist(self, X):
        mean = np.tile(self.mean_, (len(X), 1))
        return Gaussian(mean, Diagonal(np.ones_like(mean)))


class Half(Embedder):
    def _fit(self, X, ivar):
        self.p_ = X.shape[1]

    def _transform(self, X, ivar):
        return X[:, : self.p_ // 2]

    def _inverse_transform(self, Z):
        return np.repeat(Z, 2, axis=1)


MEAN = "Gauss C. F. 1809, Theoria Motus, doi:10.5479/sil.52126.39088008895017."
HALF = ("Half A. 2001, somewhere, doi:10.1000/half", "Half B. 2002, a book")


@pytest.fixture(autouse=True)
def own_names(monkeypatch):
    monkeypatch.setattr(registry._CATALOGUE, "_local", {})
    eq.register("emulator", Method(name="mean", target=Mean, reference=MEAN))
    eq.register("embedder", Method(name="half", target=Half, reference=HALF))


def listed(text):
    return [line.split(" (")[0] for line in text.split("\n\n")[0].splitlines()[:-1]]


def test_a_method_by_name_class_or_object():
    for thing in ("mean", "local/mean", Mean, Mean()):
        assert cite(thing).startswith(f"mean (local in this process): {MEAN}\n"), thing


def test_composites_give_their_parts_and_each_once():
    model = eq.Embedded(Half(), Mean())
    fitted = eq.Embedded("half", "mean").fit(np.ones((9, 1)), np.ones((9, 4)))
    for thing in (model, fitted):
        assert set(listed(cite(thing))) == {"embedded", "half", "mean"}
    assert sorted(listed(cite(fitted, model, "mean"))) == ["embedded", "half", "half", "mean"]


def test_whatever_holds_methods_is_searched():
    inner = SimpleNamespace(emulator=Mean(), name="not the name of a method", n=3)
    study = SimpleNamespace(waves=[inner, {"simulator": eq.simulator("borehole")}], none=None)
    study.itself = study
    assert set(listed(cite(study))) == {"mean", "borehole"}


def test_bibtex():
    text = cite("half", "mean")
    assert text.count("@misc{") == 2
    assert "  doi = {10.5479/sil.52126.39088008895017},\n" in text
    assert "  url = {https://doi.org/10.1000/half},\n" in text
    assert "  year = {1809}" in text and "  year = {2001}" in text
    assert "Half B. 2002" in text.split("BibTeX")[0]


def test_a_publication_of_two_methods_is_one_entry_and_all_keys_differ():
    text = cite("galaxy-formation", "trend-gp", "emcee").split("BibTeX")[1]
    keys = re.findall(r"@misc\{(.+),", text)
    assert len(keys) == len(set(keys)) == 3
    assert "10.1093/mnras/stw3269" in keys


def test_the_software_is_always_named():
    assert f"equatorium {eq.__version__}: the software itself" in cite("command")
    assert (
        cite(np.ones(3)) == f"equatorium {eq.__version__}: the software itself; name this version."
    )
    assert "no publication named" in cite("command")


def test_every_reference_of_ours_can_be_found():
    for entry in eq.methods():
        if entry.dist.startswith("equatorium"):
            for text in entry.method.reference:
                assert re.search(r"10\.\d{4,}/\S|ISBN|\d{4}[\w.&]{14}[A-Z]", text), entry.qualname


def test_an_unknown_name():
    with pytest.raises(errors.UnknownMethodError, match=r"Did you mean 'mean'"):
        cite("meen")
