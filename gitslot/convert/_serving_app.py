"""
The serving app under a name of ours, so that what is registered is loaded by what will serve it.

A package whose folder is serving_app/, never on `sys.path`: a user's own `model.py` stays theirs.
"""

from gitslot.registry.package import ROOT

__path__ = [str(ROOT / "serving_app")]
