"""The one function that says which series a call belongs to and on which partition that series lives."""

from functools import lru_cache
from hashlib import sha256


def series_id(project: str, service: str, endpoint: str) -> str:
    """Name of a series: the first 16 hex digits of sha256 over its three parts, each length-prefixed.

    The length prefix (4 bytes, big endian, of the UTF-8 bytes) keeps ("a", "bc") and ("ab", "c") apart.
    """
    digest = sha256()
    for part in (project, service, endpoint):
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(4, "big"))
        digest.update(raw)
    return digest.hexdigest()[:16]


@lru_cache(maxsize=65_536)  # murmur2 in Python is 3 us, and series repeat
def partition_of(series: str, partitions: int) -> int:
    """Partition of `lumina.spans` that holds the log of a series.

    Kafka's default partitioner for a key: `murmur2(utf8(key)) & 0x7fffffff % partitions`. Producers of
    other languages may default to something else (CRC32, random), so every writer of ours names the
    partition explicitly.
    """
    return (murmur2(series.encode()) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """Kafka's murmur2 (org.apache.kafka.common.utils.Utils), as an unsigned 32-bit integer."""
    length = len(data)
    mixer = 0x5BD1E995
    mask = 0xFFFFFFFF
    h = (0x9747B28C ^ length) & mask
    whole = length & ~3
    for index in range(0, whole, 4):
        k = int.from_bytes(data[index : index + 4], "little")
        k = (k * mixer) & mask
        k ^= k >> 24
        k = (k * mixer) & mask
        h = (h * mixer) & mask
        h ^= k
    rest = length - whole
    if rest:
        if rest == 3:
            h ^= data[whole + 2] << 16
        if rest >= 2:
            h ^= data[whole + 1] << 8
        h ^= data[whole]
        h = (h * mixer) & mask
    h ^= h >> 13
    h = (h * mixer) & mask
    return h ^ (h >> 15)
