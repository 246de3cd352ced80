"""minicaffe: Caffe 1.0 in Python, on NumPy and CuPy. `import minicaffe as caffe` offers pycaffe's names."""

from minicaffe.version import __version__

__all__ = ["__version__"]
