"""Make a notebook beside each example that is written in cells, or tell which notebooks are out of date.

    python examples/make_notebooks.py            # writes examples/*/*.ipynb
    python examples/make_notebooks.py --check    # writes nothing; exit status 1 where one is out of date

An example in cells is a script whose first line is `# %% [markdown]`: `# %%` begins a cell of code, `# %% [markdown]`
one of prose, which stands in comments (jupytext's "percent" format). The script is the source: change it, not the
notebook. Notebooks hold no outputs. Needs jupytext: pip install -e ".[notebook]"
"""

import argparse
import json
import sys
from pathlib import Path

import jupytext

EXAMPLES = Path(__file__).resolve().parent
FIRST_LINE = "# %% [markdown]"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def scripts(folder):
    """The examples that are written in cells."""
    return [path for path in sorted(folder.glob("*/*.py")) if path.read_text("utf-8").startswith(FIRST_LINE)]


def notebook(text):
    """The text of the notebook of a script with this text: the same on every machine and on every day."""
    # Only kinds and sources of the cells are jupytext's: its metadata and random ids change from run to run.
    cells = [
        cell_of(number, found.cell_type, found.source)
        for number, found in enumerate(jupytext.reads(text, fmt="py:percent").cells)
    ]
    whole = {"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}
    # As Jupyter itself saves a notebook.
    return json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def cell_of(number, kind, source):
    """A cell as the notebook format 4.5 writes it; code with no output."""
    lines = source.strip("\n").splitlines(keepends=True)
    cell = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": lines}
    return {**cell, "execution_count": None, "outputs": []} if kind == "code" else cell


def stale(folder):
    """{path: text} of the notebooks that are missing, or are not what their scripts say."""
    wanted = {path.with_suffix(".ipynb"): notebook(path.read_text("utf-8")) for path in scripts(folder)}
    return {path: text for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text}


def main(words=None, folder=EXAMPLES):
    parser = argparse.ArgumentParser(description="Make a notebook beside each example that is written in cells.")
    parser.add_argument("--check", action="store_true", help="write nothing; status 1 if a notebook is out of date")
    options = parser.parse_args(words)
    found = stale(folder)
    for path, text in found.items():
        print(f"{path} is out of date" if options.check else f"writing {path}")
        if not options.check:
            path.write_text(text, "utf-8", newline="\n")
    return 1 if options.check and found else 0


if __name__ == "__main__":
    sys.exit(main())
