"""What an installation remembers of itself."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from pixsim7_backend.domain.base import Base, CreatedAt, Id


class InstallationFact(Base):
    """A fact by name, such as the id of the media storage that belongs to this database."""

    __tablename__ = "installation_facts"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
    created_at: Mapped[CreatedAt]


class WorkerBeat(Base):
    """A worker's sign of life, renewed with each of its sweeps."""

    __tablename__ = "worker_beats"

    id: Mapped[Id]
    host: Mapped[str]
    version: Mapped[str]
    started_at: Mapped[CreatedAt]
    last_beat_at: Mapped[datetime]
