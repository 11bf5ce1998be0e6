"""cachescope: the catalogue and service for Spack binary build caches."""

__all__ = ["__version__"]

__version__ = "0.1.0"
