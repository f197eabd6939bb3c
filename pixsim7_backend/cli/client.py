"""The command line as a client of a running server."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from pixsim7_backend.cli.output import CommandFailed, Exit
from pixsim7_backend.shared.config import load_settings

_CODES = {401: Exit.DENIED, 403: Exit.DENIED, 404: Exit.DENIED, 503: Exit.UNREACHABLE}


class ApiClient:
    """Calls `/api/v1` with a token; problems become sentences and exit codes."""

    def __init__(self, session: aiohttp.ClientSession, url: str, token: str | None) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self.token = token

    def _headers(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        headers = dict(extra or {})
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        return headers

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        data: Any = None,
    ) -> Any:
        """One request; returns the JSON answer, or None."""
        params = [
            (name, str(item))
            for name, value in (query or {}).items()
            if value is not None
            for item in (value if isinstance(value, (list, tuple)) else [value])
        ]
        try:
            async with self._session.request(
                method,
                f"{self._url}/api/v1{path}",
                json=body,
                data=data,
                params=params,
                headers=self._headers(headers),
            ) as response:
                answer = await response.json() if response.content_length != 0 else None
                if response.status >= 400:
                    raise _problem(response.status, answer)
                return answer
        except aiohttp.ClientConnectionError as error:
            raise CommandFailed(
                f"No PixSim7 server answers at {self._url} ({error}). Start one with "
                "`pixsim7 serve`, or name another with PIXSIM7_URL.",
                Exit.UNREACHABLE,
            ) from None

    async def download(self, path: str, destination: Path) -> None:
        """Save a file; it appears under its name only when it is whole."""
        partial = destination.with_name(f".{destination.name}.part")
        url = f"{self._url}/api/v1{path}"
        async with self._session.get(url, headers=self._headers()) as response:
            if response.status >= 400:
                raise _problem(response.status, await response.json())
            with partial.open("wb") as file:
                async for chunk in response.content.iter_chunked(1 << 20):
                    file.write(chunk)
        partial.replace(destination)


def _problem(status: int, answer: Any) -> CommandFailed:
    if not isinstance(answer, dict):
        return CommandFailed(f"The server answered {status}.", _CODES.get(status, Exit.FAILED))
    lines = [str(answer.get("detail") or answer.get("title") or status)]
    for item in answer.get("fields") or ():
        allowed = item.get("allowed")
        hint = f" (allowed: {allowed})" if allowed else ""
        lines.append(f"  {item['field']}: {item['message']}{hint}")
    lines[0] += f" [{answer.get('code')}]"
    default = Exit.USAGE if status in (400, 413, 422) else Exit.FAILED
    return CommandFailed("\n".join(lines), _CODES.get(status, default))


@asynccontextmanager
async def api_client(url: str | None = None, token: str | None = None) -> AsyncIterator[ApiClient]:
    """A client of `PIXSIM7_URL` (default: this machine's own server) with `PIXSIM7_TOKEN`."""
    settings = load_settings()
    address = url or os.environ.get("PIXSIM7_URL") or f"http://127.0.0.1:{settings.port}"
    credential = token or os.environ.get("PIXSIM7_TOKEN")
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=300)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        yield ApiClient(session, address, credential)
