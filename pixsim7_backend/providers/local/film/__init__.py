"""The film engine: a prompt in, a film out, nothing but arithmetic between."""

from pixsim7_backend.providers.local.film.director import render
from pixsim7_backend.providers.local.film.request import FilmCancelled, FilmError, FilmRequest

__all__ = ["FilmCancelled", "FilmError", "FilmRequest", "render"]
