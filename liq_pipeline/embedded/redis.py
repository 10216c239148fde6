"""One Redis (or Valkey) server of this machine, durable to the second."""

from __future__ import annotations

import contextlib
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from liq_pipeline.embedded import process
from liq_pipeline.embedded.binaries import OLDEST_REDIS, Binaries, redis_binaries, redis_program
from liq_pipeline.embedded.server import Server
from liq_pipeline.errors import ServerError


@dataclass
class Redis(Server):
    """A server durable to the second; ``durable=False`` writes nothing to disk."""

    name = "Redis"
    _stop_signal = signal.SIGTERM
    _stop_seconds = 20

    def url(self, database: int = 1) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        self.account.folder(self.data)
        process.stop(process.in_folder(self.data), grace=15)
        deadline = time.monotonic() + 60
        while True:
            self.port = process.kept_port(self.directory / "port")
            self._launch()
            failure = self._wait_until_ready(deadline)
            if failure is None:
                return
            if "in use" not in failure or time.monotonic() > deadline:
                raise ServerError(f"{self.binaries} in {self.data} does not start: {failure} (log: {self.log})")
            time.sleep(0.3)

    def adopt(self) -> bool:
        for server in process.in_folder(self.data):
            with contextlib.suppress(OSError, ValueError):
                self.server, self.port = server, int((self.directory / "port").read_text())
                return self._answer() is None
        return False

    def _find_binaries(self) -> Binaries:
        return redis_binaries(self.directory, self.mode, self.account)

    def _launch(self) -> None:
        configuration = self.directory / "redis.conf"
        memory = max(256 << 20, psutil.virtual_memory().total // 4)
        durability = "appendonly yes\nappendfsync everysec\n" if self.durable else "appendonly no\n"
        process.write_private(
            configuration,
            f"bind 127.0.0.1\nport {self.port}\nprotected-mode yes\nrequirepass {self.password}\n"
            f'dir "{self.data}"\nsave ""\n{durability}'
            # The landing zone may refuse a write, which its writer survives, but never forget one.
            f"maxmemory {memory}\nmaxmemory-policy noeviction\ndaemonize no\n",
        )
        self.account.own(configuration)
        self.server = process.spawn(
            [redis_program(self.binaries), configuration],
            log=self.log,
            cwd=self.data if not self.account.lent else Path("/"),
            account=self.account,
            end_with=signal.SIGINT if self.with_parent else None,
        )

    def _answer(self) -> str | None:
        # The client's own retries wait for seconds; whoever asks here asks again soon.
        client = redis.Redis.from_url(
            self.url(), socket_timeout=5, socket_connect_timeout=5, retry=Retry(NoBackoff(), 0)
        )
        try:
            client.ping()
        except redis.RedisError as error:
            return " ".join(str(error).split())
        finally:
            client.close()
        return None


def check_redis(url: str) -> None:
    """Raise ServerError, with the fix, unless a Redis of at least 6.2 answers at ``url`` and lets us in."""
    client = redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5, retry=Retry(NoBackoff(), 0))
    where = client.connection_pool.connection_kwargs
    at = f"Redis at {where.get('host') or where.get('path')} port {where.get('port', 6379)}"
    try:
        version = str(client.info("server")["redis_version"])
    except redis.AuthenticationError as error:
        raise ServerError(f"{at}: {error}: correct the user and password in LIQ_REDIS_URL") from None
    except redis.RedisError as error:
        reason = " ".join(str(error).split())
        raise ServerError(f"{at}: {reason}: start Redis, or correct the address in LIQ_REDIS_URL") from None
    finally:
        client.close()
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_REDIS:
        raise ServerError(f"{at} is version {version}: 6.2 or newer is needed")
