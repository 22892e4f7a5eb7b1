"""Forms with files (`multipart/form-data`, RFC 7578), of a bounded size."""

from __future__ import annotations

from collections.abc import Mapping
from email.message import Message
from email.parser import BytesParser

import msgspec
from starlette.requests import Request

from mintgate.contract.errors import InvalidRequest
from mintgate.contract.translating import translatable
from mintgate.identity.forms import header, read_body

FORM_BYTES = 16 * 1024
"""What the rest of a form may have besides its files."""
MAX_PARTS = 20
MAX_HEADER = 2048
BAD_UPLOAD = translatable("The form with the file came incomplete. Send it again.")
TOO_LARGE = translatable("The file is too large.")


class Upload(msgspec.Struct, frozen=True):
    """A file; what its sender says of name and type is not believed, and not kept."""

    data: bytes


Files = Mapping[str, Upload]


async def read_upload(request: Request, max_bytes: int) -> tuple[dict[str, str], Files]:
    """The fields and the files of a form. A file that was not chosen is not there.

    Args:
        max_bytes: of all files together.

    Raises:
        InvalidRequest: too large, not such a form, or malformed.
    """
    boundary = _boundary(header(request.scope, b"content-type"))
    length = header(request.scope, b"content-length") or ""
    if length.isdigit() and int(length) > max_bytes + FORM_BYTES:
        raise InvalidRequest(TOO_LARGE)  # without reading it
    body = await read_body(request.receive, max_bytes + FORM_BYTES)
    fields: dict[str, str] = {}
    files: dict[str, Upload] = {}
    for name, is_file, data in _parts(body, boundary):
        if name in fields or name in files:
            raise InvalidRequest(BAD_UPLOAD)
        if is_file:
            if data:
                files[name] = Upload(data)
        else:
            try:
                fields[name] = data.decode()
            except UnicodeDecodeError:
                raise InvalidRequest(BAD_UPLOAD) from None
            if "\0" in fields[name]:
                raise InvalidRequest(BAD_UPLOAD)
    return fields, files


def _boundary(content_type: str | None) -> bytes:
    told = Message()
    told["content-type"] = content_type or ""
    boundary = told.get_param("boundary")
    if told.get_content_type() != "multipart/form-data" or not isinstance(boundary, str):
        raise InvalidRequest(BAD_UPLOAD)
    if not 1 <= len(boundary) <= 70 or not boundary.isascii():  # RFC 2046 §5.1.1
        raise InvalidRequest(BAD_UPLOAD)
    return boundary.encode()


def _parts(body: bytes, boundary: bytes) -> list[tuple[str, bool, bytes]]:
    """Name, whether it is a file, and content of each part (RFC 2046 §5.1)."""
    # Between delimiters; before the first one, which may begin the body, stands nothing.
    split = (b"\r\n" + body).split(b"\r\n--" + boundary, MAX_PARTS + 2)
    if len(split) < 2 or split[0] or not split[-1].startswith(b"--"):
        raise InvalidRequest(BAD_UPLOAD)
    return [_part(part) for part in split[1:-1]]


def _part(part: bytes) -> tuple[str, bool, bytes]:
    head, separator, data = part.partition(b"\r\n\r\n")
    if not separator or not head.startswith(b"\r\n") or len(head) > MAX_HEADER:
        raise InvalidRequest(BAD_UPLOAD)
    headers = BytesParser().parsebytes(head[2:] + b"\r\n\r\n", headersonly=True)
    name = headers.get_param("name", header="content-disposition")
    if headers.get_content_disposition() != "form-data" or not isinstance(name, str) or not name:
        raise InvalidRequest(BAD_UPLOAD)
    is_file = headers.get_param("filename", header="content-disposition") is not None
    return name, is_file, data
