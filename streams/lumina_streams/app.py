"""The Faust apps of Lumina's worker processes, on our transport."""

from functools import cached_property
from pathlib import Path

import faust
from faust.types.transports import TransportT
from yarl import URL

from lumina_schemas.kafka import ClientOptions, client_options
from lumina_schemas.settings import Settings
from lumina_streams.transport import Transport
from lumina_streams.transport.consumer import Consumer
from lumina_streams.transport.flow import FlowControl
from lumina_streams.transport.lease import Lease
from lumina_streams.transport.producer import Producer
from lumina_streams.transport.progress import Progress
from lumina_streams.transport.recovery import Recovery, TableManager
from lumina_streams.transport.settings_reader import SettingsReader
from lumina_streams.transport.slot import Slot
from lumina_streams.transport.table import SeriesTable

BUFFERED_MESSAGES = 64
"""Messages that may wait in memory in front of an agent; one may hold a whole OTLP batch of megabytes."""

CANONICAL_PORT = 6066
"""Workers are told apart by their canonical URL; nothing listens there."""

HEARTBEAT_S = 1.0
"""Several heartbeats within a lease: one that is late on a busy machine must not end a worker."""


class WorkerApp(faust.App):
    """A Faust app on our transport.

    Two of them run, each with its own group and tables: `stream` decides and does no outside I/O, `actor`
    talks to the world. In one app a slow message would stop the fast ones: Faust's conductor waits for the
    slowest agent's queue inside its only fetch loop (seen: 0 of 300 messages in 18 s).
    """

    role: str
    """`stream` or `actor`."""
    lease: Lease
    progress: Progress
    consumer: Consumer
    producer: Producer
    settings_reader: SettingsReader | None = None
    """What must have been read before this app's agents work, where they need settings."""
    series_reader: SettingsReader | None = None
    """... and where they need to know which series there are."""

    def _new_transport(self) -> TransportT:
        return Transport(self.conf.broker_consumer, self)

    def _new_producer_transport(self) -> TransportT:
        return Transport(self.conf.broker_producer, self)

    @cached_property
    def flow_control(self) -> FlowControl:
        """What stops the flow of messages during a rebalance."""
        return FlowControl()


def worker_app(name: str, settings: Settings, slot: Slot) -> WorkerApp:
    """Faust's app for one worker process, without its agents; `name` is `stream` or `actor`."""
    options = client_options(settings, f"lumina-{name}")
    Recovery.options = options
    servers = [f"kafka://{server.strip()}" for server in options["bootstrap_servers"].split(",")]
    app = WorkerApp(
        settings.app_id(name),
        broker=[URL(server) for server in servers],
        broker_credentials=credentials(options),
        broker_client_id=f"lumina-{name}",
        datadir=Path(settings.data_dir) / "workers" / f"{name}-{slot.number}",
        store="memory://",
        Table=SeriesTable,
        TableManager=TableManager,
        canonical_url=f"http://127.0.0.1:{CANONICAL_PORT + slot.number}",
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=settings.partitions,
        table_standby_replicas=0,
        processing_guarantee="at_least_once",
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=slot.instance_id,
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=min(HEARTBEAT_S, settings.session_timeout_s / 10),
        broker_rebalance_timeout=30.0,
        broker_request_timeout=max(30.0, settings.session_timeout_s + 5),
        broker_commit_interval=settings.commit_interval_s,
        broker_commit_every=10_000,
        broker_max_poll_records=BUFFERED_MESSAGES,
        stream_buffer_maxsize=BUFFERED_MESSAGES,
        stream_wait_empty=True,
        stream_recovery_delay=0.0,
        producer_acks=-1,
        producer_linger=0.0,
        # aiokafka's lz4 runs at level 9, 44 us a span of 2.4 kB; its zstd takes 3.4 us and packs tighter.
        producer_compression_type="zstd",
        # Faust's 16 KiB makes a larger message wait until the batch before it is acknowledged.
        producer_max_batch_size=1024 * 1024,
        producer_max_request_size=settings.max_message_bytes + 100_000,
        # Faust's 1,200 s would retry in silence for 20 minutes.
        producer_request_timeout=30.0,
    )
    app.role = name
    app.lease = Lease(settings.session_timeout_s)
    app.progress = Progress()
    return app


def credentials(options: ClientOptions) -> faust.types.auth.CredentialsT | None:
    """The same options in Faust's form."""
    context = options.get("ssl_context")
    if options["security_protocol"].startswith("SASL"):
        sasl = faust.SASLCredentials(
            mechanism=options["sasl_mechanism"],
            username=options["sasl_plain_username"],
            password=options["sasl_plain_password"],
            ssl_context=context,
        )
        return sasl
    return faust.SSLCredentials(context) if context else None
