"""One connection to Redis that sends a whole batch of commands in one write and counts the replies.

redis-py packs and awaits every command by itself, which costs more than parsing a frame does; landing needs
neither, because every command of a batch has the same shape.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from typing import Final

import hiredis
from redis.asyncio.connection import parse_url

from liq_pipeline.errors import ServerError

_READ_BYTES: Final = 1 << 18


class RedisAwayError(Exception):
    """Redis cannot take commands now; the text says why. Whatever was sent may or may not have been applied."""


class RedisRefusedError(RedisAwayError):
    """Redis answers, and wants another login."""


def pack(*arguments: bytes) -> bytes:
    """One command in RESP."""
    return b"".join((b"*%d\r\n" % len(arguments), *(b"$%d\r\n%b\r\n" % (len(item), item) for item in arguments)))


class Address:
    """A Redis URL taken apart. ``str()`` names the server without its password."""

    def __init__(self, url: str) -> None:
        try:
            self._options = dict(parse_url(url))
        except ValueError as error:
            raise ServerError(
                f"the Redis URL is not understood: {error}; write redis://:password@host:6379/1"
            ) from None
        self.host = str(self._options.get("host", "localhost"))
        self.port = int(str(self._options.get("port", 6379)))
        self.database = int(str(self._options.get("db", 0)))
        self.unix_path = self._options.get("path")
        self.tls = url.startswith("rediss://")

    @property
    def password(self) -> str | None:
        return _text(self._options.get("password"))

    def __str__(self) -> str:
        return f"{self.unix_path or f'{self.host}:{self.port}'}, database {self.database}"

    def login(self) -> list[bytes]:
        """The commands a new connection begins with."""
        commands = []
        password, username = self.password, _text(self._options.get("username"))
        if password is not None:
            commands.append(pack(b"AUTH", *(item.encode() for item in (username, password) if item is not None)))
        if self.database:
            commands.append(pack(b"SELECT", b"%d" % self.database))
        return [*commands, pack(b"PING")]

    def ssl_context(self) -> ssl.SSLContext | None:
        if not self.tls:
            return None
        context = ssl.create_default_context(cafile=_text(self._options.get("ssl_ca_certs")))
        if (certificate := _text(self._options.get("ssl_certfile"))) is not None:
            context.load_cert_chain(certificate, _text(self._options.get("ssl_keyfile")))
        if self._options.get("ssl_cert_reqs") == "none":
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


class RedisConnection:
    """A logged-in connection. Any failure leaves it unusable: close it and open another."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._replies = hiredis.Reader(notEnoughData=Ellipsis)

    @classmethod
    async def open(cls, address: Address, seconds: float) -> RedisConnection:
        """Connect and log in within ``seconds``; raises RedisAwayError, or RedisRefusedError for a bad login."""
        connection = None
        try:
            async with asyncio.timeout(seconds):
                if address.unix_path is not None:
                    streams = await asyncio.open_unix_connection(str(address.unix_path))
                else:
                    streams = await asyncio.open_connection(address.host, address.port, ssl=address.ssl_context())
                connection = cls(*streams)
                commands = address.login()
                replies = await connection._exchange(b"".join(commands), len(commands))
        except (OSError, hiredis.ProtocolError) as error:
            if connection is not None:
                connection.close()
            raise RedisAwayError(str(error) or f"no answer within {seconds:g} s") from None
        except BaseException:
            if connection is not None:
                connection.close()
            raise
        for reply in replies:
            if isinstance(reply, hiredis.ReplyError):
                connection.close()
                text = str(reply)
                refused = text.startswith(
                    ("NOAUTH", "WRONGPASS", "ERR AUTH", "ERR Client sent AUTH", "ERR invalid pass")
                )
                raise (RedisRefusedError if refused or text.startswith("ERR DB index") else RedisAwayError)(text)
        return connection

    async def send(self, commands: Sequence[bytes], seconds: float) -> list[object]:
        """Write packed commands in one go; their replies, errors among them as hiredis.ReplyError.

        Raises RedisAwayError when the connection fails or stays silent for ``seconds``.
        """
        try:
            async with asyncio.timeout(seconds):
                return await self._exchange(b"".join(commands), len(commands))
        except TimeoutError:
            raise RedisAwayError(f"no answer within {seconds:g} s") from None
        except (OSError, hiredis.ProtocolError) as error:
            raise RedisAwayError(str(error) or type(error).__name__) from None

    async def _exchange(self, payload: bytes, expected: int) -> list[object]:
        self._writer.write(payload)
        await self._writer.drain()
        replies: list[object] = []
        next_reply = self._replies.gets
        while True:
            while (reply := next_reply()) is not Ellipsis:
                replies.append(reply)
            if len(replies) >= expected:
                return replies
            received = await self._reader.read(_READ_BYTES)
            if not received:
                raise ConnectionResetError("the server closed the connection")
            self._replies.feed(received)

    def close(self) -> None:
        """Drop the connection at once; there is nothing to say goodbye for."""
        self._writer.transport.abort()


def _text(value: object) -> str | None:
    return None if value is None else str(value)
