"""The command line: `pixsim7 simulate` and `python -m pixsim7_simulator`."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import ValidationError

from pixsim7_simulator.config import AccountSpec, Config
from pixsim7_simulator.server import serve

_new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None
try:
    import uvloop

    _new_loop = uvloop.new_event_loop
except ImportError:
    pass  # not on every platform


def main(argv: Sequence[str] | None = None) -> int:
    """Run until interrupted; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(argv)
    try:
        config = _config(options)
    except (ValidationError, ValueError, OSError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    try:
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            runner.run(serve(options.host, options.port, config, ready_json=options.ready_json))
    except OSError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pixsim7 simulate",
        description="Serve the vendors' protocols with real media and pretended money.",
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=8765, help="0 takes a free port (default: 8765)")
    add(
        "--account",
        action="append",
        default=[],
        metavar="key=K,credits=N,concurrent=N",
        help="repeatable",
    )
    add("--journal", type=Path, metavar="FILE", help="SQLite file (default: in memory)")
    add("--generation-seconds", type=float, metavar="S", help="default: a believable time per clip")
    add("--media", choices=("real", "tiny"), help="tiny: 64x36, 1 s, whatever was asked for")
    add(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any other setting; repeatable",
    )
    add(
        "--config",
        metavar="FILE",
        help="JSON with accounts, settings, rules; - reads standard input",
    )
    add(
        "--ready-json",
        action="store_true",
        help="print one JSON line with the URL instead of the banner",
    )
    return parser


def _config(options: argparse.Namespace) -> Config:
    config = Config()
    if options.config:
        text = sys.stdin.read() if options.config == "-" else Path(options.config).read_text()
        config = Config.model_validate_json(text)
    if options.account:
        config.accounts = tuple(
            AccountSpec.model_validate(_pairs(text)) for text in options.account
        )
    if options.journal:
        config.journal_path = options.journal
    named = {"generation_seconds": options.generation_seconds, "media": options.media}
    changes = {name: value for name, value in named.items() if value is not None}
    for text in options.set:
        changes |= _pairs(text)
    for name, value in changes.items():
        setattr(config.settings, name, value)
    return config


def _pairs(text: str) -> dict[str, str]:
    parts = [part.partition("=") for part in text.split(",")]
    if not all(name and equals for name, equals, _ in parts):
        raise ValueError(f"expected name=value, got {text!r}")
    return {name: value for name, _, value in parts}
