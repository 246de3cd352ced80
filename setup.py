"""Metadata and extras. The core runs without a GPU; tools' settings are in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = next(
    line.split('"')[1]
    for line in (HERE / "minicaffe" / "version.py").read_text(encoding="utf-8").splitlines()
    if line.startswith("__version__")
)
LEVELDB = ["plyvel>=1.5", "cramjam>=2.8"]

setup(
    name="minicaffe",
    version=VERSION,
    description="Caffe that pip-installs: Caffe 1.0 in Python, on NumPy and CuPy",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="BSD-2-Clause",
    python_requires=">=3.10",
    packages=find_packages(include=["minicaffe", "minicaffe.*"]),
    package_data={"minicaffe": ["py.typed", "proto/*.binpb", "pycaffe/startup/*.py"]},
    install_requires=[
        "numpy>=2",
        "threadpoolctl>=3.1",
        "protobuf>=3.20",
        "lmdb>=1.4,<4",
        "h5py>=3.8",
        "pillow>=10",
        "tqdm>=4.60",
    ],
    extras_require={
        "cuda12x": ["cupy-cuda12x[ctk]>=14"],
        "cuda13x": ["cupy-cuda13x[ctk]>=14"],
        "leveldb": LEVELDB,
        "opencv": ["opencv-python-headless>=4.8"],
        "plot": ["matplotlib>=3.7"],
        "pydot": ["pydot>=1.4"],
        "notebook": ["jupytext>=1.16"],
        "cuda-check": ["nvidia-cuda-nvrtc-cu12>=12.4"],
        "test": [
            *LEVELDB,
            "pytest>=8",
            "pytest-xdist>=3.5",
            # What pycaffe's own tests import.
            "six",
            "hypothesis>=6.100",
            "ruff>=0.6",
            "mypy>=1.11",
            "types-protobuf",
            "types-tqdm",
            "grpcio-tools>=1.60",
            "matplotlib>=3.7",
            "jupytext>=1.16",
            "pydot>=1.4",
            "nvidia-cuda-nvrtc-cu12>=12.4",
        ],
    },
    entry_points={"console_scripts": ["minicaffe = minicaffe.cli.main:main"]},
)
