"""A multipart form read as a stream: small fields first, then one file, never held whole."""

from collections.abc import AsyncIterator
from email.message import Message

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser

from pixsim7_backend.shared.errors import FieldProblem, InvalidInput

MAX_FIELD_BYTES = 16 * 1024
MAX_FIELDS = 20
MAX_PART_HEADERS = 20
MAX_BOUNDARY = 200


class BadForm(InvalidInput):
    code = "bad_form"
    title = "The form cannot be read"


class UploadForm:
    """Made by `read_form`. `fields` is complete; `chunks` is the file that follows them."""

    def __init__(
        self, fields: dict[str, str], filename: str | None, chunks: AsyncIterator[bytes]
    ) -> None:
        self.fields = fields
        self.filename = filename
        self.chunks = chunks


async def read_form(
    content_type: str, body: AsyncIterator[bytes], *, file_field: str = "file"
) -> UploadForm:
    """Read up to the first byte of the file; the rest is read as `chunks` is consumed.

    Raises `BadForm`, here or while the chunks are read.
    """
    reader = _Reader(_boundary(content_type), body, file_field)
    await reader.read_until_file()
    return UploadForm(reader.fields, reader.filename, reader.file_chunks())


def _boundary(content_type: str) -> bytes:
    message = Message()
    message["content-type"] = content_type
    boundary = message.get_boundary()
    is_form = message.get_content_type() == "multipart/form-data"
    if not is_form or not boundary or len(boundary) > MAX_BOUNDARY:
        raise BadForm(
            "Send the file as multipart/form-data.",
            fields=[FieldProblem("Content-Type", "must be multipart/form-data with a boundary")],
        )
    return boundary.encode("latin-1", "replace")


class _Reader:
    """Collects what the push parser finds."""

    def __init__(self, boundary: bytes, body: AsyncIterator[bytes], file_field: str) -> None:
        self._body = body
        self._file_field = file_field
        self.fields: dict[str, str] = {}
        self.filename: str | None = None
        self._chunks: list[bytes] = []
        self._in_file = False
        self._file_done = False
        self._ended = False
        self._headers: dict[str, str] = {}
        self._header_name = b""
        self._header_value = b""
        self._field_name = ""
        self._field_value = b""
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value_data,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._part_data,
                "on_part_end": self._part_end,
                "on_end": self._end,
            },
        )

    async def read_until_file(self) -> None:
        while not self._in_file and not self._file_done:
            if not await self._feed():
                problem = FieldProblem(self._file_field, "is required")
                raise BadForm("There is no file in the form.", fields=[problem])

    async def file_chunks(self) -> AsyncIterator[bytes]:
        while True:
            chunks, self._chunks = self._chunks, []
            for chunk in chunks:
                yield chunk
            if self._file_done:
                break
            if not await self._feed():
                raise BadForm("The upload broke off.")
        # What follows the file may only be the end.
        while await self._feed():
            pass
        if not self._ended:
            raise BadForm("The upload broke off.")

    async def _feed(self) -> bool:
        async for data in self._body:
            if not data:
                continue
            try:
                self._parser.write(data)
            except MultipartParseError:
                raise BadForm("The form is not well-formed multipart/form-data.") from None
            return True
        return False

    # --- the parser's calls ---

    def _part_begin(self) -> None:
        if self._file_done:
            problem = FieldProblem(self._file_field, "must come last, and only once")
            raise BadForm("Put the other fields before the file.", fields=[problem])
        self._headers = {}

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _header_value_data(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header_end(self) -> None:
        if len(self._headers) >= MAX_PART_HEADERS:
            raise BadForm("A part of the form has too many headers.")
        name = self._header_name.decode("latin-1").lower()
        self._headers[name] = self._header_value.decode("utf-8", "replace")
        self._header_name = self._header_value = b""

    def _headers_finished(self) -> None:
        message = Message()
        message["content-disposition"] = self._headers.get("content-disposition", "")
        name = message.get_param("name", header="content-disposition")
        filename = message.get_filename()
        self._field_name, self._field_value = str(name or ""), b""
        self._in_file = self._field_name == self._file_field
        if self._in_file:
            self.filename = filename
        elif filename is not None:
            problem = FieldProblem(self._field_name, "is not a file here")
            raise BadForm("The file belongs into another field.", fields=[problem])

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._chunks.append(data[start:end])
            return
        self._field_value += data[start:end]
        if len(self._field_value) > MAX_FIELD_BYTES:
            raise BadForm("A field of the form is too long.")

    def _part_end(self) -> None:
        if self._in_file:
            self._in_file, self._file_done = False, True
            return
        if len(self.fields) >= MAX_FIELDS or self._field_name in self.fields:
            raise BadForm("The form has too many fields, or one of them twice.")
        try:
            self.fields[self._field_name] = self._field_value.decode()
        except UnicodeDecodeError:
            problem = FieldProblem(self._field_name, "is not UTF-8")
            raise BadForm("A field of the form is not text.", fields=[problem]) from None

    def _end(self) -> None:
        self._ended = True
