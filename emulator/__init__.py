"""
Azure for one laptop: the parts that deployment slots need, over real processes and real HTTP.

``python -m emulator --state DIR`` starts Azure Resource Manager, managed identity, Blob Storage
(Azurite) and one process per slot, and ends them all with it. It is strict where Azure is strict:
it exists so that a client's misreading of Azure fails here first. What was not seen on Azure is
marked *assumption* where the code relies on it. Imports nothing from the rest of the repository.
"""
