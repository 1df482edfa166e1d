"""A new plugin's files; that they work when installed is in tests/plugins/test_fresh.py."""

import ast
import shlex
import tomllib

import numpy as np
import pytest
from click.testing import CliRunner

import equatorium as eq
from equatorium import errors
from equatorium.cli import main
from equatorium.cli.new import PLACES, write_plugin


def test_the_command_writes_and_tells(tmp_path):
    result = CliRunner().invoke(main, ["plugins", "new", str(tmp_path / "my-plugin")])
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert len(lines) == len(PLACES) + 2
    assert f"pip install -e '{tmp_path / 'my-plugin'}[test]' &&" in lines[-1]
    assert {str(path) for path in tmp_path.rglob("*") if path.is_file()} == set(lines[:-2])
    # A second time the folder is left as it is.
    result = CliRunner().invoke(main, ["plugins", "new", str(tmp_path / "my-plugin")])
    assert result.exit_code == 1 and "holds something already" in result.stderr


def test_the_names_in_the_files(tmp_path):
    files = write_plugin(tmp_path, "equatorium-two-words")
    texts = {path.relative_to(tmp_path).as_posix(): path.read_text() for path in files}
    assert set(texts) == {
        "pyproject.toml",
        "README.md",
        "src/equatorium_two_words/__init__.py",
        "src/equatorium_two_words/plugin.py",
        "src/equatorium_two_words/two_words.py",
        "tests/test_conformance.py",
    }
    assert "$" not in "".join(texts.values())
    project = tomllib.loads(texts["pyproject.toml"])["project"]
    assert project["name"] == "equatorium-two-words"
    assert project["entry-points"]["equatorium.plugins"] == {
        "equatorium_two_words": "equatorium_two_words.plugin"
    }
    assert "equatorium>=0.1,<0.2" in project["dependencies"] and eq.__version__.startswith("0.1.")
    assert (
        'target="equatorium_two_words.two_words:TwoWords"'
        in (texts["src/equatorium_two_words/plugin.py"])
    )
    assert texts["tests/test_conformance.py"] == (
        "from equatorium.testing import conformance\n\n"
        'test_conformance = conformance("equatorium-two-words")\n'
    )
    for name, text in texts.items():
        if name.endswith(".py"):
            ast.parse(text)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("My_Plugin", "must be lower-case words joined by hyphens"),
        ("../evil", "must be lower-case words"),
        ("", "must be lower-case words"),
        ("class", "cannot be the name of a module"),
        ("equatorium-plugin", "'plugin' cannot be the name of a module"),
        ("none", "'None' cannot be the name of a module or class"),
        ("equatorium-2", "'2' cannot be the name of a module"),
        ("local", "'local' cannot be"),
        ("equatorium", "taken by the installed distribution equatorium"),
        ("equatorium-gp", "taken by the installed distribution equatorium-gp"),
        ("equatorium-trend-gp", "taken by the method equatorium-gp/trend-gp"),
        ("emcee", "is taken by"),
        ("json", "taken by the importable module json"),
    ],
)
def test_names_that_cannot_be(tmp_path, name, message):
    with pytest.raises(errors.InputError, match=message):
        write_plugin(tmp_path / "new", name)
    assert not (tmp_path / "new").exists()


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "here").write_text("mine")
    with pytest.raises(errors.InputError, match="holds something already"):
        write_plugin(tmp_path / "here", "new-one")
    assert (tmp_path / "here").read_text() == "mine"


def test_a_link_to_itself_is_no_folder(tmp_path):
    (tmp_path / "round").symlink_to(tmp_path / "round")
    with pytest.raises(errors.InputError, match="holds something already"):
        write_plugin(tmp_path / "round")


def test_what_to_do_next_can_be_pasted(tmp_path):
    folder = str(tmp_path / "it's here")
    result = CliRunner().invoke(main, ["plugins", "new", folder, "--name", "new-one"])
    assert shlex.split(result.output.splitlines()[-1].removeprefix("Next: ")) == [
        *["pip", "install", "-e", f"{folder}[test]", "&&", "python", "-m", "pytest", folder]
    ]


@pytest.fixture
def ridge(tmp_path):
    write_plugin(tmp_path, "new-one")
    names = {"__name__": "new_one"}
    exec((tmp_path / "src/new_one/new_one.py").read_text(), names)
    return names["NewOne"]


def test_its_method_is_ridge_regression_with_honest_errors(ridge):
    rng = np.random.default_rng(1)
    X, slope = rng.random((40, 3)), np.array([[1.0, 0.0], [-2.0, 3.0], [0.0, 1.0]])
    Y = 5.0 + X @ slope + 0.1 * rng.standard_normal((40, 2))
    model = ridge(alpha=0.0).fit(X, Y)
    # Without a penalty it is least squares, whose unbiased variance is known.
    A = np.column_stack([np.ones(40), X])
    coef, rss, *_ = np.linalg.lstsq(A, Y, rcond=None)
    np.testing.assert_allclose(model.predict(X), A @ coef)
    np.testing.assert_allclose(model.variance_, rss / 36, rtol=0.1)
    # It knows the size of its errors on runs left out.
    refit = [ridge(alpha=2.0).fit(np.delete(X, i, 0), np.delete(Y, i, 0)) for i in range(40)]
    error = np.array([Y[i] - refit[i].predict(X[i : i + 1])[0] for i in range(40)])
    z2 = error**2 / np.array([refit[i].predict_dist(X[i : i + 1]).variance[0] for i in range(40)])
    assert 0.6 < z2.mean() < 1.5
    # The wrong twin, the variance of the residuals alone and nothing off the runs, is too narrow
    # where there are hardly more runs than slopes.
    few = ridge(alpha=0.0).fit(X[:6], Y[:6])
    assert np.all(few.variance_ > 2 * np.mean((Y[:6] - few.predict(X[:6])) ** 2, axis=0))
    far = few.predict_dist([[0.5, 0.5, 0.5], [9.0, 9.0, 9.0]]).variance
    assert np.all(far[1] > 10 * far[0])


def test_its_method_refuses_a_single_run(ridge):
    with pytest.raises(errors.InputError, match="2 runs"):
        ridge().fit([[1.0]], [1.0])
