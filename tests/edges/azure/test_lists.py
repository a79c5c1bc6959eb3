"""What ARM lists of the slots of many apps."""

import itertools

import pytest

from gitslot.edges.azure.lists import Lists

SITE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/App"


@pytest.mark.parametrize("says", [{}, {"defaultHostName": None}, {"defaultHostName": "10.0.0.1"}])
def test_a_host_that_a_list_does_not_name_is_read_by_itself(says: dict[str, str | None]) -> None:
    """Of a slot without a usable host the list says nothing; of another it says its host."""
    items = [
        {"id": SITE, "properties": says},
        {"id": f"{SITE}/slots/Staging", "properties": {"defaultHostName": "app-staging.example"}},
    ]
    hosts = Lists(lambda _: items, itertools.count().__next__).hosts("/group", "app")
    named = {slot: host for slot, host in hosts.items() if host}
    assert named == {"staging": "app-staging.example"}
