"""Python runs this file as it starts where its folder is on PYTHONPATH, as `minicaffe run` puts it (cli/run.py).

It waits for the first `import caffe`. Nothing is imported before that: a script may still set what NumPy, BLAS and
CUDA read from the environment when they are loaded.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

HERE = os.path.dirname(os.path.abspath(__file__))
# The folder that the package lies in, which need not be on Python's path.
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))


class FirstImport:
    """Installs minicaffe as caffe when a program asks for caffe."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if fullname != "caffe":
            return None
        sys.meta_path.remove(self)  # type: ignore[arg-type]
        if ROOT not in sys.path:
            sys.path.append(ROOT)
        from minicaffe.pycaffe.alias import FINDER, install_as_caffe

        install_as_caffe()
        return FINDER.find_spec(fullname)


def run_next() -> None:
    """Run the sitecustomize that this one stands in front of, if there is one."""
    folders = [folder for folder in sys.path if os.path.abspath(folder or os.curdir) != HERE]
    spec = PathFinder.find_spec("sitecustomize", folders)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


sys.meta_path.insert(0, FirstImport())  # type: ignore[arg-type]
run_next()
