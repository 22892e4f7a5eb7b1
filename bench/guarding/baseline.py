"""What people write themselves: Starlette, a decode by PyJWT, and httpx to the upstream."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import jwt
import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "host"}


def proxy(issuer: str, audience: str, upstream: str) -> Starlette:
    keys = jwt.PyJWKClient(f"{issuer}/.well-known/openid-configuration/jwks")

    async def forward(request: Request) -> Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        try:
            key = keys.get_signing_key_from_jwt(token).key
            jwt.decode(token, key, algorithms=["RS256"], audience=audience, issuer=issuer)
        except jwt.InvalidTokenError:
            return JSONResponse({"error": "invalid_token"}, 401)
        client: httpx.AsyncClient = request.app.state.client
        asked = client.build_request(
            request.method,
            request.url.path + (f"?{request.url.query}" if request.url.query else ""),
            headers=[(n, v) for n, v in request.headers.items() if n not in _HOP_BY_HOP],
            content=request.stream() if request.method not in {"GET", "HEAD"} else None,
        )
        answer = await client.send(asked, stream=True)
        headers = {n: v for n, v in answer.headers.items() if n not in _HOP_BY_HOP}
        return StreamingResponse(
            answer.aiter_raw(),
            answer.status_code,
            headers,
            background=BackgroundTask(answer.aclose),
        )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
        async with httpx.AsyncClient(base_url=upstream, limits=limits) as app.state.client:
            yield

    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
    return Starlette(routes=[Route("/{path:path}", forward, methods=methods)], lifespan=lifespan)


def main() -> None:
    port, issuer, audience, upstream = sys.argv[1:]
    config = uvicorn.Config(
        proxy(issuer, audience, upstream),
        host="127.0.0.1",
        port=int(port),
        access_log=False,
        log_config=None,
        backlog=2048,
    )
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
