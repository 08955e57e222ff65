"""The way of spans through Kafka, watched: ends of topics, positions of readers, rates, dead letters."""

from lumina_api.pipeline.watch import Pipeline, PipelineAway

__all__ = ["Pipeline", "PipelineAway"]
