"""PixVerse's platform API as a provider."""

from pixsim7_backend.providers.pixverse.adapter import PixverseAdapter

__all__ = ["PixverseAdapter"]
