"""The walks over commits, against a plain reckoning on random graphs of which little is there."""

import random
from collections.abc import Collection, Mapping

import pytest

from gitslot.edges.git.ancestry import descends, merge_bases, newer


class Fetched:
    """A graph at a server: what was not fetched yet is not there."""

    def __init__(self, edges: Mapping[str, tuple[str, ...]], dates: Mapping[str, int]) -> None:
        self.edges, self.dates = edges, dates
        self.there: set[str] = set()
        self.requests = 0

    def has(self, commit: str) -> bool:
        return commit in self.there

    def parents(self, commit: str) -> tuple[str, ...]:
        assert commit in self.there
        return self.edges[commit]

    def date(self, commit: str) -> int:
        return self.dates[commit]

    def bring(self, commits: Collection[str], haves: Collection[str], depth: int) -> None:
        self.requests += 1
        left = {known for have in haves for known in self.all(have)}
        level = {commit for commit in commits if commit in self.edges}
        for _ in range(depth):
            self.there |= level - left
            level = {parent for commit in level - left for parent in self.edges[commit]}

    def all(self, commit: str) -> set[str]:
        found, todo = set[str](), [commit]
        while todo:
            each = todo.pop()
            if each not in found:
                found.add(each)
                todo.extend(self.edges.get(each, ()))
        return found


def made(seed: int, *, honest: bool) -> tuple[Fetched, random.Random]:
    chance = random.Random(seed)
    names = [f"c{n}" for n in range(25)]
    edges = {
        name: tuple(chance.sample(names[:n], min(n, chance.choice((1, 1, 1, 2, 3)))))
        for n, name in enumerate(names)
    }
    dates = {name: n if honest else chance.randrange(30) for n, name in enumerate(names)}
    return Fetched(edges, dates), chance


@pytest.mark.parametrize("honest", [True, False])
@pytest.mark.parametrize("seed", range(20))
def test_the_walks_agree_with_a_plain_reckoning(seed: int, honest: bool) -> None:
    """Lying dates make more commits count as new, and change nothing else."""
    graph, chance = made(seed, honest=honest)
    one, other, third = chance.sample(sorted(graph.edges), 3)
    for there in (set(), graph.all(one)):
        graph.there = set(there)
        assert descends(graph, one, other, 100) == (other in graph.all(one))
        graph.there = set(there)
        found = newer(graph, [one], [other, third], 100)
        fresh = graph.all(one) - graph.all(other) - graph.all(third)
        assert found is not None
        assert fresh == set(found) if honest else fresh <= set(found) <= graph.all(one)
        graph.there = set(there)
        shared = graph.all(one) & graph.all(other)
        below = {each for commit in shared for each in graph.all(commit) - {commit}}
        assert merge_bases(graph, one, other, 100) == shared - below


def test_what_comes_after_an_accepted_commit_is_asked_for_at_once() -> None:
    """However long the history below it is; nothing of that is read."""
    edges = {f"c{n}": (f"c{n - 1}",) if n else () for n in range(5000)}
    graph = Fetched(edges, dict.fromkeys(edges, 0))
    assert descends(graph, "c4999", "c4500", 10_000)
    assert (graph.requests, len(graph.there)) == (1, 499)


def test_a_hole_is_no_answer() -> None:
    """A host that leaves commits out does not make them older than what was accepted."""
    graph = Fetched({"tip": ("gone",), "accepted": ()}, dict.fromkeys(("tip", "accepted"), 0))
    with pytest.raises(KeyError):
        descends(graph, "tip", "accepted", 100)
    with pytest.raises(KeyError):
        newer(graph, ["tip"], ["accepted"], 100)


def test_too_long_a_walk_says_so() -> None:
    """None is neither yes nor no."""
    edges = {f"c{n}": (f"c{n - 1}",) if n else () for n in range(50)}
    graph = Fetched(edges, {name: int(name[1:]) for name in edges})
    assert descends(graph, "c49", "nowhere", 10) is None
    assert newer(graph, ["c49"], ["c0"], 10) is None
    assert merge_bases(graph, "c49", "c0", 10) is None
