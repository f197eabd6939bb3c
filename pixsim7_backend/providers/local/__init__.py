"""The built-in renderer: procedural films and pictures without a key or a network."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pixsim7_backend.providers.local.adapter import LocalAdapter

__all__ = ["LocalAdapter"]


def __getattr__(name: str) -> Any:
    # Every render is a process of its own that needs the film engine only: the adapter, and with
    # it Pydantic and the whole domain, would be a third of a short film's time.
    if name == "LocalAdapter":
        from pixsim7_backend.providers.local.adapter import LocalAdapter  # noqa: PLC0415

        return LocalAdapter
    raise AttributeError(name)
