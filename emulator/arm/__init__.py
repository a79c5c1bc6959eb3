"""Azure Resource Manager for Microsoft.Web: calls in, answers out; no process of its own."""
