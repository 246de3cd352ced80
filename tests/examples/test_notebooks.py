"""The notebooks beside the examples are made from the scripts."""

import json
import re
import runpy

import pytest
from example_kit import ROOT

pytest.importorskip("jupytext", reason='jupytext makes the notebooks: pip install -e ".[notebook]"')
EXAMPLES = ROOT / "examples"
SCRIPT = """\
# %% [markdown]
# # Title
# Some *prose*.

# %%
import sys

one = 1

# %%


def double(x):
    return 2 * x


print(double(one))
"""


@pytest.fixture
def maker():
    return runpy.run_path(str(EXAMPLES / "make_notebooks.py"))


def test_each_example_has_its_notebook_and_it_is_up_to_date(maker):
    found = [path.relative_to(ROOT).as_posix() for path in maker["scripts"](EXAMPLES)]
    assert "examples/classification/classify.py" in found
    assert not maker["stale"](EXAMPLES), "run python examples/make_notebooks.py"


def test_cells(maker):
    text = maker["notebook"](SCRIPT)
    assert text == maker["notebook"](SCRIPT)
    made = json.loads(text)
    assert (made["nbformat"], made["nbformat_minor"]) == (4, 5)
    prose, first, second = made["cells"]
    assert (prose["cell_type"], "".join(prose["source"])) == ("markdown", "# Title\nSome *prose*.")
    assert (first["cell_type"], "".join(first["source"])) == ("code", "import sys\n\none = 1")
    assert "".join(second["source"]) == "def double(x):\n    return 2 * x\n\n\nprint(double(one))"
    assert second["outputs"] == [] and second["execution_count"] is None
    assert len({cell["id"] for cell in made["cells"]}) == 3


def test_check_tells_and_writes_nothing(maker, tmp_path, capsys):
    (tmp_path / "one").mkdir()
    script, main = tmp_path / "one" / "one.py", maker["main"]
    script.write_text(SCRIPT)
    (tmp_path / "one" / "helper.py").write_text("# not in cells\n")
    made = script.with_suffix(".ipynb")
    assert main(["--check"], tmp_path) == 1 and not made.exists()
    assert capsys.readouterr().out == f"{made} is out of date\n"
    assert main([], tmp_path) == 0 and main(["--check"], tmp_path) == 0
    assert sorted(path.name for path in made.parent.iterdir()) == ["helper.py", "one.ipynb", "one.py"]
    script.write_text(SCRIPT.replace("one = 1", "one = 2"))
    assert main(["--check"], tmp_path) == 1


def test_the_notebook_format_is_kept(maker):
    """By the format's own rules, if they are at hand."""
    nbformat = pytest.importorskip("nbformat")
    for path in maker["scripts"](EXAMPLES):
        nbformat.validate(nbformat.read(path.with_suffix(".ipynb"), as_version=nbformat.NO_CONVERT))


def test_the_list_of_examples_is_whole():
    """Each folder of examples has a line in examples/README.md."""
    listed = set(re.findall(r"\]\((\w+)/", (EXAMPLES / "README.md").read_text()))
    folders = {path.name for path in EXAMPLES.iterdir() if (path / "README.md").exists()}
    assert folders <= listed
