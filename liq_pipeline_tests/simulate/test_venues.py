from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from liq_pipeline.simulate.simulation import simulate
from liq_pipeline.simulate.venues import Behaviour, Venues, serve

OKX_SUBSCRIBE = '{"op":"subscribe","args":[{"channel":"liquidation-orders","instType":"SWAP"}]}'
QUICK = Behaviour(settle_seconds=0.05, control_seconds=0.05)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await test()

    asyncio.run(bounded())


def frames(events: int = 300) -> dict[str, list[str]]:
    script: dict[str, list[str]] = {"binance": [], "bybit": [], "okx": []}
    for line in simulate(events, 11):
        script[line.venue].append(line.text)
    return script


def binance(venues: Venues, path: str = "/market/stream?streams=!forceOrder@arr") -> connect:
    return connect(venues.urls["LIQ_WS_URL_BINANCE"] + path)


def bybit(venues: Venues) -> connect:
    return connect(venues.urls["LIQ_WS_URL_BYBIT"] + "/v5/public/linear")


def okx(venues: Venues) -> connect:
    return connect(venues.urls["LIQ_WS_URL_OKX"] + "/ws/v5/public")


def bybit_subscribe(*symbols: str) -> str:
    return json.dumps({"op": "subscribe", "args": [f"allLiquidation.{symbol}" for symbol in symbols]})


async def ask(client: ClientConnection, message: str) -> Any:
    await client.send(message)
    return json.loads(await client.recv())


async def receive(client: ClientConnection, count: int) -> list[str]:
    return [str(await client.recv()) for _ in range(count)]


async def nothing_comes(client: ClientConnection, seconds: float = 0.4) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await client.recv()


def test_a_script_reaches_each_venues_subscriber_whole_and_in_order() -> None:
    async def test() -> None:
        script = frames()
        async with serve(script, QUICK) as venues, binance(venues) as one, bybit(venues) as two, okx(venues) as three:
            symbols = {json.loads(frame)["topic"].removeprefix("allLiquidation.") for frame in script["bybit"]}
            assert (await ask(two, bybit_subscribe(*symbols)))["success"] is True
            assert (await ask(three, OKX_SUBSCRIBE))["event"] == "subscribe"
            assert await receive(one, len(script["binance"])) == script["binance"]
            assert await receive(two, len(script["bybit"])) == script["bybit"]
            assert await receive(three, len(script["okx"])) == script["okx"]
            await venues.wait_until_played()
            assert [sent.frame for sent in venues.sent if sent.exchange == "okx"] == script["okx"]
            assert {sent.connection for sent in venues.sent} == {1}

    run(test)


def test_frames_that_no_venue_would_send_reach_every_subscriber_as_they_are() -> None:
    async def test() -> None:
        odd: list[str | bytes] = ["{broken", "pong", b"\x00\xff", '{"topic":"liquidation.BTCUSD","data":[]}']
        async with serve({"bybit": odd}, QUICK) as venues, bybit(venues) as client:
            await ask(client, bybit_subscribe("BTCUSDT"))
            assert [await client.recv() for _ in odd] == odd

    run(test)


def test_only_subscribed_topics_are_delivered() -> None:
    async def test() -> None:
        script = frames()["bybit"]
        async with serve({"bybit": script}, QUICK) as venues, bybit(venues) as client:
            await ask(client, bybit_subscribe("ETHUSDT"))
            await venues.wait_until_played()
            wanted = [frame for frame in script if json.loads(frame)["topic"] == "allLiquidation.ETHUSDT"]
            assert await receive(client, len(wanted)) == wanted

    run(test)


@pytest.mark.parametrize(
    "path", ["/ws", "/stream", "/public/ws", "/ws/!forceOrder@arr", "/stream?streams=!forceOrder@arr"]
)
def test_binance_paths_without_market_acknowledge_and_stay_silent(path: str) -> None:
    async def test() -> None:
        async with serve({"binance": frames()["binance"]}, QUICK) as venues, binance(venues, path) as client:
            request = {"method": "SUBSCRIBE", "params": ["!forceOrder@arr", "btcusdt@markPrice@1s"], "id": 1}
            assert await ask(client, json.dumps(request)) == {"result": None, "id": 1}
            listed = await ask(client, '{"method":"LIST_SUBSCRIPTIONS","id":2}')
            assert listed == {"result": ["!forceOrder@arr", "btcusdt@markPrice@1s"], "id": 2}
            await nothing_comes(client)
            assert venues.sent == []

    run(test)


def test_binance_subscribes_by_message_and_serves_the_control_stream() -> None:
    async def test() -> None:
        async with serve({}, QUICK) as venues, binance(venues, "/market/ws") as client:
            request = {"method": "SUBSCRIBE", "params": ["btcusdt@markPrice@1s"], "id": 7}
            assert await ask(client, json.dumps(request)) == {"result": None, "id": 7}
            price = json.loads(await client.recv())
            assert (price["e"], price["s"]) == ("markPriceUpdate", "BTCUSDT")
        async with serve({}, QUICK) as venues, binance(venues, "/market/stream?streams=btcusdt@markPrice@1s") as client:
            assert json.loads(await client.recv())["stream"] == "btcusdt@markPrice@1s"

    run(test)


def test_binance_answers_what_it_does_not_understand_with_an_error() -> None:
    async def test() -> None:
        async with serve({}, QUICK) as venues, binance(venues, "/market/ws") as client:
            assert (await ask(client, "{nonsense"))["error"]["code"] == 3
            assert (await ask(client, '{"method":"SUBSCRIB","id":3}'))["error"]["code"] == 2

    run(test)


def test_binance_closes_a_connection_that_talks_too_much() -> None:
    async def test() -> None:
        async with serve({}, QUICK) as venues, binance(venues, "/market/ws") as client:
            with pytest.raises(ConnectionClosed, match="Too many requests"):
                for number in range(50):
                    await ask(client, json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": number}))

    run(test)


@pytest.mark.parametrize("variable", ["BINANCE", "BYBIT", "OKX"])
def test_a_path_the_venue_does_not_have_is_404(variable: str) -> None:
    async def test() -> None:
        async with serve({}, QUICK) as venues:
            with pytest.raises(InvalidStatus, match="404"):
                async with connect(venues.urls[f"LIQ_WS_URL_{variable}"] + "/no/such/path"):
                    pass

    run(test)


def test_bybit_answers_pings_and_refuses_topics_it_does_not_have() -> None:
    async def test() -> None:
        async with serve({}, QUICK) as venues, bybit(venues) as client:
            pong = await ask(client, '{"op":"ping","req_id":"9"}')
            assert (pong["success"], pong["ret_msg"], pong["op"], pong["req_id"]) == (True, "pong", "ping", "9")
            for topic in ("liquidation.BTCUSDT", "allLiquidation", "allLiquidation.*", "allLiquidation.NOSUCHUSDT"):
                refused = await ask(client, json.dumps({"op": "subscribe", "args": [topic]}))
                assert refused["success"] is False
                assert refused["ret_msg"] == f"error:handler not found,topic:{topic}"

    run(test)


def test_okx_answers_text_pings_and_refuses_channels_it_does_not_have() -> None:
    async def test() -> None:
        async with serve({}, QUICK) as venues, okx(venues) as client:
            await client.send("ping")
            assert await client.recv() == "pong"
            wrong = '{"op":"subscribe","args":[{"channel":"liquidations","instType":"SWAP"}]}'
            assert (await ask(client, wrong))["code"] == "60018"
            assert (await ask(client, "{nonsense"))["code"] == "60012"

    run(test)


def test_okx_closes_a_connection_on_which_nobody_speaks() -> None:
    async def test() -> None:
        async with serve({}, QUICK) as venues:
            venues.servers["okx"].protocol.idle_seconds = 0.2
            async with okx(venues) as client:
                with pytest.raises(ConnectionClosed) as closed:
                    await client.recv()
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 4004

    run(test)


def test_connections_end_at_the_venues_limit_and_the_script_goes_on_with_the_next() -> None:
    async def test() -> None:
        script = frames()["okx"]
        behaviour = Behaviour(settle_seconds=0.05, connection_seconds=0.3, frame_seconds=0.005)
        async with serve({"okx": script}, behaviour) as venues:
            got: list[str] = []
            while len(got) < len(script):
                try:
                    async with okx(venues) as client:
                        await ask(client, OKX_SUBSCRIBE)
                        while len(got) < len(script):
                            got.append(str(await client.recv()))
                except ConnectionClosed:
                    continue
            assert got == script
            assert venues.servers["okx"].accepted > 1

    run(test)


def test_dropped_and_silent_connections_leave_the_rest_of_the_script_to_their_successors() -> None:
    async def test() -> None:
        script = frames()["okx"]
        async with serve({}, QUICK) as venues, okx(venues) as first:
            await ask(first, OKX_SUBSCRIBE)
            venues.play("okx", script[:10])
            assert await receive(first, 10) == script[:10]
            venues.go_silent("okx")
            venues.play("okx", script[10:20])
            await nothing_comes(first)
            async with okx(venues) as second:
                await ask(second, OKX_SUBSCRIBE)
                assert await receive(second, 10) == script[10:20]
                await venues.drop_connections("okx")
                with pytest.raises(ConnectionClosed):
                    await second.recv()

    run(test)


def test_subscriptions_can_be_refused_and_allowed_again() -> None:
    async def test() -> None:
        async with serve({}, QUICK) as venues, bybit(venues) as one, okx(venues) as two:
            venues.refuse_subscriptions()
            assert (await ask(one, bybit_subscribe("BTCUSDT")))["success"] is False
            assert (await ask(two, OKX_SUBSCRIBE))["event"] == "error"
            venues.refuse_subscriptions(refuse=False)
            assert (await ask(one, bybit_subscribe("BTCUSDT")))["success"] is True

    run(test)


def test_instrument_lists_are_served_over_http_bybits_in_pages() -> None:
    async def test() -> None:
        script = {"bybit": ['{"topic":"allLiquidation.STRKUSDT","type":"snapshot","ts":1,"data":[]}']}
        async with (
            serve(script, QUICK, bybit_page_size=4, okx_contract_values={"MINA-USDT-SWAP": "1"}) as venues,
            httpx.AsyncClient() as http,
        ):
            names: list[str] = []
            params = {"category": "linear", "limit": "1000"}
            while True:
                reply = await http.get(venues.urls["LIQ_REST_URL_BYBIT"] + "/v5/market/instruments-info", params=params)
                result = reply.json()["result"]
                assert len(result["list"]) <= 4
                names += [instrument["symbol"] for instrument in result["list"]]
                if not result["nextPageCursor"]:
                    break
                params["cursor"] = result["nextPageCursor"]
            assert len(names) == len(set(names))
            assert {"BTCUSDT", "SHIB1000USDT", "STRKUSDT"} <= set(names)
            url = venues.urls["LIQ_REST_URL_OKX"] + "/api/v5/public/instruments"
            swaps = {row["instId"]: row for row in (await http.get(url, params={"instType": "SWAP"})).json()["data"]}
            assert swaps["BTC-USDT-SWAP"]["ctVal"] == "0.01"
            assert swaps["MINA-USDT-SWAP"]["ctVal"] == "1"
            assert swaps["BTC-USD-SWAP"]["ctType"] == "inverse"
            assert (await http.get(url, params={"instType": "NONE"})).status_code == 400
            assert (await http.get(venues.urls["LIQ_REST_URL_OKX"] + "/nothing")).status_code == 404

    run(test)


def test_servers_stop_although_a_client_never_answers() -> None:
    async def test() -> None:
        async with serve({}, QUICK) as venues:
            port = venues.servers["okx"].port
            silent = socket.create_connection(("127.0.0.1", port))
            silent.sendall(
                b"GET /ws/v5/public HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            )
            while not venues.servers["okx"].connections:  # noqa: ASYNC110 - the server tells nobody
                await asyncio.sleep(0.01)
        silent.close()

    run(test)


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> dict[str, str]:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert process.poll() is None, "the venues ended"
        assert time.monotonic() < deadline, "no port file"
        time.sleep(0.05)
    urls: dict[str, str] = json.loads(path.read_text())
    return urls


def start(port_file: Path, *arguments: str) -> subprocess.Popen[bytes]:
    module = "liq_pipeline.simulate.venues"
    command = [sys.executable, "-m", module, "--seed", "3", "--port-file", str(port_file), *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def test_the_demo_process_sends_liquidations_of_all_venues_at_once_and_ends_on_sigterm(tmp_path: Path) -> None:
    process = start(tmp_path / "ports.json")
    try:
        urls = wait_for(tmp_path / "ports.json", process)

        async def test() -> None:
            path = "/market/stream?streams=btcusdt@forceOrder/ethusdt@forceOrder/solusdt@forceOrder"
            async with (
                connect(urls["LIQ_WS_URL_BINANCE"] + path) as one,
                connect(urls["LIQ_WS_URL_BYBIT"] + "/v5/public/linear") as two,
                connect(urls["LIQ_WS_URL_OKX"] + "/ws/v5/public") as three,
            ):
                await ask(two, bybit_subscribe("BTCUSDT", "ETHUSDT", "SOLUSDT"))
                await ask(three, OKX_SUBSCRIBE)
                frame = json.loads(await one.recv())
                assert frame["stream"] == frame["data"]["o"]["s"].lower() + "@forceOrder"
                assert abs(frame["data"]["E"] - time.time() * 1000) < 10_000
                assert "allLiquidation" in str(await two.recv())
                assert "liquidation-orders" in str(await three.recv())

        run(test)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()


def test_the_demo_process_ends_when_its_parent_is_gone(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = start(tmp_path / "ports.json", "--parent-pid", str(parent.pid))
    try:
        wait_for(tmp_path / "ports.json", process)
        parent.kill()
        parent.wait()
        assert process.wait(10) == 0
    finally:
        for child in (parent, process):
            child.kill()
            child.wait()


def test_a_port_in_use_is_one_line_with_the_fix(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "liq_pipeline.simulate.venues", "--ports", f"0,0,{port}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=dict(os.environ), check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert str(port) in done.stderr
    assert "--ports" in done.stderr
