"""Our layer over Faust's aiokafka transport: each module repairs one way in which exactness was lost."""

from lumina_streams.transport.driver import Transport

__all__ = ["Transport"]
