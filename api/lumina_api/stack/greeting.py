"""What a person reads when the stack is ready: where it is and what to do next."""

from lumina_api.stack.state import StackState


def greeting(state: StackState) -> str:
    """The block that `lumina up` prints once everything is ready."""
    return f"""
Lumina is ready.

{_where(state)}

Send spans     export OTEL_EXPORTER_OTLP_ENDPOINT={state.otlp_http}
See alerts     curl '{state.api}/api/v1/alerts'
               lumina tail alerts
From Kafka     kcat -C -b {state.kafka} -t {state.topic_prefix}alerts
Stop           Ctrl-C here, or `lumina down`
"""


def already(state: StackState) -> str:
    """What a second `lumina up` on the same data folder prints."""
    pid = state.processes[0].pid if state.processes else "?"
    return f"""
Lumina is running already (pid {pid}).

{_where(state)}

Stop it with `lumina down`. A second one beside it needs its own LUMINA_DATA_DIR and LUMINA_PORT.
"""


def _where(state: StackState) -> str:
    kafka = f"{state.kafka}{' (local)' if state.local_kafka else ''}"
    return f"""\
REST           {state.api}/api/v1   (docs: {state.api}/docs)
OTLP/HTTP      {state.otlp_http}   (also {state.api}/v1/traces)
OTLP/gRPC      {state.otlp_grpc}
Kafka          {kafka}, topics {state.topic_prefix}*
Data           {state.data_dir}"""
