"""
Fetch blobs of the model registry with the app's managed identity.

This is plain HTTPS with the standard library on purpose. Only one token and two GETs are needed.
Importing azure-identity and azure-storage-blob takes 0.6 s, longer than everything else before the
first prediction (about 0.3 s), and adds 25 MB to the package.
The token comes from the endpoint that App Service puts into the environment
(https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference);
blobs from the Get Blob operation
(https://learn.microsoft.com/rest/api/storageservices/get-blob).

It must not follow a redirect (it would leak the token), use plain HTTP for the store, or read
more than the cap.
"""

import http.client
import json
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

if TYPE_CHECKING or __package__:
    from .refused import Refused
else:  # the Functions worker puts this folder itself on sys.path
    from refused import Refused

CONTAINER = "models"
TIMEOUT_S = 10.0  # to connect, and for each read
RESOURCE = "https://storage.azure.com"


class Store:
    """
    The registry in the storage account at *url*, read with the identity of *environ*.

    One connection serves all reads until `close`. Raises Refused with
    SettingsInvalid, IdentityUnavailable, RegistryUnavailable or UnknownVersion.
    """

    def __init__(self, url: str, environ: Mapping[str, str]) -> None:
        self._url = url
        self._environ = environ
        self._token = ""
        self._connection: http.client.HTTPConnection | None = None

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()

    def read(self, path: str, cap: int) -> bytes:
        """Return the blob at *path* of the models container, cut off one byte after *cap*."""
        parts = urlsplit(self._url)
        if parts.scheme != "https" or not parts.hostname or parts.username or parts.query:
            raise Refused("SettingsInvalid", "MODEL_STORE must be an https:// account URL")
        if self._connection is None:
            self._token = self._fetch_token()
            self._connection = self._https(parts.hostname, parts.port)
        target = f"{parts.path.rstrip('/')}/{CONTAINER}/{quote(path)}"
        headers = {"Authorization": f"Bearer {self._token}", "x-ms-version": "2021-12-02"}
        try:
            self._connection.request("GET", target, headers=headers)
            response = self._connection.getresponse()
            body = response.read(cap + 1)
        except (OSError, http.client.HTTPException) as error:
            why = f"no answer from the registry: {_said(error)}"
            raise Refused("RegistryUnavailable", why) from error
        if response.status == http.HTTPStatus.NOT_FOUND:
            raise Refused("UnknownVersion", f"{path} is not in the registry")
        if response.status != http.HTTPStatus.OK:
            code = response.headers.get("x-ms-error-code", "")
            why = f"the registry answers {response.status} {ascii(code)[:60]}"
            raise Refused("RegistryUnavailable", why)
        return body

    def _https(self, host: str, port: int | None) -> http.client.HTTPConnection:
        """Trust the machine's store, or the CA bundle that its environment names."""
        trust = ssl.create_default_context(cafile=self._environ.get("REQUESTS_CA_BUNDLE") or None)
        return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=trust)

    def _fetch_token(self) -> str:
        endpoint = self._environ.get("IDENTITY_ENDPOINT", "")
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            why = "this app has no managed identity: switch one on for it"
            raise Refused("IdentityUnavailable", why)
        query = {"resource": RESOURCE, "api-version": "2019-08-01"}
        if client := self._environ.get("AZURE_CLIENT_ID"):
            query["client_id"] = client
        if parts.scheme == "http":
            connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_S)
        else:
            connection = self._https(parts.hostname, parts.port)
        headers = {"X-IDENTITY-HEADER": self._environ.get("IDENTITY_HEADER", "")}
        try:
            connection.request("GET", f"{parts.path}?{urlencode(query)}", headers=headers)
            response = connection.getresponse()
            answer = response.read(64 * 1024)
            if response.status != http.HTTPStatus.OK:
                why = f"the identity endpoint answers {response.status}"
                raise Refused("IdentityUnavailable", why)
            return str(json.loads(answer)["access_token"])
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
            why = f"no token from the identity endpoint: {_said(error)}"
            raise Refused("IdentityUnavailable", why) from error
        finally:
            connection.close()


def _said(error: BaseException) -> str:
    """Describe an error without its text, which could quote a header or a body."""
    return error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
