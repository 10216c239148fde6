from __future__ import annotations

import socket

import pytest

from liq_pipeline.warehouse.connection import Connection, connect


def idle_seconds(connection: Connection) -> int:
    with socket.socket(fileno=socket.dup(connection.fileno())) as ours:
        return ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)


@pytest.mark.skipif(not hasattr(socket, "TCP_KEEPIDLE"), reason="this system does not tell")
def test_both_ends_of_a_connection_notice_that_the_other_host_is_gone(database_url: str) -> None:
    with connect(database_url) as connection:
        assert connection.execute("SHOW tcp_keepalives_idle").fetchone() == ("30",)
        assert idle_seconds(connection) == 30
    with connect(f"{database_url}?keepalives_idle=7") as connection:
        assert idle_seconds(connection) == 7
