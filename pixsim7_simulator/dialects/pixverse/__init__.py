"""The PixVerse platform dialect."""

from pixsim7_simulator.dialects.pixverse.routes import PixVerse

__all__ = ["PixVerse"]
