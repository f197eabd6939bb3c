"""The aiohttp application: vendors' dialects, the media host and the control API over one world."""

from functools import partial

from aiohttp import web

from pixsim7_simulator import pipeline
from pixsim7_simulator.clock import Clock
from pixsim7_simulator.config import Config
from pixsim7_simulator.control import Control
from pixsim7_simulator.dialects.base import Call, Dialect, Endpoint
from pixsim7_simulator.dialects.pixverse import PixVerse
from pixsim7_simulator.interpret import Answer
from pixsim7_simulator.mediahost import MediaHost
from pixsim7_simulator.world import World

WORLD = web.AppKey("world", World)
_MAX_BODY = 64 * 1024 * 1024


def create_app(config: Config | None = None, *, clock: Clock | None = None) -> web.Application:
    world = World(config or Config(), clock)
    app = web.Application(client_max_size=_MAX_BODY)
    app[WORLD] = world
    app.add_routes(Control(world).routes())
    for dialect in (PixVerse(world), MediaHost(world)):
        _mount(app, world, dialect)

    async def close(_: web.Application) -> None:
        await world.close()

    app.on_cleanup.append(close)
    return app


def _mount(app: web.Application, world: World, dialect: Dialect) -> None:
    for endpoint in dialect.endpoints():
        handler = partial(pipeline.serve, world, dialect, endpoint)
        app.router.add_route(endpoint.method, dialect.prefix + endpoint.path, handler)
    if dialect.prefix:
        # Routes the vendor does not have are asked for too, and belong into the journal.
        unknown = Endpoint("unknown", "*", "/{rest:.*}", partial(_not_found, dialect), public=True)
        app.router.add_route(
            "*", dialect.prefix + unknown.path, partial(pipeline.serve, world, dialect, unknown)
        )


async def _not_found(dialect: Dialect, _: Call) -> Answer:
    return dialect.not_found()
