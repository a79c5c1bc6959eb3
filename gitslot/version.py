"""The version of gitslot, for the build and for the name that its requests carry."""

__version__ = "0.1.0"
