"""Azure Resource Manager for Microsoft.Web: one handler for each call, no process of its own."""
