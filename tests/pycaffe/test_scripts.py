"""Whole scripts as pycaffe's users wrote them (scripts/), unedited, each in a process of its own and in both ways."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).with_name("scripts")
ROOT = Path(__file__).resolve().parents[2]
INSTALLED = (
    "import runpy, sys, minicaffe; minicaffe.install_as_caffe(); sys.path.insert(0, sys.argv[1].rpartition('/')[0]); "
    "runpy.run_path(sys.argv[1], run_name='__main__')"
)
WAYS = {"minicaffe run": ["-m", "minicaffe", "run"], "install_as_caffe": ["-c", INSTALLED]}
PRINTED = {
    "train_by_hand.py": """\
iterations: 60 events: 120 ['accuracy', 'loss']
correct: True accuracy of the last: True
weights: 4 True
""",
    "surgery.py": """\
surgery: True True
blobs: [('data', (1, 3, 6, 6)), ('fc', (1, 4, 1, 1)), ('twice', (1, 4, 1, 1)), ('prob', (1, 4, 1, 1))]
a map: (2, 4, 3, 2)
blob: True
classifier: (2, 4) True
told: Input blob arguments do not match net inputs. G
told: Could not open file nowhere.prototxt
""",
}


@pytest.mark.parametrize(
    ("script", "way"),
    [
        ("train_by_hand.py", "minicaffe run"),
        ("surgery.py", "minicaffe run"),
        ("surgery.py", "install_as_caffe"),
    ],
)
def test_script(tmp_path, script, way):
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, *WAYS[way], str(SCRIPTS / script)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == PRINTED[script]
    if script == "train_by_hand.py":
        assert "loss fell: True" in done.stderr and "] Creating training net" in done.stderr
    else:
        assert not [line for line in done.stderr.splitlines() if line[:1] == "I"]
