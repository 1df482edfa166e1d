"""Sphinx configuration."""

import equatorium

project = "equatorium"
author = "The equatorium developers"
release = version = equatorium.__version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
html_theme = "furo"
exclude_patterns = ["_build"]
autodoc_typehints = "none"
napoleon_numpy_docstring = True
# Docstrings inherited from scikit-learn refer to labels of its own pages.
suppress_warnings = ["ref.ref"]
