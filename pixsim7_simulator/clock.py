"""The clock of the simulated world: real time that tests may freeze and move forward."""

import time
from collections.abc import Callable


class Clock:
    """Seconds since the epoch. `frozen` stops it, so that only `advance` moves it."""

    def __init__(self, *, frozen: float | None = None) -> None:
        self._frozen = frozen
        self._offset = 0.0
        self._listeners: list[Callable[[], None]] = []

    def now(self) -> float:
        return (time.time() if self._frozen is None else self._frozen) + self._offset

    def advance(self, seconds: float) -> None:
        """Move time forward and let everything that became due happen before returning."""
        self._offset += seconds
        for listener in self._listeners:
            listener()

    def on_advance(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    def real_delay(self, due: float) -> float | None:
        """Real seconds until `due`; None while a frozen clock cannot reach it by itself."""
        remaining = due - self.now()
        if remaining <= 0:
            return 0.0
        return None if self._frozen is not None else remaining
