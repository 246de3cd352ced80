"""The package's own version, apart from everything that needs an import."""

__version__ = "0.1.0"
