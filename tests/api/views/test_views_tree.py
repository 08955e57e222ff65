"""A trace as a tree, whatever its spans claim."""

from hypothesis import given
from hypothesis import strategies as st

from lumina_api.views.tree import Link, tree


def shape(*links: tuple[str, str]) -> list[tuple[str, int, tuple[str, ...]]]:
    spans = [Link(*link) for link in links]
    return [(spans[node.row].span_id, node.depth, node.children) for node in tree(spans)]


def test_parents_come_before_children_and_siblings_by_start() -> None:
    assert shape(("c", "a"), ("a", ""), ("b", "a"), ("d", "b")) == [
        ("a", 0, ("c", "b")),
        ("c", 1, ()),
        ("b", 1, ("d",)),
        ("d", 2, ()),
    ]


def test_a_span_whose_parent_is_not_there_is_a_root() -> None:
    assert shape(("b", "missing"), ("c", "b")) == [("b", 0, ("c",)), ("c", 1, ())]


def test_circles_are_opened_at_their_earliest_span() -> None:
    assert shape(("a", "b"), ("b", "a"), ("s", "s")) == [("s", 0, ()), ("a", 0, ("b",)), ("b", 1, ())]


def test_a_deep_trace_is_no_recursion() -> None:
    nodes = tree([Link(str(number), str(number - 1)) for number in range(20_000)])
    assert nodes[-1].depth == 19_999


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["", *"abcdefghxy"]))))
def test_every_span_has_one_place_below_its_parent(links: list[tuple[str, str]]) -> None:
    spans = [Link(*link) for link in links]
    nodes = tree(spans)
    assert sorted(node.row for node in nodes) == list(range(len(spans)))
    # Depth first: a node's parent is the nearest one before it that is one level up, and names it as a child.
    line: list[int] = []
    for place, node in enumerate(nodes):
        del line[node.depth :]
        assert len(line) == node.depth
        if line:
            parent = nodes[line[-1]]
            assert spans[node.row].span_id in parent.children
            assert spans[node.row].parent_span_id == spans[parent.row].span_id
        line.append(place)
    assert sum(len(node.children) for node in nodes) == sum(node.depth > 0 for node in nodes)
