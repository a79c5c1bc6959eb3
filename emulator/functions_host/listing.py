"""
The answer of `/admin/functions`: every function that the worker found, refused ones too.

Fields: FunctionMetadataResponse, made by FunctionMetadataExtensions.cs of
github.com/Azure/azure-functions-host; `config` of a function without a function.json: as shown in
Azure's portal. Its links to files are not served.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from emulator.functions_host.functions import is_disabled
from emulator.functions_host.records import RpcFunctionMetadata

ROOT = "/home/site/wwwroot"


@dataclass(frozen=True, slots=True)
class Listing:
    """The functions that the worker *found*, and what decides whether and where they answer."""

    found: Sequence[RpcFunctionMetadata] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    route_prefix: str = ""

    def at(self, base: str) -> list[dict[str, Any]]:
        """Describe every function; its links begin with *base*, scheme and host."""
        return [self._described(one, base) for one in self.found]

    def _described(self, one: RpcFunctionMetadata, base: str) -> dict[str, Any]:
        bindings: list[dict[str, Any]] = [json.loads(text) for text in one.raw_bindings]
        return {
            "name": one.name,
            **dict.fromkeys(("function_app_id", "script_root_path_href", "config_href")),
            "script_href": f"{base}/admin/vfs{ROOT}/{one.script_file}",
            "test_data_href": f"{base}/admin/vfs/tmp/FunctionsData/{one.name}.dat",
            "href": f"{base}/admin/functions/{one.name}",
            "config": {
                "name": one.name,
                "entryPoint": one.entry_point,
                "scriptFile": one.script_file,
                "language": one.language,
                "functionDirectory": ROOT,
                "bindings": bindings,
            },
            **dict.fromkeys(("secrets_file_href", "files")),
            "test_data": "",
            "isDisabled": is_disabled(one.name, self.settings),
            "isDirect": False,
            "isProxy": False,
            "language": one.language,
            "invoke_url_template": self._url(one.name, bindings, base),
        }

    def _url(self, name: str, bindings: list[dict[str, Any]], base: str) -> str | None:
        """Return the function's URL in lower case, as the Functions host does, if it has one."""
        for binding in bindings:
            if binding["type"].lower() == "httptrigger":
                words = [self.route_prefix, str(binding.get("route") or name)]
                path = "/".join(word.strip("/") for word in words if word)
                return f"{base}/{path}".lower()
        return None
