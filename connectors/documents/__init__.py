"""Documents: accessible PDFs made from the city's templates, here, without asking anybody."""

from connectors.documents.client import Documents, Settings, connect
from connectors.documents.rehearsal import rehearse

__all__ = ["Documents", "Settings", "connect", "rehearse"]
