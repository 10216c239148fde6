import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry


def test_the_database_of_a_test_is_empty_utf8_and_in_utc(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SHOW server_encoding").fetchone() == ("UTF8",)
        assert connection.execute("SHOW timezone").fetchone() == ("UTC",)
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
        assert tables == (0,)


def test_the_redis_of_a_test_is_empty_and_refuses_strangers(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        port = client.connection_pool.connection_kwargs["port"]
    with (
        redis.Redis(port=port, retry=Retry(NoBackoff(), 0)) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()
