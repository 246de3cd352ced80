"""What real Caffe 1.0 computed, case by case. The kit (MINICAFFE_PARITY_DIR) runs minicaffe and compares."""

import functools
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import pytest

import minicaffe
from minicaffe import layer_type_list

SOLVERS = [name for name in dir(minicaffe) if name.endswith("Solver") and name != "Solver"]
# What the kit is made of: every layer type, and these.
FAMILIES = [
    *layer_type_list(),
    *("api", "filler", "net:flow", "net:legacy", "net:losses", "net:models", "net:reshape", "net:rules", "net:sharing"),
    *("net:weights", "solver:flow", *(f"solver:{cls.removesuffix('Solver')}" for cls in SOLVERS)),
    *("reject:data", "reject:graph", "reject:layer", "reject:parse", "reject:shape", "reject:solver", "reject:weights"),
]


@functools.cache
def results(kit):
    """{family: {case: its problems}} of the whole kit, run once."""
    root = str(Path(minicaffe.__file__).parents[1])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        command = [sys.executable, str(kit / "check.py"), "minicaffe", "--quiet", "--json", str(report)]
        done = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}, timeout=900, check=False
        )
        assert report.exists(), done.stdout + done.stderr
        cases = json.loads(report.read_text(encoding="utf-8"))["cases"]
    families = defaultdict(dict)
    for name, case in cases.items():
        families[case["family"]][name] = case["problems"]
    return families


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_agrees_with_caffe(parity_dir, family):
    cases = results(parity_dir)[family]
    assert cases
    assert {name: problems for name, problems in cases.items() if problems} == {}


def test_no_family_is_left_out(parity_dir):
    assert set(results(parity_dir)) == set(FAMILIES)
