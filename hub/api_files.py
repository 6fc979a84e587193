"""The routes about attachments: upload one, in a stream, and fetch it again."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from email.message import Message
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from hub.access import same_house
from hub.api_door import Here, Reader, Submitter, find_request
from hub.api_schema import STRICT_BODY, refusals
from hub.files import LARGEST_FILE, content_disposition
from hub.problems import Problem, ProblemType
from hub.representations import AttachmentNote
from hub.stores import PIECE

WRAPPING: Final = 64 * 1024
"""What a multipart body may add to its file."""

router = APIRouter(prefix="/v1/attachments", tags=["Pièces jointes"])

BINARY: Final = {"schema": {"type": "string", "format": "binary"}}
FORM: Final = {
    "schema": {"type": "object", "required": ["file"], "properties": {"file": {"type": "string", "format": "binary"}}}
}
UPLOAD: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {"application/octet-stream": BINARY, "multipart/form-data": FORM}},
    "parameters": [
        {
            "name": "Content-Disposition",
            "in": "header",
            "description": "Le nom du fichier, à défaut de `name`.",
            "schema": {"type": "string"},
            "example": 'attachment; filename="justificatif.pdf"',
        }
    ],
}

Id = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
Name = Annotated[str | None, Query(min_length=1, max_length=1000, description="Le nom du fichier.")]


@router.post(
    "",
    status_code=201,
    summary="Déposer une pièce jointe",
    description="Un fichier jpg, jpeg, png ou pdf d'au plus 10 Mo, reconnu à son contenu : tel quel, ou seul dans un "
    "formulaire. Ce qu'un téléphone écrit après la fin d'une photo (un film, des mesures) en est retiré : `size` et "
    "`sha256` sont ceux du fichier gardé. Son `id` se met ensuite dans `attachments` d'une seule demande.",
    responses=refusals(*STRICT_BODY, ProblemType.FILE_REFUSED),
    openapi_extra=UPLOAD,
)
async def upload(
    request: Request, response: Response, hub: Here, caller: Submitter, name: Name = None
) -> AttachmentNote:
    """Keep a file under its own id."""
    _check_length(request)
    if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        file = await _only_file(request)
        stream, said = _pieces(file), name or file.filename or ""
    else:
        stream, said = _limited(request, LARGEST_FILE + 1), name or _said_name(request)
    described = await hub.attachments.receive(stream, said, caller.front_end)
    response.headers["Location"] = f"/v1/attachments/{described.id}"
    return AttachmentNote.of(described)


@router.get(
    "/{attachment}",
    response_class=StreamingResponse,
    summary="Relire une pièce jointe",
    description="Toujours à enregistrer, jamais affichée par le navigateur.",
    responses={
        200: {
            "description": "Le fichier",
            "content": dict.fromkeys(("application/pdf", "image/jpeg", "image/png"), BINARY),
        },
        **refusals(ProblemType.NOT_FOUND),
    },
)
async def fetch(hub: Here, caller: Reader, attachment: Id) -> StreamingResponse:
    """Give a file back to the house it came from."""
    found = await hub.attachments.find([attachment])
    if not found:
        raise Problem(ProblemType.NOT_FOUND)
    [described] = found
    same_house(caller, described.front_end)
    if described.request is not None:
        await find_request(hub, caller, described.request)
    headers = {"Content-Disposition": content_disposition(described.name), "Content-Length": str(described.size)}
    content = await _begun(hub.attachments.open(described))
    return StreamingResponse(content, 200, headers, described.media_type)


async def _begun(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Read a first piece, while the answer can still be a refusal; raises Problem 404, or StoreError."""
    try:
        first = await anext(pieces)
    except FileNotFoundError:
        raise Problem(ProblemType.NOT_FOUND) from None

    async def all_of_it() -> AsyncIterator[bytes]:
        yield first
        async for piece in pieces:
            yield piece

    return all_of_it()


def _check_length(request: Request) -> None:
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > LARGEST_FILE + WRAPPING:
        raise _too_large()


async def _limited(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    """Stream a body as far as `limit`; raises Problem 400 when it stops short, 413 beyond."""
    received = 0
    try:
        async for chunk in request.stream():
            received += len(chunk)
            if received > limit:
                raise _too_large()
            yield chunk
    except ClientDisconnect:
        raise Problem(ProblemType.UNREADABLE, "Le fichier s'arrête avant sa fin.") from None


async def _only_file(request: Request) -> UploadFile:
    """Read a form down to its one file, which the parser spools to disk; raises Problem 400 or 413."""
    stream = _limited(request, LARGEST_FILE + WRAPPING)
    try:
        form = await MultiPartParser(request.headers, stream, max_files=1, max_fields=0).parse()
    except (MultiPartException, UnicodeError):
        raise _not_one_file() from None
    files = [value for value in form.values() if isinstance(value, UploadFile)]
    if len(files) != 1:
        raise _not_one_file()
    return files[0]


async def _pieces(file: UploadFile) -> AsyncIterator[bytes]:
    try:
        while piece := await file.read(PIECE):
            yield piece
    finally:
        await file.close()


def _said_name(request: Request) -> str:
    """Read the file's name in Content-Disposition (RFC 6266), whether or not its bytes are ASCII; "" without one."""
    message = Message()
    header = request.headers.get("content-disposition", "").encode("latin-1").decode("utf-8", "replace")
    message["Content-Disposition"] = header
    try:
        return message.get_filename("")
    except ValueError:  # some charsets that Python knows raise it whatever they are told, and a name with a NUL
        return ""


def _too_large() -> Problem:
    return Problem(ProblemType.TOO_LARGE, "Un fichier compte au plus 10 Mo.")


def _not_one_file() -> Problem:
    return Problem(ProblemType.UNREADABLE, "Le formulaire doit contenir un fichier, et rien d'autre.")
