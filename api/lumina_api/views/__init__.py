"""The views: Lumina's log as tables, in one DuckDB file that any process can rebuild from Kafka.

The log flows in through `reader` (Kafka), `batch` (records to rows) and `store` (rows and positions in one
transaction); REST reads through `queries`.
"""

from lumina_api.views.service import Views, ViewsAway

__all__ = ["Views", "ViewsAway"]
