"""Lines in, values of messages out: each within the size that Kafka takes."""


def packed(lines: list[bytes], limit: int) -> list[bytes]:
    """NDJSON values of at most `limit` bytes, in order; every line fits by itself."""
    values: list[bytes] = []
    start = size = 0
    for index, line in enumerate(lines):
        if size and size + len(line) + 1 > limit:
            values.append(b"\n".join(lines[start:index]))
            start, size = index, 0
        size += len(line) + 1
    values.append(b"\n".join(lines[start:]))
    return values
