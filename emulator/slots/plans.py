"""App Service plans: the tier of a SKU, and how many slots a tier allows."""

# Slots, production included; 1 means production alone.
# Source: https://learn.microsoft.com/azure/azure-functions/functions-deployment-slots
SLOT_LIMITS = {
    "ElasticPremium": 3,
    "Standard": 5,
    "PremiumV2": 20,
    "PremiumV3": 20,
    "PremiumV4": 20,
    "IsolatedV2": 20,
    "Dynamic": 2,
}

TIERS = {"EP": "ElasticPremium", "S": "Standard", "B": "Basic", "F": "Free", "D": "Shared"}


def tier_of(sku: str) -> str:
    """Return the tier of the SKU *sku*: EP1 is ElasticPremium, P1v3 is PremiumV3."""
    name = sku.upper()
    if name.startswith("FC"):
        return "FlexConsumption"
    if name.startswith("Y"):
        return "Dynamic"
    if name.startswith("I"):
        return "IsolatedV2"
    if name.startswith("P"):
        return f"PremiumV{name[-1]}" if "V" in name else "PremiumV2"
    return TIERS.get(name.rstrip("0123456789"), "")
