"""What an installation remembers of itself."""

from sqlalchemy.orm import Mapped, mapped_column

from pixsim7_backend.domain.base import Base, CreatedAt


class InstallationFact(Base):
    """A fact by name, such as the id of the media storage that belongs to this database."""

    __tablename__ = "installation_facts"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
    created_at: Mapped[CreatedAt]
