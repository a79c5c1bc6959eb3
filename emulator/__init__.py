"""
Azure for one laptop: the parts that deployment slots need, over real processes and real HTTP.

``python -m emulator --state DIR`` starts Azure Resource Manager (``arm``), Kudu (``scm``), managed
identity (``login``), Blob Storage (Azurite, ``machine``) and one process per slot (``slots``, each
running ``functions_host``), and ends them all with it. It is as strict as Azure, so that a client's
misreading of Azure fails here first. What nobody could ask Azure is a row of ``assumptions``.
Imports nothing from the rest of the repository.
"""
