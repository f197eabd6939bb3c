"""Puts answers on the wire, also the broken ones."""

import asyncio
import os
import socket
import struct

from aiohttp import StreamReader, web

from pixsim7_simulator.interpret import Answer, Delivery

_CHUNK = 64 * 1024


async def send(request: web.Request, answer: Answer) -> web.StreamResponse:
    """Deliver the answer in its way; a client that left in the meantime is no error."""
    if answer.delivery is Delivery.WHOLE:
        return web.Response(
            status=answer.status,
            body=answer.body,
            headers=answer.headers,
            content_type=answer.content_type,
        )
    try:
        return await _send_broken(request, answer)
    except ConnectionError:
        return web.Response()


async def read_at_most(stream: StreamReader, limit: int) -> bytes:
    """The body up to `limit` bytes; one `read` returns as soon as anything is there."""
    content = bytearray()
    while len(content) < limit and (chunk := await stream.read(limit - len(content))):
        content += chunk
    return bytes(content)


async def _send_broken(request: web.Request, answer: Answer) -> web.StreamResponse:
    match answer.delivery:
        case Delivery.CLOSE:
            return _hang_up(request)
        case Delivery.RESET_HEADERS:
            await _write_raw(request, f"HTTP/1.1 {answer.status} OK\r\nContent-Type: appl".encode())
            return _hang_up(request, reset=True)
        case Delivery.RESET_BODY:
            await _stream(request, answer, answer.body[: len(answer.body) // 2])
            return _hang_up(request, reset=True)
        case Delivery.SHORT:
            await _stream(request, answer, answer.body[: int(answer.amount)])
            return _hang_up(request)
        case Delivery.UNTIL_CLOSE:
            return await _until_close(request, answer)
        case Delivery.DRIP:
            return await _drip(request, answer)
        case Delivery.ZEROS:
            return await _zeros(request, answer)
        case _:
            return await _endless_headers(request, answer)


async def _stream(request: web.Request, answer: Answer, body: bytes) -> web.StreamResponse:
    """Promise the whole body, write this part of it."""
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    response.content_type = answer.content_type
    response.content_length = len(answer.body)
    await response.prepare(request)
    for start in range(0, len(body), _CHUNK):
        await response.write(body[start : start + _CHUNK])
    await _flushed(request)
    return response


async def _until_close(request: web.Request, answer: Answer) -> web.StreamResponse:
    head = f"HTTP/1.1 {answer.status} OK\r\nContent-Type: {answer.content_type}\r\n"
    await _write_raw(
        request, f"{head}Connection: close\r\n\r\n".encode() + answer.body[: int(answer.amount)]
    )
    return _hang_up(request)


async def _drip(request: web.Request, answer: Answer) -> web.StreamResponse:
    response = await _stream(request, answer, b"")
    step = max(1, round(answer.amount / 20))
    for start in range(0, len(answer.body), step):
        await response.write(answer.body[start : start + step])
        await asyncio.sleep(step / answer.amount)
    return response


async def _zeros(request: web.Request, answer: Answer) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status)
    response.content_type = answer.content_type
    response.content_length = int(answer.amount)
    await response.prepare(request)
    remaining, filler = int(answer.amount), b" " * _CHUNK
    while remaining > 0:
        await response.write(filler[:remaining])
        remaining -= _CHUNK
    return response


async def _endless_headers(request: web.Request, answer: Answer) -> web.StreamResponse:
    await _write_raw(request, b"HTTP/1.1 200 OK\r\n")
    for number in range(int(answer.amount) // 1000):
        transport = request.transport
        if transport is None or transport.is_closing():
            break
        transport.write(b"X-Padding-%d: %s\r\n" % (number, b"x" * 980))
        await asyncio.sleep(0)
    return _hang_up(request)


async def _write_raw(request: web.Request, data: bytes) -> None:
    if request.transport is not None:
        request.transport.write(data)
    await _flushed(request)


async def _flushed(request: web.Request) -> None:
    """Wait until the kernel has the bytes, so that a hang-up does not overtake them."""
    while (transport := request.transport) is not None and not transport.is_closing():
        if not transport.get_write_buffer_size():
            return
        await asyncio.sleep(0.001)


def _hang_up(request: web.Request, *, reset: bool = False) -> web.StreamResponse:
    transport = request.transport
    if transport is not None:
        if reset and (connection := transport.get_extra_info("socket")) is not None:
            # uvloop hides setsockopt; a duplicate descriptor names the same socket.
            with socket.socket(fileno=os.dup(connection.fileno())) as same:
                same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        else:
            transport.close()
    return web.Response()
