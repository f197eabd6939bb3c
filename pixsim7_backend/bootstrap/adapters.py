"""The only place that names provider adapters; third parties add theirs by entry point."""

from importlib.metadata import entry_points

import structlog

from pixsim7_backend.domain.provider import ProviderAdapter
from pixsim7_backend.providers.local import LocalAdapter
from pixsim7_backend.providers.pixverse import PixverseAdapter
from pixsim7_backend.shared.config import Settings

log = structlog.get_logger()

GROUP = "pixsim7.providers"


def load_adapters(settings: Settings, machine_id: str) -> list[ProviderAdapter]:
    """Our adapters, and every installed one of the entry-point group.

    A broken plug-in is left out with an error in the log; it does not stop the rest.
    """
    adapters: list[ProviderAdapter] = [
        LocalAdapter(
            spool=settings.data_dir / "render",
            machine_id=machine_id,
            renderers=settings.render_concurrency,
        ),
        PixverseAdapter(),
    ]
    known = {adapter.manifest.id for adapter in adapters}
    for point in entry_points(group=GROUP):
        if point.name in known:
            continue
        try:
            adapter = point.load()()
        except Exception:
            log.exception("provider_plugin_failed", plugin=point.name)
            continue
        adapters.append(adapter)
        known.add(adapter.manifest.id)
    return adapters
