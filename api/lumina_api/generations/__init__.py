"""Growing: from one generation of the topics that hold the series to the next, which has more partitions."""

from lumina_api.generations.growth import Grown, GrowthError, grow
from lumina_api.generations.overview import Generation, delete, generations

__all__ = ["Generation", "Grown", "GrowthError", "delete", "generations", "grow"]
