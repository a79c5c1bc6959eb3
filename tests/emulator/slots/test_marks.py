"""What a preview marks, and what a swap that is posted on the site itself means."""

from collections.abc import Iterator

import pytest

from emulator.arm.bodies import site_body
from reliability.cloud import Cloud
from reliability.scenarios import settled

PREVIEW, STAGING = b'{"targetSlot": "production"}', b'{"targetSlot": "staging"}'


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """Give an app of two slots; what it still does at the end is cut off."""
    found = settled().cloud
    yield found
    found.end()


def shown(cloud: Cloud) -> dict[str, str | None]:
    """Return `targetSwapSlot` of each slot, as ARM shows it."""
    azure, site = cloud.world, cloud.site
    return {
        key: site_body(azure, site, slot)["properties"]["targetSwapSlot"]
        for key, slot in site.slots.items()
    }


def test_a_preview_names_the_partner_on_both_slots(cloud: Cloud) -> None:
    """Production reads staging, and staging reads production, until a reset."""
    assert cloud.post("person", "/slots/staging/applySlotConfig", PREVIEW) == 200
    assert shown(cloud) == {"production": "staging", "staging": "Production"}
    assert cloud.post("person", "/slots/staging/resetSlotConfig") == 200
    assert shown(cloud) == {"production": None, "staging": None}


def test_a_swap_posted_on_the_site_has_the_named_slot_as_its_source(cloud: Cloud) -> None:
    """Terraform's active slot posts it so, and polls for `sourceSlotName`."""
    before = cloud.serves("production"), cloud.serves("staging")
    assert cloud.post("terraform", "/slotsswap", STAGING) == 202
    operation = cloud.operation()
    assert operation is not None
    assert (operation.source, operation.target) == ("staging", "production")
    path = f"/operationresults/{operation.id}"
    assert cloud.post("terraform", path, method="GET") == 202
    cloud.wait(200.0)
    assert cloud.post("terraform", path, method="GET") == 200
    assert (cloud.serves("staging"), cloud.serves("production")) == before
    last = cloud.site.slots["production"].last_swap
    assert last is not None
    assert (last.source, last.destination) == ("staging", "Production")
