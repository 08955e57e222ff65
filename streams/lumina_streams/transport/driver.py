"""Faust's aiokafka driver with our consumer and producer in place of its own."""

from typing import ClassVar

from faust.transport.drivers import aiokafka as driver

from lumina_streams.transport.consumer import Consumer
from lumina_streams.transport.producer import Producer


class Transport(driver.Transport):
    """Where Faust takes its consumer and producer from."""

    Consumer: ClassVar[type[Consumer]] = Consumer
    Producer: ClassVar[type[Producer]] = Producer
