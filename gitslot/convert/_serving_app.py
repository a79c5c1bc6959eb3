"""
The serving app as a module of ours, to load each version with the code that will serve it.

Its folder serving_app/ is never on `sys.path`, so a user's own `model.py` is not shadowed.
"""

from gitslot.registry.function_apps import ROOT

__path__ = [str(ROOT / "serving_app")]
