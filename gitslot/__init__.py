"""
gitslot: keeps the deployment slots of Azure Function Apps equal to a file in Git.

The loop is four verbs: look at Git and at the slots (`source`, `live`), decide the one next thing
(`decide`, pure), act on it (`act`), record it (`journal`). `reconcile` turns them until the slots
serve what Git asks for. Start reading at `decide.decide`.
"""
