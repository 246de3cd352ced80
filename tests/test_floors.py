"""The house has floors: a module imports from its own floor or from those below, by absolute names."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "minicaffe"

# Bottom up. A name is a module or package directly below minicaffe; "" is minicaffe/__init__.py itself.
FLOORS = [
    ["errors", "version", "log"],
    ["proto", "net_spec", "coord_map"],
    ["backend"],
    ["blob", "blob_vec", "blob_picture", "fillers"],
    ["io"],
    ["layers"],
    ["net"],
    ["solver"],
    ["pycaffe", "_caffe", "classifier", "detector", "draw", "cli", "tools", "train", "__main__", ""],
]
HEIGHT = {name: height for height, names in enumerate(FLOORS) for name in names}


def part_of(module):
    """Which part of the house a dotted name below minicaffe belongs to."""
    name = (module.split(".") + [""])[1]
    # `from minicaffe import Net`: a name that __init__ offers, not a module.
    return name if name in HEIGHT or (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").exists() else ""


def imported(tree):
    """(line, dotted name) of each import, in functions too; relative ones begin with a dot."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield node.lineno, "." * node.level + (node.module or "")
        elif isinstance(node, ast.ImportFrom) and node.module == "minicaffe":
            yield from ((node.lineno, f"minicaffe.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module


def faults(part, source):
    """What is wrong with the imports of a file in `part`."""
    if part not in HEIGHT:
        return [f"{part} has no floor: give it one in {Path(__file__).name}"]
    found = []
    for line, name in imported(ast.parse(source)):
        if name.startswith("."):
            found.append(f"line {line}: relative import {name}; write the whole name")
        elif name.split(".")[0] == "minicaffe" and HEIGHT.get(part_of(name), 99) > HEIGHT[part]:
            found.append(f"line {line}: {part or 'minicaffe'} imports {name}, from a higher floor")
    return found


FILES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_go_down(path):
    part = path.parts[0].removesuffix(".py") if path != Path("__init__.py") else ""
    assert faults(part, (PACKAGE / path).read_text(encoding="utf-8")) == []


def test_there_are_files_to_look_at():
    assert {Path("errors.py"), Path("proto/text.py"), Path("__init__.py")} <= set(FILES)


@pytest.mark.parametrize(
    "part, source, fault",
    [
        ("errors", "from minicaffe.proto import schema", "errors imports minicaffe.proto"),
        ("proto", "def f():\n    import minicaffe.backend.cpu", "line 2: proto imports minicaffe.backend.cpu"),
        ("io", "from minicaffe import layers", "io imports minicaffe.layers"),
        ("net", "from minicaffe import Net", "net imports minicaffe.Net, from a higher floor"),
        ("net", "import minicaffe", "net imports minicaffe"),
        ("net", "from . import build", "relative import ."),
        ("net", "from ..solver import x", "relative import ..solver"),
        ("cellar", "", "cellar has no floor"),
    ],
)
def test_a_wrong_import_is_found(part, source, fault):
    assert any(fault in text for text in faults(part, source))


def test_right_imports_pass():
    source = "import numpy\nfrom minicaffe import errors\nfrom minicaffe.io import lmdb\nimport minicaffe.net.build"
    assert faults("net", source) == []
    assert faults("", source + "\nfrom minicaffe.pycaffe import x") == []
