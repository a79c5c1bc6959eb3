"""Who calls: Microsoft Entra ID, managed identities and the tokens of both."""
