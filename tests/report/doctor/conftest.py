"""The double of ARM that the tests of `gitslot.edges.azure` use."""

from tests.edges.azure.conftest import arm

__all__ = ["arm"]
