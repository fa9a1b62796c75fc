"""Receiving a catalog file: from the connection straight to the disk, however large it is."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from uuid import uuid4

from fastapi.exceptions import RequestValidationError
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from vitrina.indexer.uploads import FreeDisk, no_room, safe_name

MAX_FIELD_BYTES = 1 << 20
"""The largest text field beside the file."""

MAX_HEADER_BYTES = 1 << 14
MAX_PARTS = 20
FILE = "file"


def invalid(where: str, problem: str) -> RequestValidationError:
    """The error of a form that cannot be read."""
    return RequestValidationError([{"loc": ("form", where), "msg": problem, "type": "form"}])


def make_folder(uploads: Path) -> Path:
    """A new folder for what is sent. Raises StorageError."""
    folder = uploads / uuid4().hex
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise no_room(error) from error
    return folder


@dataclass(slots=True)
class UploadForm:
    """What a form held: the name of its file, which lies in the folder, and its text fields."""

    folder: Path
    file_name: str = ""
    fields: dict[str, str] = field(default_factory=dict)


class FormReader:
    """Reads the parts of a form: one file into ``folder``, others as text."""

    def __init__(self, folder: Path, content_type: str) -> None:
        self.form = UploadForm(folder)
        boundary = parse_options_header(content_type)[1].get(b"boundary")
        if not boundary:
            raise invalid("body", "the Content-Type has no boundary")
        self._disk = FreeDisk(folder)
        self._file: IO[bytes] | None = None
        self._name = ""
        self._text = bytearray()
        self._header = [bytearray(), bytearray()]
        self._headers: dict[str, bytes] = {}
        self._n_parts = 0
        self._is_complete = False
        self._parser = self._parser_of(boundary)

    def _parser_of(self, boundary: bytes) -> MultipartParser:
        """What calls the methods below for each part."""
        try:
            return MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": lambda data, start, end: self._add_header(0, data[start:end]),
                    "on_header_value": lambda data, start, end: self._add_header(1, data[start:end]),
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._open,
                    "on_part_data": self._add,
                    "on_part_end": self._close,
                    "on_end": self._complete,
                },
            )
        except FormParserError as error:
            raise invalid("body", f"the boundary cannot be used: {error}") from error

    def write(self, chunk: bytes) -> None:
        """Read the next bytes of the body. Blocks while they are written. Raises RequestValidationError and
        StorageError."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise invalid("body", f"the form cannot be read: {error}") from error
        except OSError as error:
            raise no_room(error) from error

    def finish(self) -> UploadForm:
        """The form, at the end of the body. Raises RequestValidationError for one that is cut or without a file."""
        if not self._is_complete:
            raise invalid("body", "the form is cut short")
        if not self.form.file_name:
            raise invalid(FILE, "a file is needed")
        return self.form

    def close(self) -> None:
        """Close the file, if the body ended within it."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()

    def _begin(self) -> None:
        self._headers, self._n_parts = {}, self._n_parts + 1
        if self._n_parts > MAX_PARTS:
            raise invalid("body", f"there are more than {MAX_PARTS} parts")

    def _add_header(self, at: int, data: bytes) -> None:
        self._header[at] += data
        if len(self._header[at]) > MAX_HEADER_BYTES:
            raise invalid("body", "a header is too long")

    def _end_header(self) -> None:
        name, value = (bytes(each) for each in self._header)
        self._headers[name.decode("latin-1").lower()] = value
        self._header = [bytearray(), bytearray()]

    def _open(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition", b""))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        self._text = bytearray()
        given = options.get(b"filename")
        if given is None:
            return
        if self._name != FILE or self.form.file_name:
            raise invalid(self._name[:100], f'one file is taken, as "{FILE}"')
        self.form.file_name = safe_name(given.decode("utf-8", "replace"))
        self._file = (self.form.folder / self.form.file_name).open("wb")

    def _add(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._disk.take(end - start)
            self._file.write(data[start:end])
            return
        self._text += data[start:end]
        if len(self._text) > MAX_FIELD_BYTES:
            raise invalid(self._name[:100], f"it has more than {MAX_FIELD_BYTES:,} bytes")

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        elif self._name in self.form.fields:
            raise invalid(self._name[:100], "it is there twice")
        else:
            self.form.fields[self._name] = self._text.decode("utf-8", "replace")

    def _complete(self) -> None:
        self._is_complete = True


async def receive_form(chunks: AsyncIterable[bytes], content_type: str, folder: Path) -> UploadForm:
    """Read a form, its file into the folder, which is removed if that fails. Raises RequestValidationError,
    StorageError, and ClientDisconnect."""
    reader = None
    try:
        reader = FormReader(folder, content_type)
        async for chunk in chunks:
            await asyncio.to_thread(reader.write, chunk)
        return reader.finish()
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        if reader is not None:
            reader.close()
