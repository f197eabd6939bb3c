"""An HTTP server that speaks the vendors' wire protocols: demo, contract test and witness."""

from pixsim7_simulator.cli import main
from pixsim7_simulator.clock import Clock
from pixsim7_simulator.config import AccountSpec, Config, Settings, WebhookSpec
from pixsim7_simulator.faults import Rule
from pixsim7_simulator.server import (
    ControlClient,
    RunningSimulator,
    SpawnedSimulator,
    running_simulator,
    serve,
    spawned_simulator,
)

__all__ = [
    "AccountSpec",
    "Clock",
    "Config",
    "ControlClient",
    "Rule",
    "RunningSimulator",
    "Settings",
    "SpawnedSimulator",
    "WebhookSpec",
    "main",
    "running_simulator",
    "serve",
    "spawned_simulator",
]
