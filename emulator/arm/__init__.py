"""Azure Resource Manager for Microsoft.Web: calls in, answers out, no process and no socket of its own."""
