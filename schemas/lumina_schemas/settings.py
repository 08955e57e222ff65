"""Every setting of Lumina, read from the environment. One table in the docs is checked against this class."""

import os
from functools import cached_property
from pathlib import Path
from typing import Self

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from lumina_schemas.topics import CALLS, DECLARED, STREAM, Topic, numbered


def _standard(name: str) -> AliasChoices:
    """A name that the field already uses, taken as it is, without our prefix."""
    return AliasChoices(name)


class Settings(BaseSettings):
    """Lumina's settings. Prefix `LUMINA_`, standard names where a standard exists. Units are in the names."""

    model_config = SettingsConfigDict(env_prefix="LUMINA_", populate_by_name=True, extra="ignore")

    # Kafka
    kafka_bootstrap_servers: str = Field(
        default="",
        validation_alias=_standard("KAFKA_BOOTSTRAP_SERVERS"),
        description="Your Kafka cluster, host:port,host:port. Empty: `lumina up` starts a local one.",
    )
    kafka_security_protocol: str = Field(
        default="PLAINTEXT",
        validation_alias=_standard("KAFKA_SECURITY_PROTOCOL"),
        description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.",
    )
    kafka_sasl_mechanism: str = Field(
        default="PLAIN",
        validation_alias=_standard("KAFKA_SASL_MECHANISM"),
        description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.",
    )
    kafka_sasl_username: str = Field(
        default="", validation_alias=_standard("KAFKA_SASL_USERNAME"), description="SASL user."
    )
    kafka_sasl_password: str = Field(
        default="",
        validation_alias=_standard("KAFKA_SASL_PASSWORD"),
        repr=False,
        description="SASL password.",
    )
    kafka_ssl_cafile: str = Field(
        default="",
        validation_alias=_standard("KAFKA_SSL_CAFILE"),
        description="CA certificates (PEM) that the brokers are checked against. Empty: the system's.",
    )
    topic_prefix: str = Field(
        default="lumina.", description="Prefix of every topic, consumer group and changelog."
    )
    partitions: int = Field(
        default=32, ge=1, description="Partitions of new topics. `lumina up` with its own Kafka uses 4."
    )
    generation: int = Field(
        default=1,
        ge=1,
        description="Which generation of the topics that hold the series is in use. `lumina partitions --to` "
        "makes the next one, with more partitions.",
    )
    replication: int = Field(
        default=-1, description="Replicas of new topics; -1 is the broker's default. The local Kafka uses 1."
    )
    max_message_bytes: int = Field(
        default=4_000_000,
        ge=10_000,
        description="Largest Kafka message; larger batches are split, larger spans truncated.",
    )
    otlp_topics: str = Field(
        default="",
        description="Further landing topics of OTLP traces: `otlp_spans,shop_spans=shop` (topic=project).",
    )
    otlp_logs_topics: str = Field(default="", description="Further landing topics of OTLP logs, same form.")

    # Addresses
    host: str = Field(default="127.0.0.1", description="Address that all servers bind.")
    port: int = Field(default=8080, description="REST, dashboard and OTLP at /v1/traces. Must be free.")
    otlp_http_port: int = Field(
        default=4318, description="OTLP/HTTP. If taken, `lumina up` picks a free one."
    )
    otlp_grpc_port: int = Field(
        default=4317, description="OTLP/gRPC. If taken, `lumina up` picks a free one."
    )
    kafka_port: int = Field(default=9092, description="Local Kafka. If taken, `lumina up` picks a free one.")
    health_port: int = Field(
        default=0,
        ge=0,
        le=65_535,
        description="A worker's /health, /ready and /metrics, on 127.0.0.1. 0: any free port; "
        "`lumina up` picks it.",
    )

    # Gateway
    max_body_bytes: int = Field(
        default=64 * 1024 * 1024, description="Largest OTLP request after decompression; larger gets 413."
    )
    produce_timeout_s: float = Field(
        default=1.5, description="How long a request waits for Kafka's acknowledgement before it gets 503."
    )

    # Access
    auth_required: bool = Field(
        default=False,
        validation_alias=_standard("AUTH_REQUIRED"),
        description="Whether every request needs a key. Without it servers bind loopback addresses only.",
    )
    allow_open: bool = Field(
        default=False,
        description="Bind any address although no key is required. Whoever reaches it reads and writes all.",
    )
    admin_key: str = Field(
        default="",
        repr=False,
        description="A key with the scope admin that is not on Kafka: to make the first ones. 32 characters "
        "at least.",
    )
    session_hours: float = Field(
        default=12.0, gt=0, le=24 * 30, description="How long a login of the dashboard lasts, hours."
    )
    cors_origins: str = Field(
        default="",
        description="Origins whose pages may call REST and OTLP: `https://a.example,https://b.example`; "
        "`*` is any, without cookies. Empty: none.",
    )
    max_request_bytes: int = Field(
        default=1_048_576, ge=10_000, description="Largest body of a REST request; larger gets 413."
    )
    request_timeout_s: float = Field(
        default=30.0, gt=0, description="How long a REST request may take before it gets 504."
    )

    # Limits and retention
    daily_trace_limit: int = Field(
        default=50_000,
        ge=0,
        description="Distinct traces a project and UTC day that the gateways take; 0 = no limit.",
    )
    retention_days: float = Field(
        default=7.0, ge=0, description="Days that the views keep spans and resolved alerts; 0 = for ever."
    )
    retention_at: str = Field(
        default="02:00",
        pattern=r"^([01]\d|2[0-3]):[0-5]\d$",
        description="Time of day, UTC, at which the views let go of what is older.",
    )
    manage_topics: bool | None = Field(
        default=None,
        description="Whether Lumina sets the retention of its topics to LUMINA_RETENTION_DAYS. Default: on "
        "its own local Kafka only; elsewhere `lumina doctor` says what differs.",
    )

    # Detection
    cost_spike_pct: float = Field(
        default=20.0,
        gt=0,
        description="Cost per call must stand this many percent above its baseline to alert.",
    )
    quality_min: float = Field(default=0.7, ge=0, le=1, description="Answers scoring below this are bad.")
    correlation_s: float = Field(
        default=300.0, gt=0, description="A cost spike and a quality drop this close become one alert."
    )
    min_samples: int = Field(
        default=200,
        ge=10,
        le=1_000_000,
        description="Calls a series must have before its baseline is `ready`.",
    )
    cooldown_s: float = Field(
        default=1800.0, ge=0, description="A signal that returns within this time reopens its alert."
    )
    silent_after_s: float = Field(
        default=86_400.0,
        gt=0,
        le=31_536_000,
        description="An alert whose series has had no call for so long is resolved as `silent`.",
    )

    adopt_after_s: float = Field(
        default=21_600.0,
        gt=0,
        le=31_536_000,
        description="A level that stays this long becomes the baseline; its alert says so once.",
    )
    spend_spike_pct: float = Field(
        default=200.0, gt=0, description="Spend per minute must stand this many percent above its usual."
    )
    latency_spike_pct: float = Field(
        default=30.0, gt=0, description="Latency must stand this many percent above its baseline to alert."
    )
    error_spike_points: float = Field(
        default=5.0,
        gt=0,
        le=100,
        description="The share of failed calls must rise by this many percentage points to alert.",
    )
    no_data_after_s: float = Field(
        default=0.0,
        ge=0,
        le=31_536_000,
        description="A series that always speaks and is silent for so long alerts. 0: silence is no alert.",
    )
    false_critical_per_week: float = Field(
        default=1.0, gt=0, le=1000, description="Critical alerts without cause that a project bears a week."
    )
    false_warnings_per_week: float = Field(
        default=5.0, gt=0, le=1000, description="Warnings without cause that a project bears a week."
    )
    max_series: int = Field(
        default=10_000,
        ge=1,
        description="Series of one project; the endpoints of further ones are joined as `other`.",
    )

    # Stream worker
    commit_interval_s: float = Field(default=1.0, gt=0, description="How often a worker commits its offsets.")
    session_timeout_s: float = Field(
        default=10.0,
        ge=6,
        description="A worker that is silent this long loses its partitions; after half of it, it stops.",
    )
    stall_timeout_s: float = Field(
        default=60.0,
        ge=5,
        description="A worker that has work and does not move for this long ends; its successor takes over.",
    )
    tick_s: float = Field(
        default=5.0, gt=0, description="How often time passes for series that have no calls."
    )

    # Prices
    prices_file: Path | None = Field(
        default=None,
        description="TOML file of your own prices; see prices.md. `lumina.settings` comes before it.",
    )
    prefer_reported_cost: bool = Field(
        default=False,
        description="Take the cost that a sender reports in place of ours; such calls are `estimated`.",
    )
    estimate_tokens: bool = Field(
        default=False,
        description="Estimate tokens from the text of calls that report none; such calls are `estimated`.",
    )
    calls_topic: bool = Field(
        default=False,
        description="Write each priced call to `lumina.calls` too, without content, as a message of its own.",
    )

    # Local stack
    data_dir: Path = Field(default=Path(".lumina"), description="Folder of all local data.")
    views_path: Path | None = Field(
        default=None, description="The API's DuckDB file. Default: `views.duckdb` in the data folder."
    )
    cache_dir: Path | None = Field(
        default=None,
        description="Folder of downloaded Kafka jars. Default: `lumina` in the user's cache folder.",
    )
    log_level: str = Field(default="info", description="debug, info, warning or error.")
    demo: bool = Field(
        default=True,
        validation_alias=_standard("DEMO"),
        description="`make up` plays demo traffic; 0 = never.",
    )

    @field_validator("manage_topics", mode="before")
    @classmethod
    def _undecided(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("views_path", "cache_dir", "prices_file", mode="before")
    @classmethod
    def _unset(cls, path: object) -> object:
        return None if path == "" else path

    @field_validator("cache_dir")
    @classmethod
    def _at_home(cls, path: Path | None) -> Path | None:
        return Path(os.path.expanduser(path)) if path else None  # Path.expanduser raises on unknown users

    @cached_property
    def landing_topics(self) -> dict[str, str | None]:
        """Full names of the topics that hold OTLP traces, each with its project or None."""
        return {self.topic("otlp"): None} | _landing(self.otlp_topics)

    @cached_property
    def landing_logs_topics(self) -> dict[str, str | None]:
        """Full names of the topics that hold OTLP logs, each with its project or None."""
        return {self.topic("otlp-logs"): None} | _landing(self.otlp_logs_topics)

    def uses(self, topic: Topic) -> bool:
        """Whether an installation with these settings has a declared topic."""
        return not topic.optional or (topic is CALLS and self.calls_topic)

    def topic(self, topic: Topic | str) -> str:
        """Full name of a declared topic, in the generation in use."""
        declared = DECLARED[topic] if isinstance(topic, str) else topic
        return self.topic_prefix + declared.name_in(self.generation)

    def app_id(self, app: str) -> str:
        """Id and consumer group of an app. The stream has one for each generation, as its state has."""
        return self.topic_prefix + (numbered(app, self.generation) if app == STREAM else app)

    def in_generation(self, generation: int) -> Self:
        """The same settings in another generation of the topics."""
        return self.model_copy(update={"generation": generation})


def variable(field: str) -> str:
    """The environment variable that sets a field of `Settings`."""
    alias = Settings.model_fields[field].validation_alias
    if isinstance(alias, AliasChoices):
        return str(alias.choices[0])
    return f"{Settings.model_config['env_prefix']}{field}".upper()


def _landing(setting: str) -> dict[str, str | None]:
    """Parse `topic,topic=project` into {topic: project or None}."""
    landing: dict[str, str | None] = {}
    for entry in filter(None, (part.strip() for part in setting.split(","))):
        name, _, project = entry.partition("=")
        landing[name.strip()] = project.strip() or None
    return landing
