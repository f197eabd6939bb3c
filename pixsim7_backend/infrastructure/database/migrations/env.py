"""Alembic's entry: runs on the connection that `migrate.py` hands over."""

from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy.dialects.postgresql.base import ischema_names

from pixsim7_backend.domain import Base
from pixsim7_backend.domain.base import EnumText
from pixsim7_backend.domain.event import Xid8

# So that a comparison of models and database knows the type when it meets it.
ischema_names["xid8"] = Xid8

_NOT_OURS = ("pgqueuer", "state_transitions")


def _include_name(name: str | None, type_: str, parent_names: object) -> bool:
    return not (type_ == "table" and name is not None and name.startswith(_NOT_OURS))


def _render_item(kind: str, item: object, autogen: AutogenContext) -> str | Literal[False]:
    """Migrations are frozen: they name plain types, not our classes."""
    if kind == "type" and isinstance(item, EnumText):
        return "sa.Text()"
    if kind == "type" and isinstance(item, Xid8):
        autogen.imports.add("from pixsim7_backend.domain.event import Xid8")
        return "Xid8()"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    include_name=_include_name,
    render_item=_render_item,
    compare_server_default=False,
    transactional_ddl=True,
)

with context.begin_transaction():
    context.run_migrations()
