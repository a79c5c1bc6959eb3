"""What holds for every test."""

from hypothesis import settings

# How fast the machine is proves nothing: no example fails because it took long.
settings.register_profile("gitslot", deadline=None)
settings.load_profile("gitslot")
