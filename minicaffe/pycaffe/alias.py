"""`import caffe` gives minicaffe: the finder behind minicaffe.install_as_caffe().

caffe and caffe.X are the very modules minicaffe and minicaffe.X, not copies: no layer registers twice, a class is the
same class under both names.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from minicaffe import log

ALIAS, REAL = "caffe", "minicaffe"


def install_as_caffe() -> None:
    """From now on, in this process, `import caffe` and `import caffe.X` give minicaffe and minicaffe.X.

    It comes before a Caffe that is installed, or lies on sys.path; calling it again changes nothing.
    Raises ImportError where another caffe has been imported before: half a script would use the one, half the other.
    """
    other = sys.modules.get(ALIAS)
    if other is not None and other is not sys.modules[REAL]:
        place = getattr(other, "__file__", None) or "no file"
        raise ImportError(
            f"{REAL} cannot be {ALIAS} here: another {ALIAS} has been imported already, from {place}; call "
            f"{REAL}.install_as_caffe() before anything imports {ALIAS}",
            name=ALIAS,
        )
    if FINDER not in sys.meta_path:
        sys.meta_path.insert(0, FINDER)


class AliasFinder(MetaPathFinder):
    """Finds caffe, and all below it that minicaffe has."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, rest = fullname.partition(".")
        if package != ALIAS:
            return None
        name = f"{REAL}.{rest}" if rest else REAL
        real = importlib.util.find_spec(name)
        if real is None:
            return None
        is_package = real.submodule_search_locations is not None
        return ModuleSpec(fullname, AliasLoader(name), origin=real.origin, is_package=is_package)


class AliasLoader(Loader):
    """Gives the module of another name.

    name: the module's own name.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        if spec.name == ALIAS:
            # A script that says how much is logged says it just before this import, long after ours perhaps.
            log.follow_environment()
        module = importlib.import_module(self.name)
        self.own_spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """The module has run under its own name. The import system has put the alias's spec on it: undo that."""
        module.__spec__ = self.own_spec


FINDER = AliasFinder()
