"""From the address of a mirror to a source that reads it. The three names here are what ``compose`` needs."""

from cachescope.model.errors import UserInputError
from cachescope.model.mirror import MirrorUrl
from cachescope.transport.file_source import FileSource
from cachescope.transport.http_client import HttpClient
from cachescope.transport.http_source import HttpSource
from cachescope.transport.options import TransportOptions
from cachescope.transport.source import ByteSource

__all__ = ["HttpClient", "TransportOptions", "open_source"]


def open_source(url: MirrorUrl, options: TransportOptions, client: HttpClient) -> ByteSource:
    """Return the source for ``url``. Nothing is asked yet, and ``client`` stays the caller's to close."""
    match url.scheme:
        case "file":
            return FileSource(url.path, limit=options.max_unpacked_bytes)
        case "http" | "https":
            return HttpSource(url, options, client)
        case scheme:
            raise UserInputError(
                f"mirrors of the kind {scheme}:// are not read yet",
                where=str(url),
                hint="known are file, http and https",
            )
