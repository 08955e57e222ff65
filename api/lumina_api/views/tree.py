"""A trace's spans as a tree, whatever their parents claim: missing, of another trace, or in a circle."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple


class Link(NamedTuple):
    """What the tree needs of a span. Spans come ordered by start."""

    span_id: str
    parent_span_id: str


class Node(NamedTuple):
    """Place of a span: its row in the input, its depth (a root has 0), and its children's span ids."""

    row: int
    depth: int
    children: tuple[str, ...]


def tree(links: Sequence[Link]) -> list[Node]:
    """All spans once, parents before their children, siblings by start.

    A span whose parent is not among them is a root; so is the earliest span of a circle.
    """
    first = {link.span_id: index for index, link in reversed(list(enumerate(links)))}
    children: dict[int, list[int]] = defaultdict(list)
    roots: list[int] = []
    for index, link in enumerate(links):
        parent = first.get(link.parent_span_id)
        if parent is None or parent == index:
            roots.append(index)
        else:
            children[parent].append(index)
    seen = [False] * len(links)
    nodes: list[Node] = []

    def visit(root: int) -> None:
        # A list instead of recursion: a trace may be deeper than Python's stack.
        todo = [(root, 0)]
        while todo:
            index, depth = todo.pop()
            if seen[index]:
                continue
            seen[index] = True
            below = [child for child in children[index] if not seen[child]]
            nodes.append(Node(index, depth, tuple(links[child].span_id for child in below)))
            todo.extend((child, depth + 1) for child in reversed(below))

    for root in roots:
        visit(root)
    for index in range(len(links)):  # what is left stands in circles
        if not seen[index]:
            visit(index)
    return nodes
